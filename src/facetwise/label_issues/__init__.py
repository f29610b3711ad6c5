"""Which recorded labels may be wrong, and the list of them between looking and accepting."""
