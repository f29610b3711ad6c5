"""What somebody predicts of some images, read and checked once; nobody else looks at the columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.arrays import answers, names, taken, takes
from facetwise.core.errors import ArtefactError, InputError, MismatchError
from facetwise.core.labels import JOINT, MAX_LISTED_JOINT, FloatArray, IntArray, LabelSpace
from facetwise.core.tables import score_column
from facetwise.core.text.counting import count
from facetwise.evaluate.compose import (
    joint_logs,
    log_normalised,
    log_prob_of_joint,
    log_total,
    marginals_of,
    marginals_of_occurring,
    mean_of_rows,
    mean_probability,
    most_probable,
)
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.prediction_columns import (
    Logs,
    Values,
    decided_classes,
    double,
    read_blocks,
    values_block,
    whole_numbers,
)

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of one predictor for n rows. `read` makes them from a table and checks them; computations are in
    float64."""

    space: LabelSpace
    """The label space; not all of its attributes need be predicted."""
    images: npt.NDArray[Any]
    """The image of each row, (n,)."""
    groups: npt.NDArray[Any]
    """Whose image it is, (n,); None on the test side."""
    folds: IntArray
    """The fold that held the image out, or whose model predicted it, (n,); -1 for none."""
    blocks: Mapping[str, Logs]
    """Log-probabilities, (n, k), by attribute or `joint`; beside them `age:year` and scores, (n, 1), as `age:score`."""
    values: Values = field(default_factory=dict)
    decided: IntArray | None = None
    """Joint classes that another rule than the argmax decided, (n,), -1 where there is none."""

    def __post_init__(self) -> None:
        columns = (self.groups, self.folds, *self.blocks.values(), *([] if self.decided is None else [self.decided]))
        if wrong := [len(column) for column in columns if len(column) != len(self.images)]:
            raise ValueError(f"predictions of {len(self.images)} images with {wrong[0]} rows: expected as many")

    @classmethod
    def read(cls, table: pl.DataFrame, space: LabelSpace, whose: str = "predictions") -> Predictions:
        """What `table`, named `whose` in messages, says; raises ArtefactError for columns or numbers not as expected.

        Numbers: in a covered row no NaN, nothing infinite but the log of a probability 0, and each block sums to 1.
        """
        blocks, values = read_blocks(table, space, whose)
        return cls(
            space=space,
            images=table["image"].to_numpy(),
            groups=table["group"].to_numpy(),
            folds=whole_numbers(table["fold"]),
            blocks=blocks,
            values=values,
            decided=decided_classes(table, space, whose),
        )

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that are predicted, in the order of `space`: all of them when there is the joint."""
        return self.space.names if self.has_joint else tuple(n for n in self.space.names if n in self.blocks)

    @property
    def has_joint(self) -> bool:
        """Whether joint classes have probabilities of their own."""
        return JOINT in self.blocks

    @property
    def is_whole(self) -> bool:
        """Whether every attribute is predicted."""
        return self.attributes == self.space.names

    @cached_property
    def covered(self) -> BoolArray:
        """Whether each row is predicted, (n,)."""
        there: BoolArray = np.logical_and.reduce([~np.isnan(block).any(axis=1) for block in self.blocks.values()])
        return there

    @cached_property
    def marginals(self) -> Mapping[str, FloatArray]:
        """Log-probabilities, (n, classes), of each attribute that is predicted: its own, else summed joint ones."""
        found = {n: self._logs(n) for n in self.attributes if n in self.blocks}
        if rest := [n for n in self.attributes if n not in found]:
            found |= marginals_of(self._logs(JOINT), self.space, rest)
        return {n: found[n] for n in self.attributes}

    @cached_property
    def occurring(self) -> Mapping[str, FloatArray]:
        """As `marginals`, of what can occur: where every attribute is predicted, the sums of the joint ones."""
        if self.has_joint or self.space.combinations is None or not self.is_whole:
            return self.marginals
        return marginals_of_occurring(self.marginals, self.space)

    @cached_property
    def joint(self) -> FloatArray:
        """Joint log-probabilities, (n, num_joint): their own, else the product of the attributes, over what can occur.

        Raises InputError when attributes are missing, or when there are too many joint classes for a column each.
        """
        if self.space.num_joint > MAX_LISTED_JOINT:
            message = f"{self.space.num_joint} joint classes are too many for a column each"
            raise InputError(f"{message} (at most {MAX_LISTED_JOINT})")
        self.require_whole("no joint probabilities")
        if self.has_joint:
            return self._logs(JOINT)
        return joint_logs(list(self.marginals.values()), self.space)

    @cached_property
    def codes(self) -> IntArray:
        """Decided class numbers, (n, num_attributes): the most probable joint class; ties go to the lowest number.

        With joint probabilities that is the argmax of the joint, which may differ from the argmax of each marginal.
        Without them the joint is the product of the attributes, whose argmax is that of each attribute, unless that
        combination cannot occur. -1 stands for an attribute that is not predicted, and for every attribute of a row
        that is not covered. Classes `decided` by another rule are used as they are.
        """
        if self.decided is not None:
            return self.space.decode(self.decided, missing=True)
        codes = np.full((len(self), len(self.space.names)), MISSING, np.int64)
        if self.has_joint:
            codes[self.covered] = self.space.decode(self.joint[self.covered].argmax(axis=1))
            return codes
        part, rows = self.space.only(self.attributes), np.flatnonzero(self.covered)
        columns = np.array([self.space.index(name) for name in part.names])
        codes[rows[:, None], columns] = most_probable([self.marginals[name][rows] for name in part.names], part)
        return codes

    @cached_property
    def classes(self) -> IntArray:
        """Decided joint classes, (n,), of `codes`; -1 where an attribute has no class."""
        return self.space.encode(self.codes, missing=True)

    def value_logs(self, name: str) -> FloatArray:
        """Log-probabilities, (n, values), of the values of an attribute; raises ArtefactError when there are none."""
        if name not in self.values:
            raise ArtefactError(f"no distribution over the values of `{name}`: no columns `{name}:year=...`")
        return self._logs(values_block(name))

    def scores(self, name: str) -> FloatArray:
        """The score of an attribute, (n,), NaN where not covered; raises ArtefactError when there is none."""
        if score_column(name) not in self.blocks:
            raise ArtefactError(f"no score of `{name}`: no column `{score_column(name)}`")
        return double(self.blocks[score_column(name)])[:, 0]

    @takes(codes=answers("n k"), names=names("a"))
    def log_prob_of(self, codes: IntArray, names: Sequence[str], *, relative: bool = False) -> FloatArray:
        """Log-probability, (n,), of class numbers, (n, num_attributes), as one class of the attributes called `names`.

        Of all attributes the joint probability where there is one, else the product of the attributes, over what can
        occur; -inf for what cannot. `relative`: but for a number that all classes of a row have in common, which takes
        time where few of many combinations can occur. NaN where a row is not covered or a class of `names` is missing.
        Raises KeyError for an attribute that is not predicted.
        """
        if codes.shape != self.codes.shape:
            raise ValueError(f"codes of shape {codes.shape} beside predictions of shape {self.codes.shape}")
        columns = [self.space.index(n) for n in names]
        present = (codes[:, columns] != MISSING).all(axis=1)
        rows, known = np.flatnonzero(present), codes[present]
        found = np.full(len(codes), np.nan)
        if len(names) < len(self.space.names) or not (self.has_joint or self.space.combinations):
            found[present] = sum(self.marginals[n][rows, known[:, c]] for n, c in zip(names, columns, strict=True))
            return found
        joint = self.space.encode(known, missing=True)
        possible = joint != MISSING
        rows, joint = rows[possible], joint[possible]
        found[present] = -np.inf
        if self.has_joint:
            found[rows] = self.joint[rows, joint]
        else:
            logs = [own[rows] for own in self.marginals.values()]
            total = np.zeros(len(rows)) if relative else log_total(logs, self.space)
            found[rows] = log_prob_of_joint(logs, self.space, joint, total)
        return found

    def require_whole(self, complaint: str) -> None:
        """Raise InputError, `complaint` and what is missing, unless every attribute is predicted."""
        if missing := [n for n in self.space.names if n not in self.attributes]:
            raise InputError(f"{complaint}: the predictions lack {', '.join(f'`{n}`' for n in missing)}")

    def where(self, rows: npt.ArrayLike) -> Predictions:
        """Some of the rows: a mask or positions."""
        kept = taken(rows, len(self))
        found = self._changed(
            lambda _, block: block[kept],
            images=self.images[kept],
            groups=self.groups[kept],
            folds=self.folds[kept],
            decided=None if self.decided is None else self.decided[kept],
        )
        if "codes" in vars(self):  # a row is decided by itself, and of many classes it takes long
            vars(found)["codes"] = self.codes[kept]
        return found

    def only(self, names: Sequence[str]) -> Predictions:
        """The same of the attributes called `names` alone, as if the label had no others."""
        part = self.space.only(names)
        if part == self.space:
            return self
        beside = {
            b: block
            for n in part.names
            for b in (values_block(n), score_column(n))
            if (block := self.blocks.get(b)) is not None
        }
        columns = [self.space.index(n) for n in part.names]
        return replace(
            self,
            space=part,
            blocks={n: self.blocks.get(n, self.marginals[n]) for n in part.names} | beside,
            values={n: at for n, at in self.values.items() if n in part.names},
            decided=None if self.decided is None else part.encode(self.codes[:, columns], missing=True),
        )

    def undecided(self) -> Predictions:
        """The same without what was decided on them before."""
        return self if self.decided is None else replace(self, decided=None)

    @takes(images=names("n"))
    def in_order(self, images: Sequence[str], whose: str = "the predictions") -> Predictions:
        """A row for each of `images`, in their order, not covered where there is none.

        Raises ArtefactError when an image is repeated on either side, MismatchError when one is not among `images`.
        """
        if self.images.tolist() == list(images):
            return self
        places, size = self._places(images, whose), len(images)
        if len(np.unique(places)) < len(places):
            raise ArtefactError(f"{whose}: an image is predicted twice", hint="make the table again")

        def placed(numbers: npt.NDArray[Any], nothing: Any) -> npt.NDArray[Any]:
            found = np.full((size, *numbers.shape[1:]), nothing, numbers.dtype)
            found[places] = numbers
            return found

        return self._changed(
            lambda _, block: placed(block, np.nan),
            images=np.array(images, dtype=object),
            groups=placed(self.groups, None),
            folds=placed(self.folds, MISSING),
            decided=None if self.decided is None else placed(self.decided, MISSING),
        )

    @takes(images=names("n"))
    def average(self, images: Sequence[str], whose: str = "the predictions") -> Predictions:
        """One row an image, in the order of `images`: the mean *probability* of its rows (fold models, repeats).

        Of scores it is the plain mean. Rows that are not covered do not count; an image with none left is not covered.
        Raises as `in_order`, but that an image may have several rows.
        """
        rows, size = self._places(images, whose), len(images)
        groups = np.full(size, None, object)
        groups[rows[::-1]] = self.groups[::-1]

        def mean(name: str, block: Logs) -> Logs:
            if name.endswith(score_column("")):
                return mean_of_rows(double(block)[:, 0], rows, size).astype(np.float32)[:, None]
            return mean_probability(self._logs(name), rows, size).astype(np.float32)

        return self._changed(
            mean,
            images=np.array(images, dtype=object),
            groups=groups,
            folds=np.full(size, MISSING, np.int64),
            decided=None,
        )

    def _changed(self, block: Callable[[str, Logs], Logs], **fields: Any) -> Predictions:
        return replace(self, blocks={name: block(name, logs) for name, logs in self.blocks.items()}, **fields)

    def _logs(self, name: str) -> FloatArray:
        return log_normalised(double(self.blocks[name]))

    def _places(self, images: Sequence[str], whose: str) -> IntArray:
        """Position of each row's image among `images`, (n,)."""
        place = {image: i for i, image in enumerate(images)}
        if len(place) != len(images):
            raise ArtefactError(
                f"the manifest names {count(len(images) - len(place), 'image')} twice", hint="make it again"
            )
        if unknown := [image for image in self.images if image not in place]:
            raise MismatchError(
                f"{whose}: {count(len(unknown), 'image')} not in the manifest, the first is `{min(unknown)}`",
                hint="they were made from other data: train or predict again",
            )
        return np.fromiter((place[i] for i in self.images), dtype=np.int64, count=len(self))
