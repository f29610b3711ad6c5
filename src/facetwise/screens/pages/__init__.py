"""Pages in one file each, which load nothing: templates, figures, pictures."""
