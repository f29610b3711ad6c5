"""Decision rules, moved cuts and calibration as text."""
