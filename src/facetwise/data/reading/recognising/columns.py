"""Which columns of a table are attributes, which one is the group, and which one a given split.

The rule, as docs/guides/your-own-photos.md tells it: a column is

- the *group* when its name is one of `GROUPS` (`plant`, `patient_id`, `SubjectID`), or `id` and its values repeat;
- a given *split* when its name is one of `SPLITS`, with values that are parts (`train`, `test`) or folds;
- an *attribute* when it has 2 to `MAX_CLASSES` different values, each on two rows on average, on five where they are
  more than `FEW`; of numbers, only up to `MAX_NUMBERS` different whole ones;
- else kept beside the images as it is. Times, paths of images, and columns of one value are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.files.csvtable import CsvTable
from facetwise.core.labels import JOINT, MAX_CLASSES
from facetwise.core.people import person
from facetwise.core.project import NO_GROUP
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import class_order, folded
from facetwise.data.folds import VALIDATION
from facetwise.data.images.images import IMAGE_ENDINGS
from facetwise.data.people import NOBODY
from facetwise.data.reading.labelcells import plain_number
from facetwise.data.reading.recognising.proposal import Ask, Choices, Question, decided

_PEOPLE = "group person people subject patient participant individual donor owner user identity player driver volunteer"
_THINGS = "plant tree animal specimen case family household customer"
GROUPS = frozenset(f"{_PEOPLE} {_THINGS}".split())
"""What a column of groups is called, without `id`, `no`, `name`; in any case, also of more than one."""
SPLITS = frozenset({"split", "set", "subset", "partition", "fold", "usage"})
TRAINING, TESTING = ("train", "training"), ("test", "testing", "eval", "evaluation")
UNKNOWN = NOBODY - {"none"} | {"", "todo", "tbd"}
"""Cells, in any case, that stand for a label which is not known."""
FEW = 50
MAX_NUMBERS = 20
MAX_UNASKED = 6
"""Columns that become attributes without being chosen."""
EACH = "each"
"""In the place of cuts: each number is a class."""
_NUMBERING = frozenset({"id", "ids", "no", "nr", "num", "number", "name", "code", "key", "idx", "index"})
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}")
_TOKENS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|[0-9]+")


@dataclass(frozen=True)
class Column:
    """A column of a table, whose cells are in one spelling: `1.0` is `1`."""

    name: str
    cells: tuple[str, ...]

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
        return one in GROUPS or one.removesuffix("s") in GROUPS or (not words and "id" in self.words and self._repeats)

    @property
    def names_a_split(self) -> bool:
        """Whether it is called as a split is, and its values are parts, or numbers of folds."""
        values = {value.casefold() for value in self.known}
        if not self.words & SPLITS or len(values) < 2:
            return False
        return values <= {*TRAINING, *VALIDATION, *TESTING} or (len(values) <= 20 and all(map(str.isdecimal, values)))

    @property
    def is_an_attribute(self) -> bool:
        """Whether it has few values, which repeat, and is not called as a group; see the rule of the module."""
        known = self.known
        if self.names_a_group or not 2 <= len(known) <= MAX_CLASSES or not self._repeats:
            return False
        if self.is_numbers:
            return len(known) <= MAX_NUMBERS and all(re.fullmatch("-?[0-9]+", cell) for cell in known)
        odd = sum(bool(_TIME.fullmatch(cell)) or PurePosixPath(cell).suffix.lower() in IMAGE_ENDINGS for cell in known)
        return 2 * odd < len(known)

    @property
    def why_not(self) -> str:
        """Why it is no attribute."""
        known = self.known
        if len(known) < 2:
            return "one value" if known else "empty"
        if self.names_a_group:
            return "called as a group"
        if self.is_numbers:
            return (
                f"{len(known):,} different numbers: cuts would make classes of them, `--attribute {self.name}=CUT,CUT`"
            )
        return f"{len(known):,} different values" if len(known) > MAX_CLASSES or not self._repeats else "times or files"

    @property
    def _repeats(self) -> bool:
        known = self.known
        return (2 if len(known) <= FEW else 5) * len(known) <= known.total()


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are."""

    group: str
    """`none` where there is none."""
    split: Column | None
    attributes: tuple[dict[str, Any], ...]
    """Settings of each (`core.project.AttributeSpec`)."""
    unknown: tuple[str, ...]
    """Cells that stand for a label which is not known."""
    notes: tuple[str, ...]

    @property
    def keys(self) -> dict[str, Any]:
        """Settings of the training side."""
        words = ["", *self.unknown]
        return {"group": self.group, **({"unknown": words} if self.unknown else {})}


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


