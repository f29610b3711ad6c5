"""Mistakes of a run: the most confused pairs of classes, and the most confident wrong predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import LabelSpace
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.scorecard import Scorecard

MAX_PER_GROUP = 2
"""Most mistakes of one person, so that a person with a wrong label does not fill the list."""


@dataclass(frozen=True)
class Confused:
    """One cell off the diagonal of the confusion matrix."""

    truth: str
    predicted: str
    num_images: int
    share: float
    """Share of the images of the true class, 0..1."""


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction. Class names follow the order of `attributes`."""

    image: str
    group: str | None
    fold: int | None
    """The fold that held the person out."""
    attributes: tuple[str, ...]
    truth: tuple[str, ...]
    predicted: tuple[str, ...]
    probability: float
    """Probability of the predicted class, 0..1."""
    truth_probability: float
    """Probability of the true class, 0..1."""
    margin: float
    """Natural log of `probability / truth_probability`; the list is sorted by it, largest first."""


def most_confused(card: Scorecard, *, limit: int = 8) -> tuple[Confused, ...]:
    """The most frequently confused pairs of classes; ties in class order."""
    if card.confusion is None:
        return ()
    counts = np.asarray(card.confusion, dtype=np.int64)
    support = counts.sum(axis=1)
    wrong = counts - np.diag(np.diagonal(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    names = [c.name for c in card.classes]
    pairs = [(int(cell) // len(names), int(cell) % len(names)) for cell in order]
    return tuple(
        Confused(names[t], names[p], int(wrong[t, p]), float(wrong[t, p] / support[t])) for t, p in pairs if wrong[t, p]
    )


def worst_mistakes(scored: ScoredRows, *, limit: int = 24, per_group: int = MAX_PER_GROUP) -> tuple[Mistake, ...]:
    """The wrong predictions with the largest margin, at most `per_group` for each person.

    Probabilities are those of the predicted attributes together: joint ones if available, else their product. Ties are
    broken by image name.
    """
    names, space = scored.predictions.attributes, scored.space
    columns = [space.index(n) for n in names]
    decided = scored.predictions.codes[:, columns]
    wrong = (decided != scored.truth.codes[:, columns]).any(axis=1) & scored.scored(names)
    rows, true = scored.predictions.where(wrong), scored.truth.codes[wrong]
    sure, right = (rows.log_prob_of(codes, names, relative=True) for codes in (rows.codes, true))
    with np.errstate(invalid="ignore"):
        margin = np.nan_to_num(sure - right, nan=0.0, posinf=np.inf)
    images, groups = rows.images.tolist(), rows.groups.tolist()
    order = sorted(range(len(images)), key=lambda i: (-margin[i], images[i]))
    kept = np.array(_few_per_group(order, groups, per_group)[:limit], np.int64)
    rows, true, margin = rows.where(kept), true[kept], margin[kept]
    chosen, folds = rows.codes, rows.folds.tolist()
    sure, right = rows.log_prob_of(chosen, names), rows.log_prob_of(true, names)
    return tuple(
        Mistake(
            image=images[place],
            group=groups[place],
            fold=None if folds[i] == MISSING else folds[i],
            attributes=names,
            truth=_class_names(true[i], columns, space),
            predicted=_class_names(chosen[i], columns, space),
            probability=float(np.exp(sure[i])),
            truth_probability=float(np.exp(right[i])),
            margin=float(margin[i]),
        )
        for i, place in enumerate(kept)
    )


def _class_names(codes: npt.NDArray[np.int64], columns: Sequence[int], space: LabelSpace) -> tuple[str, ...]:
    return tuple(space.attributes[c].classes[codes[c]] for c in columns)


def _few_per_group(order: Sequence[int], groups: Sequence[str | None], per_group: int) -> list[int]:
    seen: Counter[str] = Counter()
    kept = []
    for i in order:
        group = groups[i]
        if group is not None and seen[group] >= per_group:
            continue
        seen[group or ""] += 1
        kept.append(i)
    return kept
