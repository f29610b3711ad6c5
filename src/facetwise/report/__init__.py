"""Pages and texts about results. Each screen is one frozen view; text, JSON and HTML all show that same view."""
