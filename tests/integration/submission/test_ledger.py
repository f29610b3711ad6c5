"""The ledger: strict and told by line, only added to, counted by the contest's clock, and free of secrets."""

from __future__ import annotations

import json
import shlex
import threading
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError, LockedError, ProblemsError, SettingError
from facetwise.core.files.settings import parse
from facetwise.core.records.notes import write_note
from facetwise.core.records.project_file import ContestSpec, ProjectFile
from facetwise.core.workspace import Workspace, lock
from facetwise.data.reading.recognising.presets import presets
from facetwise.submission.ledger.events import DROPPED, append_events, moment_of, read_events, without_secrets
from facetwise.submission.ledger.ledger import Ledger, fold, read_ledger
from facetwise.submission.ledger.notes import all_notes
from facetwise.submission.ledger.platform_table import import_table
from facetwise.submission.ledger.quota import quota_left, zone
from facetwise.submission.ledger.sending import NewScores, note_sent, record_score, taken_of_two, utc_time

ONE, TWO = "01-03-AdamW-CE-v0", "02-b01-soft-5"
DAY = "2026-11-25T10:00:00+00:00"


@pytest.fixture
def space(tmp_path) -> Workspace:
    """A project with two submissions, as far as the ledger looks."""
    for name in (ONE, TWO):
        folder = tmp_path / "submissions" / name
        folder.mkdir(parents=True)
        (folder / "DONE.json").write_text("{}", encoding="utf-8")
    return Workspace(tmp_path)


def line(**keys: object) -> str:
    return json.dumps({"time": DAY, **keys}) + "\n"


def write(space: Workspace, *lines: str) -> bytes:
    space.ledger_file.write_text("".join(lines), encoding="utf-8")
    return space.ledger_file.read_bytes()


# ----------------------------------------------------------------------------------------------------- reading


def test_no_ledger_is_an_empty_one(space):
    assert read_ledger(space) == Ledger()
    assert not space.ledger_file.exists()


def test_events_are_folded_into_one_entry_a_sending(space):
    write(
        space,
        line(event="sent", submission=TWO, sent="2026-11-25T18:00:00+09:00"),
        line(event="sent", submission=ONE, sent="2026-11-24T18:00:00+09:00"),
        line(event="scored", submission=TWO, public=0.7),
        line(event="scored", submission=TWO, private=0.69, time="2026-11-27T00:00:00+00:00"),
        line(event="scored", submission=TWO, public=0.71),
        line(event="note", submission=TWO, text="나이 경계를 옮김"),
        "\n",
        line(event="imported", platform_id="7", public=0.6, public_accuracy=1, description="from a friend", final=True),
        line(event="imported", platform_id="9", submission=ONE, public=0.5, more={"user": "we"}),
    )
    first, second, third = read_ledger(space).entries
    assert (first.name, first.sent, first.public, first.public_accuracy, first.final) == (
        "platform 7",
        None,
        0.6,
        1.0,
        True,
    )
    assert (second.submission, second.platform_id, second.sent) == (ONE, "9", "2026-11-24T09:00:00+00:00")
    assert (second.public, second.more) == (0.5, {"user": "we"})
    assert (third.submission, third.public, third.private, third.public_told) == (TWO, 0.71, 0.69, DAY)
    assert third.notes == ("나이 경계를 옮김",)
    assert read_ledger(space).by_submission == {ONE: second, TWO: third}
    assert [e.name for e in read_ledger(space).scored] == ["platform 7", ONE, TWO]


def test_a_file_sent_twice_has_two_entries(space):
    write(
        space,
        line(event="sent", submission=ONE, sent=DAY),
        *(line(event="imported", platform_id=n, submission=ONE, public=0.5) for n in ("7", "8")),
    )
    assert [(e.submission, e.platform_id, e.sent) for e in read_ledger(space).entries] == [
        (ONE, "8", None), (ONE, "7", DAY),
    ]  # fmt: skip


