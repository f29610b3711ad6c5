"""Images and folders that a table names, found on the disk however they are written, and those it does not name."""
