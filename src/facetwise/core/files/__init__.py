"""Reading and writing files: bounded reading from outside, whole writing, csv, JSON lines, tensors."""
