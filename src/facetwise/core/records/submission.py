"""`record.json`: the source of a submission, the findings of the gate, and the forecast."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from facetwise.core.errors import DamagedError
from facetwise.core.records.base import Bounds, Provenance, Record
from facetwise.core.records.blend import PredictorKind

VERSION = 2
"""Version of `record.json`; version 1 knew only runs and had no number."""


class PartMadeFrom(Record):
    """A run, or imported predictions, that the source takes its probabilities from."""

    kind: PredictorKind
    id: str
    tta: str
    """Test-time augmentation of its predictions; `none` for anything but a run."""
    fingerprint: str | None
    """A run's fingerprint."""
    test_sha256: str | None
    """sha256 of the table of test predictions that was used."""
    models: dict[str, str]
    """sha256 of each fold model's weights, by fold; empty if they were never in this project."""


class Filled(Record):
    """Unreadable images, all answered with one class."""

    images: int
    joint: int | None
    """That class; None in a record of version 1: the class most often decided out of fold."""


class MadeFrom(Record):
    """What is needed to reproduce a submission, and to detect when that is no longer possible."""

    kind: PredictorKind
    id: str
    tta: str
    parts: list[PartMadeFrom]
    """The run itself, or the members of a blend."""
    test_sha256: str
    """sha256 of the source's own table of test predictions."""
    manifest: str
    """Hash of the manifest."""
    label_space: str | None
    """Hash of the label space; None in a record of version 1."""
    template_sha256: str | None
    """sha256 of the organisers' csv that was filled in; None in a record of version 1."""
    decision: str | dict[str, Any] = "argmax"
    """How probabilities became classes: `argmax`, or the rule in the blend's record."""
    filled: Filled | None = None

    @property
    def reference(self) -> str:
        """The source's reference on the command line."""
        return f"foreign:{self.id}" if self.kind == "foreign" else self.id

    @property
    def name(self) -> str:
        """The name of its submission after the number: the source, with its test-time augmentation."""
        return self.id if self.tta == "none" else f"{self.id}-tta-{self.tta}"

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of the runs that it needs."""
        return tuple(dict.fromkeys(part.id for part in self.parts if part.kind == "run"))


class FindingRecord(Record):
    """One check of the gate: `error` blocks, `warning` must be confirmed, `ok` passes."""

    level: Literal["error", "warning", "ok"]
    code: str
    message: str


class GateRecord(Record):
    """The findings of the gate; the compared class mix and opinions are stored beside."""

    findings: list[FindingRecord]


class ForecastRecord(Record):
    """The score expected on the whole test side."""

    expected: float
    interval: Bounds
    """With a level of 90 %; in older records 95 %."""
    num_people: int


class PeopleRecord(Record):
    """The number of people assumed on the test side, and why."""

    number: int
    why: str


class SubmissionRecord(Record):
    """`record.json`."""

    schema_version: Literal[1, 2] = 2
    id: str | None = None
    """The submission's name, and that of its folder; None in those of 30 November 2026 and before."""
    made_from: MadeFrom
    csv_sha256: str
    gate: GateRecord
    confirmed: bool = False
    """Whether the user confirmed the gate's warnings."""
    overruled: bool = False
    """Whether the user overruled errors that rest only on other predictions."""
    forecast: ForecastRecord | None = None
    """None for a source without out-of-fold predictions."""
    test_people: PeopleRecord | None = None
    provenance: Provenance

    @property
    def num_warnings(self) -> int:
        """Number of warnings of the gate, all confirmed."""
        return sum(finding.level == "warning" for finding in self.gate.findings)


class SubmissionMark(Record):
    """The part of `DONE.json`, or of a damaged record, that names what a submission needs."""

    made_from: MadeFrom


def migrated(data: Mapping[str, Any], place: str, way_out: str) -> dict[str, Any]:
    """A `record.json` or `DONE.json` in version 2; raises DamagedError if it does not name its source.

    Version 1 allowed only runs, and described filled images in words.
    """
    old = data.get("made_from")
    try:
        if not isinstance(old, dict) or "parts" in old:
            return dict(data)
        return {**data, "schema_version": VERSION, "made_from": _from_version_1(old)}
    except (KeyError, TypeError, AttributeError):
        raise DamagedError(f"{place}: it does not say what it was made from", hint=way_out) from None


def _from_version_1(old: Mapping[str, Any]) -> dict[str, Any]:
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
