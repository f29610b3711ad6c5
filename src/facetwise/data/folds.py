"""Folds: whole people, stratified by joint class, made once and saved with what they were made from."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import ArtefactError, DamagedError, InputError, LeakError, MismatchError, SettingError
from facetwise.core.labels import MISSING, IntArray, LabelSpace
from facetwise.core.people import person
from facetwise.core.records.data import FoldCopies, FoldsMadeFrom
from facetwise.core.records.done import read_done, verify_files
from facetwise.core.tables import FOLDS, read_table, write_table
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import Spellings, class_order, normal
from facetwise.core.workspace import AGAIN, DONE, Workspace, content_hash, is_done, new_artefact
from facetwise.data.images.copies import Copies
from facetwise.data.joining import copies_across, joined_groups
from facetwise.data.manifest import Manifest
from facetwise.recipe.folds import FOLDS_NAME

Split = Literal["group", "image"]

MIN_FOLDS, MAX_FOLDS = 2, 20
"""Numbers of folds that a recipe can name (`folds.plan`)."""
DEFAULT_FOLDS = 5
VALIDATION = ("val", "valid", "validation", "dev")
"""What the part of a given split to validate on is called, in any case."""
UNSAFE = "unsafe-"
"""What names of folds split by image begin with, and no others."""
IMAGE_FOLDS = {"image": pl.String(), "fold": pl.Int32()}
"""Columns of unsafe folds, split by image."""


@dataclass(frozen=True)
class FoldStats:
    """Sizes of the folds and how evenly classes are spread."""

    num_groups: tuple[int, ...]
    """People with images in each fold."""
    num_images: tuple[int, ...]
    """Images in each fold."""
    deviation: float
    """Largest |share of a joint class in a fold / its share overall - 1| over classes of at least one image a fold."""
    missing: tuple[tuple[int, int], ...]
    """(fold, joint class) pairs: classes of the dataset that a fold has no image of."""
    shared_groups: int
    """People with images in more than one fold: 0 unless the split is by image."""


@dataclass(frozen=True)
class Folds:
    """The fold that holds out each person (or, for the unsafe split, each image)."""

    name: str
    split: Split
    num_folds: int
    seed: int
    manifest_hash: str
    table: pl.DataFrame
    stats: FoldStats
    copies: FoldCopies | None = None
    """Copies between people; None where they were not looked for."""

    @property
    def joined(self) -> bool:
        """Whether people with a common picture were dealt together."""
        return self.copies is not None and self.copies.joined

    @property
    def copies_note(self) -> str | None:
        """What is to be said of copies between people: joined, or on both sides of the split and how to join them."""
        copies = self.copies
        if copies is None or not copies.pairs:
            return None
        told = f"{count(copies.pairs, 'pair')} of copies between people"
        if not copies.across:
            return told + (f": {copies.people:,} people dealt together" if copies.joined else ", none across folds")
        examples = "; ".join(f"{one} = {other}" for one, other in copies.examples)
        words = making_folds(self.name, self.num_folds, self.seed, joined=True)
        remedy = f"; together with `{shlex.join(['facetwise', *words, '--new'])}`" if self.split == "group" else ""
        return f"{told}, {copies.across:,} on both sides of the split, so scores are too high ({examples}){remedy}"

    @property
    def hash(self) -> str:
        """Hash of the assignment."""
        return content_hash([self.split, self.num_folds, *self.table.rows()])

    def of(self, train: pl.DataFrame) -> IntArray:
        """Fold of each row of the manifest's training side, shape (n,)."""
        key = self.table.columns[0]
        table = self.table
        if key == "group":  # folds of an older version have names as they were written
            table = table.with_columns(pl.Series(key, map(person, table[key]), dtype=pl.String()))
        joined = train.select(key).join(table, on=key, how="left", maintain_order="left")["fold"]
        if joined.null_count():
            words = making_folds(self.name, self.num_folds, self.seed, joined=self.joined)
            command = shlex.join(["facetwise", *words, "--new"])
            raise MismatchError(f"folds `{self.name}` do not cover the manifest", hint=f"`{command}`")
        return joined.to_numpy().astype(np.int64)


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
        few = "two people with usable photos are needed: see `facetwise check`"
        hint = f"`{shlex.join(['facetwise', *making_folds(name, people, seed)])}`, or fewer" if people > 1 else few
        raise InputError(f"{people} people cannot be dealt into {num_folds} folds", hint=hint)
    if given is None:
        strata = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        fold = _deal(strata, dealt, num_folds, seed, split)
    else:
        _, fold = given_folds(manifest, given)
        _check_given(given, fold, groups)
    key = "group" if split == "group" else "image"
    table = pl.DataFrame({key: train[key], "fold": fold.astype(np.int32)}).unique(maintain_order=True)
    stats = fold_stats(fold, groups, space.encode(codes, missing=True), num_folds)
    _check(table, stats, key, split)
    by_image = dict(zip(train["image"], fold.tolist(), strict=True))
    told = None if copies is None else copies_across(pairs, by_image, joined=join_copies)
    return Folds(name, split, num_folds, seed, manifest.hash, table, stats, told)


