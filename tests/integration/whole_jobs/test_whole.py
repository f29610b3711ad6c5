"""Commands that write several files: killed anywhere, they are whole or not begun, and the same call finishes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crashes import Job, crash_server

import facetwise as fw
from facetwise.core.files.writing import is_temporary

Steps = list[tuple[str, dict[str, Any]]]
P = "{base}/project"
KILLS = 4
"""At how many operations, evenly apart, the first among them; and at the last."""
DONE_BEFORE = {
    "submission": ("submit", {"project": P, "source": "1", "yes": True, "against_others": True}),
    "list": ("suspects", {"project": P, "source": "1"}),
}
VERBS: dict[str, tuple[Steps, dict[str, Any]]] = {
    "init": ([], {"folder": "{base}/new", "dataset": "{base}/contest"}),
    "draw_contest": ([], {"folder": "{base}/drawn", "train_people": 2, "eval_people": 1, "workers": 1}),
    "check": ([], {"project": P, "workers": 1}),
    "folds": ([], {"project": P, "name": "second", "num_folds": 2}),
    "suspects": ([], {"project": P, "source": "1", "csv": "{base}/list.csv"}),
    "blend": ([], {"project": P, "members": ["1"], "rules": ["argmax"], "rounds": 2, "bags": 0}),
    "submit": ([], dict(DONE_BEFORE["submission"][1])),
    "sent": ([DONE_BEFORE["submission"]], {"project": P, "submission": "1", "note": "first try"}),
    "record": ([DONE_BEFORE["submission"]], {"project": P, "submission": "1", "public": 0.5, "note": "oh"}),
    "replay": ([DONE_BEFORE["submission"]], {"project": P, "submission": "1", "out": "{base}/again.csv"}),
    "journal": ([], {"project": P, "day": "2026-11-25"}),
    "export_run": ([], {"project": P, "run": "1", "out": "{base}/a.pack"}),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with crash_server() as ask:
        yield ask


def placed(arguments: dict[str, Any], base: Path) -> dict[str, Any]:
    return {k: v.format(base=base) if isinstance(v, str) else v for k, v in arguments.items()}


def files(base: Path) -> dict[str, bool]:
    """What is there but for what is being written, and whether each file holds something."""
    found: dict[str, bool] = {}
    for folder, _, names in os.walk(base):
        parts = Path(folder).relative_to(base).parts
        if not any(is_temporary(Path(part)) or part == ".cache" for part in parts):
            for name in names:
                if not is_temporary(Path(name)) and not name.endswith(".lock"):
                    found["/".join((*parts, name))] = Path(folder, name).stat().st_size > 0
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_killed_anywhere_is_finished_by_the_same_call(finished, tmp_path: Path, server, verb) -> None:
    before, arguments = VERBS[verb]
    start = finished.copy(tmp_path / "start")
    for name, words in before:
        getattr(fw, name)(**placed(words, start.base))
    whole = start.copy(tmp_path / "whole")
    outcome = server(Job("", verb=verb, arguments=placed(arguments, whole.base)))
    assert outcome.status == 0, outcome.stderr
    assert outcome.operations > 1
    wanted = files(whole.base)
    for kill_at in {*range(1, outcome.operations, -(-outcome.operations // KILLS)), outcome.operations}:
        broken = start.copy(tmp_path / f"killed-{kill_at}")
        given = placed(arguments, broken.base)
        assert server(Job("", verb=verb, arguments=given, kill_at=kill_at)).status == -9
        getattr(fw, verb)(**given)
        after = files(broken.base)
        assert {name: after.get(name) for name in wanted} == wanted, kill_at
        more = {name.split("/")[1] for name in after.keys() - wanted.keys()}
        assert more <= {"submissions"}  # a submission that was whole already is made once more
