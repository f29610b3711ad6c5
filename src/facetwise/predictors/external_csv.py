"""Parser of csv files with predictions of the test side: probabilities, or the answers of a submission.

Accepted columns, besides the image column (the organisers' name for it, or `image`):

- `<attribute>=<class>` for every class of one or more attributes: marginal probabilities;
- `joint=<i>`, or the bare numbers `0`, `1`, ..., for every combination of classes: joint probabilities, of which those
  that cannot occur are left out;
- the organisers' answer column: a submission. Each attribute's answer gets the probability `CERTAIN`, and its other
  classes share the rest, so that a soft vote counts it as a full vote but it cannot veto a product of probabilities;
  the answer itself is stored as `decided`. With `answers_of` it may be the classes of a single attribute.

Probabilities must lie in 0..1 and sum to 1 in each block of a row, up to `TOLERANCE`; rounding is normalised away. Rows
may be in any order. All problems of the file are reported at once, with their lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from facetwise.core.errors import InputError, did_you_mean
from facetwise.core.files.answers_csv import (
    answer_fault,
    attributes_alone,
    counted_from_one,
    fault_of_all,
    name_fault,
    repeats,
    shown,
)
from facetwise.core.files.csvtable import CsvTable, raise_problems, read_csv
from facetwise.core.labels import JOINT, MAX_LISTED_JOINT, MISSING, FloatArray, IntArray, LabelSpace
from facetwise.core.project import Project
from facetwise.core.records.dataset import TestSide
from facetwise.core.text.spelling import Spellings, spelt_as
from facetwise.data.manifest import Manifest
from facetwise.data.reading.on_disk.differences import Entries
from facetwise.data.reading.on_disk.notfound import why_not_found
from facetwise.evaluate.compose import most_probable
from facetwise.predictors.external_numbers import why_no_probabilities

TOLERANCE = 0.01
"""Largest deviation of a row's sum from 1: eighteen probabilities rounded to three digits can be off by 0.009."""
CERTAIN = 0.999
"""Probability given to the answered class of each attribute of a submission."""
IMAGE = "image"

Content = Literal["probabilities", "submission"]


@dataclass(frozen=True)
class ParsedPredictions:
    """The contents of a csv, one row for each test image in the organisers' order."""

    content: Content
    attributes: tuple[str, ...]
    columns: Mapping[str, FloatArray]
    """Log-probabilities of each column of the table, (n,) each."""
    decided: IntArray | None
    """Joint classes of a submission, (n,)."""
    ignored: tuple[str, ...]
    """Columns of the csv that were not used."""
    num_normalised: int
    """Number of rows whose probabilities did not sum to 1 exactly and were normalised."""
    num_respelt: int
    """Number of image names spelt differently than in the organisers' table."""
    num_impossible: int = 0
    """Number of answers that cannot occur by `labels.combinations`: another one was taken that can."""


@dataclass(frozen=True)
class _Layout:
    """The roles of a csv's columns."""

    blocks: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()
    """Blocks of probabilities: attribute (or `joint`), its columns in the csv, and those in the table. The joint class
    has a column a product in the csv, and in the table one for each that can occur."""
    answer: str | None = None
    ignored: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def parse_predictions(
    data: bytes, source: str, project: Project, manifest: Manifest, *, answers_of: str | None = None
) -> ParsedPredictions:
    """Parse a csv, called `source` in messages.

    `answers_of`: the attribute whose classes the answer column holds, or `joint`; without it, answers that look like
    classes of one attribute are refused.

    Raises InputError (no test side, encoding, quoting) or ProblemsError (everything else, all problems at once).
    """
    side = project.file.dataset.test
    if side is None or manifest.test.is_empty():
        raise InputError("the dataset has no test side: there are no test predictions to import")
    file = _read(data, source, side, project.space)
    layout = _layout(file, side.image, side.answer, project.space)
    raise_problems(source, layout.problems)
    written = file.column(side.image)
    names = _spelt_as_listed(written, manifest)
    num_respelt = sum(one != other for one, other in zip(written, names, strict=True))
    _refuse_unknown(names, source, project, manifest)
    places, problems = _places(file, names, manifest)
    if layout.answer is not None:
        of = _answered(answers_of, project.space)
        answers, wrong = _answers(file, layout.answer, of.num_joint)
        raise_problems(source, sorted([*problems, *wrong], key=_line))
        if answers_of is None:
            _refuse_specialist(answers, source, of)
        read = _submission(answers[np.argsort(places)], of, layout.ignored)
        if of.names == project.space.names and len(of.names) > 1:
            read = _decided(read, answers[np.argsort(places)], project.space)
        return replace(read, num_respelt=num_respelt)
    if answers_of is not None:
        raise InputError(f"{source}: no answer column `{side.answer}`, so it cannot be that of `{answers_of}`")
    numbers, wrong = _numbers(file, layout)
    raise_problems(source, sorted([*problems, *wrong], key=_line))
    return replace(_probabilities(numbers[np.argsort(places)], layout, project.space), num_respelt=num_respelt)


