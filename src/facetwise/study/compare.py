"""Comparison of two runs, paired by person: which is better, where, and how their recipes differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facetwise.core.choices import Metric
from facetwise.core.errors import InputError, MismatchError
from facetwise.core.labels import IntArray
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.text.counting import count
from facetwise.core.text.subject import PEOPLE
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.intervals import PairedInterval
from facetwise.evaluate.rows import ScoredRows, Truth
from facetwise.evaluate.scorecard import name_of
from facetwise.results.notices import Notice, copies_notices, own_subjects, unsafe_split
from facetwise.study.changes import Change, recipe_changes
from facetwise.study.scored_run import ScoredRun, read_scored_run
from facetwise.study.wording import Better, no_verdict, of_seeds, pairing, several_changes, verdict, winner

_COMPARED_ELSEWHERE = frozenset({"recipe", "manifest", "folds", "label space"})
"""Fields of a fingerprint that are compared in other ways."""
_FOLLOWS = {"overlay": "labels.overlay", "weights": "model.weights", "store": "input"}
"""Fields that follow from a key of the recipe, or from one below it."""


@dataclass(frozen=True)
class Difference:
    """The score of both runs, for one attribute or for the joint classes."""

    name: str
    first: float
    second: float
    difference: float
    """Second minus first."""
    interval: PairedInterval
    """Interval of the difference, by person."""
    better: Better | None
    """The verdict; None for folds split by image."""


@dataclass(frozen=True)
class FoldDifference:
    """The main score of both runs on one fold."""

    fold: int
    num_people: int
    num_images: int
    first: float
    second: float
    difference: float


@dataclass(frozen=True)
class ComparedRun:
    """One of the two runs."""

    run: str
    tta: str
    """Test-time augmentation of its predictions; `none`: those made by the run itself."""
    num_images: int
    """Number of images that it predicted out of fold."""


@dataclass(frozen=True)
class Comparison(Plain):
    """Everything about two runs side by side. The first is A, the second B; differences are B - A."""

    project: str
    metric: Metric
    """What the project chooses by, and scores are."""
    first: ComparedRun
    second: ComparedRun
    what: str
    """`joint`, or the attributes that both predict, such as `age` or `mask/gender`."""
    verdict: str
    """A sentence; `no verdict` for folds split by image."""
    main: Difference
    """Difference in `what`."""
    attributes: tuple[Difference, ...]
    """Difference in each attribute that both predict; empty when there is only one."""
    folds: tuple[FoldDifference, ...]
    """Empty when the runs were validated on different folds."""
    num_people: int
    num_images: int
    """Number of images that both predicted; only these are scored."""
    changes: tuple[Change, ...]
    """Differences of the recipes."""
    warnings: tuple[Notice, ...]
    method: tuple[str, ...]
    """How the numbers were computed: sentences for the report."""


def compare_runs(
    project: Project, first: RunFolder, second: RunFolder, *, tta: tuple[str, str] = ("none", "none")
) -> Comparison:
    """Compare two finished runs on the images that both predicted; `tta` of the first and the second.

    Raises InputError when they are the same run or have nothing in common, MismatchError when they were made from
    different images or people.
    """
    if first.id == second.id and tta[0] == tta[1]:
        raise InputError(f"run `{first.id}` is compared with itself", hint="give two runs: `facetwise runs` lists them")
    manifest = load_manifest(project)
    one, two = (read_scored_run(project, manifest, run, t) for run, t in zip((first, second), tta, strict=True))
    return compare_scored_runs(project, manifest, one, two)


def compare_scored_runs(project: Project, manifest: Manifest, one: ScoredRun, two: ScoredRun) -> Comparison:
    """Compare two scored runs; raises as `compare_runs`."""
    pair = Pair.of(one, two)
    names, num_people, num_images = pair.names, pair.first.truth.num_people, len(pair.first)
    main = pair.difference(names, name_of(names, project.space))
    changes = recipe_changes(one.record.recipe, two.record.recipe)
    return Comparison(
        project=project.file.name,
        metric=project.file.score.metric,
        first=_compared(one),
        second=_compared(two),
        what=main.name,
        verdict=no_verdict(one.by_image, two.by_image)
        if pair.by_image
        else verdict(main.difference, main.interval, num_people),
        main=main,
        attributes=tuple(pair.difference((n,), n) for n in names) if len(names) > 1 else (),
        folds=_fold_differences(pair) if _same_folds(one, two) else (),
        num_people=num_people,
        num_images=num_images,
        changes=changes,
        warnings=(
            *_safety(one, two),
            *copies_notices([one.record, two.record]),
            *own_subjects(manifest.each_its_own),
            *_coverage(pair),
            *_circumstances(one, two, manifest, changes),
        ),
        method=(pairing(num_people, num_images, main.interval.level), of_seeds()),
    )


@dataclass(frozen=True)
class Pair:
    """Two runs on the images that both predicted, in the attributes that both predict."""

    one: ScoredRun
    two: ScoredRun
    names: tuple[str, ...]
    """These attributes, in the label's order."""
    first: ScoredRows
    """Predictions of `one` for these images."""
    second: ScoredRows

    @classmethod
    def of(cls, one: ScoredRun, two: ScoredRun) -> Pair:
        """Pair two runs; raises MismatchError for different images or people, InputError for nothing in common."""
        _check_same_images(one, two)
        names = tuple(n for n in one.attributes if n in two.attributes)
        if not names:
            sides = " and ".join(f"`{d.run.id}` predicts {', '.join(d.attributes)}" for d in (one, two))
            raise InputError(f"nothing to compare: {sides}")
        keep = np.logical_and.reduce([d.rows.scored(names) for d in (one, two)])
        if not keep.any():
            raise InputError(f"runs `{one.run.id}` and `{two.run.id}` have no held-out image in common to score")
        return cls(one, two, names, one.rows.where(keep), two.rows.where(keep))

    @property
    def by_image(self) -> bool:
        """Whether the folds of either run are split by image, so that there is no verdict."""
        return self.one.by_image or self.two.by_image

    def difference(self, names: Sequence[str], name: str) -> Difference:
        """The score of both runs over the product of the attributes `names`, and the interval of the difference."""
        (truth, first), (_, second) = self.first.decided(names), self.second.decided(names)
        scores, interval = (truth.score(first), truth.score(second)), truth.paired(second, first)
        return Difference(name, *scores, scores[1] - scores[0], interval, None if self.by_image else winner(interval))


