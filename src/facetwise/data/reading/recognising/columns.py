"""Which columns of a table are attributes, which one is the group, and which one a given split.

The rule, as docs/guides/your-own-photos.md tells it: a column is

- the *group* when its name is one of `GROUPS` (`plant`, `patient_id`, `SubjectID`), or `id` and its values repeat;
- never an attribute when it is called as what says who labelled (`SAID_BY`);
- a given *split* when its values are parts, one of them `train`; or its name is one of `SPLITS`, and they are parts or
  numbers of folds; or it says of each image by yes or no whether it is for training;
- an *attribute* when it has 2 to `MAX_CLASSES` different values, each on two rows on average, on five where they are
  more than `FEW`; of numbers, only up to `MAX_NUMBERS` different whole ones;
- else kept beside the images as it is. Times, paths of images, and columns of one value are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from facetwise.core.files.csvtable import CsvTable
from facetwise.core.labels import MAX_CLASSES
from facetwise.core.people import person
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import folded
from facetwise.data.folds import VALIDATION
from facetwise.data.images.images import IMAGE_ENDINGS
from facetwise.data.reading.labelcells import SAYS_NOTHING, listed_cuts, plain_number, proposed_cuts

_PEOPLE = "group person people subject patient participant individual donor owner user identity player driver volunteer"
_THINGS = "plant tree animal specimen case family household customer"
GROUPS = frozenset(f"{_PEOPLE} {_THINGS}".split())
"""What a column of groups is called, without `id`, `no`, `name`; in any case, also of more than one."""
SPLITS = frozenset({"split", "set", "subset", "partition", "fold", "folds", "kfold", "usage"})
_PARTS = {"train": ("train", "training"), "val": VALIDATION, "test": ("test", "testing", "eval", "evaluation")}
_BESIDE_PART = frozenset({"public", "private", "set", "data", "dataset", "images", "split", "seg", "samples"})
"""Words that may stand beside that of a part: `PublicTest`, `seg_train`."""
_YES, _NO = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no"})
PART = "part"
"""The column of a given split that names of folders or tables make."""
_NO_NOUN = frozenset({"group", "people", "identity"})
"""Those that do not say what one is."""
UNKNOWN = SAYS_NOTHING - {"none"} | {""}
"""Cells, in any case, that stand for a label which is not known; `none` may be a class."""
SAID_BY = frozenset({"author", "annotator", "labeller", "labeler", "reviewer", "reason"})
"""What columns are called that say who labelled an image, and why: they are no attributes."""
FEW = 50
MAX_NUMBERS = 20
_NUMBERING = frozenset({"id", "ids", "no", "nr", "num", "number", "name", "code", "key", "idx", "index"})
_IDS = frozenset({"id", "ids", "uid", "no", "nr"})
_SERIES = frozenset({"sequence", "seq", "burst", "video", "clip", "session", "lesion", "slide", "sku"})
"""What is called so may be behind several images."""
_KINDS = frozenset(
    [
        "class",
        "label",
        "category",
        "cat",
        "species",
        "breed",
        "type",
        "target",
        "diagnosis",
        "disease",
        "dx",
        "brand",
        "crop",
        "grade",
    ]
)
"""What is numbered and called so is no thing but a kind."""
_FEWEST, _EACH = 8, 20
"""Values of what may be a group, and the images that each has on average at most."""
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}")
_TOKENS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|[0-9]+")


@dataclass(frozen=True)
class Column:
    """A column of a table, whose cells are in one spelling: `1.0` is `1`."""

    name: str
    cells: tuple[str, ...]
    is_key_of_groups: bool = False
    """Whether its cells are the keys of another table, which calls them as a group."""

    @cached_property
    def known(self) -> Counter[str]:
        """How often each value occurs, without what stands for nothing known."""
        return Counter(cell for cell in self.cells if cell.casefold() not in UNKNOWN)

    @property
    def is_numbers(self) -> bool:
        """Whether all values are numbers."""
        return bool(self.known) and all(math.isfinite(plain_number(cell)) for cell in self.known)

    @property
    def words(self) -> set[str]:
        """The words of its name: of `PatientID` they are `patient` and `id`."""
        return {folded(word) for word in _TOKENS.findall(self.name)}

    @property
    def names_a_group(self) -> bool:
        """Whether it is called as a group is."""
        words = self.words - _NUMBERING
        one = next(iter(words)) if len(words) == 1 else ""
        called = one in GROUPS or one.removesuffix("s") in GROUPS
        return self.is_key_of_groups or called or (not words and "id" in self.words and self._repeats)

    @property
    def names_a_number(self) -> bool:
        """Whether it is called as what numbers something is: `pid`, `patient`, `case_no`."""
        return self.names_a_group or bool(self.words & (_NUMBERING | GROUPS)) or folded(self.name).endswith("id")

    @property
    def names_a_split(self) -> bool:
        """Whether its values are parts, or numbers of folds in a column that is called so."""
        values, called = {folded(value) for value in self.known}, bool(self.words & SPLITS)
        parts = {self.part(value) for value in self.known}
        if len(values) < 2 or (called and len(values) <= 20 and all(map(str.isdecimal, values))):
            return len(values) > 1
        return "" not in parts and (called or ("train" in parts and len(parts) > 1))

    def part(self, value: str) -> str:
        """The part of a given split that one of its values is; empty if none."""
        if self.words & {"train", "training"} and {folded(v) for v in self.known} <= _YES | _NO:
            return "train" if folded(value) in _YES else "test"
        return part_of(value)

    @property
    def may_name_a_group(self) -> bool:
        """Whether it is called as what numbers several images of something is (`lesion_id`, `sequence`, `sku`), and has
        many values of few images each."""
        words, known = self.words, self.known
        called = words & _SERIES or (words & _IDS and words - _NUMBERING and not words & _KINDS)
        few = _FEWEST <= len(known) < known.total() <= _EACH * len(known)
        return bool(called) and few and not self.names_a_group

    def numbers(self, other: Column) -> bool:
        """Whether it holds a number of each value of another column, and is called as that or as an id."""
        called = self.words & _IDS or (self.words - _NUMBERING) & (other.words - _NUMBERING)
        if not called or not self.is_numbers or other.is_numbers:
            return False
        return len({*zip(self.cells, other.cells, strict=True)}) == len({*self.cells}) == len({*other.cells})

    @property
    def numbers_things(self) -> bool:
        """Whether it is called as what a row is of: a `patient`, `case_id`, and no kind, as `class_id` is."""
        words = {word.removesuffix("s") for word in self.words}
        return bool(words & (GROUPS | _SERIES | _IDS)) and not self.words & _KINDS

    @property
    def is_an_attribute(self) -> bool:
        """Whether it has few values, which repeat, and is not called as a group; see the rule of the module."""
        known = self.known
        if self.names_a_group or self.words & SAID_BY or not 2 <= len(known) <= MAX_CLASSES or not self._repeats:
            return False
        if self.is_numbers:
            return len(known) <= MAX_NUMBERS and all(re.fullmatch("-?[0-9]+", cell) for cell in known)
        odd = sum(bool(_TIME.fullmatch(cell)) or PurePosixPath(cell).suffix.lower() in IMAGE_ENDINGS for cell in known)
        return 2 * odd < len(known)

    @property
    def cut_option(self) -> str:
        """The option that makes three classes of its numbers, about equally many of each."""
        cuts = proposed_cuts([n for cell in self.known.elements() if math.isfinite(n := plain_number(cell))], 3)
        return f"--attribute {self.name}={listed_cuts(cuts, ',') or 'CUT,CUT'}"

    @property
    def why_not(self) -> str:
        """Why it is no attribute."""
        known = self.known
        if len(known) < 2:
            return "one value" if known else "empty"
        if self.names_a_group:
            return "called as a group"
        if self.may_name_a_group:
            return "numbers something that several images show"
        if self.words & SAID_BY:
            return "says who labelled, or why"
        if self.is_numbers:
            return f"{len(known):,} different numbers: cuts would make classes of them, `{self.cut_option}`"
        others = [cell for cell in known if not math.isfinite(plain_number(cell))]
        if 2 * len(others) < len(known):
            told = listed(f"`{cell}`" for cell in others)
            return f"numbers, but for {told}: cuts would make classes of them, `{self.cut_option}`"
        return f"{len(known):,} different values" if len(known) > MAX_CLASSES or not self._repeats else "times or files"

    @property
    def _repeats(self) -> bool:
        known = self.known
        return (2 if len(known) <= FEW else 5) * len(known) <= known.total()


def subject_by(group: str) -> str:
    """What one of those is called whom a column names: `patient` by `PatientIDs`, `subject` where it does not say."""
    words = {word.removesuffix("s") for word in Column(group, ()).words - _NUMBERING}
    named = (words & GROUPS) - _NO_NOUN
    return named.pop() if len(words) == len(named) == 1 else "subject"


def part_of(name: str) -> str:
    """The part of a given split that something is called as: `train`, `val`, `test`; empty if none. Numbers behind the
    word, and words such as `public` beside it, change nothing."""
    words = {folded(word) for word in _TOKENS.findall(name) if not word.isdecimal()}
    one = words - _BESIDE_PART if len(words) > 1 else words
    return next((part for part, called in _PARTS.items() if len(one) == 1 and one <= {*called}), "")


@dataclass(frozen=True)
class PartName:
    """What a table is called: the part of a split, its path with `{part}` in the place of the word, and the word."""

    part: str = ""
    pattern: str = ""
    word: str = ""


NO_PART = PartName()


def parts_of(paths: Iterable[str]) -> dict[str, PartName]:
    """What tables are called as by their name or their folder: by all of it, or by one word of it where others are
    called the same but for that word, one of them as training."""
    found = {path: _part_in(path) for path in paths}
    trained = {name.pattern for name in found.values() if name.part == "train"}
    alike = Counter(name.pattern for name in found.values())
    whole = {path for path, name in found.items() if "{part}" in re.split("[/.]", name.pattern)}
    sure = {p for p, name in found.items() if p in whole or (name.pattern in trained and alike[name.pattern] > 1)}
    return {path: name if path in sure else NO_PART for path, name in found.items()}


def _part_in(path: str) -> PartName:
    pieces = path.split("/")
    for place in range(len(pieces) - 1, max(len(pieces) - 3, -1), -1):
        stem, dot, ending = pieces[place].rpartition(".") if place == len(pieces) - 1 else (pieces[place], "", "")
        words = re.split("([ _-]+)", stem)
        called = [k for k, word in enumerate(words) if part_of(word)]
        if len(called) == 1:
            word, words[called[0]] = words[called[0]], "{part}"
            pieces[place] = "".join(words) + dot + ending
            return PartName(part_of(word), "/".join(pieces), word)
    return NO_PART


def columns_of(table: CsvTable) -> dict[str, Column]:
    """The columns that have a name; of those of one name the first."""
    cells = zip(*(record for _, record in table.records), strict=False)
    found: dict[str, Column] = {}
    for name, column in zip(table.names, cells, strict=False):
        if name:
            found.setdefault(name, Column(name, tuple(map(person, column))))
    return found


def is_labelled(columns: Iterable[Column], image: str) -> bool:
    """Whether there is an attribute beside the column of images."""
    return any(c.is_an_attribute and not c.names_a_split for c in columns if c.name != image)
