"""The journal of a project: a page a day, of what ran, what was sent and what people wrote."""
