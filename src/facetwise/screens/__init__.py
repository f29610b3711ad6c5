"""Rendering of results: text for a terminal, pages for a browser. Nothing is computed here."""
