"""Text from outside: canonical spelling, and escaping for terminals and Markdown."""
