"""Whoever predicts (runs, blends, predictions from elsewhere), read and checked as one kind of thing."""
