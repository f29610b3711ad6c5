"""Predictors (runs, blends, imported predictions), read and checked through one interface."""
