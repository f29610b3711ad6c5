"""Which combinations of classes can occur, as `[labels] combinations` of the project file says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl

from facetwise.core.labels import MISSING, Attribute, IntArray, LabelSpace
from facetwise.core.project import Project
from facetwise.core.records.project_file import ALL, SEEN, AttributeSpec
from facetwise.core.tables import TRAIN
from facetwise.data.findings import Finding, Findings
from facetwise.data.reading.csvfile import read_any_table
from facetwise.data.reading.labelcells import LabelReader

MAX_ADDED = 100_000
"""Most combinations that labels known in part may stand for, where nothing else says which of them occur."""
_HOW = "correct the label, or set `combinations` under `[labels]` in the project file to `all` or to a table of them"


@dataclass(frozen=True)
class Combinations:
    """The label space with the combinations that can occur, and what is wrong with them or with the labels."""

    space: LabelSpace
    findings: tuple[Finding, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    """sha256 of the table that lists them, by its name."""


def find_combinations(project: Project, table: pl.DataFrame) -> Combinations:
    """What can occur by the project file and the rows of a manifest.

    `seen`: every combination of the training images that can be read and whose attributes are all known; all of them
    where there is no such image. Of an image that is known in part, and in no combination of these, all that it may
    have can occur, so that no known class is ruled out.
    """
    space, how = project.file.space, project.file.combinations
    if how == ALL:
        return Combinations(space)
    if how != SEEN:
        return _listed(project, how, table)
    codes = _codes(table.filter(pl.col("status") == "ok"), space).unique().fill_null(MISSING).to_numpy()
    whole = (codes != MISSING).all(axis=1)
    if not whole.any():
        return Combinations(space)
    seen, parts = codes[whole], codes[~whole]
    alone = [part for part in parts if not ((part == seen) | (part == MISSING)).all(axis=1).any()]
    products = sum(math.prod(n for n, k in zip(space.sizes, part, strict=True) if k == MISSING) for part in alone)
    if products > MAX_ADDED:
        message = f"{len(alone)} labels that are known in part stand for {products:,} combinations"
        where = project.workspace.project_file.name
        return Combinations(space, (Finding("error", "too-many-combinations", where, message, _HOW),))
    return Combinations(space.with_combinations(np.concatenate([seen, *(_may_have(part, space) for part in alone)])))


def _may_have(part: IntArray, space: LabelSpace) -> IntArray:
    """Every combination, (n, num_attributes), of a label, (num_attributes,), that is -1 where it is not known."""
    classes = (range(n) if k == MISSING else (int(k),) for n, k in zip(space.sizes, part, strict=True))
    return np.array(list(product(*classes)), np.int64)


def impossible_labels(table: pl.DataFrame, space: LabelSpace, whose: str) -> Iterator[Finding]:
    """An error for each training row of a manifest whose combination cannot occur by `whose` list."""
    rows = table.filter(pl.col("split") == TRAIN)
    codes = _codes(table, space).fill_null(MISSING).to_numpy()
    whole = (codes != MISSING).all(axis=1)
    for row in (whole & (space.encode(codes, missing=True) == MISSING)).nonzero()[0].tolist():
        name = space.product.joint_name(int(space.product.encode(codes[row])))
        message = f"`{name}` is not among the combinations {whose}"
        yield Finding("error", "impossible-combination", rows["image"][row], message, _HOW)


def _listed(project: Project, name: str, table: pl.DataFrame) -> Combinations:
    space, findings = project.file.space, Findings()
    path, where = project.table_path(name), project.workspace.project_file.name
    if path is None:
        findings.error("leaves-dataset", where, f"`labels.combinations` is `{name}`, outside of dataset and project")
        return Combinations(space, tuple(findings))
    plain = LabelSpace(tuple(Attribute(a.name, a.classes) for a in space.attributes))
    specs = [AttributeSpec(name=a.name, classes=list(a.classes), column=a.name) for a in space.attributes]
    listed = read_any_table(path, name, space.names, findings)
    if listed is None:
        return Combinations(space, tuple(findings))
    reader = LabelReader(specs, plain, listed, findings)
    read = [found for row in listed.rows if (found := reader.read(row)) is not None]
    reader.finish()
    if findings:
        return Combinations(space, tuple(findings))
    possible = space.with_combinations(pl.DataFrame(read).select(f"label:{n}" for n in space.names).to_numpy())
    impossible = tuple(impossible_labels(table, possible, f"of {name}"))
    return Combinations(possible, impossible, ((name, listed.sha256),))


def _codes(table: pl.DataFrame, space: LabelSpace) -> pl.DataFrame:
    """Class numbers of the training rows, a column an attribute; null where one is not known."""
    rows = table.filter(pl.col("split") == TRAIN)
    return rows.select(pl.col(f"label:{name}").cast(pl.Int64()) for name in space.names)
