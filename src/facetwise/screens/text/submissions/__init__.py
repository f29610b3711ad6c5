"""Submissions as text: one, the gate, the ledger, plans and the leaderboard."""