# ------------------------------------------------------------------------------------------------------- the header


def _read(data: bytes, source: str, side: TestSide, space: LabelSpace) -> CsvTable:
    """The csv, its column of images called as the organisers call it, all others as the project does."""
    possible = [side.image, side.answer, IMAGE, *(column for name in space.names for column in space.columns(name))]

    def spelt(header: Sequence[str]) -> tuple[str, ...]:
        names = spelt_as(header, possible)
        return names if side.image in names else tuple(side.image if name == IMAGE else name for name in names)

    return read_csv(data, source, [side.image], spelt=spelt, may_be_empty=False)


def _layout(file: CsvTable, image: str, answer: str, space: LabelSpace) -> _Layout:
    """The roles of the columns; everything that is wrong with the header is in `problems`."""
    names = file.names
    found = [b for b in _possible_blocks(space, names) if any(column in names for column in b[1])]
    used = {column for _, columns, _ in found for column in columns}
    problems = [
        f"line 1: no column `{column}`: all classes of {what} are needed"
        for what, columns, _ in found
        for column in columns
        if column not in names
    ]
    problems += [f"line 1: column `{name}` is there twice" for name in _twice(names, {*used, answer})]
    problems += _unknown_classes(names, used, space)
    if any(what == JOINT for what, _, _ in found) and len(found) > 1:
        problems.append("line 1: joint classes in more than one way, or beside attributes: give one of them")
    has_answer = answer in names and not found
    if not found and not has_answer and not problems:
        problems.append(f"line 1: no predictions: {_expected(space, answer)}")
    ignored = tuple(n for n in names if n and n not in {*used, image, *([answer] if has_answer else [])})
    return _Layout(tuple(found), answer if has_answer else None, ignored, (*problems,))


def _possible_blocks(space: LabelSpace, names: Sequence[str]) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Every block of probabilities that a csv may have; bare numbers only when `0` is a column."""
    blocks = [(name, space.columns(name), space.columns(name)) for name in space.names]
    if space.product.num_joint > MAX_LISTED_JOINT:
        return blocks
    bare = tuple(str(i) for i in range(space.product.num_joint))
    joint = [(JOINT, space.product.joint_columns, space.joint_columns)]
    return [*blocks, *joint, *([(JOINT, bare, space.joint_columns)] if "0" in names else [])]


def _unknown_classes(names: Sequence[str], used: set[str], space: LabelSpace) -> list[str]:
    """Problems of columns that look like probabilities of unknown classes."""
    bare = any(name.isdecimal() for name in used)
    found = []
    for name in dict.fromkeys(names):
        attribute = name.partition("=")[0].strip()
        looks = "=" in name and (attribute in space.names or attribute == JOINT)
        if name not in used and (looks or (bare and name.isdecimal())):
            candidates = space.columns(attribute) if attribute in space.names else ()
            hint = (
                did_you_mean(name, candidates)
                if candidates
                else f"joint classes are 0 to {space.product.num_joint - 1}"
            )
            found.append(f"line 1: column `{name}` is not of a known class; {hint}")
    return found


def _twice(names: Sequence[str], columns: set[str]) -> list[str]:
    return sorted(name for name in columns if names.count(name) > 1)


def _expected(space: LabelSpace, answer: str) -> str:
    first = space.columns(space.names[0])
    ways = [
        f"`{first[0]}`, `{first[1]}`, ...",
        *(["`joint=0`, ..."] if space.product.num_joint <= MAX_LISTED_JOINT else []),
    ]
    return f"expected columns {', '.join(ways)} of probabilities, or the answer column `{answer}`"


# --------------------------------------------------------------------------------------------------------- the rows


def _spelt_as_listed(written: Sequence[str], manifest: Manifest) -> list[str]:
    """Image names as spelt by the organisers' table or the manifest."""
    spellings = Spellings([*manifest.test["name"], *manifest.test["image"]])
    return [spellings.find(name) for name in written]