def _check_given(column: str, fold: IntArray, groups: npt.NDArray[np.object_]) -> None:
    """Raise InputError unless each person is in one fold of a given split."""
    pairs = pl.DataFrame({"group": groups, "fold": fold}).unique(maintain_order=True)
    if parted := pairs.filter(pl.col("group").is_duplicated())["group"].unique(maintain_order=True).to_list():
        raise InputError(
            f"the given split `{column}` has {count(len(parted), 'person', 'people')} on several sides: "
            f"{listed(parted)}",
            hint="take `split` out of facetwise.toml: whole people are dealt then",
        )


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


def make_folds(
    workspace: Workspace,
    manifest: Manifest,
    space: LabelSpace,
    *,
    name: str = "default",
    num_folds: int | None = None,
    seed: int = 0,
    split: Split = "group",
    new: bool = False,
    given: str | None = None,
    find_copies: Callable[[], Copies] | None = None,
    join_copies: bool = False,
) -> Folds:
    """Make and save folds; with the same settings again, existing folds are returned.

    Other folds of the same name are replaced only if `new`; otherwise ArtefactError. `num_folds` defaults to 5, or with
    `given` (as in `split_folds`) to the number of its values. `find_copies` is called when folds are made, and what it
    finds between people is recorded; `join_copies` deals those people together.

    Raises SettingError for `join_copies` on a given split or on one by image, and unless `num_folds` is `MIN_FOLDS` to
    `MAX_FOLDS`, and `name` begins with `UNSAFE` if and only if the split is by image.
    """
    folder = _folder(workspace, name)
    given = given if split == "group" else None
    num_folds = _number_of_folds(manifest, num_folds, given)
    _check_settings(name, num_folds, split)
    if join_copies and (find_copies is None or given is not None or split == "image"):
        raise SettingError("copies are joined only where people are dealt into folds", hint="leave `--join-copies` out")
    made = partial(split_folds, manifest, space, name=name, num_folds=num_folds, seed=seed, split=split, given=given)
    if folder.is_dir() and not new:
        there = load_folds(workspace, manifest, name)
        same = (there.num_folds, there.seed, there.split, there.joined) == (num_folds, seed, split, join_copies)
        if same and (given is None or made().hash == there.hash):  # the table may give another split by now
            return there
        command = shlex.join(["facetwise", *making_folds(name, num_folds, seed, joined=join_copies), "--new"])
        raise ArtefactError(
            f"folds `{name}` exist; runs made with them could not be compared with runs on others",
            hint=f"use them, give another `--name`, or replace them with `{command}`",
        )
    folds = made(copies=None if find_copies is None else find_copies(), join_copies=join_copies)
    with new_artefact(folder, _record(folds)) as temporary:
        write_table(folds.table, temporary / "folds.parquet", FOLDS if split == "group" else IMAGE_FOLDS)
    return folds


def _number_of_folds(manifest: Manifest, wanted: int | None, given: str | None) -> int:
    if given is None:
        return DEFAULT_FOLDS if wanted is None else wanted
    values, _ = given_folds(manifest, given)
    if wanted is not None and wanted != len(values):
        raise SettingError(
            f"{wanted} folds, but the given split `{given}` has {len(values)}: {listed(values, 8)}",
            hint="leave the number out, or take `split` out of facetwise.toml",
        )
    return len(values)


