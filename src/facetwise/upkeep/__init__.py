"""Maintenance of a project: `doctor` examines it, `clean` frees disk space."""
