"""The foundations: labels, tables, the workspace, provenance and errors."""
