"""The journal of a project: one page for each day, of runs, submissions and notes."""
