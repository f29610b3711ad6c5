"""The label space: the only module that knows how attributes form the joint class.

A label is a product of attributes. `codes` hold one class number an attribute, shape (..., num_attributes); the
joint class is their mixed-radix number with the first attribute most significant. Where not every combination can
occur, the joint classes are those that can, numbered in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import pairwise, product
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from facetwise.core.arrays import answers, numbers, takes, text
from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.text.spelling import Spellings, normal

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Array = TypeVar("Array", bound=Any)
"""An array of numpy or a tensor of torch."""

MISSING = -1
"""In place of a class number: a class that is not known, or not predicted."""

MAX_ATTRIBUTES = 16
MAX_CLASSES = 1000
MAX_JOINT = 10**9
"""Most joint classes: what numbers of the common types hold."""
_BETWEEN = ("/", " | ", " + ", "\0")
"""What may stand between classes in the name of a joint one; no class holds the last."""
MAX_LISTED_JOINT = 4096
"""Above this many joint classes nothing holds a column a joint class; attributes are kept apart."""
JOINT = "joint"
"""Name of the joint class where an attribute might be named; so no attribute has this name."""


@dataclass(frozen=True)
class Attribute:
    """One part of the label: a name and its classes, in the order of their class numbers.

    An *ordinal* attribute has `cuts`, ascending, one fewer than classes: its class is the number of cuts that are
    less than or equal to the value. `valid` is the closed range of plausible values.
    """

    name: str
    classes: tuple[str, ...]
    cuts: tuple[float, ...] | None = None
    valid: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _check_attribute(self)
        object.__setattr__(self, "classes", tuple(self.classes))

    @property
    def size(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def is_ordinal(self) -> bool:
        """Whether classes come from a number by cuts."""
        return self.cuts is not None

    @takes(name=text())
    def code_of(self, name: str) -> int:
        """Class number of the class called `name`, in any spelling; raises SettingError with close matches."""
        found = Spellings(self.classes).find(name)
        if found not in self.classes:
            known = did_you_mean(name, self.classes)
            raise SettingError(f"attribute `{self.name}` has no class `{name}`", hint=known)
        return self.classes.index(found)

    @takes(values=numbers("...", missing=True))
    def codes_of_values(self, values: npt.ArrayLike) -> IntArray:
        """Class numbers of ordinal `values` (any shape): how many cuts are <= the value.

        Raises InputError for NaN, which no cut can classify.
        """
        if self.cuts is None:
            raise SettingError(f"attribute `{self.name}` has no cuts: its classes are not made from numbers")
        array = np.asarray(values, dtype=np.float64)
        if unknown := int(np.isnan(array).sum()):
            raise InputError(f"attribute `{self.name}`: {unknown} of {array.size} values are NaN, which has no class")
        return np.searchsorted(np.asarray(self.cuts), array, side="right").astype(np.int64)

    @takes(cuts=numbers("c"))
    def with_cuts(self, cuts: Sequence[float]) -> Attribute:
        """The same attribute with moved cuts; names and number of classes stay."""
        if self.cuts is None:
            raise SettingError(f"cuts of `{self.name}` cannot be moved: it has none")
        return replace(self, cuts=tuple(float(c) for c in cuts))


@dataclass(frozen=True)
class LabelSpace:
    """An ordered product of attributes, and the codec between their classes and the joint class."""

    attributes: tuple[Attribute, ...]
    combinations: tuple[int, ...] | None = None
    """The combinations that can occur, ascending, by their number among all products; None for all of them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", tuple(self.attributes))
        if not all(isinstance(a, Attribute) for a in self.attributes):
            raise SettingError(f"a label is made of attributes, got {self.attributes!r:.80}")
        if not 1 <= len(self.attributes) <= MAX_ATTRIBUTES:
            raise SettingError(f"a label has 1 to {MAX_ATTRIBUTES} attributes, got {len(self.attributes)}")
        products = math.prod(self.sizes)
        if products > MAX_JOINT:
            raise SettingError(f"the attributes make {products:,} joint classes, at most {MAX_JOINT:,} are supported")
        if _repeated(self.names):
            raise SettingError(f"attribute names must differ, got {', '.join(self.names)}")
        if self.combinations is not None and len(self.attributes) == 1:
            raise SettingError("one attribute has its classes, and no combinations that cannot occur")
        if self.combinations is not None:
            object.__setattr__(self, "combinations", _checked_combinations(self.combinations, products))

    @property
    def names(self) -> tuple[str, ...]:
        """Attribute names, most significant first."""
        return tuple(a.name for a in self.attributes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each attribute."""
        return tuple(a.size for a in self.attributes)

    @property
    def num_joint(self) -> int:
        """Number of joint classes: the product of the sizes, or as many combinations as can occur."""
        return math.prod(self.sizes) if self.combinations is None else len(self.combinations)

    @cached_property
    def product(self) -> LabelSpace:
        """The same attributes with every combination."""
        return self if self.combinations is None else LabelSpace(self.attributes)

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joint classes in order, such as `wear/male/<30`; no two are alike."""
        if self.num_joint > MAX_LISTED_JOINT:
            raise SettingError(f"{self.num_joint} joint classes are too many to list (at most {MAX_LISTED_JOINT})")
        if self.combinations is not None:
            return tuple(self.joint_name(joint) for joint in range(self.num_joint))
        return tuple(self._between.join(names) for names in product(*(a.classes for a in self.attributes)))

    @cached_property
    def _between(self) -> str:
        """What stands between classes in the name of a joint one: a sign that no class has."""
        classes = {name for a in self.attributes for name in a.classes} if len(self.attributes) > 1 else set()
        return next(sign for sign in _BETWEEN if not any(sign in name for name in classes))

    @takes(name=text())
    def attribute(self, name: str) -> Attribute:
        """The attribute called `name`; raises SettingError with close matches."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise SettingError(f"no attribute is called `{name}`", hint=did_you_mean(name, self.names))

    def only(self, names: Collection[str]) -> LabelSpace:
        """The attributes called `names` only, in the order of this space; raises as `attribute`.

        Of several attributes those combinations can occur that are part of one that can. One attribute has its classes.
        """
        for name in names:
            self.attribute(name)
        kept = [i for i, own in enumerate(self.names) if own in names]
        if len(kept) == len(self.names):
            return self
        part = LabelSpace(tuple(self.attributes[i] for i in kept))
        is_free = self.combinations is None or len(kept) == 1
        return part if is_free else part.with_combinations(self.joint_codes[:, kept])

    def index(self, name: str) -> int:
        """Position of the attribute called `name`."""
        return self.attributes.index(self.attribute(name))

    def joint_name(self, joint: int) -> str:
        """Name of one joint class; also in a space of too many to list."""
        codes = self.decode(joint).tolist()
        return self._between.join(a.classes[c] for a, c in zip(self.attributes, codes, strict=True))

    @takes(codes=answers("..."))
    def encode(self, codes: npt.ArrayLike, *, missing: bool = False) -> IntArray:
        """Joint classes, shape (...), of class numbers, shape (..., num_attributes).

        With `missing`, a class number may be -1, and a joint class is -1 where any of its class numbers is, or where
        the combination cannot occur. Raises ValueError for class numbers out of range, and without `missing` for
        combinations that cannot occur.
        """
        array = np.asarray(codes, dtype=np.int64)
        if array.shape[-1:] != (len(self.attributes),):
            raise ValueError(f"codes must have shape (..., {len(self.attributes)}), got {array.shape}")
        known = (array != MISSING).all(axis=-1) if missing else np.ones(array.shape[:-1], bool)
        _check_range(array, np.asarray(self.sizes), "class number", lowest=MISSING if missing else 0)
        whole = np.where(known[..., None], array, 0)
        joint = np.asarray(np.ravel_multi_index(tuple(np.moveaxis(whole, -1, 0)), self.sizes))
        if self.combinations is not None:
            joint = self._places(joint)
            if not missing and (joint == MISSING).any():
                raise ValueError(f"{int((joint == MISSING).sum())} of {joint.size} combinations cannot occur")
        return np.where(known, joint, MISSING).astype(np.int64)

    @takes(joint=answers("..."))
    def decode(self, joint: npt.ArrayLike, *, missing: bool = False) -> IntArray:
        """Class numbers, shape (..., num_attributes), of joint classes, shape (...).

        With `missing`, a joint class may be -1, and all of its class numbers are -1 then.
        """
        array = np.asarray(joint, dtype=np.int64)
        _check_range(array, np.asarray(self.num_joint), "joint class", lowest=MISSING if missing else 0)
        known = array != MISSING
        numbers = np.where(known, array, 0)
        numbers = numbers if self.combinations is None else self._combinations[numbers]
        codes = np.stack(np.unravel_index(numbers, self.sizes), axis=-1)
        return np.where(known[..., None], codes, MISSING).astype(np.int64)

    @takes(joint=answers("..."))
    def answer_of(self, joint: npt.ArrayLike) -> IntArray:
        """How joint classes are written for others, any shape: as numbers among all products; -1 stays."""
        return self.product.encode(self.decode(joint, missing=True), missing=True)

    @takes(answer=answers("..."))
    def joint_of_answer(self, answer: npt.ArrayLike) -> IntArray:
        """The joint classes that others write as `answer`, any shape; -1 stays, and stands for what cannot occur."""
        return self.encode(self.product.decode(answer, missing=True), missing=True)

    @cached_property
    def joint_codes(self) -> IntArray:
        """Class numbers of every joint class, (num_joint, num_attributes)."""
        return self.decode(np.arange(self.num_joint))

    @takes(codes=answers("n a"))
    def with_combinations(self, codes: IntArray) -> LabelSpace:
        """The same attributes with the combinations in `codes`, (n, num_attributes), alone; -1 is not allowed."""
        return replace(self, combinations=tuple(np.unique(self.product.encode(codes)).tolist()))

    @cached_property
    def _combinations(self) -> IntArray:
        return np.asarray(self.combinations, np.int64)

    def _places(self, numbers: IntArray) -> IntArray:
        """The joint classes of products by their number, any shape; -1 for those that cannot occur."""
        places = np.minimum(np.searchsorted(self._combinations, numbers), self.num_joint - 1)
        return np.where(self._combinations[places] == numbers, places, MISSING)

    def columns(self, name: str) -> tuple[str, ...]:
        """Table columns that hold the log-probabilities of the attribute called `name`: `mask=wear`, ..."""
        return tuple(f"{name}={c}" for c in self.attribute(name).classes)

    @property
    def joint_columns(self) -> tuple[str, ...]:
        """Table columns that hold joint log-probabilities: `joint=0`, `joint=1`, ..."""
        return tuple(f"joint={i}" for i in range(len(self.joint_names)))

    def with_cuts(self, moved: Mapping[str, Sequence[float]]) -> LabelSpace:
        """The same space with the cuts of some ordinal attributes moved (for a training view only)."""
        for name in moved:
            self.attribute(name)
        own = tuple(a.with_cuts(moved[a.name]) if a.name in moved else a for a in self.attributes)
        return replace(self, attributes=own)

    def as_dict(self) -> dict[str, object]:
        """Plain data, for hashes and records."""
        attributes = [
            {"name": a.name, "classes": list(a.classes), "cuts": None if a.cuts is None else list(a.cuts)}
            for a in self.attributes
        ]
        own = {} if self.combinations is None else {"combinations": list(self.combinations)}
        return {"attributes": attributes, **own}


def combined(parts: Sequence[Array], joint_codes: Iterable[Any] | None, how: Callable[[Any, Any], Any]) -> Array:
    """A number a joint class, (n, num_joint), of one a class of each attribute, (n, K): added or multiplied (`how`).

    `joint_codes`: by attribute its class in each joint class; None where every combination can occur.
    """
    if joint_codes is not None:
        of_each: Array = reduce(how, (part[:, own] for part, own in zip(parts, joint_codes, strict=True)))
        return of_each
    joint = parts[0]
    for part in parts[1:]:
        joint = how(joint[:, :, None], part[:, None, :]).reshape(len(part), -1)
    return joint


def _check_attribute(attribute: Attribute) -> None:
    name, classes, cuts, valid = attribute.name, attribute.classes, attribute.cuts, attribute.valid
    if not isinstance(name, str) or isinstance(classes, str) or not all(isinstance(c, str) for c in classes):
        raise SettingError(f"an attribute has a name and a tuple of names of classes, got {name!r} and {classes!r}")
    if not name or "=" in name or ":" in name or name == JOINT:
        raise SettingError(f"`{name}` cannot name an attribute: not empty, without `=` or `:`, and not `{JOINT}`")
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise SettingError(f"attribute `{name}` has {len(classes)} classes, expected 2 to {MAX_CLASSES}")
    if valid is not None and not valid[0] <= valid[1]:
        raise SettingError(f"valid values of `{name}` are from the lower to the higher, got {list(valid)}")
    if repeated := _repeated(classes):
        raise SettingError(f"attribute `{name}` lists class `{repeated[0]}` twice")
    if cuts is None:
        return
    if len(cuts) != len(classes) - 1:
        raise SettingError(
            f"attribute `{name}` has {len(classes)} classes and so needs {len(classes) - 1} cuts, got {list(cuts)}"
        )
    if any(isinstance(c, bool | str) or not math.isfinite(c) for c in cuts) or any(a >= b for a, b in pairwise(cuts)):
        raise SettingError(f"cuts of `{name}` must be finite and ascending, got {list(cuts)}")


def _checked_combinations(numbers: tuple[int, ...], products: int) -> tuple[int, ...] | None:
    """Ascending numbers of products; None where they are all there is."""
    if not numbers or any(a >= b for a, b in pairwise(numbers)) or numbers[0] < 0 or numbers[-1] >= products:
        raise SettingError(f"combinations that can occur are ascending numbers from 0 to {products - 1}, one or more")
    return None if len(numbers) == products else tuple(numbers)


def _repeated(items: Sequence[str]) -> list[str]:
    """Names that another one before them is a spelling of."""
    plain = [normal(item) for item in items]
    return [item for i, item in enumerate(items) if plain[i] in plain[:i]]


def _check_range(array: IntArray, size: IntArray, what: str, *, lowest: int) -> None:
    if array.size and ((array < lowest) | (array >= size)).any():
        raise ValueError(f"{what} out of range: got {array.min()}..{array.max()}, sizes {size.tolist()}")