def _check_same_images(one: ScoredRun, two: ScoredRun) -> None:
    hashes = [d.fields.get("manifest") for d in (one, two)]
    if hashes[0] != hashes[1]:
        raise MismatchError(
            f"runs `{one.run.id}` and `{two.run.id}` cannot be paired: the images or {PEOPLE} of the dataset changed "
            "between them (`manifest` differs)",
            hint="train the older one again on the current dataset",
        )


def other_fields(one: Mapping[str, Any], two: Mapping[str, Any], changes: Iterable[Change]) -> tuple[str, ...]:
    """Differing fields of two fingerprints, except those that are compared elsewhere or follow from recipe changes."""
    changed = [c.key for c in changes]
    compared = _COMPARED_ELSEWHERE | {
        field for field, key in _FOLLOWS.items() if any(_is_below(c, key) for c in changed)
    }
    return tuple(k for k in [*one, *(k for k in two if k not in one)] if k not in compared and one.get(k) != two.get(k))


def _fold_differences(pair: Pair) -> tuple[FoldDifference, ...]:
    (truth, first), (_, second) = pair.first.decided(pair.names), pair.second.decided(pair.names)
    folds = pair.first.predictions.folds
    return tuple(
        _fold_difference(f, truth.where(folds == f), first[folds == f], second[folds == f])
        for f in np.unique(folds).tolist()
    )


def _fold_difference(fold: int, truth: Truth, first: IntArray, second: IntArray) -> FoldDifference:
    scores = truth.score(first), truth.score(second)
    return FoldDifference(fold, truth.num_people, len(truth), *scores, scores[1] - scores[0])


def _same_folds(one: ScoredRun, two: ScoredRun) -> bool:
    return one.fields.get("folds") == two.fields.get("folds")


def _compared(side: ScoredRun) -> ComparedRun:
    return ComparedRun(side.run.id, side.tta, int(side.rows.covered.sum()))


def _safety(one: ScoredRun, two: ScoredRun) -> list[Notice]:
    if not (one.by_image or two.by_image):
        return []
    who = "both runs" if one.by_image and two.by_image else f"run {'A' if one.by_image else 'B'}"
    return [unsafe_split(f" of {who}", "Such scores are known to be too high; the difference is for teaching only.")]


def _coverage(pair: Pair) -> list[Notice]:
    found, one, two = [], pair.one, pair.two
    total, common = len(one.rows), len(pair.first)
    if common < total:
        sides = ", ".join(f"{letter} predicted {_compared(d).num_images:,}" for letter, d in (("A", one), ("B", two)))
        text = f"Scored on the {common:,} of {count(total, 'image')} that both predicted ({sides})."
        found.append(Notice("caution", text))
    if not _same_folds(one, two):
        text = (
            f"The runs were validated on different folds: {PEOPLE} are paired all the same, but part of the difference "
            f"may be that of the {PEOPLE} the models were trained on."
        )
        found.append(Notice("caution", text))
    return found


def _is_below(key: str, table: str) -> bool:
    return key == table or key.startswith(f"{table}.")


def _circumstances(one: ScoredRun, two: ScoredRun, manifest: Manifest, changes: tuple[Change, ...]) -> list[Notice]:
    """Notices about differences other than the recipe."""
    found = []
    if one.fields.get("manifest") != manifest.hash:
        text = f"The images or {PEOPLE} of the dataset changed since both runs. Rows are matched by image name."
        found.append(Notice("caution", text))
    if other := other_fields(one.fields, two.fields, changes):
        listed = ", ".join(f"`{k}`" for k in other)
        found.append(Notice("caution", f"Besides the recipe, {listed} changed between the runs."))
    if several := several_changes(changes):
        found.append(Notice("note", several))
    return found
