"""Terminal screens, one in each file."""
