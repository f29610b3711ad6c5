"""Layouts of training sides (a new one is a file, and a line in `registry`); project files of known datasets."""
