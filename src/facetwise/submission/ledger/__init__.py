"""What was sent, when, and what it scored."""
