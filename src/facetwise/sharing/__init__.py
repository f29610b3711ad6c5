"""Packs: finished runs exchanged between teammates as single files."""