def test_of_a_file_sent_twice_the_last_sending_with_a_score_stands_for_it(space):
    """One rule on all screens: `files` and `by_submission` tell the same sending, whatever the order of the lines."""
    rows = [("7", "2026-11-20T10:00:00+00:00", 0.70), ("9", "2026-11-22T10:00:00+00:00", 0.72), ("8", DAY, None)]
    for order in permutations(rows):
        lines = [
            line(
                event="imported",
                platform_id=number,
                submission=ONE,
                sent=sent,
                **({} if f1 is None else {"public": f1}),
            )
            for number, sent, f1 in order
        ]
        write(space, *lines, line(event="imported", platform_id="3", public=0.9))
        ledger = read_ledger(space)
        assert ledger.by_submission[ONE].platform_id == "9"
        assert [e.platform_id for e in ledger.files] == ["3", "9"]
        assert [e.platform_id for e in ledger.others(ledger.by_submission[ONE])] == ["7", "8"]
        assert ledger.others(ledger.files[0]) == ()
        assert len(ledger.entries) == 4  # each of them took one of a day's


def test_a_second_score_of_the_same_file_is_said_once(space, tmp_path):
    table = tmp_path / "record.tsv"
    table.write_text(f"id\tf1\tdescription\n31\t0.71\t{ONE}\n", encoding="utf-8")
    assert import_table(space, table, UTC).rescored == ()
    table.write_text(f"id\tf1\tdescription\n31\t0.71\t{ONE}\n45\t0.72\t{ONE}\n46\t0.5\t{TWO}\n", encoding="utf-8")
    (told,) = import_table(space, table, UTC).rescored
    assert told == (
        f"`{ONE}` was scored more than once: public 0.7100 (platform 31), public 0.7200 (platform 45). "
        "public 0.7200 (platform 45) counts: the last one"
    )
    assert import_table(space, table, UTC).rescored == ()  # nothing new


def scored(**keys: object) -> str:
    return line(event="scored", submission=ONE, **keys)


