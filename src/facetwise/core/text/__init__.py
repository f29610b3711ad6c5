"""Text from outside: its one spelling, and how it is shown or written into Markdown as nothing but text."""
