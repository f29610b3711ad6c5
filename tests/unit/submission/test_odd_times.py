"""Times that cannot be are told: in the ledger, when something is sent, and by the doctor."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from made_records import submission_record, write_run_record

from facetwise.core.records.base import write_record
from facetwise.core.records.notes import Note, open_notes, read_notes
from facetwise.core.workspace import DONE, Workspace, write_json
from facetwise.submission.ledger.events import SentEvent
from facetwise.submission.ledger.ledger import Entry, read_ledger
from facetwise.submission.ledger.notes import all_notes
from facetwise.submission.ledger.odd_times import made_in_the_future, odd_sending, odd_times

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def at(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat(timespec="seconds")


@pytest.fixture
def space(tmp_path) -> Workspace:
    """A workspace with one submission and one run, both made at noon."""
    source = {"kind": "run", "id": "01-a", "tta": "none", "parts": [], "test_sha256": "0" * 64, "manifest": "m"}
    made_from = {**source, "label_space": "s", "template_sha256": "0" * 64}
    made = {"provenance": {"made": at(0)}}
    write_record(tmp_path / "submissions" / "01-a" / "record.json", submission_record(made_from, "0" * 64, **made))
    write_json(tmp_path / "submissions" / "01-a" / DONE, {})
    write_run_record(tmp_path / "runs" / "01-a", **made)
    return Workspace(tmp_path)


def write(space: Workspace, *events: SentEvent) -> None:
    space.ledger_file.write_text("".join(e.model_dump_json(exclude_none=True) + "\n" for e in events), encoding="utf-8")


@pytest.mark.parametrize(
    ("sent", "now", "words"),
    [
        (at(-6), at(60), "`01-a` was sent at 2026-11-25 11:54 UTC, before it was made (2026-11-25 12:00 UTC)"),
        (at(-4), at(60), None),
        (at(30), at(60), None),
        (at(64), at(60), None),
        (at(66), at(60), "`01-a` was sent at 2026-11-25 13:06 UTC, which lies in the future"),
        ("2026-11-25T20:54:00+09:00", at(60), "before it was made"),
        ("2026-11-25T21:01:00+09:00", at(60), None),
        (None, at(60), None),
    ],
)
def test_a_sending_is_not_before_its_file_nor_after_now(space, sent, now, words):
    told = odd_sending(space, Entry("01-a", None, sent), datetime.fromisoformat(now))
    assert told is None if words is None else words in str(told)


def test_a_file_whose_making_nobody_knows_may_be_sent_at_any_time(space):
    assert odd_sending(space, Entry(None, "7", at(-600)), NOON) is None
    assert odd_sending(space, Entry("02-gone", None, at(-600)), NOON) is None


def test_a_clock_that_was_set_back_between_two_lines_is_told(space):
    times = (1, 90, 88, 20)
    write(space, *(SentEvent(time=at(m), submission="01-a", sent=at(m)) for m in times))
    told = list(odd_times(space, read_ledger(space), NOON + timedelta(days=1)))
    expected = "line 4 of the ledger was written at 2026-11-25 12:20 UTC, after line 3 at 2026-11-25 13:28 UTC"
    assert told == [f"{expected}: a clock was set back"]


def test_what_was_made_in_the_future_is_told(space):
    assert list(made_in_the_future(space, NOON)) == []
    told = list(made_in_the_future(space, NOON - timedelta(hours=1)))
    assert told == ["`01-a` was made at 2026-11-25 12:00 UTC, which lies in the future"] * 2


def test_notes_stay_in_the_order_of_writing_whatever_the_clock_did(space):
    texts = ((30, "why?"), (10, "because"), (12, "after all"))
    lines = [json.dumps({"time": at(m), "kind": "run", "id": "01-a", "text": text}) for m, text in texts]
    space.notes_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    space.ledger_file.write_text(
        "".join(
            json.dumps({"schema_version": 1, "event": "note", "time": at(m), "submission": "01-a", "text": f"{m}"})
            + "\n"
            for m in (0, 40)
        ),
        encoding="utf-8",
    )
    notes: tuple[Note, ...] = all_notes(space)
    assert [n.text for n in notes] == ["0", "why?", "because", "after all", "40"]
    assert open_notes(notes) == open_notes(read_notes(space)) == ()