def _refuse_unknown(names: Sequence[str], source: str, project: Project, manifest: Manifest) -> None:
    """Raise InputError with what the names seem to be when none of several is a test image's."""
    side = project.file.dataset.test
    if side is None or len(names) < 2 or not {*manifest.test["name"], *manifest.test["image"]}.isdisjoint(names):
        return
    cause = why_not_found(names, project.dataset_root, side.images)
    seems = cause.message if cause else f"`{names[0]}` is none"
    hint = f"write the names as they are in `{side.table}`"
    raise InputError(f"{source}: none of its {len(names)} images is a test image: {seems}", hint=hint)


def _places(file: CsvTable, names: Sequence[str], manifest: Manifest) -> tuple[IntArray, list[str]]:
    """The index of each row's test image, (n,), and problems of the names.

    An image is named as in the organisers' table, or by its path in the dataset.
    """
    test = manifest.test
    place = {path: i for i, path in enumerate(test["image"].to_list())}
    place |= {name: i for i, name in enumerate(test["name"].to_list())}
    entries = Entries(lambda: (tuple(path.split("/")) for path in test["image"]))
    problems = repeats(file, names)
    for line, name in zip(file.lines, names, strict=True):
        if fault := name_fault(name):
            problems.append(f"line {line}: {fault}")
        elif name not in place:
            problems.append(f"line {line}: image {name!r} is not among the test images{entries.told(name)}")
    present = {place[name] for name in names if name in place}
    missing = [name for i, name in enumerate(test["name"].to_list()) if i not in present]
    problems += [f"image {name!r} is a test image, but not in the file" for name in missing]
    found = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    if not problems and len(present) < len(names):
        problems.append("an image is listed both by its name and by its path")
    return found, problems


def _answered(answers_of: str | None, space: LabelSpace) -> LabelSpace:
    """The label space of the answers: every combination of the whole label, or one attribute."""
    if answers_of is None or answers_of == JOINT:
        return space.product
    if answers_of not in space.names:
        raise InputError(f"`{answers_of}` is not an attribute", hint=did_you_mean(answers_of, (JOINT, *space.names)))
    return LabelSpace((space.attribute(answers_of),))


def _refuse_specialist(answers: IntArray, source: str, space: LabelSpace) -> None:
    if alone := attributes_alone(answers, space):
        ways = ", ".join(f"`--answers-of {name}`" for name in (*alone, JOINT))
        message = f"all {len(answers)} answers are from 0 to {answers.max()}, of {space.num_joint} joint classes"
        seem = " or ".join(f"`{name}`" for name in alone)
        raise InputError(f"{source}: {message}: they look like those of {seem} only", hint=f"say which: {ways}")


def _answers(file: CsvTable, column: str, num_joint: int) -> tuple[IntArray, list[str]]:
    texts, problems = file.column(column), []
    if alike := fault_of_all(texts) or counted_from_one(texts, num_joint):
        return np.zeros(len(texts), np.int64), [alike]
    for line, text in zip(file.lines, texts, strict=True):
        if fault := answer_fault(text):
            problems.append(f"line {line}: {fault}")
        elif int(text) >= num_joint:
            problems.append(f"line {line}: answer {text} is not a class, expected 0 to {num_joint - 1}")
    return np.array([0 if problems else int(t) for t in texts], dtype=np.int64), problems


