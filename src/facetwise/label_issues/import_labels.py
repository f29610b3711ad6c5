"""Labels from annotation tools as corrections: what they say differently than the project does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from facetwise.core.choices import LabelFormat
from facetwise.core.errors import InputError, SettingError
from facetwise.core.files.annotations.annotated import SEVERAL, Annotated, AnnotatedImage, Said
from facetwise.core.files.annotations.formats import FORMATS, AnnotationTable, annotation_table, read_annotations
from facetwise.core.files.csvtable import raise_faults
from facetwise.core.files.outside import read_bounded
from facetwise.core.labels import Attribute, FloatArray, IntArray
from facetwise.core.project import Project
from facetwise.core.records.project_file import AttributeSpec
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import Spellings, folded
from facetwise.data.findings import Findings, raise_errors
from facetwise.data.labels.corrections import ProposedCorrection
from facetwise.data.labels.overlay import Correction, Overlay, apply
from facetwise.data.manifest import Manifest
from facetwise.data.reading.labelcells import LabelReader
from facetwise.label_issues.annotated_images import NamedImages
from facetwise.label_issues.usual import usual_value

_ONE_OF_TWO = (
    "decide in the tool: in Label Studio mark the right one as ground truth, or take the other out of the file"
)


@dataclass(frozen=True)
class ImportedLabels:
    """What a file says, beside what the project says."""

    proposed: list[ProposedCorrection]
    """What it says differently."""
    same: int
    """Labels that it says as the project does."""
    notes: tuple[str, ...]
    """What is left out, and how names were read."""


def import_labels(
    project: Project,
    manifest: Manifest,
    overlay: Overlay,
    path: Path,
    form: LabelFormat,
    said_by: Said,
) -> ImportedLabels:
    """Compare the labels in a file with those of the project, with what the overlay corrects.

    `said_by` has the author and the reason that count instead of the file's, where they are not empty. Raises
    InputError for a file that is not of the form, SettingError where no label is called like an attribute, and
    ProblemsError with every unknown image, unknown class and label without an author.
    """
    data = read_bounded(path)
    try:
        found = read_annotations(data, form)
    except InputError as error:
        raise InputError(f"{path}: {error}", hint=error.hint) from None
    table, faults = annotation_table(found, data, path.name)
    raise_faults(str(path), faults)
    assert table is not None
    columns, notes = _columns_of(project, found)
    notes += [f"left out: {listed(found.left_out, 8)}"] if found.left_out else []
    return _Comparison(project, manifest, overlay, found, table, columns, said_by).result(tuple(notes))


def _columns_of(project: Project, found: Annotated) -> tuple[dict[str, str], list[str]]:
    """Attribute -> what the file calls it; and what is to be told of that."""
    names = list(dict.fromkeys(name for one in found.images for name in one.labels))
    known, columns = Spellings(names, folded), dict[str, str]()
    for spec in project.file.attributes:
        called = (known.find(name) for name in (spec.name, spec.column) if name is not None)
        if (name := next((one for one in called if one in known), None)) is not None:
            columns[spec.name] = name
    notes = list[str]()
    if not columns and len(names) == len(project.space.names) == 1:
        columns = {project.space.names[0]: names[0]}
        notes.append(f"`{names[0]}` taken as `{project.space.names[0]}`, the only attribute")
    if not columns:
        asked, there = (listed((f"`{name}`" for name in some), 8) for some in (project.space.names, names))
        raise SettingError(
            f"no label in it is called like an attribute: it has {there or 'none'}, the project {asked}",
            hint="give them the names of the attributes in the tool, or in the file",
        )
    if left := [name for name in names if name not in columns.values()]:
        notes.append(f"no attributes of the project, left out: {listed((f'`{name}`' for name in left), 8)}")
    return columns, notes


@dataclass
class _Comparison:
    """Goes through the records of a file; `result` is called once."""

    project: Project
    manifest: Manifest
    overlay: Overlay
    found: Annotated
    table: AnnotationTable
    columns: Mapping[str, str]
    """Attribute -> what the file calls it."""
    said_by: Said
    _findings: Findings = field(default_factory=Findings)
    _proposed: list[ProposedCorrection] = field(default_factory=list)
    _same: int = 0
    _nobodys: int = 0
    """Labels that differ, of which nobody says who gave them."""
    _first: dict[tuple[str, str], tuple[Any, str]] = field(default_factory=dict)
    """Image and attribute -> what was said of it first, and where."""

    def result(self, notes: tuple[str, ...]) -> ImportedLabels:
        """Every label beside that of the project; raises ProblemsError with everything that is wrong."""
        labels = LabelReader(self._specs, self.project.space, self.table, self._findings, self._unknown)
        images, unreadable = NamedImages(self.table.column(self.table.image), self.project, self.manifest), 0
        for one, row in zip(self.found.images, self.table.rows, strict=True):
            where, read, (image, why) = self.table.at(row), labels.read(row), images.find(one.image)
            if image is None:
                self._findings.error("unknown-image", where, why)
            elif image not in self._rows:
                unreadable += 1
            elif read is not None:
                self._check_agreement(image, where, read)
                self._compare(one, image, where, read)
        labels.finish()
        if self._nobodys:
            what = f"it does not say who gave {count(self._nobodys, 'label')} that differ from the project's"
            self._findings.error("no-author", self.table.name, what, "say who: `--author NAME`")
        raise_errors(self._findings, f"{self.table.name}: nothing was written")
        notes += (f"left out: labels of {count(unreadable, 'image')} that cannot be read",) if unreadable else ()
        return ImportedLabels(self._proposed, self._same, notes)

    def _check_agreement(self, image: str, where: str, read: Mapping[str, Any]) -> None:
        """Two records may speak of one image, but not contradict each other, whichever the project agrees with."""
        for name in self.columns:
            said = read[f"label:{name}"], read.get(f"value:{name}")
            if said[0] is None:
                continue
            first, at = self._first.setdefault((image, name), (said, where))
            if first != said:
                what = f"`{name}` of `{image}` is not what {at} says"
                self._findings.error("contradiction", where, what, _ONE_OF_TWO)

    def _compare(self, one: AnnotatedImage, image: str, where: str, read: Mapping[str, Any]) -> None:
        differing = list(self._differing(self._rows[image], read))
        known = sum(key.startswith("label:") and code is not None for key, code in read.items())
        self._same += known - len(differing)
        for attribute, value, how in differing:
            said = self._said(one, attribute, how)
            self._nobodys += not said.author
            if value is None:
                what = f"`{attribute.name}` is a class, and no number of it is recorded"
                self._findings.error("no-value", where, what, "give the number itself")
            else:
                correction = Correction(image, "", attribute.name, value, said.reason, said.author)
                self._proposed.append(ProposedCorrection(where, correction))

    @property
    def _specs(self) -> list[AttributeSpec]:
        """The attributes as they are read from the file's columns; of one with cuts a class will do."""
        specs = []
        for spec in self.project.file.attributes:
            column = self.columns.get(spec.name)
            if column is None:
                continue
            change: dict[str, Any] = {"column": column, "files": {}}
            if spec.split is not None and Spellings([spec.name], folded).find(column) == spec.name:
                change |= {"split": None, "item": None}  # said by itself, in yes or no
            elif spec.split is not None:
                change |= {"split": SEVERAL}
            if spec.cuts is not None:
                change |= {"values": {**{name: name for name in spec.classes}, **spec.values}}
            specs.append(spec.model_copy(update=change))
        return specs

    @property
    def _unknown(self) -> list[str]:
        return ["", *self.project.file.dataset.train.unknown]

    def _differing(self, row: int, read: Mapping[str, Any]) -> Iterator[tuple[Attribute, str | None, str]]:
        """What the file says differently of an image: the attribute, its value (None if no number is known), and
        where a number comes from that it does not say."""
        for index, attribute in enumerate(self.project.space.attributes):
            code, number = read.get(f"label:{attribute.name}"), read.get(f"value:{attribute.name}")
            if code is None:
                continue
            if number is not None:
                if self._values[attribute.name][row] != number:
                    yield attribute, f"{number:.15g}", ""
            elif self._codes[row, index] != code and attribute.is_ordinal:
                usual, words = usual_value(attribute, attribute.classes[code], self._values[attribute.name])
                yield attribute, None if usual is None else f"{usual:.15g}", words
            elif self._codes[row, index] != code:
                yield attribute, attribute.classes[code], ""

    def _said(self, one: AnnotatedImage, attribute: Attribute, how: str) -> Said:
        """What the file says of an attribute, by whom and why; `how`: where a number comes from."""
        said = one.labels[self.columns[attribute.name]]
        reason = self.said_by.reason or said.reason or self.table.name
        return Said(said.value, self.said_by.author or said.author, f"{reason} ({how})" if how else reason)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {image: row for row, image in enumerate(self.manifest.train["image"])}

    @property
    def _codes(self) -> IntArray:
        return self._now[0]

    @property
    def _values(self) -> dict[str, FloatArray]:
        return self._now[1]

    @cached_property
    def _now(self) -> tuple[IntArray, dict[str, FloatArray]]:
        return apply(self.overlay, self.manifest, self.project.space)


def described(form: LabelFormat, path: Path, imported: ImportedLabels) -> str:
    """What was read, for people."""
    same = f", {count(imported.same, 'label')} the same as the project has" if imported.same else ""
    return f"{FORMATS[form].title}'s {path.name}{same}"
