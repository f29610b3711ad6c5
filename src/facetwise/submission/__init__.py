"""Submissions: from predictions to a csv for the organisers, its checks, and its provenance."""
