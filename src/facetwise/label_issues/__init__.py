"""Labels that may be wrong, and the list of them from which corrections are accepted."""
