"""What to expect of submissions, which to send next, which to choose in the end, and what came of it."""
