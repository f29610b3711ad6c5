"""The label overlay: corrections of the dataset's labels in `labels/overlay.csv`, each with a reason and an author.

The dataset is never changed. Corrected labels are for training views and for a second, separately named score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import InputError, SettingError
from facetwise.core.files.csvrecords import CONTROL
from facetwise.core.files.csvtable import CsvTable
from facetwise.core.labels import Attribute, FloatArray, IntArray, LabelSpace
from facetwise.core.tables import TRAIN
from facetwise.core.text.spelling import Spellings
from facetwise.core.text.subject import PERSON
from facetwise.core.workspace import content_hash
from facetwise.data.findings import Findings, raise_errors
from facetwise.data.manifest import Manifest
from facetwise.data.reading.csvfile import read_table_csv
from facetwise.data.reading.labelcells import plain_number
from facetwise.recipe.labels import MAX_WEIGHT


@dataclass(frozen=True)
class Correction:
    """A corrected label of one image or of a whole group (exactly one of the two; the other is empty)."""

    image: str
    group: str
    attribute: str
    value: str
    """A class name; for an ordinal attribute a number."""
    reason: str
    author: str
    weight: float = 1.0
    """Weight in the loss of the images it applies to, times the recipe's `labels.overlay_weight`; 0 leaves them out of
    training."""

    @property
    def target(self) -> tuple[str, str, str]:
        """The corrected label: two corrections with one target must agree."""
        return self.image, self.group, self.attribute

    @property
    def what(self) -> str:
        """The owner of the label: `person 000123`, or the image."""
        return f"`{self.image}`" if self.image else f"{PERSON} {self.group}"

    def __str__(self) -> str:
        return f"`{self.value}`" + ("" if self.weight == 1 else f" with weight {self.weight}")


COLUMNS = tuple(f.name for f in fields(Correction) if f.name != "weight")
"""Columns that the file must have; `weight` may be there."""


@dataclass(frozen=True)
class Overlay:
    """Valid corrections, in file order."""

    corrections: tuple[Correction, ...] = ()

    @cached_property
    def hash(self) -> str:
        """Hash of targets, values and weights in any order; reasons and authors do not change it."""
        return content_hash(sorted({(*c.target, c.value, c.weight) for c in self.corrections}))

    def __len__(self) -> int:
        return len(self.corrections)


def read_overlay(path: Path, space: LabelSpace, manifest: Manifest) -> Overlay:
    """The corrections at `path`, none if there is no such file; raises ProblemsError with every invalid line."""
    overlay, findings = check_overlay(path, space, manifest)
    raise_errors(findings, str(path))
    return overlay


def check_overlay(path: Path, space: LabelSpace, manifest: Manifest) -> tuple[Overlay, Findings]:
    """The valid corrections at `path`, and an error finding for each invalid line.

    Images and groups are not checked against a manifest with errors, which lacks rows.
    """
    if not path.exists():
        return Overlay(), Findings()
    findings, name = Findings(), name_of(path)
    table = read_table_csv(path, name, COLUMNS, findings, may_be_empty=True)
    placed = corrections_of(table, space, manifest, findings) if table else ()
    return Overlay(tuple(correction for correction, _ in placed)), findings


def name_of(path: Path) -> str:
    """The overlay's name in messages."""
    return f"{path.parent.name}/{path.name}"


def corrections_of(
    table: CsvTable, space: LabelSpace, manifest: Manifest, findings: Findings
) -> list[tuple[Correction, int]]:
    """The valid corrections of a table, each with its line; the others become errors in `findings`."""
    targets = CorrectionTargets.of(manifest)
    corrections, first = [], dict[tuple[str, str, str], tuple[Correction, int]]()
    for row in table.rows:
        correction = checked(row.cells, table.at(row), space, targets, findings)
        if correction is None:
            continue
        other, line = first.setdefault(correction.target, (correction, row.line))
        if (other.value, other.weight) == (correction.value, correction.weight):
            corrections.append((correction, row.line))
        else:
            message = f"`{correction.attribute}` becomes {correction}, line {line} says {other}"
            findings.error("contradiction", table.at(row), message)
    return corrections


def apply(overlay: Overlay, manifest: Manifest, space: LabelSpace) -> tuple[IntArray, dict[str, FloatArray]]:
    """Corrected labels of `manifest.train`: class numbers (n_train, num_attributes), and values (n_train,) by ordinal.

    A correction of an image takes precedence over one of its group. `space` has the true cuts; arguments are not
    changed.
    """
    codes = manifest.codes(space)
    values = {a.name: manifest.values(a.name) for a in space.attributes if a.is_ordinal}
    for correction, rows in placed(overlay, manifest):
        attribute = space.attribute(correction.attribute)
        if attribute.is_ordinal:
            values[attribute.name][rows] = float(correction.value)
        codes[rows, space.index(attribute.name)] = _code(attribute, correction.value)
    return codes, values


