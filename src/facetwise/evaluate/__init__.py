"""From predictions to scores: composing tables, decisions, metrics and intervals. Pure functions on arrays."""
