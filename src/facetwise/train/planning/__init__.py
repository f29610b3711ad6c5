"""What a run will do, worked out and checked before anything is trained."""
