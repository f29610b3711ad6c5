"""Differences between the answers of two or more predictors."""
