"""The columns of a table of predictions, read as blocks of numbers and checked.

A table holds float32 log-probabilities (`core.tables.PREDICTIONS`): blocks `<attribute>=<class>` and/or one block
`joint=<i>`. A row is covered, then each block of it is a distribution, or it is not, then all of it is NaN.

An ordinal attribute may have more beside its classes, for moving a cut later: a distribution over its values
(`<attribute>:year=<value>`), whose sums by the cuts used are the classes, or a number `<attribute>:score`.
Probabilities of classes do not come from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import ArtefactError
from facetwise.core.labels import JOINT, Attribute, FloatArray, IntArray, LabelSpace
from facetwise.core.tables import PREDICTIONS, prediction_columns, score_column, year_columns, year_values
from facetwise.core.text.counting import count
from facetwise.evaluate.metrics import MISSING

DECIDED = "decided"
"""Column (Int32) with joint classes decided by a rule other than argmax; null where missing."""

TOLERANCE = 1e-3
"""How far the probabilities of a row may sum from 1: they are kept as float32 logarithms."""

Logs = npt.NDArray[np.floating[Any]]
"""Log-probabilities, (n, k), as they were read; computed with in float64."""
Values = Mapping[str, tuple[float, ...]]
"""The values, ascending, of ordinal attributes that are predicted by a distribution over them."""


def read_blocks(table: pl.DataFrame, space: LabelSpace, whose: str) -> tuple[dict[str, Logs], Values]:
    """The blocks of `Predictions`, and the values of those that are distributions over values.

    Raises ArtefactError, naming `whose` table it is, for columns or numbers that are not as expected.
    """
    _check_columns(table, space, whose)
    values = {n: at for n in space.names if (at := year_values(table, n))}
    layout = {n: space.columns(n) for n in space.names}
    if "joint=0" in table.columns:
        layout[JOINT] = space.joint_columns
    layout |= {values_block(n): year_columns(n, at) for n, at in values.items()}
    layout |= {score_column(n): (score_column(n),) for n in space.names}
    blocks = {n: _numbers(table, columns) for n, columns in layout.items() if columns[0] in table.columns}
    _check_numbers(blocks, table, whose)
    return blocks, values


def decided_classes(table: pl.DataFrame, space: LabelSpace, whose: str) -> IntArray | None:
    """Decided joint classes in a table, (n,), -1 where there is none; ArtefactError for none of `space`."""
    if DECIDED not in table.columns:
        return None
    decided = whole_numbers(table[DECIDED])
    if len(decided) and not (decided.min() >= MISSING and decided.max() < space.num_joint):
        message = f"{whose}: `{DECIDED}` holds {decided.min()} to {decided.max()}, expected 0 to {space.num_joint - 1}"
        raise ArtefactError(message, hint="make the table again")
    return decided


def values_block(name: str) -> str:
    """The block of an attribute's distribution over its values."""
    return f"{name}:year"


def whole_numbers(column: pl.Series) -> IntArray:
    """A column of integers, -1 where there is none."""
    return column.cast(pl.Int64()).fill_null(MISSING).to_numpy()


def double(numbers: Logs) -> FloatArray:
    """The numbers as float64, in column order: sums then have the same last digits however the rows were selected."""
    return np.asfortranarray(numbers, np.float64)


def _numbers(table: pl.DataFrame, columns: Sequence[str]) -> Logs:
    selected = table.select(pl.col(list(columns)).fill_null(float("nan")))
    return selected.to_numpy().reshape(table.height, len(columns))


def _check_numbers(blocks: Mapping[str, Logs], table: pl.DataFrame, whose: str) -> None:
    """Raise ArtefactError naming the first image whose row is predicted in part, or is no distribution."""
    nothing = np.logical_and.reduce([np.isnan(block).all(axis=1) for block in blocks.values()])
    for name, block in blocks.items():
        is_score = name.endswith(score_column(""))
        with np.errstate(over="ignore"):
            total = block[:, 0] if is_score else np.exp(double(block)).sum(axis=1)
        right = np.isfinite(total) if is_score else np.abs(total - 1) <= TOLERANCE
        if (wrong := np.flatnonzero(~nothing & ~right)).size:
            value = total[wrong[0]]
            number = f"is {value:.4g}" if is_score else f"is no distribution: its probabilities sum to {value:.4g}"
            what = f"`{name}` is not a number" if np.isnan(value) else f"`{name}` {number}"
            raise ArtefactError(
                f"{whose}: {_row_name(table, int(wrong[0]))}: {what} ({count(wrong.size, 'such row')})",
                hint="its network went out of range, or the table was changed: make it again",
            )


def _row_name(table: pl.DataFrame, row: int) -> str:
    fold = int(whole_numbers(table["fold"])[row])
    return f"image `{table['image'][row]}`" + ("" if fold == MISSING else f" of fold {fold}")


def _check_columns(table: pl.DataFrame, space: LabelSpace, whose: str) -> None:
    present = set(prediction_columns(table))
    wanted = [space.columns(n) for n in space.names]
    if any(c.startswith("joint=") for c in present):
        wanted.append(space.joint_columns)
    problems = [
        f"`{missing[0]}` is missing"
        for columns in wanted
        if (missing := [c for c in columns if c not in present]) and len(missing) < len(columns)
    ]
    beside = {a.name: _beside_classes(table, a) for a in space.attributes if a.is_ordinal}
    for name, columns in beside.items():
        problems += _beside_problems(table, name, columns, space)
    known = {c for columns in (*wanted, *beside.values()) for c in columns}
    problems += [f"`{c}` is not of this label space" for c in sorted(present - known)]
    kinds = table.schema.items()  # made anew each time it is asked for, which takes long where columns are many
    problems += [f"`{c}` is {kind}, expected Float32" for c, kind in kinds if c in present and not kind.is_float()]
    if problems:
        message = f"{whose}: prediction columns not as expected: {'; '.join(problems)}"
        raise ArtefactError(message, hint="make the table again")
    if not present:
        raise ArtefactError(f"{whose}: no prediction columns, only {', '.join(table.columns or PREDICTIONS)}")


def _beside_classes(table: pl.DataFrame, attribute: Attribute) -> list[str]:
    """Columns that an ordinal attribute has beside its classes: its score, its values."""
    score, at = score_column(attribute.name), year_values(table, attribute.name)
    return [*([score] if score in table.columns else ()), *year_columns(attribute.name, at)]


def _beside_problems(table: pl.DataFrame, name: str, columns: Sequence[str], space: LabelSpace) -> list[str]:
    first = space.columns(name)[0]
    problems = [f"`{columns[0]}` is there without `{first}`"] if columns and first not in table.columns else []
    if any(a >= b for a, b in pairwise(year_values(table, name))):
        problems.append(f"values of `{name}:year=...` are not ascending")
    return problems