def row_weights(
    overlay: Overlay, manifest: Manifest, space: LabelSpace, overlay_weight: float = 1.0
) -> npt.NDArray[np.float32]:
    """Weight in the loss of each row of `manifest.train`, (n_train,): 1 where nothing is corrected.

    For corrected rows it is `overlay_weight` times the weights of the row's corrections, one per attribute: as for
    labels, that of the image takes precedence over that of its group. A correction that repeats the dataset's own label
    counts like any other.
    """
    weights = np.ones((manifest.train.height, len(space.attributes)))
    corrected = np.zeros(len(weights), bool)
    for correction, rows in placed(overlay, manifest):
        weights[rows, space.index(correction.attribute)] = correction.weight
        corrected[rows] = True
    return np.where(corrected, overlay_weight * weights.prod(axis=1), 1.0).astype(np.float32)


def placed(overlay: Overlay, manifest: Manifest) -> Iterator[tuple[Correction, list[int]]]:
    """Each correction with its rows of `manifest.train`: groups first, so that corrections of images override them."""
    of_image, of_group = (_rows_by_name(manifest.train[column].to_list()) for column in ("image", "group"))
    for correction in sorted(overlay.corrections, key=lambda c: bool(c.image)):
        found = of_image.get(correction.image) if correction.image else of_group.get(correction.group)
        yield correction, found or []


def _rows_by_name(names: Iterable[str]) -> dict[str, list[int]]:
    rows = defaultdict[str, list[int]](list)
    for row, name in enumerate(names):
        rows[name].append(row)
    return rows


@dataclass(frozen=True)
class CorrectionTargets:
    """The images and groups whose labels can be corrected."""

    images: Spellings
    manifest: Manifest

    @classmethod
    def of(cls, manifest: Manifest) -> CorrectionTargets:
        """The targets of a manifest; one with errors lacks images and people."""
        return cls(Spellings(manifest.table.filter(pl.col("split") == TRAIN)["image"]), manifest)

    def unknown(self, image: str, group: str) -> list[str]:
        """The problem with the name of an image or person, if any; names are not checked if the manifest has errors."""
        if self.manifest.errors:
            return []
        named = (("image", image, self.images), ("group", group, self.manifest.spellings))
        return [
            f"no {what} `{name}` on the training side" for what, name, targets in named if name and name not in targets
        ]


def checked(
    row: Mapping[str, str], where: str, space: LabelSpace, targets: CorrectionTargets, findings: Findings
) -> Correction | None:
    """The correction in a row's cells, names in their canonical spelling; None (and errors at `where`) if invalid."""
    cells = {column: row[column].strip() for column in COLUMNS}
    cells["image"], cells["group"] = targets.images.find(cells["image"]), targets.manifest.person(cells["group"])
    problems = [f"`{column}` is empty" for column in ("reason", "author") if not cells[column]]
    problems += [
        f"`{column}` has a control character ({ord(found.group()):#04x})"
        for column in ("reason", "author")
        if (found := CONTROL.search(cells[column]))
    ]
    if bool(cells["image"]) == bool(cells["group"]):
        problems.append("fill exactly one of `image` and `group`")
    problems += targets.unknown(cells["image"], cells["group"])
    weight = plain_number(row.get("weight", "").strip() or "1")
    if not 0 <= weight <= MAX_WEIGHT:
        problems.append(f"`weight` is `{row['weight']}`, expected a number from 0 to {MAX_WEIGHT}; empty means 1")
    try:
        attribute = space.attribute(Spellings(space.names).find(cells["attribute"]))
        cells |= {"attribute": attribute.name, "value": _value(attribute, cells["value"])}
    except (SettingError, InputError) as error:
        problems.append(f"{error}" + (f"; {error.hint}" if error.hint else ""))
    for problem in problems:
        findings.error("unusable-correction", where, problem)
    return None if problems else Correction(**cells, weight=weight)


def _value(attribute: Attribute, cell: str) -> str:
    """The canonical spelling of a value: the class name, or the shortest form of the number."""
    if not attribute.is_ordinal:
        return attribute.classes[attribute.code_of(cell)]
    number = plain_number(cell)
    low, high = attribute.valid or (-np.inf, np.inf)
    if not np.isfinite(number) or not low <= number <= high:
        raise InputError(f"`{attribute.name}` is `{cell}`, expected a number from {low:g} to {high:g}")
    return f"{number:.15g}"


def _code(attribute: Attribute, value: str) -> int:
    return int(attribute.codes_of_values(float(value))) if attribute.is_ordinal else attribute.code_of(value)