def _numbers(file: CsvTable, layout: _Layout) -> tuple[FloatArray, list[str]]:
    """All probabilities, (n, columns of all blocks), and their problems."""
    columns = [column for _, names, _ in layout.blocks for column in names]
    texts = [file.column(column) for column in columns]
    parsed = np.array([[_number(text) for text in column] for column in texts], dtype=np.float64).T
    problems = [
        f"line {file.lines[row]}: `{columns[k]}` is {shown(texts[k][row])}, expected a probability from 0 to 1"
        for row, k in np.argwhere(~((parsed >= 0) & (parsed <= 1))).tolist()
    ]
    start = 0
    for what, names, _ in layout.blocks:
        block = parsed[:, start : start + len(names)]
        cells = [text for column in texts[start : start + len(names)] for text in column]
        start += len(names)
        if why := why_no_probabilities(cells, block, TOLERANCE):
            return parsed, [f"all {len(block)} rows: the numbers of {what} {why}"]
        in_range = ((block >= 0) & (block <= 1)).all(axis=1)
        off = np.flatnonzero(in_range & (np.abs(block.sum(axis=1) - 1) > TOLERANCE)).tolist()
        problems += [
            f"line {file.lines[row]}: the probabilities of {what} sum to {block[row].sum():.4g}, expected 1"
            for row in off
        ]
    return parsed, problems


def _number(text: str) -> float:
    """A cell as a number; NaN for anything else."""
    plain = text.strip()
    return float(plain) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", plain, re.ASCII) else math.nan


def _line(problem: str) -> tuple[int, int]:
    """Sort key: the line of a problem; problems without a line come last."""
    match = re.match(r"line (\d+)", problem)
    return (0, int(match.group(1))) if match else (1, 0)


# -------------------------------------------------------------------------------------------------- log-probabilities


def _probabilities(numbers: FloatArray, layout: _Layout, space: LabelSpace) -> ParsedPredictions:
    found: dict[str, FloatArray] = {}
    start, uneven = 0, np.zeros(len(numbers), bool)
    for what, names, columns in layout.blocks:
        block = numbers[:, start : start + len(names)]
        start += len(names)
        uneven |= np.abs(block.sum(axis=1) - 1) > 1e-6
        if what == JOINT and space.combinations is not None:
            block = block[:, list(space.combinations)]
            block = np.where(block.any(axis=1, keepdims=True), block, 1.0)  # all that can occur alike, where all are 0
        total = block.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            found |= dict(zip(columns, np.log(block / total).T, strict=True))
    blocks = {what for what, _, _ in layout.blocks}
    attributes = space.names if JOINT in blocks else tuple(n for n in space.names if n in blocks)
    return ParsedPredictions("probabilities", attributes, found, None, layout.ignored, int(uneven.sum()), 0)


def _submission(answers: IntArray, space: LabelSpace, ignored: tuple[str, ...]) -> ParsedPredictions:
    codes, found = space.decode(answers), dict[str, FloatArray]()
    for i, attribute in enumerate(space.attributes):
        rest = math.log((1 - CERTAIN) / (attribute.size - 1))
        block = np.where(codes[:, [i]] == np.arange(attribute.size), math.log(CERTAIN), rest)
        found |= dict(zip(space.columns(attribute.name), block.T, strict=True))
    return ParsedPredictions("submission", space.names, found, None, ignored, 0, 0)


def _decided(read: ParsedPredictions, answers: IntArray, space: LabelSpace) -> ParsedPredictions:
    """With the answers as what was decided; for one that cannot occur, what the probabilities say of those that can."""
    decided = space.joint_of_answer(answers)
    odd = np.flatnonzero(decided == MISSING)
    if len(odd):
        logs = [np.column_stack([read.columns[c][odd] for c in space.columns(name)]) for name in space.names]
        decided[odd] = space.encode(most_probable(logs, space))
    return replace(read, decided=decided, num_impossible=len(odd))