WRONG = {
    "no json": ("scored 0.7", "not JSON from column 1"),
    "a list": ("[1]", "expected an object in braces, got [1]"),
    "no event": (line(submission=ONE), "`event`: expected one of sent, scored, imported, note"),
    "another event": (line(event="send", submission=ONE), "`event`: expected one of sent, scored, imported, note"),
    "an unknown key": (scored(publik=0.7), "`publik`: unknown key"),
    "no time": (json.dumps({"event": "scored", "submission": ONE}), "`time`: missing"),
    "a time that is none": (scored(time="yesterday"), "`time`: expected a time with an offset"),
    "a time without offset": (line(event="sent", submission=ONE, sent="2026-11-25T10:00"), "`sent`: expected a time"),
    "before all times": (line(event="sent", submission=ONE, sent="0001-01-01T00:00+09:00"), "`sent`: expected a time"),
    "text for a number": (scored(public="0.7"), "`public`: expected a valid number (got '0.7')"),
    "true for a number": (scored(public=True), "`public`: expected a valid number"),
    "a percentage": (scored(public=74.78), "`public`: expected less than or equal to 1 (got 74.78)"),
    "below zero": (scored(private=-0.1), "`private`: expected greater than or equal to 0"),
    "no number": (f'{{"event":"scored","time":"{DAY}","submission":"{ONE}","public":NaN}}', "NaN is not a number"),
    "a key twice": (f'{{"event":"sent","event":"sent","time":"{DAY}"}}', "`event` stands there twice"),
    "whose": (line(event="scored", public=0.7), "give `submission`, `platform_id` or both"),
    "an unknown submission": (line(event="note", submission="09-x", text=""), "`submission`: this project has no"),
    "another version": (scored(schema_version=2), "`schema_version`: expected 1"),
    "an endless number": (
        scored(public=0).replace('"public": 0', f'"public": {"9" * 5000}'),
        "a number of 5,000 digits",
    ),
    "very deep": ("[" * 100_000, "not what anybody writes: too deep"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_line_is_told_by_its_number_and_nothing_changes(space, fault):
    wrong, words = WRONG[fault]
    before = write(space, line(event="sent", submission=ONE, sent=DAY), "\n", wrong.rstrip("\n") + "\n")
    with pytest.raises(ProblemsError) as error:
        read_ledger(space)
    assert f"line 3: {words}" in str(error.value)
    assert str(space.ledger_file) in str(error.value)
    for add in (lambda: note_sent(space, TWO), lambda: record_score(space, TWO, NewScores(public=0.5))):
        with pytest.raises(ProblemsError):
            add()
    assert space.ledger_file.read_bytes() == before


def test_all_wrong_lines_stand_in_one_message(space):
    write(space, *(wrong.rstrip("\n") + "\n" for wrong, _ in WRONG.values() if "09-x" not in wrong))
    with pytest.raises(ProblemsError) as error:
        read_ledger(space)
    named = {int(p.split(":")[0].removeprefix("line ")) for p in error.value.problems}
    assert named == set(range(1, len(WRONG)))
    write(space, *(f"{i}\n" for i in range(500)))
    with pytest.raises(ProblemsError, match=r"500 lines not of a ledger") as error:
        read_ledger(space)
    assert str(error.value).endswith("and 480 more")


def test_bytes_that_are_no_text_and_marks_of_editors(space):
    good = line(event="sent", submission=ONE, sent=DAY).encode()
    space.ledger_file.write_bytes(b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n") + b'{"event": "\xff"}\n')
    with pytest.raises(ProblemsError, match="line 2: not UTF-8 text"):
        read_ledger(space)
    space.ledger_file.write_bytes(b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n"))
    assert len(read_ledger(space).entries) == 1
    note_sent(space, TWO)
    assert len(read_ledger(space).entries) == 2


def test_a_last_line_that_was_cut_off(space):
    """By a full disk or a kill of another program: it means nothing, and is kept when more is added."""
    whole = line(event="sent", submission=ONE, sent=DAY)
    cut = line(event="sent", submission=TWO, sent=DAY)[:40]
    write(space, whole, cut)
    assert [e.submission for e in read_ledger(space).entries] == [ONE]
    note_sent(space, TWO, DAY)
    assert [e.submission for e in read_ledger(space).entries] == [ONE, TWO]
    lines = space.ledger_file.read_text(encoding="utf-8").splitlines()
    assert lines[0] + "\n" == whole
    assert json.loads(lines[1])["text"] == cut
    assert len(lines) == 3


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ended", [True, False])
def test_what_an_editor_saved_is_kept(space, ending, mark, ended):
    text = "".join(line(event="sent", submission=name, sent=DAY) for name in (ONE, TWO)).replace("\n", ending)
    before = mark + (text if ended else text.removesuffix(ending)).encode()
    space.ledger_file.write_bytes(before)
    record_score(space, ONE, NewScores(public=0.5))
    assert space.ledger_file.read_bytes().startswith(before)
    assert {e.submission: e.public for e in read_ledger(space).entries} == {ONE: 0.5, TWO: None}


def test_a_number_of_the_platform_that_is_matched_later_is_the_same_sending(space):
    row = {"event": "imported", "platform_id": "17", "public": 0.7, "description": "", "more": {}}
    write(
        space,
        line(event="sent", submission=ONE, sent=DAY),
        line(event="sent", submission=TWO, sent=DAY),
        line(**row),
        line(**row, submission=ONE),
    )
    first = read_ledger(space)
    assert [(e.submission, e.platform_id, e.sent, e.public) for e in first.entries] == [
        (ONE, "17", DAY, 0.7),
        (TWO, None, DAY, None),
    ]
    with space.ledger_file.open("a", encoding="utf-8") as file:
        file.write(line(**row, submission=TWO))
    corrected = read_ledger(space).by_submission
    assert {name: (e.platform_id, e.sent, e.public) for name, e in corrected.items()} == {
        ONE: (None, DAY, None),
        TWO: ("17", DAY, 0.7),
    }


def test_a_known_score_is_not_forgotten_for_a_later_sending_without_one(space):
    rows = [{"event": "imported", "platform_id": n, "submission": ONE, "description": "", "more": {}} for n in "12"]
    write(space, line(**rows[0], public=0.74, sent=DAY), line(**rows[1], sent=DAY))
    assert read_ledger(space).by_submission[ONE].public == 0.74


def test_a_last_line_that_only_lacks_its_end(space):
    write(space, line(event="sent", submission=ONE, sent=DAY).rstrip("\n"))
    before = space.ledger_file.read_bytes()
    record_score(space, ONE, NewScores(public=0.5))
    assert space.ledger_file.read_bytes().startswith(before + b"\n{")
    assert read_ledger(space).entries[0].public == 0.5


EVENTS = st.lists(
    st.tuples(st.sampled_from(["sent", "scored"]), st.sampled_from([ONE, TWO]), st.integers(0, 100)), max_size=8
)


@given(EVENTS, st.integers(0, 8))
def test_what_is_added_later_is_all_that_is_added(tmp_path_factory, drawn, first):
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    events = [made(*event) for event in drawn]
    append_events(path, events[:first], DAY)
    before = path.read_bytes()
    append_events(path, events[first:], DAY)
    assert path.read_bytes().startswith(before)
    assert [found.event for found in read_events(path)] == events
    entries = fold(events)
    assert len(entries) == len({name for _, name, _ in drawn})
    for entry in entries:
        scores = [number / 100 for kind, name, number in drawn if (kind, name) == ("scored", entry.submission)]
        assert entry.public == (scores[-1] if scores else None)


def made(kind, submission, number):
    from facetwise.submission.ledger.events import ScoredEvent, SentEvent

    if kind == "sent":
        return SentEvent(time=DAY, submission=submission, sent=f"2026-11-25T10:{number % 60:02d}:00+00:00")
    return ScoredEvent(time=DAY, submission=submission, public=number / 100)


def test_several_threads_lose_nothing(space):
    """Each adds under the lock; one that waits too long is told so, and adds nothing."""
    failed: list[Exception] = []

    def add(number: int) -> None:
        try:
            record_score(space, ONE, NewScores(public=number / 100), note=f"note {number}")
        except LockedError as error:
            failed.append(error)

    threads = [threading.Thread(target=add, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (entry,) = read_ledger(space).entries
    assert entry.public is not None
    told = [n.text for n in all_notes(space)]
    assert len(set(told)) == len(told) == 12 - len(failed)


def test_another_process_at_work_is_told(space):
    with lock(space.root / ".ledger.lock", "x"), pytest.raises(LockedError, match="the ledger"):
        note_sent(space, ONE)
    assert not space.ledger_file.exists()


# ----------------------------------------------------------------------------------------------------- by hand


def test_sent_and_corrected(space):
    note_sent(space, ONE, DAY, note="first try")
    assert [(n.kind, n.id, n.text) for n in all_notes(space)] == [("submission", ONE, "first try")]
    with pytest.raises(InputError, match="was sent already, at 2026-11-25T10:00:00") as error:
        note_sent(space, ONE)
    assert "--at TIME" in str(error.value.hint)
    assert note_sent(space, ONE, "2026-11-25T09:00:00+00:00").sent == "2026-11-25T09:00:00+00:00"
    assert len(read_ledger(space).entries) == 1


def test_a_score_implies_that_it_was_sent(space):
    entry = record_score(space, ONE, NewScores(public=0.7478), "2026-11-24T09:00:00+00:00")
    assert (entry.public, entry.private, entry.sent) == (0.7478, None, "2026-11-24T09:00:00+00:00")
    later = record_score(space, ONE, NewScores(private=0.74))
    assert (later.public, later.private, later.sent) == (0.7478, 0.74, entry.sent)
    assert record_score(space, TWO, NewScores(private=0)).sent is not None
    assert len(read_ledger(space).entries) == 2


@pytest.mark.parametrize(
    ("scores", "words"),
    [({}, "no score was given"), ({"public": 74.78}, "74.78 per cent is 0.7478"), ({"public": -1}, "between 0 and 1"),
     ({"private": float("nan")}, "between 0 and 1"), ({"private": 101}, "is 101: a score is between 0 and 1")],
)  # fmt: skip
def test_scores_that_are_none(scores, words):
    with pytest.raises(SettingError) as error:
        NewScores(**scores)
    assert words in str(error.value)


def test_times_as_people_write_them():
    seoul = zone("Asia/Seoul")
    for text in ("2026-03-01 08:30", "2026-03-01T08:30", "2026-03-01 08:30:00+09:00", " 2026-02-28T23:30Z "):
        assert utc_time(text, seoul) == "2026-02-28T23:30:00+00:00"
    for text, words in (
        ("half past eight", "is not a time"),
        ("3026-01-01", "lies in the future"),
        ("", "is not a time"),
    ):
        with pytest.raises(SettingError, match=words):
            utc_time(text, seoul)


# ------------------------------------------------------------------------------------------------------- quota


def sent_at(*times: str | None) -> Ledger:
    from facetwise.submission.ledger.ledger import Entry

    return Ledger(tuple(Entry(f"{i}", None, time) for i, time in enumerate(times)))


SEOUL = ContestSpec(submissions_per_day=3, time_zone="Asia/Seoul")


def test_a_day_begins_at_midnight_of_the_contest():
    """14:59 and 15:00 UTC are two days in Seoul."""
    ledger = sent_at("2026-11-25T14:59:59+00:00", "2026-11-25T15:00:00+00:00", "2026-11-26T02:00:00+00:00", None)
    left = quota_left(ledger, SEOUL, datetime(2026, 11, 25, 20, tzinfo=UTC))
    assert (left.sent, left.left, left.day, left.undated) == (2, 1, "2026-11-26", 1)
    assert left.renews == "2026-11-26T15:00:00+00:00"
    assert left.text() == (
        "1 of 3 submissions left today (2026-11-26 in Asia/Seoul; it renews at 2026-11-27 00:00 there, "
        "2026-11-26 15:00 UTC); 1 in the ledger have no time and are not counted"
    )
    before = quota_left(ledger, SEOUL, datetime(2026, 11, 25, 14, 59, tzinfo=UTC))
    assert (before.sent, before.left, before.day) == (1, 2, "2026-11-25")
    assert (
        quota_left(sent_at(*["2026-11-25T10:00:00+00:00"] * 5), SEOUL, datetime(2026, 11, 25, 12, tzinfo=UTC)).left == 0
    )


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.sampled_from(["UTC", "Asia/Seoul", "America/New_York"])
)
def test_it_renews_later_and_within_25_hours(moment, name):
    moment = moment.replace(tzinfo=UTC)
    left = quota_left(Ledger(), ContestSpec(submissions_per_day=1, time_zone=name), moment)
    renews = datetime.fromisoformat(left.renews)
    assert 0 < (renews - moment).total_seconds() <= 25 * 3600
    assert renews.astimezone(zone(name)).strftime("%H:%M") == "00:00"
    again = quota_left(
        sent_at(moment.isoformat(timespec="seconds")), ContestSpec(submissions_per_day=1, time_zone=name), moment
    )
    assert again.left == 0


def test_without_a_limit_there_is_no_quota():
    assert quota_left(Ledger(), None, datetime.now(UTC)) is None
    assert quota_left(Ledger(), ContestSpec(), datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("contest", "words"),
    [
        ({"submissions_per_day": 0}, "`contest.submissions_per_day`: expected greater than or equal to 1"),
        ({"time_zone": "Asia/Soul"}, "`contest.time_zone`: no such time zone; did you mean Asia/Seoul"),
        ({"public_share": 1.0}, "`contest.public_share`: expected less than 1"),
        ({"per_day": 3}, "`contest.per_day`: unknown key"),
    ],
)
def test_wrong_rules_are_told_by_key(contest, words):
    data = presets()[0].file.model_dump()
    with pytest.raises(SettingError) as error:
        parse(ProjectFile, {**data, "contest": contest}, "facetwise.toml")
    assert words in str(error.value)


def test_the_mask_contest_has_its_rules():
    contest = presets()[0].file.contest
    assert (contest.submissions_per_day, contest.time_zone, contest.public_share) == (10, "Asia/Seoul", 0.5)
    data = presets()[0].file.model_dump(exclude={"contest"})
    assert parse(ProjectFile, data, "facetwise.toml").contest is None


def test_a_system_without_time_zones_is_told_where_they_are_needed(monkeypatch):
    monkeypatch.setattr("facetwise.core.records.project_file.available_timezones", set)
    assert ContestSpec(time_zone="Asia/Nowhere").time_zone == "Asia/Nowhere"  # the project can be opened
    assert zone("UTC") is UTC
    with pytest.raises(SettingError, match="does not know the time zone `Asia/Nowhere`"):
        zone("Asia/Nowhere")


# ---------------------------------------------------------------------------------------------------- imports

COLUMNS = [
    "id",
    "submission_id",
    "user",
    "hyperparameter",
    "description",
    "result",
    "last",
    "final",
    "accuracy",
    "f1",
    "created_at",
    "downloadURL",
]
SIGNED = "https://storage.example/s/1.csv?X-Amz-Signature=abcdef&Expires=9"


def row(number: int, f1: object, **cells: str) -> dict[str, str]:
    return {"id": str(number), "user": "we", "accuracy": "0.8", "f1": str(f1), "downloadURL": SIGNED, **cells}


def table(path: Path, *rows: dict[str, str], columns: list[str] = COLUMNS) -> Path:
    lines = ["\t".join(columns), *("\t".join(r.get(c, "") for c in columns) for r in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def bring(space: Workspace, path: Path, **matches: str):
    return import_table(space, path, zone("Asia/Seoul"), {k.removeprefix("n"): v for k, v in matches.items()})


def test_import_matches_by_id_and_brings_nothing_twice(space, tmp_path):
    note_sent(space, ONE, DAY)
    rows = (
        row(32, 0.75, description=f"this is {TWO}, blended", final="true", created_at="2026-11-25 20:00"),
        row(31, 0.7478, hyperparameter='{"file": "' + ONE + '.csv"}', final="O"),
        row(30, 0.61, description="by hand", final="x"),
        row(33, "", description="is being scored", accuracy=""),
    )
    done = bring(space, table(tmp_path / "r.tsv", *rows))
    assert (done.added, done.known, done.dropped) == (4, 0, 4)
    assert done.matched == {"31": ONE, "32": TWO}
    assert done.unmatched == ("30", "33")
    ledger = read_ledger(space)
    one, two = ledger.by_submission[ONE], ledger.by_submission[TWO]
    assert (one.platform_id, one.sent, one.public, one.public_accuracy, one.final) == ("31", DAY, 0.7478, 0.8, True)
    assert (two.sent, two.final) == ("2026-11-25T11:00:00+00:00", True)
    assert [e.name for e in ledger.entries] == ["platform 30", "platform 33", ONE, TWO]
    assert ledger.entries[0].final is False
    assert (ledger.entries[1].public, ledger.entries[1].public_told) == (None, None)
    assert two.more == {"user": "we"}
    before = space.ledger_file.read_bytes()
    again = bring(space, tmp_path / "r.tsv")
    assert (again.added, again.known) == (0, 4)
    assert space.ledger_file.read_bytes() == before
    changed = bring(space, table(tmp_path / "r.tsv", *rows[:3], row(33, 0.5, description="is being scored")))
    assert (changed.added, changed.known) == (1, 3)
    assert read_ledger(space).entries[1].public == 0.5


def test_match_by_hand_is_kept(space, tmp_path):
    path = table(tmp_path / "r.tsv", row(30, 0.61, description="by hand"))
    assert bring(space, path).unmatched == ("30",)
    assert bring(space, path, n30="2").matched == {"30": TWO}
    assert bring(space, path).added == 0  # it is remembered whose it is
    assert read_ledger(space).by_submission[TWO].public == 0.61
    with pytest.raises(InputError, match="no row with `id` 99"):
        bring(space, path, n99="2")
    with pytest.raises(InputError, match="no submission is called `7`"):
        bring(space, path, n30="7")


def test_two_submissions_in_one_text_are_no_match(space, tmp_path):
    path = table(
        tmp_path / "r.tsv", row(1, 0.6, description=f"between {ONE} and {TWO}"), row(2, 0.5, description=f"x{ONE}")
    )
    assert bring(space, path).matched == {}


def test_nothing_that_grants_access_is_kept(space, tmp_path):
    secret = "SECRET123"
    rows = (
        row(1, 0.6, downloadURL=f"https://a.b/c?sig={secret}"),
        row(2, 0.6, result=f"https://a.b/c?sig={secret}", description=f"look at https://u:{secret}@a.b/c, fine"),
        row(
            3,
            0.6,
            hyperparameter=f'{{"url": "s3://b/k?token={secret}", "lr": 1}}',
            last=f"a.b/c?X-Amz-Signature={secret}",
        ),
        row(
            4,
            0.6,
            description="is it 0.7? yes = good, see https://a.b/page",
            submission_id=f"https://a.b/#access_token={secret}",
        ),
    )
    done = bring(space, table(tmp_path / "r.tsv", *rows))
    assert done.dropped == 4 + 5
    text = space.ledger_file.read_text(encoding="utf-8")
    assert secret not in text
    assert "storage.example" not in text
    kept = {e.platform_id: e for e in read_ledger(space).entries}
    assert kept["2"].description == f"look at {DROPPED} fine"
    assert kept["3"].more["hyperparameter"] == f'{{"url": "{DROPPED}", "lr": 1}}'
    assert kept["4"].description == "is it 0.7? yes = good, see https://a.b/page"
    assert "downloadURL" not in kept["1"].more


@given(st.text(max_size=30).filter(lambda t: "?" not in t and "#" not in t and "@" not in t))
def test_texts_without_addresses_stay(text):
    assert without_secrets(text) == text


def test_a_note_too_is_freed_of_what_grants_access(space):
    note_sent(space, ONE, note=f"from {SIGNED} today")
    assert [n.text for n in all_notes(space)] == [f"from {DROPPED} today"]


@pytest.mark.parametrize(
    "address",
    [
        "HTTPS://host/a.csv?SIG=x", "https://host/a.csv%3Fsig=x", "HTTPS://host/a.csv%3fX-Amz-Signature%3Dx",
        "https%3A%2F%2Fhost%2Fa.csv%3Fsig%3Dx", "https%253A%252F%252Fhost%252Fa%253Fsig%253Dx", "host/a.csv%3Fsig=x",
        "https://me:secret@host/a", "https://me%3Asecret%40host/a", "https://host/a.csv;Signature=x",
        "https://host/a.csv%23token=x", "//host/a.csv?x=1",
    ],
)  # fmt: skip
def test_signed_addresses_are_dropped_however_they_are_spelled(address):
    assert without_secrets(f"see {address} there") == f"see {DROPPED} there"


def test_a_note_that_is_none_stops_before_anything_is_written(space):
    with pytest.raises(InputError, match="no text"):
        record_score(space, ONE, NewScores(public=0.5), note="a\0b")
    assert not space.ledger_file.exists()
    assert not space.notes_file.exists()


def test_notes_of_an_old_ledger_stand_among_the_others(space):
    """One home, and what was written into the ledger before is still read, also of a row that was matched later."""
    write(
        space,
        line(event="imported", platform_id="7", description="", more={}),
        line(event="note", submission=ONE, text="old", time="2026-11-25T10:00:00+00:00"),
        line(event="note", platform_id="7", text="matched later", time="2026-11-25T11:00:00+00:00"),
        line(event="imported", platform_id="7", submission=TWO, description="", more={}),
    )
    before = space.ledger_file.read_bytes()
    write_note(space, "submission", ONE, "new?")
    assert [(n.id, n.text) for n in all_notes(space)] == [(ONE, "old"), (TWO, "matched later"), (ONE, "new?")]
    assert space.ledger_file.read_bytes() == before


BERLIN = zone("Europe/Berlin")


def test_a_time_that_the_clock_skips_is_told_and_of_two_the_first_is_taken():
    with pytest.raises(SettingError, match=r"'2026-03-29 02:30' does not exist in Europe/Berlin") as error:
        utc_time("2026-03-29 02:30", BERLIN)
    assert "with an offset" in str(error.value.hint)
    assert utc_time("2026-03-29T02:30+01:00", BERLIN) == "2026-03-29T01:30:00+00:00"
    assert utc_time("2026-03-29 01:59", BERLIN) == "2026-03-29T00:59:00+00:00"
    assert utc_time("2026-03-29 03:00", BERLIN) == "2026-03-29T01:00:00+00:00"
    assert utc_time("2026-10-25 02:30", BERLIN) == "2026-10-25T00:30:00+00:00"
    told = taken_of_two("2026-10-25 02:30", BERLIN)
    assert told == (
        "2026-10-25 02:30 comes twice in Europe/Berlin; the first was taken (+02:00). An offset says the other: +01:00"
    )
    for once in ("2026-10-25 03:00", "2026-10-25T02:30+01:00", "2026-03-29 02:30", "2026-06-01 12:00", "no time"):
        assert taken_of_two(once, BERLIN) is None
    assert moment_of("2026-03-29 02:30", BERLIN) is None


BAD_TABLES = {
    "other columns": ("a\tb\n1\t2\n", "no column `id`"),
    "commas": ("id,f1\n1,0.5\n", "seems to be separated by commas, expected tabs"),
    "no scores": ("id\tuser\n1\tme\n", "no column `f1`"),
    "a column twice": ("id\tf1\tf1\n1\t0.5\t0.5\n", "column `f1` is there twice"),
    "empty": ("", "expected a header"),
    "short rows": ("id\tf1\tx\n1\t0.5\n", "line 2: 2 cells, the header has 3"),
    "no number": ("id\tf1\n\t0.5\n", "line 2: `id` is empty"),
    "a number twice": ("id\tf1\n1\t0.5\n1\t0.6\n", "line 3: `id` 1 again, first on line 2"),
    "percent": ("id\tf1\n1\t74.78\n", "line 2: `f1` is '74.78', expected a number from 0 to 1"),
    "words": ("id\tf1\n1\tgood\n2\tnan\n3\t1e999\n", "line 3: `f1` is 'nan'"),
    "accuracy": ("id\tf1\taccuracy\n1\t0.5\t80%\n", "line 2: `accuracy` is '80%'"),
    "a quote": ('id\tf1\tx\n1\t0.5\t"open\n', "not readable as csv"),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_tables_that_cannot_be_read_change_nothing(space, tmp_path, fault):
    text, words = BAD_TABLES[fault]
    note_sent(space, ONE, DAY)
    before = space.ledger_file.read_bytes()
    path = tmp_path / "bad.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        bring(space, path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert space.ledger_file.read_bytes() == before


def test_what_columns_are_needed_is_said(space, tmp_path):
    path = tmp_path / "r.tsv"
    path.write_text("id,f1\n1,0.5\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        bring(space, path)
    assert error.value.hint == "save it with tabs (tab-separated values)"
    path.write_text("id\tscore\n1\t0.5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"no column `f1` \(columns: id, score\)"):
        bring(space, path)
    path.write_bytes("id\tf1\tx\n1\t0.5\t가\n".encode("cp949"))
    with pytest.raises(InputError, match="line 2: not UTF-8"):
        bring(space, path)


# --------------------------------------------------------------------------------------------- the command line


def call(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_from_submission_to_score_on_the_command_line(own_finished, tmp_path):
    at = ("--project", own_finished.project)
    assert "nothing was sent yet" in call(*at, "ledger", "show")
    told = call(*at, "submit", "--yes")
    assert "10 of 10 submissions left today" in told
    assert "in Asia/Seoul" in told
    assert f"when it is sent: {shlex.join(['facetwise', *map(str, at), 'ledger', 'sent', '01'])}" in told
    assert "made and not sent: 01-" in call(*at, "ledger", "show")
    assert "9 of 10 submissions left today" in call(*at, "ledger", "sent", "1")
    assert "public 0.7478" in call(*at, "ledger", "record", "1", "--public", "0.7478", "--note", "first")
    view = json.loads(call(*at, "ledger", "show", "--json"))
    (entry,) = view["entries"]
    assert (entry["public"], entry["notes"], view["unsent"], view["quota"]["left"]) == (0.7478, ["first"], [], 9)
    assert entry["expected"]["low"] <= entry["expected"]["score"] <= entry["expected"]["high"]
    shown = call(*at, "ledger", "show")
    assert "0.7478" in shown
    assert f"{entry['expected']['score']:.4f} [" in shown
    path = table(tmp_path / "r.tsv", row(4, 0.7478, description=entry["submission"]), row(5, 0.6))
    told = call(*at, "ledger", "import", path)
    assert "2 rows added, 0 already there; they belong to 1 submission of this project" in told
    assert "not matched to a submission: 5" in told
    assert "2 addresses that may grant access not kept" in told
    assert "0 rows added, 2 already there" in call(*at, "ledger", "import", path)
    assert "1 row added" in call(*at, "ledger", "import", path, "--matches", "5=1")


def test_the_verbs_are_the_commands(own_finished):
    project = own_finished.project
    made = fw.submit(project, yes=True)
    assert fw.sent(project, at="2026-03-01 08:30").sent == "2026-02-28T23:30:00+00:00"
    assert fw.record(project, made.folder.id, public=0.5, sent="2026-03-01T00:00Z").sent == "2026-03-01T00:00:00+00:00"
    view = fw.ledger(project)
    assert [r.entry.public for r in view.rows] == [0.5]
    assert view.quota.left == 10
    with pytest.raises(InputError, match="no submission is called `9`"):
        fw.record(project, "9", public=0.5)


def test_a_submission_is_made_though_the_ledger_is_damaged(own_finished):
    (own_finished.project / "ledger.jsonl").write_text("what is this\n", encoding="utf-8")
    told = " ".join(call("--project", own_finished.project, "submit", "--yes").split())
    assert "what is left today is not known" in told
    assert "line 1: not JSON" in told
    assert len(list(own_finished.project.glob("submissions/01-*/submission.csv"))) == 1
