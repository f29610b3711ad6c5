"""The ledger: submissions sent, with times and scores."""
