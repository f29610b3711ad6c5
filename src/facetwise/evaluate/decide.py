"""What decided classes are called in records and tables."""

ARGMAX = "argmax"
"""Name of the decision rule, for records."""
DECIDED = "decided"
"""Column (Int32) with joint classes decided by a rule other than argmax; null where missing."""
