"""Planning of submissions: forecasts, which files to send next, which to choose finally, and the outcome."""
