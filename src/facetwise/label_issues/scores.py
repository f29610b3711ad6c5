"""The score on the dataset's own labels, and beside it, under its own name, the score on corrected labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from facetwise.core.labels import IntArray
from facetwise.core.plain import Plain
from facetwise.data.labels.overlay import Overlay, apply
from facetwise.data.manifest import Manifest
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.scorecard import Scorecard, score_rows

CHOSEN_BY_LOOKING = (
    "`corrected` is flattered: labels are looked at because the predictions contradict them, and wrong labels that "
    "agree with the predictions stay. Runs are compared on `scored`."
)


@dataclass(frozen=True)
class LabelScore:
    """Macro F1 of one set of predictions on one view of the labels, with 95 % intervals by person."""

    macro_f1: float
    interval: Interval
    attributes: dict[str, tuple[float, Interval]]
    """The same for each predicted attribute."""

    @classmethod
    def of(cls, card: Scorecard) -> LabelScore:
        """The macro F1 of a scorecard."""
        attributes = {a.name: (a.macro_f1, a.interval) for a in card.attributes}
        return cls(card.macro_f1, card.macro_f1_interval, attributes)


@dataclass(frozen=True)
class LabelScores(Plain):
    """What the same out-of-fold predictions score on either view of the labels."""

    source: str
    what: str
    """`joint`, or the attributes that are predicted."""
    scored: LabelScore
    """On the dataset's own labels: the score."""
    corrected: LabelScore
    """On labels with the overlay applied."""
    corrected_before: LabelScore | None
    """The same without the corrections that were just added; None when none were."""
    num_corrections: int
    num_changed: int
    """Scored images whose class the overlay changes."""
    num_images: int
    """Scored images."""


def label_scores(
    source: str, rows: ScoredRows, manifest: Manifest, overlay: Overlay, before: Overlay | None = None
) -> LabelScores:
    """Score out-of-fold predictions, one row for each training image in manifest order, on both views of the labels.

    `before`: the overlay without the corrections that were just added. Raises InputError when no row is covered.
    """

    def scored(codes: IntArray) -> Scorecard:
        return score_rows(replace(rows, truth=replace(rows.truth, codes=codes)))

    card, corrected = score_rows(rows), apply(overlay, manifest, rows.space)[0]
    changed = (corrected != rows.truth.codes).any(axis=1) & rows.covered
    return LabelScores(
        source=source,
        what=card.what,
        scored=LabelScore.of(card),
        corrected=LabelScore.of(scored(corrected)) if changed.any() else LabelScore.of(card),
        corrected_before=None if before is None else LabelScore.of(scored(apply(before, manifest, rows.space)[0])),
        num_corrections=len(overlay),
        num_changed=int(changed.sum()),
        num_images=card.num_covered,
    )
