"""The plan of a run, computed and checked before anything is trained."""
