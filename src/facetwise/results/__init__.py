"""Views of runs, blends and other predictors: frozen objects that all screens render."""