def roles_of(columns: Mapping[str, Column], image: str, source: str, choices: Choices, ask: Ask) -> Roles:
    """The roles of all columns of `source` but `image`; raises InputError for what cannot be decided, SettingError for
    choices that no column can fill."""
    others = {name: column for name, column in columns.items() if name != image}
    chosen = dict(_parting_of(text, others) for text in choices.attributes)
    group = _group(others, choices, chosen, ask)
    rest = [column for name, column in others.items() if name != group and name not in chosen]
    split = next((column for column in rest if column.names_a_split), None)
    if not chosen:
        chosen = dict.fromkeys(_attributes([column for column in rest if column is not split], source, ask))
    left = [column for column in rest if column is not split and column.name not in chosen]
    unknown = {cell for name in chosen for cell in others[name].cells if cell and cell.casefold() in UNKNOWN}
    notes = [*_group_notes(group, others), *_left_notes(left, choices)]
    made = [_attribute(others[name], parting, notes) for name, parting in chosen.items()]
    return Roles(group, split, tuple(made), tuple(sorted(unknown)), tuple(notes))


Parting = list[float] | str | None
"""How cells are made into classes: by cuts, each number (no cuts), what stands between findings; None: not at all."""


def _parting_of(text: str, columns: Mapping[str, Column]) -> tuple[str, Parting]:
    """The column, and its parting: of `age=30,60`, `age=each`, `finding=/` or `sex`; a name may hold the sign."""
    name, sign, cuts = (text, "", "") if text in columns else text.rpartition("=")
    if name not in columns:
        name = name or text
        raise SettingError(f"no column is called `{name}`", hint=did_you_mean(name, columns))
    if not sign:
        return name, None
    if cuts.strip() == EACH:
        return name, []
    if re.fullmatch(r"[^\w\s.-]", cuts.strip()):
        return name, cuts.strip()
    numbers = [plain_number(part.strip()) for part in cuts.split(",")]
    if not all(map(math.isfinite, numbers)) or sorted(set(numbers)) != numbers:
        raise SettingError(f"`{text}`: cuts are numbers, the smallest first, such as `{name}=30,60`")
    return name, numbers


def _group(columns: Mapping[str, Column], choices: Choices, chosen: Mapping[str, Any], ask: Ask) -> str:
    if choices.group is not None:
        if choices.group not in columns and folded(choices.group) != NO_GROUP:
            raise SettingError(f"no column is called `{choices.group}`", hint=did_you_mean(choices.group, columns))
        return choices.group if choices.group in columns else NO_GROUP
    named = [name for name, column in columns.items() if column.names_a_group and name not in chosen]
    if len(named) > 1:
        question = Question("several columns may say whose an image is", (*named, NO_GROUP), "--group")
        return decided(question, ask)[0]
    return named[0] if named else NO_GROUP


def _attributes(columns: Sequence[Column], source: str, ask: Ask) -> list[str]:
    found = [column.name for column in columns if column.is_an_attribute]
    if 1 <= len(found) <= MAX_UNASKED:
        return found
    if found:
        text = f"{source}: {len(found)} columns may be attributes, and so many make a label of very many classes"
        return decided(Question(text, tuple(found), "--attribute", several=True), ask)
    told = "; ".join(f"`{column.name}`: {column.why_not}" for column in columns) or "no other column"
    raise InputError(
        f"{source}: no column of labels, with few values that repeat ({told})",
        hint="name the columns: `--attribute COLUMN`",
    )


def _group_notes(group: str, columns: Mapping[str, Column]) -> Iterable[str]:
    if group == NO_GROUP:
        names = ", ".join(f"`{name}`" for name in columns)
        yield (
            "no group: each image is taken as its own. Where several are of one person, plant or thing, every estimate "
            f'is too high; name their column: `group = "COLUMN"` or `--group COLUMN` (columns: {names})'
        )


