"""Cells of a csv to class numbers and values, and their faults."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from facetwise.core.errors import closest, did_you_mean
from facetwise.core.files.csvtable import CsvRow, CsvTable
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.people import person
from facetwise.core.records.project_file import AttributeSpec
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import Spellings, folded, normal
from facetwise.data.findings import Findings
from facetwise.data.people import NOBODY
from facetwise.data.reading.rowfaults import RowFaults

_MAX_NAMED = 8
"""Most different cells of a column that a hint names."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+|,[0-9]{1,2}|,[0-9]{4,})?")
SAYS_NOTHING = NOBODY | {"todo", "tbd", "unlabeled", "unlabelled"}
"""What tables write, in any case, for a class that is not known."""


@dataclass
class LabelReader:
    """Reads the attributes that come from columns of `table`, and reports oddities of whole columns."""

    specs: Sequence[AttributeSpec]
    space: LabelSpace
    table: CsvTable
    findings: Findings
    unknown: Sequence[str] = ()
    """Cells of an attribute that is not known."""
    _faults: RowFaults = field(init=False)
    _unknown_rows: dict[str, set[str]] = field(default_factory=dict)
    """Column -> rows in which no class is known, by their places."""
    _known: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """Attribute and cell -> what was read before of the same."""
    _fractions: dict[str, list[int]] = field(default_factory=dict)
    _names: dict[str, tuple[int, list[tuple[str, str]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._faults = RowFaults(self.table, self.findings)
        self._no_class = {folded(word) for word in self.unknown}

    @property
    def columns(self) -> list[str]:
        """Columns that hold attributes."""
        return [s.column for s in self.specs if s.column is not None]

    def read(self, row: CsvRow) -> dict[str, Any] | None:
        """`label:` and `value:` cells of a row, None where a class is not known.

        None if a cell is invalid (each invalid one is an error finding).
        """
        read = [self._attribute(row, spec) for spec in self.specs if spec.column is not None]
        if any(part is None for part in read):
            return None
        return {key: cell for part in read if part for key, cell in part.items()}

    def _attribute(self, row: CsvRow, spec: AttributeSpec) -> dict[str, Any] | None:
        cell = row.cells[str(spec.column)].strip()
        if (read := self._known.get((spec.name, cell))) is not None:
            return read
        attribute = self.space.attribute(spec.name)
        if folded(cell) in self._no_class and cell not in {*attribute.classes, *spec.values}:
            self._unknown_rows.setdefault(str(spec.column), set()).add(self.table.at(row))
            return {f"label:{spec.name}": None} | ({f"value:{spec.name}": None} if attribute.is_ordinal else {})
        if spec.split is not None:
            return {f"label:{spec.name}": int(normal(str(spec.item)) in self._items(spec.split, cell))}
        if attribute.is_ordinal and cell not in spec.values:
            value = self._number(row, spec, attribute, cell)
            return None if value is None else {f"value:{spec.name}": value, **_label(attribute, value)}
        known = {**dict(zip(attribute.classes, attribute.classes, strict=True)), **spec.values}
        name = known.get(cell) or known.get(Spellings(known, person).find(cell), cell)
        if name not in attribute.classes:
            hint = _other_reading(cell, attribute) or did_you_mean(cell, {*attribute.classes, *spec.values})
            self._wrong(row, "unknown-class", spec, cell, f"a class of `{spec.name}`", hint)
            return None
        return self._known.setdefault((spec.name, cell), {f"label:{spec.name}": attribute.classes.index(name)})

    @staticmethod
    def _items(split: str, cell: str) -> set[str]:
        """The findings in a cell."""
        return {normal(item) for item in cell.split(split)} - {""}

    def _note_unlisted(self) -> None:
        """Tell the findings in cells that are no attribute, a line a column."""
        asked: dict[tuple[str, str], set[str]] = {}
        for spec in self.specs:
            if spec.split is not None:
                asked.setdefault((str(spec.column), spec.split), set()).add(normal(str(spec.item)))
        for (column, split), items in asked.items():
            cells = [row.cells[column].strip() for row in self.table.rows]
            found = Counter(i for c in cells if folded(c) not in self._no_class for i in self._items(split, c) - items)
            if found:
                names = listed((f"`{item}` ({rows:,} rows)" for item, rows in found.most_common()), 5)
                message = f"`{column}` has findings that are no attribute and are not predicted: {names}"
                self.findings.warning(
                    "unlisted-finding", self.table.name, message, "add them to `classes`, if they count"
                )

    def _number(self, row: CsvRow, spec: AttributeSpec, attribute: Attribute, cell: str) -> float | None:
        value = plain_number(cell)
        if not math.isfinite(value):
            self._wrong(row, "not-a-number", spec, cell, "a number such as `29` or `29.5`")
            return None
        low, high = attribute.valid or (-math.inf, math.inf)
        if not low <= value <= high:
            self._wrong(row, "out-of-range", spec, cell, f"{low:g} to {high:g} (`valid` in facetwise.toml)")
            return None
        if value != round(value):
            self._fractions.setdefault(str(spec.column), []).append(row.line)
        return value

    def _wrong(
        self, row: CsvRow, code: str, spec: AttributeSpec, cell: str, expected: str, hint: str | None = None
    ) -> None:
        got = f"`{cell[:60]}`" if cell else "empty"
        self._faults.add(code, spec.name, row, f"`{spec.column}` is {got}, expected {expected}", hint)

    def _naming(self, spec: AttributeSpec) -> str | None:
        """How to map a column's cells to classes if none of them is one; None if they are too many to be classes."""
        column = [row.cells[spec.column].strip() for row in self.table.rows] if spec.column else []
        numbers = [plain_number(cell) for cell in column if folded(cell) not in self._no_class]
        if numbers and all(map(math.isfinite, numbers)) and len({*numbers}) > _MAX_NAMED:
            cuts = listed_cuts(proposed_cuts(numbers, len(spec.classes)))
            return (
                f"classes are made from numbers by cuts, one fewer than classes: in `{spec.name}` of facetwise.toml "
                f"`cuts = [{cuts}]` would make about equally many images of each of {len(spec.classes)}"
            )
        cells = {*column}
        if not 0 < len(cells) <= _MAX_NAMED or "" in cells:
            return None
        pairs = ", ".join(f'"{cell}" = "{closest(cell, spec.classes) or "..."}"' for cell in sorted(cells))
        return f"say which class each is, in `{spec.name}` of facetwise.toml: `values = {{ {pairs} }}`"

    def _note_unknown(self, column: str, rows: int) -> None:
        """Tell how many rows have no class; an error when none has any."""
        words = listed([f"`{word}`" if word else "empty" for word in self.unknown])
        if rows == len(self.table.rows):
            message = f"`{column}` is {words} in all {rows} rows: no class is known"
            self.findings.error("no-labels", self.table.name, message, "fill in the labels, or leave the attribute out")
            return
        message = (
            f"`{column}` is {words} in {rows} of {len(self.table.rows)} rows: not known there; what is known counts"
        )
        self.findings.info("missing-label", self.table.name, message)

    def note_folder(self, row: CsvRow, folder: str, labels: dict[str, Any]) -> None:
        """Remember whether the name of a row's folder agrees with the row's labels."""
        parts = normal(folder).split("_")
        for spec in self.specs:
            agrees = None if spec.column is None else _agrees(self.space.attribute(spec.name), parts, labels)
            if agrees is None:
                continue
            agreeing, differing = self._names.get(spec.name, (0, []))
            message = f"`{spec.column}` is {row.cells[str(spec.column)]}, the folder is called `{folder}`"
            differing += [] if agrees else [(self.table.at(row), message)]
            self._names[spec.name] = (agreeing + agrees, differing)

    def finish(self) -> None:
        """Add faults of cells, and of whole columns: fractions, contradicting folder names."""
        self._faults.finish({("unknown-class", s.name): hint for s in self.specs if (hint := self._naming(s))})
        for column, lines in self._unknown_rows.items():
            self._note_unknown(column, len(lines))
        self._note_unlisted()
        for column, odd in self._fractions.items():
            if 2 * len(odd) <= len(self.table.rows):
                where = f"{self.table.name}:{odd[0]}"
                message = f"`{column}` is not a whole number on line {listed(map(str, odd), 5)}, as most are"
                self.findings.warning("fraction", where, message + "; taken as it is")
        for agreeing, differing in self._names.values():
            if agreeing < len(differing):  # then names do not carry this attribute
                continue
            for where, message in differing:
                self.findings.warning("folder-name-differs", where, f"{message}; the csv counts")


def _other_reading(cell: str, attribute: Attribute) -> str | None:
    """How to read a cell that holds several findings of which one is a class, or a word for nothing."""
    if folded(cell) in SAYS_NOTHING:
        return f'if it says that nothing is known: `unknown = ["", "{cell}"]` in [dataset.train]'
    known = {normal(name) for name in attribute.classes}
    for split in "/|;,+":
        if split in cell and known & {normal(item) for item in cell.split(split)}:
            return f'with `split = "{split}"` every class of `{attribute.name}` is read as a yes or no of its own'
    return None


def proposed_cuts(numbers: Sequence[float], parts: int) -> list[float]:
    """Cuts that make about equal parts of `numbers`, in two digits of their span; fewer where many are alike."""
    ordered = sorted(numbers)
    span = ordered[-1] - ordered[0]
    digits = 1 - math.floor(math.log10(span)) if span > 0 else 0
    found = {round(ordered[len(ordered) * part // parts], digits) + 0.0 for part in range(1, parts)}  # 0, never -0
    return sorted(cut for cut in found if ordered[0] < cut <= ordered[-1])


def listed_cuts(cuts: Sequence[float], between: str = ", ") -> str:
    """Cuts as they are written in a project file, or with `,` between in an option."""
    return between.join(f"{cut:.12g}" for cut in cuts)


def plain_number(cell: str) -> float:
    """A number in plain decimal notation (`29`, `-1.5`, `-1,5`); NaN for anything else, including `3e1`, `.5`, and
    `1,500`, which may be thousands."""
    return float(cell.replace(",", ".")) if _NUMBER.fullmatch(cell) else math.nan


def _label(attribute: Attribute, value: float) -> dict[str, int]:
    return {f"label:{attribute.name}": int(attribute.codes_of_values(value))}


def _agrees(attribute: Attribute, parts: Iterable[str], labels: dict[str, Any]) -> bool | None:
    """Whether the parts of a folder's name agree with a row's label; None if they do not name the attribute."""
    words = list(parts)
    if attribute.is_ordinal:
        value = labels.get(f"value:{attribute.name}")
        return None if value is None or not re.fullmatch("[0-9]{1,9}", words[-1]) else int(words[-1]) == value
    named, code = [c for c in attribute.classes if c in words], labels[f"label:{attribute.name}"]
    return attribute.classes[code] in named if named and code is not None else None
