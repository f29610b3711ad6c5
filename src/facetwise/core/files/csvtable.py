"""A csv of images from outside as text, and what may be wrong with its names and answers; all problems at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facetwise.core.errors import InputError, ProblemsError, did_you_mean
from facetwise.core.files.csvrecords import AS_COMMAS, CsvError, csv_records, separator_fault
from facetwise.core.files.outside import check_size, read_bounded
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.text.spelling import Spellings, spelt_as

MAX_LISTED = 8
"""Problems of one file that are written out; the rest is counted."""
MIN_TO_TELL = 8
"""Fewest answers of which it is said that they seem to be of one attribute."""
MAX_SHOWN = 40
"""Characters of a cell that a message repeats."""


@dataclass(frozen=True)
class CsvFile:
    """A csv as text: header and rows as they are written, rows as long as the header, and the line each begins on."""

    source: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, without spaces around them; columns that nobody asks for may repeat or have none."""
        return tuple(name.strip() for name in self.header)

    def spelt_as(self, names: Iterable[str]) -> CsvFile:
        """The same file, whose columns are called as in `names` where they are spelt differently."""
        return replace(self, header=spelt_as(self.names, names))

    def column(self, name: str) -> list[str]:
        """Values of the column called `name`; raises InputError when there is none, or more than one."""
        if name not in self.names and (fault := separator_fault(self.names)):
            raise InputError(f"{self.source}, line 1: {fault}", hint=AS_COMMAS)
        if name not in self.names:
            raise InputError(f"{self.source}, line 1: no column `{name}`", hint=did_you_mean(name, self.names))
        if self.names.count(name) > 1:
            raise InputError(f"{self.source}, line 1: column `{name}` stands there twice")
        place = self.names.index(name)
        return [row[place] for row in self.rows]


def parse_csv(data: bytes, source: str, *, delimiter: str = ",") -> CsvFile:
    """Rows of a comma-separated UTF-8 file with a header; a BOM, CRLF, quotes and blank lines are fine.

    It accepts the csv files that `data.csvfile` accepts, but keeps every column, its order and spelling. `source`
    names the file in messages. Raises InputError (encoding, size, quoting, no header) or ProblemsError (rows that are
    shorter than the header, or longer by more than empty values).
    """
    check_size(len(data), source)
    try:
        records = csv_records(data, delimiter)
    except CsvError as fault:
        where = f"{source}, line {fault.line}" if fault.line else source
        raise InputError(f"{where}: {fault.message}", hint=fault.hint) from None
    if not records:
        raise InputError(f"{source}, line 1: expected a header with column names, the file is empty")
    header, rows = records[0][1], records[1:]
    size = len(header)
    uneven = [
        f"line {line}: {len(row)} value(s), expected {size} as in the header"
        for line, row in rows
        if len(row) < size or any(value.strip() for value in row[size:])
    ]
    raise_problems(source, uneven)
    return CsvFile(source, header, tuple(row[:size] for _, row in rows), tuple(line for line, _ in rows))


def read_submission(
    path: Path, image_column: str, answer_column: str, *, expected: Sequence[str] | None = None
) -> tuple[tuple[str, ...], IntArray]:
    """Image names, in the file's order, and their joint classes, int64, shape (n,), of a filled-in csv.

    With `expected`, the names must be those, in any order and spelling; they are returned as they are spelt there.
    Raises InputError or ProblemsError naming file, line and image: a wrong header, no rows, names that are empty,
    repeat, miss or are unknown, and answers that are not integers of 0 or more.
    """
    file = read_csv(path).spelt_as((image_column, answer_column))
    known = Spellings(expected or ())
    names, answers = [known.find(name) for name in file.column(image_column)], file.column(answer_column)
    problems = [] if names else ["no rows below the header"]
    problems += repeats(file, names)
    problems += [
        f"line {line}: image {name!r}: {fault}"
        for line, name, answer in zip(file.lines, names, answers, strict=True)
        if (fault := name_fault(name) or answer_fault(answer))
    ]
    if expected is not None:
        problems += set_problems(names, expected, "expected images")
    raise_problems(file.source, problems)
    return tuple(names), np.array([int(a) for a in answers], dtype=np.int64)


def read_csv(path: Path) -> CsvFile:
    """The csv at `path`, as `parse_csv` reads it; raises InputError when it is no regular file, or too large."""
    return parse_csv(read_bounded(path), str(path))


def answer_fault(text: str) -> str | None:
    """What is wrong with an answer, or None when it is an integer of 0 or more."""
    if re.fullmatch(r"[0-9]{1,18}", text):
        return None
    return "no answer" if not text.strip() else f"answer {shown(text)} is not an integer of 0 or more"


def fault_of_all(answers: Sequence[str]) -> str | None:
    """What is wrong with all of several answers alike, and what to do; None when it is not the same with all."""
    ways = {
        r"[\[(].*": "are printed lists: write probabilities as a column a class (`joint=0`, `joint=1`, ...)",
        r"[0-9]+\.0*": "have a decimal point: save them as integers",
        r"[^\W\d][^\d]*": "are words: write the number of the joint class",
    }
    for pattern, what in ways.items():
        if len(answers) > 1 and all(re.fullmatch(pattern, text.strip(), re.DOTALL) for text in answers):
            return f"all {len(answers)} answers {what}; the first is {shown(answers[0])}"
    return None


def attributes_alone(classes: IntArray, space: LabelSpace) -> tuple[str, ...]:
    """Attributes whose own classes these answers, (n,), seem to be, and not joint classes: too low for that.

    As joint classes all images would be of the first class of every attribute but the last. Nothing is said of fewer
    than `MIN_TO_TELL` answers, or when the project has one attribute.
    """
    if len(space.attributes) == 1 or len(classes) < MIN_TO_TELL:
        return ()
    return tuple(a.name for a in space.attributes if classes.max() < a.size < space.num_joint)


def shown(cell: str) -> str:
    """A cell for a message: in quotes, and of an endless one only the beginning."""
    return repr(cell) if len(cell) <= MAX_SHOWN else f"{cell[:MAX_SHOWN]!r}... ({len(cell):,} characters)"


def name_fault(text: str) -> str | None:
    """What is wrong with an image name, or None."""
    return None if text.strip() else "no image name"


def raise_problems(source: str, problems: Sequence[str]) -> None:
    """Raise ProblemsError with at most `MAX_LISTED` of `problems` and the count of the rest, if there are any."""
    if problems:
        rest = len(problems) - MAX_LISTED
        more = [f"and {rest} more"] if rest > 0 else []
        raise ProblemsError(f"{source}: {len(problems)} problem(s)", [*problems[:MAX_LISTED], *more])


def repeats(file: CsvFile, names: Sequence[str]) -> list[str]:
    """A line for each of the `names`, one a row of the file, that an earlier row has already."""
    first: dict[str, int] = {}
    again = [
        (line, name, first[name])
        for name, line in zip(names, file.lines, strict=True)
        if first.setdefault(name, line) != line
    ]
    return [f"line {line}: image {name!r} again, first on line {before}" for line, name, before in again]


def set_problems(names: Sequence[str], expected: Sequence[str], what: str) -> list[str]:
    """A line for each of the `expected` names (`what` calls them) that is missing, and for each other name."""
    here, there = set(names), set(expected)
    missing = [f"image {name!r} is among the {what} but not in the file" for name in expected if name not in here]
    extra = [f"image {name!r} is not among the {what}" for name in dict.fromkeys(names) if name not in there]
    return missing + extra