def _left_notes(left: Sequence[Column], choices: Choices) -> Iterable[str]:
    if left:
        told = listed((f"`{c.name}` ({'not chosen' if choices.attributes else c.why_not})" for c in left), 12)
        yield f"columns kept beside the images, no attributes: {told}; `--attribute COLUMN` makes one of it"


def _attribute(column: Column, cuts: Parting, notes: list[str]) -> dict[str, Any]:
    """The settings of an attribute; adds to `notes` what was decided of its cells."""
    name = re.sub("[=:]", "-", column.name) if column.name != JOINT else f"{JOINT} class"
    if isinstance(cuts, str):
        found = sorted({person(item) for cell in column.known for item in cell.split(cuts)} - {""}, key=class_order)
        notes.append(f"`{name}`: several findings in a cell, with `{cuts}` between: a yes or no of each, `split`")
        return {"name": name, "classes": found, "column": column.name, "split": cuts}
    if cuts:
        if not column.is_numbers:
            text = next(cell for cell in (*column.known, "empty") if not math.isfinite(plain_number(cell)))
            raise SettingError(f"`{column.name}` cannot be cut: it holds {text!r}, expected numbers")
        notes.append(f"`{name}`: a number of {', '.join(f'{c:g}' for c in cuts)} or more is of the next class: `cuts`")
        return {"name": name, "classes": _between(cuts), "column": column.name, "cuts": cuts}
    known = column.known
    if column.is_numbers and not column.is_an_attribute and cuts is None:
        raise SettingError(
            f"`{column.name}` holds {count(len(known), 'different number')}, which are no classes by themselves",
            hint=f"say where to cut them, `--attribute {column.name}=CUT,CUT`, or that each number is a class, "
            f"`--attribute {column.name}={EACH}`",
        )
    if not 2 <= len(known) <= MAX_CLASSES:
        raise SettingError(
            f"`{column.name}` has {count(len(known), 'different value')}, a label has 2 to {MAX_CLASSES} classes",
            hint="choose another column, or write fewer classes into the table",
        )
    classes, values = _one_case(known)
    if values:
        told = listed(f"`{other}` as `{meant}`" for other, meant in values.items())
        notes.append(f"`{name}`: taken as one class where only case differs: {told}; `values` says so")
    lacking = len(column.cells) - known.total()
    if lacking:
        words = sorted({cell or "(empty)" for cell in column.cells} - set(known))
        notes.append(f"`{name}`: {count(lacking, 'cell')} not known: {listed((f'`{w}`' for w in words), 8)}; `unknown`")
    for sign in "/;|,+&":
        if several := [c for c in classes if sign in c and {*map(person, c.split(sign))} & {*classes}]:
            way = f'`--attribute "{column.name}={sign}"` makes a yes or no of each'
            notes.append(f"`{name}`: {listed(f'`{c}`' for c in several)} seems to be several findings: {way}")
    return {"name": name, "classes": classes, "column": column.name, **({"values": values} if values else {})}


def _one_case(known: Counter[str]) -> tuple[list[str], dict[str, str]]:
    """The classes in order, each in its most frequent spelling, and the other spellings."""
    alike: dict[str, list[str]] = {}
    for cell, _ in sorted(known.most_common(), key=lambda item: (-item[1], item[0])):
        alike.setdefault(folded(cell), []).append(cell)
    values = {other: spellings[0] for spellings in alike.values() for other in spellings[1:]}
    if len(alike) < 2:  # then case is all that tells them apart
        return sorted(known, key=class_order), {}
    return sorted((spellings[0] for spellings in alike.values()), key=class_order), values


def _between(cuts: Sequence[float]) -> list[str]:
    """Names of the classes between cuts: `<30`, `30 to <60`, `>=60`."""
    texts = [f"{cut:g}" for cut in cuts]
    inner = [f"{low} to <{high}" for low, high in pairwise(texts)]
    return [f"<{texts[0]}", *inner, f">={texts[-1]}"]
