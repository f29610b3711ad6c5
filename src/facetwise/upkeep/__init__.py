"""What keeps a project in order: the doctor looks, `clean` deletes what nobody needs any more."""
