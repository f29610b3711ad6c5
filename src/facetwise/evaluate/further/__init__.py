"""Scores beside macro F1 and accuracy: they say more, and nothing is chosen by them."""
