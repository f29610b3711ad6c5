"""The journal tells what the records say of a day: by the contest's clock, whatever is damaged, in words that hold."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from made_blend import member, write_blend
from markdown_it import MarkdownIt

import facetwise as fw
from facetwise.core.errors import InputError, ProblemsError, SettingError
from facetwise.core.project import Project
from facetwise.core.records.base import checked, write_record
from facetwise.core.records.run import ImportRecord, RunRecord
from facetwise.core.records.study import StudyRecord
from facetwise.core.runs import RunFolder, find_run
from facetwise.core.workspace import mark_done, write_json
from facetwise.journals.day import Day, days_between, read_day
from facetwise.journals.journal import JournalDay, build_journal
from facetwise.journals.markdown import page_parts
from facetwise.journals.wording import change_words
from facetwise.recipe import Recipe
from facetwise.results.cache import FILE
from facetwise.results.wording import DASH
from facetwise.study.changes import Change
from facetwise.study.record import StudyFolder, note_pruned
from facetwise.study.space import read_space
from facetwise.study.trials import Trials

SEOUL, ZULU = ZoneInfo("Asia/Seoul"), ZoneInfo("UTC")
DAY = date(2026, 11, 24)
HOSTILE = "<!-- facetwise:end runs -->\n# x | **y** `z` [a](b)"


@pytest.fixture
def project(own_finished: Any) -> Project:
    """A project whose only run was made at noon of the day."""
    project = Project.open(own_finished.project)
    retimed(find_run(project.workspace, "1"), datetime(2026, 11, 24, 12, tzinfo=UTC))
    return project


def retimed(run: RunFolder, begun: datetime, *, done: bool = True, record: dict[str, Any] | None = None) -> RunFolder:
    """The run as if it was begun then, with an event a minute; `record`: what else its record says."""
    was = checked(RunRecord, json.loads(run.record_file.read_text(encoding="utf-8")))
    write_record(
        run.record_file,
        was.changed(**(record or {}), provenance=was.provenance.changed(made=begun.isoformat()).as_dict()),
    )
    events = [e for e in run.events() if done or e["event"] != "done"]
    times = [(begun + timedelta(minutes=i)).isoformat() for i, _ in enumerate(events)]
    lines = [json.dumps({**e, "time": t}) for e, t in zip(events, times, strict=True)]
    run.events_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (run.path / "DONE.json").unlink(missing_ok=True)
    if done:
        mark_done(run.path, {"fingerprint": was.fingerprint, **run.hashes()}, hash_files=False)
    return run


def another(project: Project, name: str, begun: datetime, *, done: bool = True, **changes: Any) -> RunFolder:
    """A copy of the first run with another recipe (`train__seed=1`), begun then."""
    first = find_run(project.workspace, "1")
    run = RunFolder(project.workspace.runs / name)
    shutil.copytree(first.path, run.path)
    recipe = json.loads(json.dumps(first.record().recipe))
    for key, value in changes.items():
        *path, last = key.split("__")
        place = recipe
        for part in path:
            place = place[part]
        place[last] = value
    return retimed(run, begun, done=done, record={"id": name, "recipe": recipe, "fingerprint": f"of {name}"})


def at(hour: int, minute: int = 0, day: int = 24) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def journal(project: Project, day: date = DAY, zone: ZoneInfo = ZULU) -> JournalDay:
    return build_journal(project, [Day(day, zone)])[0]


def page(found: JournalDay) -> str:
    return "\n\n".join(text for text in page_parts(found).values() if text)


# ------------------------------------------------------------------------------------------------ days


def test_a_run_late_in_the_evening_is_tomorrows_in_seoul(project: Project) -> None:
    another(project, "02-late", at(23, 30))
    assert [r.id for r in journal(project).runs][1:] == ["02-late"]
    assert "**Run 2** `02-late`, 23:30" in page(journal(project))
    in_seoul = journal(project, date(2026, 11, 25), SEOUL)
    assert [r.id for r in in_seoul.runs] == ["02-late"]
    assert "**Run 2** `02-late`, 08:30" in page(in_seoul)
    assert "times in Asia/Seoul" in page(in_seoul)
    assert "02-late" not in page(journal(project, DAY, SEOUL))


def test_days_meet_and_do_not_overlap() -> None:
    for zone in (SEOUL, ZULU, ZoneInfo("Europe/Berlin"), ZoneInfo("America/St_Johns")):
        days = list(days_between(Day(date(2026, 3, 1), zone), Day(date(2026, 11, 3), zone)))
        assert [d.end for d in days[:-1]] == [d.start for d in days[1:]]
        hours = {(d.end - d.start) / timedelta(hours=1) for d in days}
        assert hours == ({24} if zone in (SEOUL, ZULU) else {23, 24, 25})
        assert all(d.holds(d.start) and not d.holds(d.end) for d in days)


def test_which_day_is_meant() -> None:
    now = at(23, 30)
    assert read_day(None, SEOUL, now).name == read_day("today", SEOUL, now).name == "2026-11-25"
    assert read_day("yesterday", SEOUL, now).name == read_day(None, ZULU, now).name == "2026-11-24"
    with pytest.raises(InputError, match="2026-11-25 has not begun yet: in UTC it is 2026-11-24"):
        read_day("2026-11-25", ZULU, now)
    for wrong in ("25.11.2026", "2026-02-30", "20261125", "tomorrow", ""):
        with pytest.raises(SettingError, match="is not a day"):
            read_day(wrong, ZULU, now)
    with pytest.raises(SettingError, match="is later than"):
        list(days_between(Day(DAY, ZULU), Day(date(2026, 11, 23), ZULU)))


def test_a_run_over_midnight_is_told_on_both_days_as_it_was(project: Project) -> None:
    run = another(project, "02-long", at(23, 58))
    first, second = journal(project), journal(project, date(2026, 11, 25))
    entry, later = first.runs[1], second.runs[0]
    assert (entry.finished, entry.goes_on, entry.score) == (False, True, None)
    assert entry.folds_done < entry.num_folds
    assert (later.finished, later.folds_done) == (True, later.num_folds)
    assert "begun 23:58: " in page(first)
    assert "2026-11-24 23:58 to 00:" in page(second)
    assert first.open.unfinished[0].id == run.id
    assert "is not finished" not in page(first), "nobody has to go on with it"
    assert second.open.unfinished == ()


# ------------------------------------------------------------------------------------------------ runs


def test_a_run_stands_beside_the_one_it_differs_least_from(project: Project) -> None:
    another(project, "02-far", at(13), train__seed=3, train__batch_size=16, optimizer__lr=0.1)
    another(project, "03-near", at(14), train__seed=3)
    another(project, "04-of-far", at(15), train__seed=3, train__batch_size=16, optimizer__lr=0.2)
    bases = {r.id: r.base and r.base.run for r in journal(project).runs}
    first = find_run(project.workspace, "1").id
    assert bases == {first: None, "02-far": first, "03-near": first, "04-of-far": "02-far"}
    text = page(journal(project))
    assert "Against run 1: `train.seed` 0 → 3." in text
    assert "(3 things at once)" in text
    assert "Cannot be told apart on 36 people: 0.000 [0.000, 0.000]." in text
    rows = {r.id: r for r in fw.runs(project).runs}
    shown = {r.id: (r.score, r.interval) for r in journal(project).runs}
    assert shown == {name: (row.score, row.score_interval) for name, row in rows.items()}


def test_the_base_is_an_earlier_run_on_the_same_images(project: Project) -> None:
    other = find_run(project.workspace, "1").record().fingerprint_fields.as_dict()
    run = another(project, "02-x", at(13))
    retimed(run, at(13), record={"fingerprint_fields": {**other, "manifest": "another"}})
    unsafe = another(project, "03-x", at(14))
    retimed(unsafe, at(14), record={"split": "image"})
    found = {r.id: r.base for r in journal(project).runs}
    assert set(found.values()) == {None}
    assert "UNSAFE: folds were split by image" in page(journal(project))
    assert journal(project).num_scored == 2, "a score that is too high is not among those to be the highest of"


def test_corrections_that_changed_since_are_told(project: Project) -> None:
    fields = find_run(project.workspace, "1").record().fingerprint_fields.as_dict()
    run = another(project, "02-x", at(13))
    retimed(run, at(13), record={"fingerprint_fields": {**fields, "overlay": "new", "labels": "new"}})
    text = page(journal(project))
    told = "Against run 1: the same recipe, but not "
    one, two = "the dataset's labels", "the label corrections"
    assert f"{told}{one} and {two}." in text or f"{told}{two} and {one}." in text


def test_changes_in_words() -> None:
    changes = [
        Change("loss.name", "cross-entropy", "focal"),
        Change("loss.smoothing", 0.1, None),
        Change("loss.gamma", None, 2.0),
        Change("augment.mixup", None, {"name": "mixup"}),
        Change("augment.flip", {"name": "flip"}, None),
        Change("train.ema", None, 0.9),
        Change("model.args", [1] * 40, "x"),
    ]
    words = change_words(changes)
    assert words[:4] == [
        "`loss` cross-entropy → focal (gamma 2.0)",
        "with `augment.mixup`",
        "without `augment.flip`",
        f"`train.ema` {DASH} → 0.9",
    ]
    assert len(words[4]) < 100
    assert change_words([]) == []


def test_what_was_stopped_says_how_to_go_on(project: Project) -> None:
    another(project, "02-left", at(13), done=False)
    pruned = another(project, "03-pruned", at(14), done=False)
    note_pruned(pruned, "lr search", 4)
    text = page(journal(project))
    assert "**Run 2** `02-left` stopped: " in text
    assert "`facetwise fit --resume 2` goes on." in text
    assert "**Run 3** `03-pruned` fell behind in the search `lr search`, which stopped it." in text
    next_day = journal(project, date(2026, 11, 25))
    assert [r.id for r in next_day.open.unfinished] == ["02-left"]
    assert "**Run 2** `02-left` is not finished: `facetwise fit --resume 2`." in page(next_day)


def test_the_second_time_nothing_is_computed_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    another(project, "02-x", at(13), train__seed=3)
    first = journal(project)
    assert (project.workspace.cache / FILE).is_file()
    monkeypatch.setattr("facetwise.journals.runs.Pair", None)
    assert journal(project) == first
    for damage in ("", "[]", '{"sha256": "", "answers": {}}'):
        (project.workspace.cache / FILE).write_text(damage, encoding="utf-8")
        monkeypatch.undo()
        assert journal(project) == first


# ------------------------------------------------------------------------------------------------ studies


def study(project: Project, name: str, kind: str, made: datetime, **more: Any) -> StudyFolder:
    """A study as its commands record it."""
    folder = StudyFolder(project.workspace.studies / name)
    recipe = find_run(project.workspace, "1").record().recipe
    identity = {"recipe": recipe, "data": {}, **more.pop("identity", {})}
    data = {"kind": kind, "made": made.isoformat(), "identity": identity, **more}
    folder.save(checked(StudyRecord, data))
    return folder


def change(words: str, *, run: RunFolder | None = None, reason: str | None = None, of: str = "") -> dict[str, Any]:
    done = run is not None and run.finished
    return {"change": words, "fingerprint": of, "run": run.id if done and run else None, "reason": reason}


def test_an_ablation_is_one_entry_and_its_failures_say_why(project: Project) -> None:
    base = find_run(project.workspace, "1")
    seed = another(project, "02-seed", at(13), train__seed=1)
    another(project, "03-failed", at(14), done=False, optimizer__lr=1e30)
    another(project, "04-begun", at(15), done=False, train__ema=0.5)
    tomorrows = another(project, "05-later", at(13, day=25), train__seed=2)
    changes = [
        change("train.seed=1", run=seed, of="of 02-seed"),
        change("optimizer.lr=1e30|x", reason="step 1: the loss is nan.", of="of 03-failed"),
        change("train.ema=0.5", of="of 04-begun"),
        change("train.seed=2", run=tomorrows, of="of 05-later"),
        change("loss=focal", of="nobody"),
    ]
    study(project, "my ablation", "ablation", at(12, 30), base=base.id, changes=changes)
    parts = page_parts(journal(project))
    assert "1 run, 1 ablation." in parts["day"]
    assert "- **Run 1**" in parts["runs"]
    assert "- **Run 2**" not in parts["runs"], "a run of a study is told there"
    assert "### Ablation `my ablation`" in parts["runs"]
    rows = [line for line in parts["runs"].split("\n") if line.startswith("| ")][2:]
    assert len(rows) == 3
    assert "+0.000" not in rows[0]
    assert rows[0].startswith("| `train.seed=1` | 02 | ")
    assert rows[0].endswith(" | 0.000 [0.000, 0.000] | cannot be told apart |")
    assert rows[1].startswith("| optimizer.lr=1e30\\|x | 03 |")
    assert rows[1].endswith("| failed |")
    assert rows[2].endswith("| begun |")
    assert "(run 3) failed: step 1: the loss is nan. The same command tries it again." in parts["stopped"]
    assert "04-begun" not in parts["stopped"] + parts["open"]
    assert "2 of 4 changes not trained yet" in parts["open"]
    later = page_parts(journal(project, date(2026, 11, 25)))
    assert "| `train.seed=2` | 05 |" in later["runs"]
    assert "03-failed" not in later["open"], "to go on with it would fail again"


def test_an_ablation_without_its_base_is_told(project: Project) -> None:
    study(project, "s", "ablation", at(12, 30), changes=[change("loss=focal", of="nobody")])
    parts = page_parts(journal(project))
    assert "Its base is not trained yet." in parts["runs"]
    assert "1 of 1 change not trained yet" in parts["open"]
    assert "### " not in page_parts(journal(project, date(2026, 11, 25)))["runs"]


def test_a_search_is_one_entry(project: Project) -> None:
    today = datetime.now(UTC)
    recipe = find_run(project.workspace, "1").record().recipe
    space = read_space({"optimizer.lr": {"low": 1e-4, "high": 1e-2}}, Recipe.model_validate(recipe))
    runs = [
        find_run(project.workspace, "1"),
        another(project, "02-b", today),
        another(project, "03-c", today, done=False),
    ]
    asked = {"identity": {"space": space.as_dict()}, "attributes": list(project.space.names)}
    trials = Trials(StudyFolder(project.workspace.studies / "lr"), space)
    study(project, "lr", "search", today, **asked)
    for run, state in ((runs[0], "complete"), (runs[1], "complete"), (runs[2], "pruned"), (None, "fail"), (None, None)):
        with trials.claim(9, None) as claim:
            assert claim is not None
            if run is not None:
                trials.note(claim.number, "run", run.id)
            if state == "fail":
                trials.note(claim.number, "reason", "batch too | large")
            if state is not None:
                trials.finish(claim.number, state, 0.5 if state == "complete" else None)
    note_pruned(runs[2], "lr", 2)
    parts = page_parts(journal(project, today.date()))
    assert "5 trials: 2 finished, 1 pruned, 1 failed, 1 stopped. On this day: trials 0 to 4." in parts["runs"]
    assert "Best: trial 0 (run 1), macro F1 **" in parts["runs"]
    assert "by the nested estimate." in parts["runs"]
    assert "Search `lr`, trial 3 failed: batch too \\| large." in parts["stopped"]
    assert "trial 4 was stopped. The same command goes on with it." in parts["stopped"]
    assert "stopped trial 2 (" in parts["stopped"]
    assert "`facetwise fit --resume 3` would finish it." in parts["stopped"]
    assert "02-b" not in parts["runs"]
    assert journal(project).studies == (), "trials are told on the day on which they ran"


# ------------------------------------------------------------------------------------------------ damage


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda run: run.record_file.write_text("{", encoding="utf-8"), "damaged"),
        (lambda run: run.record_file.write_text("[]", encoding="utf-8"), "damaged"),
        (
            lambda run: run.record_file.write_text(
                json.dumps({**run.record().as_dict(), "provenance": 3}), encoding="utf-8"
            ),
            "damaged",
        ),
        (
            lambda run: run.record_file.write_text(
                json.dumps({**run.record().as_dict(), "folds": None}), encoding="utf-8"
            ),
            "damaged",
        ),
        (lambda run: (run.path / "oof.parquet").write_bytes(b"x"), "changed since it was made"),
        (lambda run: run.recipe_file.write_text("x", encoding="utf-8"), "changed since it was made"),
    ],
)
def test_a_damaged_run_is_told_of_and_stops_nothing(project: Project, damage: Any, told: str) -> None:
    run = another(project, "02-x", at(13))
    damage(run)
    parts = page_parts(journal(project))
    assert "**Run 1**" in parts["runs"]
    assert "02-x" not in parts["runs"]
    assert "**Run 2** `02-x` is damaged: " in parts["stopped"]
    assert told in parts["stopped"]
    assert "See `facetwise doctor`." in parts["stopped"]


def test_events_that_cannot_be_read_are_passed_over(project: Project) -> None:
    run = another(project, "02-x", at(13))
    run.events_file.write_bytes(b'\xff\n{}\n[1]\n{"event": "done", "time": 3}\n' + run.events_file.read_bytes()[:-30])
    entry = journal(project).runs[1]
    assert (entry.id, entry.finished) == ("02-x", True)


def test_a_damaged_run_without_any_time_is_told_of(project: Project) -> None:
    run = another(project, "02-x", at(13))
    run.record_file.write_text("{", encoding="utf-8")
    run.events_file.unlink()
    assert [found[:2] for found in journal(project).undated] == [("run", "02-x")]
    assert "`02-x` is damaged: " in page(journal(project))


def test_damaged_studies_and_submissions_stop_nothing(project: Project) -> None:
    made = fw.submit(project, yes=True)
    folder = project.workspace.studies / "s"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text("{", encoding="utf-8")
    today = datetime.now(UTC).date()
    assert "damaged" in page(journal(project, today))
    (made.folder.path / "record.json").write_text("{", encoding="utf-8")
    assert f"**Submission s1** `{made.folder.id}` is damaged: " in page(journal(project, today))


def test_lines_that_are_no_notes_are_an_error(project: Project) -> None:
    project.workspace.notes_file.write_text("x\n", encoding="utf-8")
    with pytest.raises(ProblemsError, match="line 1"):
        journal(project)
    assert "Notes are not shown" in str(fw.show(project, "1").warnings)
    assert fw.runs(project).runs[0].num_notes == 0


# ------------------------------------------------------------------------------------------------ notes, submissions


def test_notes_stand_with_their_things_and_stay_without_them(project: Project) -> None:
    another(project, "02-x", at(13))
    today = datetime.now(UTC).date()
    fw.note(project, "1", "학습률을 낮춰 보자", author="김민수")
    fw.note(project, "2", "is it the seed?")
    assert [n.text for n in fw.show(project, "1").notes] == ["학습률을 낮춰 보자"]
    assert [r.num_notes for r in fw.runs(project).runs] == [1, 1]
    shutil.rmtree(project.workspace.runs / "02-x")
    text = page(journal(project, today))
    assert "## Notes" in text
    assert "학습률을 낮춰 보자" in text
    assert "**Run 2** `02-x`" in text
    assert "is it the seed?" in page_parts(journal(project, today))["open"]
    assert journal(project).notes == (), "a note is told on the day on which it was written"
    assert (
        [n.text for n in fw.notes(project, "2")] == [n.text for n in fw.notes(project, "02-x")] == ["is it the seed?"]
    )
    with pytest.raises(InputError, match="no run is called `9`"):
        fw.notes(project, "9")
    fw.note(project, "1", "and?")
    fw.note(project, "1", "yes")
    assert [n.id for n in journal(project, today).open.questions] == ["02-x"]


def test_submissions_are_open_until_they_are_sent(project: Project) -> None:
    made = fw.submit(project, yes=True)
    today = datetime.now(UTC)
    parts = page_parts(journal(project, today.date()))
    assert f"**Submission s1** `{made.folder.id}`, made " in parts["submissions"]
    assert "from run 1. " in parts["submissions"]
    assert "Not sent." in parts["submissions"]
    assert "is not sent." in parts["open"]
    fw.note(project, "s1", "send this one", open=True)
    event = {"schema_version": 1, "time": today.isoformat(), "submission": made.folder.id}
    lines = [{**event, "event": "sent", "sent": today.isoformat()}, {**event, "event": "scored", "public": 0.9}]
    project.workspace.ledger_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    parts = page_parts(journal(project, today.date()))
    assert "Sent " in parts["submissions"]
    assert "Public **0.9000**, above what was expected." in parts["submissions"]
    assert "is not sent" not in parts["open"]
    assert "  > " in parts["submissions"]
    assert "send this one" in parts["open"]


def test_a_blend_is_told_with_its_members_and_its_nested_score(project: Project) -> None:
    first = find_run(project.workspace, "1")
    elsewhere = {**member(first), "kind": "foreign", "id": "kim's"}
    blend = write_blend(project.root, first, members=[member(first), elsewhere])
    bounds = {"low": 0.4, "high": 0.6, "level": 0.95}
    apart = {"low": 0.01, "high": 0.03, "level": 0.95, "resolved": True}
    best = {"id": first.id, "score": 0.48, "interval": bounds, "difference": 0.02, "difference_interval": apart}
    was = blend.record()
    scores = {**was.scores.as_dict(), "nested": 0.5, "nested_interval": bounds, "best_member": best}
    rows, provenance = {**was.rows.as_dict(), "people": 36}, {"made": at(16).isoformat()}
    write_record(blend.record_file, was.changed(scores=scores, rows=rows, provenance=provenance))
    mark_done(blend.path, {})
    text = page_parts(journal(project))["blends"]
    told = "soft vote of run 1, and kim's; macro F1 **0.500** [0.400, 0.600] by the nested estimate."
    assert f"- **Blend b1** `b01-soft-1`, 16:00: {told}" in text
    assert "  Beside its best member, run 1: better by +0.020 [+0.010, +0.030], paired by person (36 people)." in text
    assert "**Blend" not in page(journal(project, date(2026, 11, 25)))
    (blend.path / "oof.parquet").write_bytes(b"x")
    assert "**Blend b1** `b01-soft-1` is damaged: " in page_parts(journal(project))["stopped"]


def test_a_blend_that_was_made_is_told(project: Project) -> None:
    """By the real command: its record says what the journal reads."""
    another(project, "02-x", at(13), train__seed=3)
    made = fw.blend(project, ["1", "2"])
    text = page_parts(journal(project, datetime.now(UTC).date()))["blends"]
    assert f"`{made.id}`" in text
    assert "soft vote of runs 1 and 2; " in text
    assert "by the nested estimate." in text


def test_an_imported_run_is_told_on_the_day_on_which_it_came(project: Project) -> None:
    run = another(project, "02-x", at(13, day=2))
    note = ImportRecord(
        original="07-theirs", content="whole", folds="same", folds_name="default", pack_sha256="0" * 64,
        imported=at(15).isoformat(), facetwise="0.1.0", commit=None,
    )  # fmt: skip
    write_record(run.imported_file, note)
    mark_done(run.path, {"fingerprint": run.record().fingerprint, **run.hashes()}, hash_files=False)
    text = page(journal(project))
    assert "**Run 2** `02-x`, imported 15:00 (there `07-theirs`): macro F1 **" in text
    assert journal(project, date(2026, 11, 2)).empty


# ------------------------------------------------------------------------------------------------ hostile words


def test_words_in_records_cannot_break_the_page(project: Project, tmp_path: Path) -> None:
    another(project, "02-a`b|c", at(13), train__seed=HOSTILE, model__backbone="x" * 300)
    fw.note(project, "1", HOSTILE, author="**Kim** <b>")
    write_json(
        project.workspace.studies / "s|<!--" / "study.json", {"schema_version": HOSTILE, "kind": 1, "identity": 1}
    )
    for day in (DAY, datetime.now(UTC).date()):
        (made,) = fw.journal(project, day.isoformat(), out=tmp_path / f"{day}.md")
        before = (tmp_path / f"{day}.md").read_bytes()
        fw.journal(project, day.isoformat(), out=tmp_path / f"{day}.md")
        assert (tmp_path / f"{day}.md").read_bytes() == before
        tokens = MarkdownIt("commonmark").enable("table").parse(made.text)
        titles = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
        assert not any("x |" in title for title in titles)
        html = [t.content for t in tokens if t.type == "html_block"]
        assert all("facetwise:" in h or "Parts between" in h for h in html)
        assert not any(
            c.type in ("html_inline", "link_open", "strong_open") and c.content == "b"
            for t in tokens
            for c in t.children or []
        )


# ------------------------------------------------------------------------------------------------ pages


def test_a_day_of_imports_alone_says_what_came_in(project: Project) -> None:
    told = {"event": "imported", "platform_id": "7", "public": 0.7, "description": "", "more": {}}
    lines = [{**told, "time": "2026-01-01T10:00:00+00:00"}]
    project.workspace.ledger_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    (made,) = fw.journal(project, "2026-01-01")
    assert "1 score came in." in made.text
    assert ". ." not in made.text


def test_a_day_without_anything_is_a_page_to_write_on(project: Project) -> None:
    (made,) = fw.journal(project, "2026-01-01")
    assert "Nothing was recorded on this day." in made.text
    assert "## Thoughts" in made.text
    assert made.written is not None
    assert made.written.path == project.workspace.journal / "2026-01-01.md"


def test_what_one_writes_stays_when_the_day_goes_on(project: Project) -> None:
    (made,) = fw.journal(project, DAY.isoformat())
    assert made.written is not None
    file = made.written.path
    file.write_text(
        file.read_text("utf-8").replace("## Thoughts\n", "## Thoughts\n\n낮은 학습률이 낫다. **Keep it.**\n"), "utf-8"
    )
    another(project, "02-x", at(13))
    (again,) = fw.journal(project, DAY.isoformat())
    assert "낮은 학습률이 낫다. **Keep it.**" in again.text
    assert "02-x" in again.text
    assert again.written is not None
    assert again.written.backup is None


def test_since_makes_the_days_on_which_something_happened(project: Project) -> None:
    another(project, "02-x", at(13, day=20))
    pages = fw.journal(project, "2026-11-24", since="2026-11-15")
    assert [p.journal.day for p in pages] == ["2026-11-20", "2026-11-24"]
    assert sorted(p.name for p in project.workspace.journal.glob("*.md")) == ["2026-11-20.md", "2026-11-24.md"]
    days = list(days_between(Day(date(1970, 1, 1), UTC), Day(date(2026, 11, 24), UTC)))
    looked_at = [day.day for day in build_journal(project, days)]
    assert (looked_at[0], len(looked_at)) == ("2026-11-20", 5)
    with pytest.raises(SettingError, match="one file"):
        fw.journal(project, since="2026-11-15", out="x.md")
    with pytest.raises(InputError, match="no such folder"):
        fw.journal(project, out="nowhere/x.md")


def test_an_empty_project_has_a_journal(own: Any) -> None:
    (made,) = fw.journal(own.project, write=False)
    assert made.journal.empty
    assert made.written is None
    assert not (own.project / "journal").exists()
