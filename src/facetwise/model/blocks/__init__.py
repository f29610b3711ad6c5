"""Kinds of block that heads are made of: a new one is a file, and a line in `registry` and in `recipe.head`."""
