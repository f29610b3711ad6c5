"""A filled-in csv, an answer an image, and what may be wrong with its names and answers; all problems at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facetwise.core.files.csvtable import CsvTable, raise_problems, read_csv
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.text.spelling import Spellings

MIN_TO_TELL = 8
"""Fewest answers of which it is said that they seem to be of one attribute."""
MAX_SHOWN = 40
"""Characters of a cell that a message repeats."""


def read_submission(
    path: Path, image_column: str, answer_column: str, *, expected: Sequence[str] | None = None
) -> tuple[tuple[str, ...], IntArray]:
    """Image names, in the file's order, and their joint classes, int64, shape (n,), of a filled-in csv.

    With `expected`, the names must be those, in any order and spelling; they are returned as they are spelt there.
    Raises InputError or ProblemsError naming file, line and image: a wrong header, no rows, names that are empty,
    repeat, miss or are unknown, and answers that are not integers of 0 or more.
    """
    file = read_csv(path, needed=(image_column, answer_column), may_be_empty=False)
    known = Spellings(expected or ())
    names, answers = [known.find(name) for name in file.column(image_column)], file.column(answer_column)
    problems = repeats(file, names)
    problems += [
        f"line {line}: image {name!r}: {fault}"
        for line, name, answer in zip(file.lines, names, answers, strict=True)
        if (fault := name_fault(name) or answer_fault(answer))
    ]
    if expected is not None:
        problems += set_problems(names, expected, "expected images")
    raise_problems(file.name, problems)
    return tuple(names), np.array([int(a) for a in answers], dtype=np.int64)


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


def counted_from_one(answers: Sequence[str], num_joint: int) -> str | None:
    """What is wrong with answers that run from 1 to `num_joint`, and what to do; None for others.

    Nothing is said of fewer than `MIN_TO_TELL` answers.
    """
    numbers = [int(text) for text in answers if answer_fault(text) is None]
    if len(numbers) < max(len(answers), MIN_TO_TELL) or (min(numbers), max(numbers)) != (1, num_joint):
        return None
    return f"the answers are from 1 to {num_joint}, the classes from 0 to {num_joint - 1}: subtract 1 from all of them"


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


def repeats(file: CsvTable, names: Sequence[str]) -> list[str]:
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
