"""What the score that a project chooses by is called. As with its subjects (`core.text.subject`), texts ask here."""

from __future__ import annotations

from facetwise.core.choices import Metric

NAMES: dict[Metric, str] = {
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
}
_in_use: Metric = "macro_f1"


class ScoreName:
    """The name of the score in use, read each time that it is written into a text."""

    def __init__(self, *, begins: bool = False) -> None:
        self._begins = begins

    def __str__(self) -> str:
        name = NAMES[_in_use]
        return name[:1].upper() + name[1:] if self._begins else name

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


SCORE, SCORE_FIRST = ScoreName(), ScoreName(begins=True)
"""In a sentence, and where one begins with it."""


def metric_in_use() -> Metric:
    """The score itself."""
    return _in_use


def score_by(metric: Metric) -> None:
    """Call the score by this name from now on."""
    global _in_use  # noqa: PLW0603
    _in_use = metric
