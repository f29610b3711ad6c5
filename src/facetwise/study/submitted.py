"""One submission with all that is known of it: its record, the blend below it, notes, and what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from facetwise.blending.folder import BlendFolder
from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.rules import rule_from_dict
from facetwise.report.notes import notes_on
from facetwise.report.submission import Expected, Finding, Ingredient, Sending, SubmissionView
from facetwise.report.wording import Notice, count
from facetwise.submission.folder import SubmissionFolder
from facetwise.submission.ledger import Entry, read_ledger
from facetwise.submission.madefrom import Filled, MadeFrom


def build_submission_view(project: Project, folder: SubmissionFolder, manifest: Manifest) -> SubmissionView:
    """The view of one submission; raises ArtefactError when its record is damaged.

    A csv that changed, a ledger or notes that cannot be read and data that changed since are told as warnings.
    """
    record, made_from = folder.record(), folder.made_from()
    notes, troubles = notes_on(project, "submission", folder.id)
    sendings, wrong = _sendings(project, folder.id)
    try:
        return SubmissionView(
            id=folder.id,
            project=project.file.name,
            made=record.get("provenance", {}).get("made"),
            csv=str(folder.csv_file),
            csv_sha256=record["csv_sha256"],
            source_kind=made_from.kind,
            source=made_from.id,
            ingredients=tuple(_ingredients(project, made_from)),
            decision=_decision(project, made_from),
            filled=_filled(made_from.filled),
            warnings=(*_changed(project, folder, made_from, manifest), *troubles, *wrong),
            notes=notes,
            findings=tuple(Finding(**f) for f in record["gate"]["findings"]),
            confirmed=bool(record.get("confirmed")),
            overruled=bool(record.get("overruled")),
            forecast=_forecast(record.get("forecast")),
            why_num_people=str(record.get("test_people", {}).get("why", "")),
            sendings=sendings,
        )
    except (KeyError, TypeError, AttributeError):
        raise ArtefactError(f"{folder.path}: damaged (the record of the submission lacks something)") from None


def _ingredients(project: Project, made_from: MadeFrom) -> Iterator[Ingredient]:
    weights = _weights(project, made_from)
    for part in made_from.parts:
        name = f"foreign:{part.id}" if part.kind == "foreign" else part.id
        yield Ingredient(name, part.tta, weights.get((part.kind, part.id)))


def _weights(project: Project, made_from: MadeFrom) -> dict[tuple[str, str], Mapping[str, float]]:
    """Weights by kind and id of a blend's members; none where the blend cannot be read any more."""
    if made_from.kind == "blend":
        with suppress(ArtefactError, OSError, KeyError, TypeError):
            members = BlendFolder(project.workspace.blends / made_from.id).record()["made_from"]["members"]
            return {(m["kind"], m["id"]): m["weights"] for m in members}
    return {}


def _decision(project: Project, made_from: MadeFrom) -> str:
    """In words; the rule's kind where it is of other attributes or classes."""
    given = made_from.decision
    rule = given if isinstance(given, Mapping) else {"kind": str(given)}
    with suppress(ArtefactError):
        return rule_from_dict(rule, project.space).words(project.space)
    return f"Decided by `{rule.get('kind', 'a rule')}`."


def _filled(filled: Filled | None) -> str | None:
    if filled is None:
        return None
    what = "the class most often decided out of fold" if filled.joint is None else f"class {filled.joint}"
    return f"{count(filled.images, 'image')} that cannot be read: answered with {what}."


def _forecast(data: Any) -> Expected | None:
    return None if data is None else Expected(data["expected"], Interval(**data["interval"]), data["num_people"])


def _changed(project: Project, folder: SubmissionFolder, made_from: MadeFrom, manifest: Manifest) -> Iterator[Notice]:
    try:
        folder.read_csv_bytes()
    except ArtefactError as error:
        yield Notice("caution", ". ".join(part for part in (str(error), error.hint) if part) + ".")
    if made_from.label_space not in (None, project.space_hash):
        yield Notice("caution", "It answers other attributes, classes or cuts than facetwise.toml has now.")
    if made_from.manifest != manifest.hash:
        yield Notice("caution", "The images or people of the dataset changed since it was made.")


def _sendings(project: Project, submission: str) -> tuple[tuple[Sending, ...], tuple[Notice, ...]]:
    """What the ledger says of it; nothing, and why, where the ledger cannot be read."""
    try:
        entries = read_ledger(project.workspace).entries
    except InputError as error:
        text = f"What was sent is not shown. {str(error).splitlines()[0]}: see `facetwise ledger show`."
        return (), (Notice("caution", text),)
    return tuple(_sending(e) for e in entries if e.submission == submission), ()


def _sending(entry: Entry) -> Sending:
    return Sending(
        sent=entry.sent,
        public=entry.public,
        private=entry.private,
        public_accuracy=entry.public_accuracy,
        private_accuracy=entry.private_accuracy,
        final=entry.final,
        description=entry.description,
        notes=entry.notes,
    )
