"""Training: from a recipe and a project to a run folder."""
