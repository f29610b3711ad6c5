"""What the columns of a table are: by choice, by the rule of `columns`, or by an answer."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from facetwise.core.errors import InputError, SettingError, did_you_mean
from facetwise.core.labels import JOINT, MAX_CLASSES
from facetwise.core.people import person
from facetwise.core.records.dataset import NO_GROUP
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import class_order, folded
from facetwise.data.reading.labelcells import plain_number
from facetwise.data.reading.recognising.columns import UNKNOWN, Column
from facetwise.data.reading.recognising.lying import FoundTable
from facetwise.data.reading.recognising.proposal import NO_GROUP_TOLD, Ask, OpenQuestion, TableChoices, decided

MAX_UNASKED = 6
"""Columns that become attributes without being chosen."""
EACH = "each"
"""In the place of cuts: each number is a class."""


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
    def columns(self) -> list[str]:
        """The columns that are read."""
        split = [self.split.name] if self.split is not None else []
        return [self.group, *split, *(attribute["column"] for attribute in self.attributes)]

    @property
    def keys(self) -> dict[str, Any]:
        """Settings of the training side."""
        words = ["", *self.unknown]
        return {"group": self.group, **({"unknown": words} if self.unknown else {})}


def roles_of(columns: Mapping[str, Column], image: str, source: str, choices: TableChoices, ask: Ask) -> Roles:
    """The roles of all columns of `source` but `image`; raises InputError for what cannot be decided, SettingError for
    choices that no column can fill."""
    others = {name: column for name, column in columns.items() if name != image}
    chosen = dict(_parting_of(text, others) for text in choices.attributes)
    once: dict[str, str] = {}
    group = _group(others, choices, chosen, ask)
    numbering = [] if chosen else [name for name, column in others.items() if column.may_name_a_group]
    rest = [column for name, column in others.items() if name != group and name not in chosen]
    split = next((column for column in rest if column.names_a_split), None)
    if not chosen:
        may_be = [column for column in rest if column is not split and column.name not in numbering]
        once = _each_once(may_be)
        chosen = dict.fromkeys(_attributes([column for column in may_be if column.name not in once], source, ask))
    left = [c for c in rest if c is not split and c.name not in chosen and c.name not in once]
    unknown = {cell for name in chosen for cell in others[name].cells if cell and cell.casefold() in UNKNOWN}
    notes = [*_group_notes(group, others), *_left_notes(left, choices)]
    told = "numbers the classes of `{}`, which is the attribute; `--attribute {}` takes it"
    notes += [f"`{name}` {told.format(other, name)}" for name, other in once.items()]
    if group in numbering and choices.group is None:
        notes.append(f"`{group}` is taken as the group by its name and its values; `--group` or `--attribute {group}`")
    made = [_attribute(others[name], parting, notes) for name, parting in chosen.items()]
    return Roles(group, split, tuple(made), tuple(sorted(unknown)), tuple(notes))


def check_repeated(found: FoundTable, columns: Iterable[str]) -> None:
    """Raise InputError for a column of these that a table has twice: nobody can tell which of the two is meant."""
    if twice := [name for name in columns if found.table.names.count(name) > 1]:
        hint = "give each column a name of its own"
        raise InputError(f"{found.path}:1: column `{twice[0]}` is there twice", hint=hint)


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


def _group(columns: Mapping[str, Column], choices: TableChoices, chosen: Mapping[str, Any], ask: Ask) -> str:
    if choices.group is not None:
        if "{" in choices.group:  # the project file says what is wrong with a pattern
            return choices.group
        if choices.group not in columns and folded(choices.group) != NO_GROUP:
            raise SettingError(f"no column is called `{choices.group}`", hint=did_you_mean(choices.group, columns))
        return choices.group if choices.group in columns else NO_GROUP
    named = [name for name, column in columns.items() if column.names_a_group and name not in chosen]
    if not named and not chosen:
        named = [name for name, column in columns.items() if column.may_name_a_group]
        named = (
            named
            if any(c.is_an_attribute and not c.names_a_split for n, c in columns.items() if n not in named)
            else []
        )
    if len(named) > 1:
        question = OpenQuestion("several columns may say whose an image is", (*named, NO_GROUP), "--group")
        return decided(question, ask)[0]
    return named[0] if named else NO_GROUP


def _attributes(columns: Sequence[Column], source: str, ask: Ask) -> list[str]:
    found = [column.name for column in columns if column.is_an_attribute]
    if 1 <= len(found) <= MAX_UNASKED:
        return found
    if found:
        text = f"{source}: {len(found)} columns may be attributes, and so many make a label of very many classes"
        return decided(OpenQuestion(text, tuple(found), "--attribute", several=True), ask)
    told = "; ".join(f"`{column.name}`: {column.why_not}" for column in columns) or "no other column"
    raise InputError(
        f"{source}: no column of labels, with few values that repeat ({told})",
        hint="name the columns: `--attribute COLUMN`",
    )


def _each_once(columns: Sequence[Column]) -> dict[str, str]:
    """Columns that only number the classes of another, and that one: `class_id` beside `class_name`."""
    may_be = [column for column in columns if column.is_an_attribute]
    return {one.name: other.name for one in may_be for other in may_be if one.numbers(other)}


def _group_notes(group: str, columns: Mapping[str, Column]) -> Iterable[str]:
    if group == NO_GROUP:
        names = ", ".join(f"`{name}`" for name in columns)
        yield (f'{NO_GROUP_TOLD}; name their column: `group = "COLUMN"` or `--group COLUMN` (columns: {names})')


def _left_notes(left: Sequence[Column], choices: TableChoices) -> Iterable[str]:
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
        return _cut(column, name, cuts, notes)
    known = column.known
    if column.is_numbers and not column.is_an_attribute and cuts is None:
        raise SettingError(
            f"`{column.name}` holds {count(len(known), 'different number')}, which are no classes by themselves",
            hint=f"say where to cut them, such as `{column.cut_option}` (about a third of the rows each), or that each "
            f"number is a class, `--attribute {column.name}={EACH}`",
        )
    if not 2 <= len(known) <= MAX_CLASSES:
        raise SettingError(
            f"`{column.name}` has {count(len(known), 'different value')}, a label has 2 to {MAX_CLASSES} classes",
            hint="choose another column, or write fewer classes into the table",
        )
    classes, values = one_case(known)
    if values:
        notes.append(f"`{name}`: {one_case_told(values)}")
    lacking = len(column.cells) - known.total()
    if lacking:
        words = sorted({cell or "(empty)" for cell in column.cells} - set(known))
        notes.append(f"`{name}`: {count(lacking, 'cell')} not known: {listed((f'`{w}`' for w in words), 8)}; `unknown`")
    for sign in "/;|,+&":
        if several := [c for c in classes if sign in c and {*map(person, c.split(sign))} & {*classes}]:
            way = f'`--attribute "{column.name}={sign}"` makes a yes or no of each'
            notes.append(f"`{name}`: {listed(f'`{c}`' for c in several)} seems to be several findings: {way}")
    return {"name": name, "classes": classes, "column": column.name, **({"values": values} if values else {})}


def _cut(column: Column, name: str, cuts: list[float], notes: list[str]) -> dict[str, Any]:
    """The settings of an attribute of numbers; what is open-ended (`50+`, `<18`) is of the class that has all of it."""
    classes = _between(cuts)
    values = {cell: _open_ended(cell, cuts, classes) for cell in column.known if not math.isfinite(plain_number(cell))}
    if unclear := [cell for cell, meant in values.items() if not meant]:
        raise SettingError(
            f"`{column.name}` cannot be cut: it holds {unclear[0]!r}, expected numbers",
            hint="write numbers, or nothing where none is known; `50+` or `<18` are of a class where no cut parts them",
        )
    numbers = [plain_number(cell) for cell in column.known if cell not in values]
    there = {bisect_right(cuts, number) for number in numbers} | {classes.index(meant) for meant in values.values()}
    if empty := [one for code, one in enumerate(classes) if code not in there]:
        span = f"numbers go from {min(numbers):g} to {max(numbers):g}" if numbers else "it holds no numbers"
        raise SettingError(
            f"`{column.name}`: nobody is of the class {listed(f'`{one}`' for one in empty)}, {span}",
            hint=f"cut where there are numbers, such as `{column.cut_option}`" if numbers else None,
        )
    notes.append(f"`{name}`: a number of {', '.join(f'{c:g}' for c in cuts)} or more is of the next class: `cuts`")
    if values:
        told = listed((f"`{cell}` as `{meant}`" for cell, meant in values.items()), 8)
        notes.append(f"`{name}`: taken as classes: {told}; `values` says so")
    more = {"values": values} if values else {}
    return {"name": name, "classes": classes, "column": column.name, "cuts": cuts, **more}


def _open_ended(cell: str, cuts: Sequence[float], classes: Sequence[str]) -> str:
    """The class of `50+`, `>= 50` or `<18`; empty where that may be of several, or the cell says something else."""
    read = re.fullmatch(r"(>=?|<=?)?\s*([0-9.,]+)\s*(\+?)", cell)
    number = plain_number(read[2]) if read else math.nan
    if read is None or not math.isfinite(number) or bool(read[1]) == bool(read[3]):
        return ""
    if (read[3] or read[1].startswith(">")) and number >= cuts[-1]:
        return classes[-1]
    below = read[1] == "<" and number <= cuts[0]
    return classes[0] if below or (read[1] == "<=" and number < cuts[0]) else ""


def one_case_told(values: Mapping[str, str]) -> str:
    """What `one_case` took as one, for people."""
    told = listed(f"`{other}` as `{meant}`" for other, meant in values.items())
    return f"taken as one class where only case differs: {told}; `values` says so"


def one_case(known: Counter[str]) -> tuple[list[str], dict[str, str]]:
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
