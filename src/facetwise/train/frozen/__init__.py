"""Heads on a frozen backbone: features once, then many heads as one batched problem."""
