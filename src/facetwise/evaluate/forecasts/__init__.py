"""Scores to expect on a test set, and what to send and choose by them."""
