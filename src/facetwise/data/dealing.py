"""Dealing people into folds: whole people, stratified by joint class."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import InputError, LeakError
from facetwise.core.labels import MISSING, IntArray, LabelSpace
from facetwise.core.people import person
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import class_order
from facetwise.core.text.subject import PEOPLE, count_people
from facetwise.data.folds import VALIDATION, Folds, FoldStats, Split, making_folds
from facetwise.data.images.copies import Copies
from facetwise.data.joining import copies_across, joined_groups
from facetwise.data.manifest import Manifest


def split_folds(
    manifest: Manifest,
    space: LabelSpace,
    *,
    name: str,
    num_folds: int,
    seed: int,
    split: Split = "group",
    given: str | None = None,
    copies: Copies | None = None,
    join_copies: bool = False,
) -> Folds:
    """Split people into folds so that each fold has its share of every joint class; every invariant is checked.

    Images with the same attributes unknown and the same classes of the others are dealt as a class of their own.

    Raises InputError when there are fewer people than folds. `split="image"` splits images instead of people: the same
    person is then in training and validation, and the score is too high; for teaching only. `given`: a column of the
    dataset's table whose values are the folds (`given_folds`); InputError when they split a person's images.
    With `join_copies`, people who share a picture in `copies`, be it through others, are in one fold.
    """
    train = manifest.train
    codes = manifest.codes(space)
    groups = train["group"].to_numpy()
    pairs = () if copies is None else copies.pairs
    dealt = joined_groups(groups, pairs) if join_copies else groups
    if (people := len(np.unique(dealt))) < num_folds:
        few = f"two {PEOPLE} with usable photos are needed: see `facetwise check`"
        hint = f"`{shlex.join(['facetwise', *making_folds(name, people, seed)])}`, or fewer" if people > 1 else few
        raise InputError(f"{people} {PEOPLE} cannot be dealt into {num_folds} folds", hint=hint)
    if given is None:
        strata = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        fold = _deal(strata, dealt, num_folds, seed, split)
        fold = _none_empty(fold, dealt if split == "group" else np.arange(len(fold)), num_folds)
    else:
        _, fold = given_folds(manifest, given)
        _check_given(given, fold, groups)
    key = "group" if split == "group" else "image"
    table = pl.DataFrame({key: train[key], "fold": fold.astype(np.int32)}).unique(maintain_order=True)
    stats = fold_stats(fold, groups, space.encode(codes, missing=True), num_folds)
    _check(table, stats, key, split)
    by_image = dict(zip(train["image"], fold.tolist(), strict=True))
    told = None if copies is None else copies_across(pairs, by_image, joined=join_copies, features=copies.features)
    return Folds(name, split, num_folds, seed, manifest.hash, table, stats, told)


def given_folds(manifest: Manifest, column: str) -> tuple[tuple[str, ...], IntArray]:
    """The split in `column` of the dataset's table: its values in the order of their folds, and each image's fold.

    A validation part (`val`, `dev`, ...) is fold 0; others are in order of numbers or names. Raises InputError for an
    image without a value, and for fewer than two values.
    """
    cells = [person(cell) for cell in manifest.train[f"meta:{column}"].fill_null("")]
    values = tuple(sorted(set(cells), key=lambda value: (value.casefold() not in VALIDATION, class_order(value))))
    if "" in values or len(values) < 2:
        got = "is empty for some image" if "" in values else f"is {values[0]!r} for all images"
        raise InputError(f"`{column}` {got}: no split", hint="take `split` out of facetwise.toml")
    return values, np.asarray([values.index(cell) for cell in cells], np.int64)


def fold_stats(fold: IntArray, groups: npt.NDArray[np.object_], joint: IntArray, num_folds: int) -> FoldStats:
    """Sizes and evenness of an assignment; all arrays have a row an image, `joint` is -1 where it is not known."""
    known = joint != MISSING
    classes, column = np.unique(joint[known], return_inverse=True)
    counts = np.zeros((num_folds, len(classes)), np.int64)
    np.add.at(counts, (fold[known], column), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    overall = counts.sum(axis=0) / max(counts.sum(), 1)
    deviation = np.abs(share / overall - 1)[:, counts.sum(axis=0) >= num_folds]
    people = [np.unique(groups[fold == k]) for k in range(num_folds)]
    return FoldStats(
        num_groups=tuple(len(p) for p in people),
        num_images=tuple(np.bincount(fold, minlength=num_folds).tolist()),
        deviation=float(deviation.max(initial=0.0)),
        missing=tuple((int(k), int(classes[c])) for k, c in np.argwhere(counts == 0)),
        shared_groups=sum(len(p) for p in people) - len(np.unique(groups)),
    )


def _deal(strata: IntArray, groups: npt.NDArray[np.object_], num_folds: int, seed: int, split: Split) -> IntArray:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    maker = StratifiedGroupKFold if split == "group" else StratifiedKFold
    splitter = maker(n_splits=num_folds, shuffle=True, random_state=seed)
    num_images = len(strata)
    if np.unique(strata, return_counts=True)[1].max() < num_folds:
        # scikit-learn refuses to split when all classes are that small: one more class, which nobody has, is dealt too
        strata = np.append(strata, np.full(num_folds, strata.max() + 1))
        groups = np.append(groups, np.asarray([f"\0{k}" for k in range(num_folds)], object))
    fold = np.full(len(strata), -1, np.int64)
    for number, (_, held_out) in enumerate(_quietly(splitter, strata, groups if split == "group" else None)):
        fold[held_out] = number
    return fold[:num_images]


def _none_empty(fold: IntArray, groups: npt.NDArray[Any], num_folds: int) -> IntArray:
    """The folds, (n,); one that got nobody, as happens to few people, takes one of the fold with the most people."""
    fold = fold.copy()
    for empty in np.setdiff1d(np.arange(num_folds), fold):
        people = [np.unique(groups[fold == k]) for k in range(num_folds)]
        giver = max(range(num_folds), key=lambda k: len(people[k]))
        fold[groups == people[giver][-1]] = empty
    return fold


def _quietly(splitter: Any, strata: IntArray, groups: npt.NDArray[np.object_] | None) -> list[Any]:
    """Split without scikit-learn's warning about small classes: `FoldStats.missing` says which and where."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        try:
            return list(splitter.split(np.zeros(len(strata)), strata, groups))
        except ValueError as error:
            raise InputError(f"these {PEOPLE} cannot be dealt into folds: {error}", hint="use fewer folds") from None


def _check_given(column: str, fold: IntArray, groups: npt.NDArray[np.object_]) -> None:
    """Raise InputError unless each person is in one fold of a given split."""
    pairs = pl.DataFrame({"group": groups, "fold": fold}).unique(maintain_order=True)
    if parted := pairs.filter(pl.col("group").is_duplicated())["group"].unique(maintain_order=True).to_list():
        raise InputError(
            f"the given split `{column}` has {count_people(len(parted))} on several sides: {listed(parted)}",
            hint=f"take `split` out of facetwise.toml: whole {PEOPLE} are dealt then",
        )


def _check(table: pl.DataFrame, stats: FoldStats, key: str, split: Split) -> None:
    """Check what must hold after every split."""
    if table["fold"].min() < 0:  # type: ignore[operator]
        raise LeakError("the split left images out: every image must be held out exactly once")
    if table[key].n_unique() != table.height:
        raise LeakError(f"the split put one {key} into several folds")
    if split == "group" and stats.shared_groups:
        raise LeakError(f"the split put {stats.shared_groups} {PEOPLE} into several folds")
    if min(stats.num_images) == 0:
        raise InputError("a fold is empty", hint="use fewer folds")
