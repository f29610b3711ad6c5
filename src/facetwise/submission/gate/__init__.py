"""The gate: checks of a csv before it is sent."""
