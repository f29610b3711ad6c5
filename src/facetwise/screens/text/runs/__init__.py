"""Runs: their list, one of them, and how training goes."""
