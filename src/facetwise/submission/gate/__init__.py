"""What a csv has to pass before it is sent."""
