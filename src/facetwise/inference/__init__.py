"""Applying trained networks to images; nothing here trains."""
