"""Runs as packs between teammates: written, read, checked, imported."""
