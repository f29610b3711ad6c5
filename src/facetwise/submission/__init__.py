"""From predictions to a file for the organisers: writing it, checking it, and keeping what made it."""
