"""Forecasts of scores on a test set, and which files to send and to choose by them."""
