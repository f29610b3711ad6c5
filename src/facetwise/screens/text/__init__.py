"""A file a screen of the terminal."""
