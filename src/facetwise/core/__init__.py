"""What everything else stands on: labels, tables, the workspace, provenance and errors."""