def making_folds(name: str, num_folds: int | None = None, seed: int = 0, *, joined: bool = False) -> list[str]:
    """The command that makes folds, without options that have their defaults."""
    words = {
        "--name": name if name != "default" else None,
        "--folds": num_folds if num_folds != DEFAULT_FOLDS else None,
    }
    words |= {"--seed": seed or None, "--unsafe-split": "image" if name.startswith(UNSAFE) else None}
    options = [str(word) for pair in words.items() if pair[1] is not None for word in pair]
    return ["folds", *options, *(["--join-copies"] if joined else [])]


def load_folds(workspace: Workspace, manifest: Manifest, name: str = "default") -> Folds:
    """Read saved folds; ArtefactError when there are none or they are damaged, MismatchError for another manifest."""
    folder = _folder(workspace, name)
    if not folder.is_dir():
        command = shlex.join(["facetwise", *making_folds(name)])
        raise ArtefactError(f"no folds are called `{name}`", hint=f"make them with `{command}`")
    if not is_done(folder):
        raise DamagedError(f"{folder / DONE}: missing", hint=AGAIN)
    verify_files(folder)
    made = read_done(folder, FoldsMadeFrom).made_from
    if made.manifest_hash != manifest.hash:
        joined = made.copies is not None and made.copies.joined
        command = shlex.join(["facetwise", *making_folds(name, made.num_folds, made.seed, joined=joined), "--new"])
        raise MismatchError(
            f"folds `{name}` were made from another manifest: images, their content or their people changed",
            hint=f"`{command}` makes them again (old runs will not be comparable)",
        )
    table = read_table(folder / "folds.parquet", FOLDS if made.split == "group" else IMAGE_FOLDS)
    stats = FoldStats(**made.stats.model_dump(include=set(FoldStats.__annotations__)))
    return Folds(name, made.split, made.num_folds, made.seed, made.manifest_hash, table, stats, made.copies)


def list_folds(workspace: Workspace) -> list[str]:
    """Names of all saved folds, including damaged ones."""
    folders = workspace.folds.iterdir() if workspace.folds.is_dir() else ()
    return sorted(p.name for p in folders if p.is_dir() and not p.name.startswith("."))


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


def _quietly(splitter: Any, strata: IntArray, groups: npt.NDArray[np.object_] | None) -> list[Any]:
    """Split without scikit-learn's warning about small classes: `FoldStats.missing` says which and where."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        try:
            return list(splitter.split(np.zeros(len(strata)), strata, groups))
        except ValueError as error:
            raise InputError(f"these people cannot be dealt into folds: {error}", hint="use fewer folds") from None


def _check(table: pl.DataFrame, stats: FoldStats, key: str, split: Split) -> None:
    """Check what must hold after every split."""
    if table["fold"].min() < 0:  # type: ignore[operator]
        raise LeakError("the split left images out: every image must be held out exactly once")
    if table[key].n_unique() != table.height:
        raise LeakError(f"the split put one {key} into several folds")
    if split == "group" and stats.shared_groups:
        raise LeakError(f"the split put {stats.shared_groups} people into several folds")
    if min(stats.num_images) == 0:
        raise InputError("a fold is empty", hint="use fewer folds")


def _folder(workspace: Workspace, name: str) -> Path:
    name = normal(name)
    if not FOLDS_NAME.fullmatch(name):
        raise SettingError(f"`{name}` cannot name folds", hint="letters, digits, `.`, `_` and `-`, a letter first")
    return workspace.folds / Spellings(list_folds(workspace)).find(name)


def _check_settings(name: str, num_folds: int, split: Split) -> None:
    if not MIN_FOLDS <= num_folds <= MAX_FOLDS:
        raise SettingError(f"{num_folds} folds: expected {MIN_FOLDS} to {MAX_FOLDS}")
    if split == "image" and not name.startswith(UNSAFE):
        raise SettingError(f"folds split by image cannot be called `{name}`", hint=f"`{UNSAFE}{name}` would do")
    if split != "image" and name.startswith(UNSAFE):
        raise SettingError(f"`{name}` names folds split by image, and these are split by person", hint="another name")


def _record(folds: Folds) -> dict[str, Any]:
    return {
        "manifest_hash": folds.manifest_hash,
        "split": folds.split,
        "num_folds": folds.num_folds,
        "seed": folds.seed,
        "stats": asdict(folds.stats),
        "copies": None if folds.copies is None else folds.copies.model_dump(mode="json"),
    }
