"""The project's labels, and what a predictor says, as annotation tools read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facetwise.core.choices import LabelFormat
from facetwise.core.files.annotations.annotated import AnnotatedImage, Guess, Guesses, Said
from facetwise.core.files.annotations.formats import FORMATS
from facetwise.core.files.parsing import cell_text
from facetwise.core.files.writing import write_output
from facetwise.core.labels import MISSING
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.data.labels.overlay import Overlay, apply, placed
from facetwise.data.manifest import Manifest
from facetwise.label_issues.source import label_source
from facetwise.label_issues.usual import usual_value

GROUP = "group"
"""What says whose an image is, beside its labels."""


@dataclass(frozen=True)
class ExportedLabels(Plain):
    """What was written."""

    form: LabelFormat
    images: int
    """Training images that can be read."""
    labels: int
    corrected: int
    """Of these: given by the overlay."""
    predictor: str | None
    """Reference of who guesses; None without predictions."""
    guessed: int
    """Images with guesses."""


def export_labels(
    project: Project, manifest: Manifest, overlay: Overlay, form: LabelFormat, out: Path, reference: str | None
) -> ExportedLabels:
    """Write the labels of all training images, corrected by the overlay, in the format of a tool.

    Corrections carry their author and reason. `reference`: a predictor whose out-of-fold predictions stand beside the
    labels as pre-annotations; raises as `label_source` for one that has none.
    """
    guesses = {} if reference is None else _guesses(project, manifest, reference)
    images = _images(project, manifest, overlay, guesses, absolute=FORMATS[form].absolute)
    attributes = {attribute.name: attribute for attribute in project.space.attributes}
    write_output(out, json.dumps(FORMATS[form].write(images, attributes), ensure_ascii=False) + "\n")
    said = [label for one in images for label in one.labels.values()]
    predictor = next((one.predictor for one in guesses.values()), reference)
    return ExportedLabels(form, len(images), len(said), sum(bool(s.author) for s in said), predictor, len(guesses))


def _images(
    project: Project, manifest: Manifest, overlay: Overlay, guesses: dict[str, Guesses], *, absolute: bool
) -> list[AnnotatedImage]:
    codes, values = apply(overlay, manifest, project.space)
    by_whom = {(row, c.attribute): c for c, rows in placed(overlay, manifest) for row in rows}
    found = list[AnnotatedImage]()
    rows = manifest.train.select("image", "group", "width", "height").iter_rows()
    for row, (image, group, *size) in enumerate(rows):
        labels = dict[str, Said]()
        for code, attribute in zip(codes[row].tolist(), project.space.attributes, strict=True):
            number = values[attribute.name][row] if attribute.is_ordinal else np.nan
            if code != MISSING:
                text = attribute.classes[code] if np.isnan(number) else cell_text(float(number))
                correction = by_whom.get((row, attribute.name))
                of_whom = ("", "") if correction is None else (correction.author, correction.reason)
                labels[attribute.name] = Said(text, *of_whom)
        name = str(project.dataset_root / image) if absolute else image
        others = {} if manifest.each_its_own else {GROUP: group}
        found.append(AnnotatedImage(f"row {row}", name, labels, others, guesses.get(image), (size[0], size[1])))
    return found


def _guesses(project: Project, manifest: Manifest, reference: str) -> dict[str, Guesses]:
    """What a predictor decides for each image that it predicts out of fold, by image."""
    source, rows, _ = label_source(project, manifest, reference)
    predictions = rows.predictions
    attributes = [project.space.attribute(name) for name in predictions.attributes]
    together = np.exp(predictions.log_prob_of(predictions.codes, predictions.attributes))
    number = {
        (a.name, name): usual_value(a, name, manifest.values(a.name))[0]
        for a in attributes
        if a.is_ordinal
        for name in a.classes
    }
    found = dict[str, Guesses]()
    for row in np.flatnonzero(predictions.covered).tolist():
        labels = dict[str, Guess]()
        for attribute in attributes:
            code = int(predictions.codes[row, project.space.index(attribute.name)])
            share = float(np.exp(predictions.marginals[attribute.name][row, code]))
            name = attribute.classes[code]
            labels[attribute.name] = Guess(name, round(share, 6), number.get((attribute.name, name)))
        score = round(float(together[row]), 6)
        found[str(predictions.images[row])] = Guesses(source.reference, score, labels)
    return found
