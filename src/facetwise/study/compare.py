"""Two runs, paired by person: is one better, where, and what was changed between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facetwise.core.errors import InputError, MismatchError
from facetwise.core.labels import IntArray
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.intervals import LEVEL, RESAMPLES, PairedInterval, paired_interval
from facetwise.evaluate.scorecard import name_of
from facetwise.results.notices import Notice, unsafe_split
from facetwise.results.plain import plain
from facetwise.results.wording import count
from facetwise.study.changes import Change, recipe_changes
from facetwise.study.decided import Decided, Rows, covered_rows, read_decided
from facetwise.study.wording import SEEDS, Better, better, no_verdict, pairing, several_things, verdict

_TOLD = frozenset({"recipe", "manifest", "folds", "label space"})
"""Fields of a fingerprint that are compared or told apart in another way."""
_FOLLOWS = {"overlay": "labels.overlay", "weights": "model.weights", "store": "input"}
"""Fields that change with a key of the recipe, or with one below it."""


@dataclass(frozen=True)
class Difference:
    """The macro F1 of one attribute, or of the product of all, for both runs."""

    name: str
    first: float
    second: float
    difference: float
    """Second minus first."""
    interval: PairedInterval
    """Of the difference, by person."""
    better: Better | None
    """None where folds were split by image: then nothing is called better."""


@dataclass(frozen=True)
class FoldDifference:
    """The main score on the rows of one fold."""

    fold: int
    num_people: int
    num_images: int
    first: float
    second: float
    difference: float


@dataclass(frozen=True)
class Compared:
    """One side of a comparison."""

    run: str
    tta: str
    """Test-time augmentation of its predictions; `none`: as the run itself made them."""
    num_images: int
    """Images that it predicted out of fold."""


@dataclass(frozen=True)
class Comparison:
    """Everything about two runs side by side. The first is A, the second B; differences are B - A."""

    project: str
    first: Compared
    second: Compared
    what: str
    """`joint`, or the attributes that both predict, such as `age` or `mask/gender`."""
    verdict: str
    """In words; `no verdict` where folds were split by image."""
    main: Difference
    """Of `what`."""
    attributes: tuple[Difference, ...]
    """Each attribute that both predict; empty when it is a single one."""
    folds: tuple[FoldDifference, ...]
    """Empty when the runs were validated on different folds."""
    num_people: int
    num_images: int
    """Images that both predicted: only these are scored."""
    changes: tuple[Change, ...]
    """What the recipes differ in."""
    warnings: tuple[Notice, ...]
    method: tuple[str, ...]
    """How the numbers were made, a sentence or two an item."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data: dict[str, Any] = plain(asdict(self))
        return data


def compare_runs(
    project: Project, first: RunFolder, second: RunFolder, *, tta: tuple[str, str] = ("none", "none")
) -> Comparison:
    """Compare two finished runs on the images that both predicted; `tta` is of either side.

    Raises InputError when they are the same or have nothing in common, MismatchError when they were made from other
    images or people.
    """
    if first.id == second.id and tta[0] == tta[1]:
        raise InputError(f"run `{first.id}` is compared with itself", hint="give two runs: `facetwise runs` lists them")
    manifest = load_manifest(project)
    one, two = (read_decided(project, manifest, run, t) for run, t in zip((first, second), tta, strict=True))
    return compare_decided(project, manifest, one, two)


def compare_decided(project: Project, manifest: Manifest, one: Decided, two: Decided) -> Comparison:
    """The comparison of what two runs decided; raises as `compare_runs`."""
    check_same_images(one, two)
    names = common_attributes(one, two, project)
    rows = common_rows(one, two, names, project, manifest)
    main = difference(rows, one, two, names, name_of(names, project.space))
    changes = recipe_changes(one.record["recipe"], two.record["recipe"])
    unsafe = one.by_image or two.by_image
    return Comparison(
        project=project.file.name,
        first=_compared(one),
        second=_compared(two),
        what=main.name,
        verdict=no_verdict(one.by_image, two.by_image)
        if unsafe
        else verdict(main.difference, main.interval, rows.num_people),
        main=main,
        attributes=tuple(difference(rows, one, two, (n,), n) for n in names) if len(names) > 1 else (),
        folds=_fold_differences(rows, one, two, names) if _same_folds(one, two) else (),
        num_people=rows.num_people,
        num_images=len(rows.people),
        changes=changes,
        warnings=(*_safety(one, two), *_coverage(one, two, rows), *_circumstances(one, two, manifest, changes)),
        method=(pairing(rows.num_people, len(rows.people), main.interval.level), SEEDS),
    )


def check_same_images(one: Decided, two: Decided) -> None:
    """Raise MismatchError unless both runs were made from the same images and people."""
    hashes = [d.fields.get("manifest") for d in (one, two)]
    if hashes[0] != hashes[1]:
        raise MismatchError(
            f"runs `{one.run.id}` and `{two.run.id}` cannot be paired: the images or people of the dataset changed "
            "between them (`manifest` differs)",
            hint="train the older one again on the dataset as it is now",
        )


