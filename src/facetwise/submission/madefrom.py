"""What a submission was made from: its source, the runs below it, and how their probabilities became a csv."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import Workspace, file_hash
from facetwise.data.manifest import Manifest
from facetwise.evaluate.decide import ARGMAX
from facetwise.predictors.blend_folder import BlendFolder
from facetwise.predictors.sources import Kind, Source

RECORD_VERSION = 2
"""Of `record.json`; 1 knew runs only and had no number."""


@dataclass(frozen=True)
class Part:
    """A run, or predictions from elsewhere, that the source takes its probabilities from."""

    kind: Kind
    id: str
    tta: str
    """Test-time augmentation of its predictions; `none` for what is no run."""
    fingerprint: str | None
    """A run's fingerprint."""
    test_sha256: str | None
    """Of the table of test predictions that was used."""
    models: dict[str, str]
    """sha256 of each fold model's weights, by fold; empty where they were never here."""


@dataclass(frozen=True)
class Filled:
    """Images that cannot be read, all answered with one class."""

    images: int
    joint: int | None
    """That class; None in a record of version 1: the class most often decided out of fold."""


@dataclass(frozen=True)
class MadeFrom:
    """Enough to make a submission again, and to see when it no longer can be."""

    kind: Kind
    id: str
    tta: str
    parts: tuple[Part, ...]
    """Of a run the run itself, of a blend its members."""
    test_sha256: str
    """Of the source's own table of test predictions."""
    manifest: str
    """Hash of the manifest."""
    label_space: str | None
    """Hash of the label space; None in a record of version 1."""
    template_sha256: str | None
    """Of the organisers' csv that was filled in; None in a record of version 1."""
    decision: Any = ARGMAX
    """How probabilities became classes: `argmax`, or what the blend's record says."""
    filled: Filled | None = None

    @property
    def reference(self) -> str:
        """How to name the source on a command line."""
        return f"foreign:{self.id}" if self.kind == "foreign" else self.id

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of the runs that it needs."""
        return tuple(dict.fromkeys(part.id for part in self.parts if part.kind == "run"))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts]}


def describe(
    project: Project, manifest: Manifest, source: Source, *, template_sha256: str, filled: Filled | None
) -> MadeFrom:
    """What a submission of `source`, a run or a blend, is made from."""
    return MadeFrom(
        kind=source.kind,
        id=source.id,
        tta=source.tta,
        parts=tuple(_parts(project.workspace, source)),
        test_sha256=file_hash(predictions_file(project.workspace, source)),
        manifest=manifest.hash,
        label_space=project.space_hash,
        template_sha256=template_sha256,
        decision=source.record.get("decision", ARGMAX) if source.kind == "blend" else ARGMAX,
        filled=filled,
    )


def predictions_file(workspace: Workspace, source: Source) -> Path:
    """The table of test predictions of a run or a blend."""
    if source.kind == "run":
        return RunFolder(workspace.runs / source.id).table_file("test", source.tta)
    return workspace.blends / source.id / "test.parquet"


def _parts(workspace: Workspace, source: Source) -> Iterator[Part]:
    if source.kind == "run":
        run = RunFolder(workspace.runs / source.id)
        hash_ = file_hash(run.table_file("test", source.tta))
        yield Part("run", run.id, source.tta, source.record["fingerprint"], hash_, _models(run))
    else:
        yield from _members(workspace, source.record)


def _members(workspace: Workspace, blend: Mapping[str, Any]) -> Iterator[Part]:
    """Members of a blend that weigh something; of a blend among them its own, since only those have weights."""
    for member in blend["made_from"]["members"]:
        if not any(member["weights"].values()):
            continue
        if member["kind"] == "blend":
            yield from _members(workspace, BlendFolder(workspace.blends / member["id"]).record())
            continue
        models = _models(RunFolder(workspace.runs / member["id"])) if member["kind"] == "run" else {}
        known = (member.get("fingerprint"), member.get("test_sha256"))
        yield Part(member["kind"], member["id"], member.get("tta", "none"), *known, models)


def _models(run: RunFolder) -> dict[str, str]:
    """Hashes of a run's weights; none for a run whose weights were never here (tables from a teammate)."""
    with suppress(ArtefactError, KeyError):
        return run.weights_hashes()
    return {}


def read_made_from(record: Mapping[str, Any]) -> MadeFrom:
    """`made_from` of a `record.json` or `DONE.json` of any version; raises KeyError or TypeError when it is damaged."""
    made_from = record["made_from"]
    if "parts" not in made_from:
        made_from = from_version_1(made_from)
    filled = made_from["filled"]
    return MadeFrom(
        **{
            **made_from,
            "parts": tuple(Part(**part) for part in made_from["parts"]),
            "filled": None if filled is None else Filled(**filled),
        }
    )


def from_version_1(old: Mapping[str, Any]) -> dict[str, Any]:
    """What version 2 says, of what version 1 said: a run alone, and words for images that were filled in."""
    filled = re.search(r", ([1-9]\d*) unreadable answered", old["decision"])
    part = {
        "kind": "run",
        "id": old["run"],
        "tta": old["tta"],
        "fingerprint": old["run_fingerprint"],
        "test_sha256": old["test_table_sha256"],
        "models": dict(old["models"]),
    }
    return {
        "kind": "run",
        "id": old["run"],
        "tta": old["tta"],
        "parts": [part],
        "test_sha256": old["test_table_sha256"],
        "manifest": old["manifest_hash"],
        "label_space": None,
        "template_sha256": None,
        "decision": old["decision"].split(",")[0],
        "filled": {"images": int(filled.group(1)), "joint": None} if filled else None,
    }
