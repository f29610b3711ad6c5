"""Progress reports of long work."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all, from the thread that started the work."""
