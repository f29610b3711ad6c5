"""Results as people see them: text for a terminal, pages for a browser. Nothing is computed here."""
