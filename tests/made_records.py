"""Records as runs, blends and submissions write them, for artefacts that nobody trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetwise.core.records.base import checked, write_record
from facetwise.core.records.blend import KNOWN, BlendRecord
from facetwise.core.records.run import RunRecord
from facetwise.core.records.submission import SubmissionRecord
from facetwise.core.runs import RunFolder

MADE = {"made": "2026-01-01T00:00:00+00:00"}
BOUNDS = {"low": 0.4, "high": 0.6, "level": 0.95}


def write_run_record(folder: Path, **changes: Any) -> RunRecord:
    """`run.json` of five folds by person, `recipe.toml` that says no more, and the events of its end."""
    fields = {"recipe": {}, "label space": "s", "manifest": "m", "labels": "l", "folds": "one", "store": "x"}
    data = {
        "id": folder.name,
        "fingerprint": f"fingerprint of {folder.name}",
        "recipe": {"folds": {"plan": 5}},
        "attributes": ["mask", "gender", "age"],
        "folds": [0, 1, 2, 3, 4],
        "num_folds": 5,
        "fold_name": "default",
        "split": "group",
        "choices": {},
        "provenance": MADE,
        **changes,
        "fingerprint_fields": {**fields, "overlay": None, "weights": None, **changes.get("fingerprint_fields", {})},
    }
    folder.mkdir(parents=True, exist_ok=True)
    record = checked(RunRecord, data)
    write_record(folder / "run.json", record)
    (folder / "recipe.toml").write_text("", encoding="utf-8")
    write_events(folder)
    return record


def write_events(folder: Path, *events: Mapping[str, Any]) -> None:
    """`events.jsonl` of a run that came to its end."""
    lines = [json.dumps(event) for event in (*events, {"event": "done", "run": folder.name})]
    (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def blend_record(made_from: Mapping[str, Any], **changes: Any) -> BlendRecord:
    """`blend.json` of a soft vote that decides by argmax."""
    members = [{"role": KNOWN, **member} for member in made_from.get("members", [])]
    scores = {"optimistic": 0.6, "nested": 0.5, "nested_interval": BOUNDS, "by_rule": 0.5, "by_argmax": 0.5}
    data = {
        "fingerprint": "f",
        "name": f"soft-{len(members)}",
        "spec": {"given": [], "weigh": "greedy"},
        "left_out": [],
        "by": "whole",
        "method": "soft",
        "decision": {"kind": "argmax"},
        "rows": {"images": 1, "left_out": 0, "people": 1},
        "ways": [],
        "worth": {"members": [], "added": [], "likeness": []},
        "trace": [],
        "by_part": [],
        "provenance": MADE,
        **changes,
        "made_from": {**made_from, "members": members},
        "scores": {**scores, "best_member": None, **changes.get("scores", {})},
    }
    return checked(BlendRecord, data)


def submission_record(made_from: Mapping[str, Any], csv_sha256: str, **changes: Any) -> SubmissionRecord:
    """`record.json` of a submission that the gate let through without a word."""
    data = {"made_from": made_from, "csv_sha256": csv_sha256, "gate": {"findings": []}, "provenance": MADE, **changes}
    return checked(SubmissionRecord, data)


def another_run(run: Path, name: str) -> Path:
    """A finished run with everything of another one but its name."""
    folder = run.with_name(name)
    shutil.copytree(run, folder)
    write_record(
        folder / "run.json",
        checked(RunRecord, json.loads((run / "run.json").read_text(encoding="utf-8"))).changed(id=name),
    )
    mark = json.loads((run / "DONE.json").read_text(encoding="utf-8"))
    mark["made_from"] |= RunFolder(folder).hashes()
    (folder / "DONE.json").write_text(json.dumps(mark), encoding="utf-8")
    return folder
