"""Training one model: its steps, epochs and saved state."""