def common_attributes(one: Decided, two: Decided, project: Project) -> tuple[str, ...]:
    """The attributes that both predict, in the label's order; raises InputError when there is none."""
    own = [d.attributes(project.space) for d in (one, two)]
    names = tuple(n for n in own[0] if n in own[1])
    if not names:
        sides = " and ".join(f"`{d.run.id}` predicts {', '.join(a)}" for d, a in zip((one, two), own, strict=True))
        raise InputError(f"nothing to compare: {sides}")
    return names


def common_rows(one: Decided, two: Decided, names: tuple[str, ...], project: Project, manifest: Manifest) -> Rows:
    """The rows that both predicted; raises InputError when there is none."""
    keep = covered_rows(one.codes, names, project.space) & covered_rows(two.codes, names, project.space)
    if not keep.any():
        raise InputError(f"runs `{one.run.id}` and `{two.run.id}` have no held-out image in common")
    return Rows.of(manifest, project.space, keep)


def difference(
    rows: Rows, one: Decided, two: Decided, names: tuple[str, ...], name: str, *, level: float = LEVEL
) -> Difference:
    """Macro F1 of the product of some attributes for both, and the paired interval of their difference."""
    scores = rows.score(one.codes, names), rows.score(two.codes, names)
    interval = paired(rows, one.codes, two.codes, names, level=level)
    winner = None if one.by_image or two.by_image else better(interval)
    return Difference(name, *scores, scores[1] - scores[0], interval, winner)


def paired(
    rows: Rows,
    first: IntArray,
    second: IntArray,
    names: tuple[str, ...],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> PairedInterval:
    """Interval of score(second) - score(first), by person; both are codes as in `Decided`."""
    truth, num_classes = rows.truth(names)
    sides = rows.predicted(second, names), rows.predicted(first, names)
    return paired_interval(truth, *sides, rows.people, num_classes, level=level, resamples=resamples)


def other_fields(one: Mapping[str, Any], two: Mapping[str, Any], changes: Iterable[Change]) -> tuple[str, ...]:
    """Fields of two fingerprints that differ, besides the recipe, what is told elsewhere and what follows from it."""
    changed = [c.key for c in changes]
    told = _TOLD | {field for field, key in _FOLLOWS.items() if any(_is_below(c, key) for c in changed)}
    return tuple(k for k in [*one, *(k for k in two if k not in one)] if k not in told and one.get(k) != two.get(k))


def _fold_differences(rows: Rows, one: Decided, two: Decided, names: tuple[str, ...]) -> tuple[FoldDifference, ...]:
    folds = one.folds[rows.keep]
    return tuple(_fold_difference(int(f), rows.where(folds == f), one, two, names) for f in np.unique(folds))


def _fold_difference(fold: int, rows: Rows, one: Decided, two: Decided, names: tuple[str, ...]) -> FoldDifference:
    first, second = rows.score(one.codes, names), rows.score(two.codes, names)
    return FoldDifference(fold, rows.num_people, len(rows.people), first, second, second - first)


def _same_folds(one: Decided, two: Decided) -> bool:
    return one.fields.get("folds") == two.fields.get("folds")


def _compared(side: Decided) -> Compared:
    return Compared(side.run.id, side.tta, int((side.codes >= 0).any(axis=1).sum()))


def _safety(one: Decided, two: Decided) -> list[Notice]:
    if not (one.by_image or two.by_image):
        return []
    who = "both runs" if one.by_image and two.by_image else f"run {'A' if one.by_image else 'B'}"
    return [unsafe_split(f" of {who}", "Such scores are known to be too high; the difference is for teaching only.")]


def _coverage(one: Decided, two: Decided, rows: Rows) -> list[Notice]:
    found = []
    total = len(rows.keep)
    if len(rows.people) < total:
        sides = ", ".join(f"{letter} predicted {_compared(d).num_images:,}" for letter, d in (("A", one), ("B", two)))
        text = f"Scored on the {len(rows.people):,} of {count(total, 'image')} that both predicted ({sides})."
        found.append(Notice("caution", text))
    if not _same_folds(one, two):
        text = (
            "The runs were validated on different folds: people are paired all the same, but part of the difference "
            "may be that of the people the models were trained on."
        )
        found.append(Notice("caution", text))
    return found


def _is_below(key: str, table: str) -> bool:
    return key == table or key.startswith(f"{table}.")


def _circumstances(one: Decided, two: Decided, manifest: Manifest, changes: tuple[Change, ...]) -> list[Notice]:
    """What else differs, besides the recipe."""
    found = []
    if one.fields.get("manifest") != manifest.hash:
        text = "The images or people of the dataset changed since both runs. Rows are matched by image name."
        found.append(Notice("caution", text))
    if other := other_fields(one.fields, two.fields, changes):
        listed = ", ".join(f"`{k}`" for k in other)
        found.append(Notice("caution", f"Besides the recipe, {listed} changed between the runs."))
    if several := several_things(changes):
        found.append(Notice("note", several))
    return found
