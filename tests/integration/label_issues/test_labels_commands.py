"""`facetwise labels`: the list, what is accepted from it, both scores; text, JSON, csv and page say the same."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_project import open_project, write_contest
from made_records import blend_record, write_run_record
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app, main
from facetwise.core.errors import GateError, InputError, MismatchError, ProblemsError, SettingError
from facetwise.core.project import Project
from facetwise.core.records.base import write_record
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table, year_columns
from facetwise.core.workspace import mark_done, write_json
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.intervals import bootstrap_interval
from facetwise.evaluate.metrics import macro_f1

AGES = (22, 25, 28, 29, 31, 35, 44, 52, 57, 58, 59, 60, 62, 66, 24, 33, 47, 61, 39, 26, 68, 50)
FLIPPED, YOUNG = "000006", "000007"
"""A person recorded as male who is predicted female, and one recorded as 52 who is predicted under 30."""
SWAPPED = "train/images/000003_x_Asian_29/normal.jpg"
"""Recorded without a mask, predicted to wear one."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a contest and a project, whose one run contradicts three labels. Tests only read it."""
    root = tmp_path_factory.mktemp("labels") / "base"
    people = tuple(f"{i:06d},{'female' if i % 2 else 'male'},Asian,{a},{i:06d}_x_Asian_{a}" for i, a in enumerate(AGES))
    project = open_project(root / "project", write_contest(root / "contest", people))
    assert not fw.check(project, workers=1).has_errors
    write_run(project, "01-made")
    return root


@pytest.fixture
def own(drawn: Path, tmp_path: Path) -> Project:
    """The same, for this test alone; the project knows the contest by a relative path."""
    shutil.copytree(drawn, tmp_path / "base")
    return fw.open_project(tmp_path / "base" / "project")


def predicted(project: Project, manifest: Manifest) -> list[np.ndarray]:
    """What the run says of each attribute: log-probabilities, right and sure but for three labels."""
    codes, train, rng = manifest.codes(project.space), manifest.train, np.random.default_rng(0)
    said = codes.copy()
    said[(train["group"] == FLIPPED).to_numpy(), 1] = 1
    said[(train["group"] == YOUNG).to_numpy(), 2] = 0
    said[(train["image"] == SWAPPED).to_numpy(), 0] = 0
    sizes = project.space.sizes
    return [log_normalised(rng.normal(0, 0.3, (len(said), n)) + 5 * np.eye(n)[said[:, i]]) for i, n in enumerate(sizes)]


def write_run(
    project: Project,
    name: str,
    *,
    names: Sequence[str] = ("mask", "gender", "age"),
    split: str = "group",
    covered: int | None = None,
    oof: bool = True,
    beside: pl.DataFrame | None = None,
) -> str:
    """A finished run that predicts the attributes called `names`, of the first `covered` rows."""
    manifest, run = load_manifest(project), RunFolder(project.workspace.runs / name)
    run.path.mkdir(parents=True)
    fields = {"manifest": manifest.hash, "labels": manifest.labels_hash, "label space": project.space_hash}
    write_run_record(run.path, fingerprint_fields=fields, folds=[], attributes=list(names), split=split)
    fold, repeat = pl.lit(0, dtype=pl.Int32()).alias("fold"), pl.lit(0, dtype=pl.Int32()).alias("repeat")
    table = manifest.train.select("image", "group").with_columns(fold, repeat)
    for attribute, logs in zip(project.space.names, predicted(project, manifest), strict=True):
        if attribute in names:
            logs[covered:] = np.nan if covered is not None else logs[covered:]
            columns = list(project.space.columns(attribute))
            table = table.hstack(pl.DataFrame(logs.astype(np.float32), schema=columns, orient="row"))
    if beside is not None:
        table = table.hstack(beside)
    if oof:
        write_table(table, run.path / "oof.parquet", PREDICTIONS)
    mark_done(run.path, {"fingerprint": name, **run.hashes()}, hash_files=False)
    return name


def call(project: Project, *arguments: object) -> str:
    found = CliRunner().invoke(app, ["-p", str(project.root), "labels", *map(str, arguments)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


def overlay_lines(project: Project) -> list[dict[str, str]]:
    file = project.workspace.overlay_file
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) if file.is_file() else []


SEEN = ("--reason", "seen", "--author", "ann")


# --------------------------------------------------------------------------------------------------------------- list


def test_the_three_wrong_labels_are_the_list(own: Project) -> None:
    view = fw.suspects(own)
    score = f"{fw.show(own, '1').scorecard.macro_f1:.3f}"
    assert (view.source, view.why) == ("01-made", f"the best finished run of the whole label, macro F1 {score}")
    by_name = {a.name: a for a in view.attributes}
    assert {n: a.of_person for n, a in by_name.items()} == {"mask": False, "gender": True, "age": True}
    listed = [(r.rank, r.suspect.attribute, r.suspect.image or r.suspect.group, r.value) for r in view.rows]
    assert listed == [(1, "mask", SWAPPED, "wear"), (2, "gender", FLIPPED, "female"), (3, "age", YOUNG, "25")]
    gender, age = by_name["gender"].rows[0].suspect, by_name["age"].rows[0]
    assert (gender.given, gender.proposed, gender.num_agreeing, len(gender.images)) == ("male", "female", 7, 7)
    assert (age.suspect.value, age.suspect.cut, age.suspect.distance) == (52, 30, 22)
    assert age.value_from == "the median recorded value of <30"


def test_text_json_csv_and_page_say_the_same(own: Project, tmp_path: Path) -> None:
    text = call(own, "suspects", "--csv", tmp_path / "s.csv", "--html", tmp_path / "s.html")
    data = json.loads(call(own, "suspects", "--json"))
    assert data == json.loads(json.dumps(fw.suspects(own).as_dict()))
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()))
    told = [r for a in data["attributes"] for r in a["rows"]]
    assert len(rows) == len(told) == 3
    for row, found in zip(rows, told, strict=True):
        suspect = found["suspect"]
        assert row["accept"] == ""
        assert (row["rank"], row["attribute"], row["group"]) == (
            str(found["rank"]),
            suspect["attribute"],
            suspect["group"],
        )
        assert (row["image"] or None, row["given"], row["proposed"]) == (
            suspect["image"],
            suspect["given"],
            suspect["proposed"],
        )
        assert float(row["probability"]) == pytest.approx(suspect["probability"], abs=1e-6)
        assert suspect["group"] in page
        assert suspect["group"] in text
    assert "22 from the cut at 30" in text
    assert "22 from the cut at 30" in page
    assert f"{data['scores']['scored']['macro_f1']:.3f}" in text
    assert page.count('<img src="data:image/jpeg') == 1 + 7 + 7
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


def test_limit_and_attribute(own: Project) -> None:
    assert [r.suspect.attribute for r in fw.suspects(own, attribute="age").rows] == ["age"]
    with pytest.raises(SettingError, match="no attribute is called `ages`"):
        fw.suspects(own, attribute="ages")
    write_run(own, "02-noise", names=("gender",))
    assert [a.name for a in fw.suspects(own, "2").attributes] == ["gender"]
    with pytest.raises(InputError, match="`02-noise` does not predict `age`, only gender"):
        fw.suspects(own, "2", attribute="age")
    assert fw.suspects(own).source == "01-made"  # the specialist is no default


def test_rows_without_a_prediction_are_left_out_openly(own: Project) -> None:
    name = write_run(own, "02-part", covered=7 * 7)
    view = fw.suspects(own, name)
    assert (view.num_images, view.num_uncovered) == (154, 105)
    assert view.attributes[1].num_labels == 7
    assert [r.suspect.group for r in view.attributes[2].rows] == []  # person 7 is the first without
    assert "105 of 154 images have no out-of-fold prediction: left out." in call(own, "suspects", name)


def test_what_cannot_judge_is_refused(own: Project) -> None:
    write_run(own, "02-lie", split="image")
    with pytest.raises(GateError, match="split by image"):
        fw.suspects(own, "2")
    assert fw.suspects(own).source == "01-made"
    write_run(own, "03-all", oof=False)
    with pytest.raises(InputError, match="was trained on all people"):
        fw.suspects(own, "3")
    shutil.rmtree(own.workspace.runs)
    with pytest.raises(InputError, match="no finished run or blend predicts the whole label"):
        fw.suspects(own)


def test_the_last_blend_goes_before_runs(own: Project) -> None:
    manifest, blend = load_manifest(own), own.workspace.blends / "b01-soft-2"
    blend.mkdir(parents=True)
    made_from = {"manifest": manifest.hash, "label_space": own.space_hash}
    write_record(blend / "blend.json", blend_record(made_from))
    shutil.copy(own.workspace.runs / "01-made" / "oof.parquet", blend / "oof.parquet")
    mark_done(blend, made_from)
    view = fw.suspects(own)
    assert (view.source, view.why) == ("b01-soft-2", "the best blend by its nested estimate")
    write_record(blend / "blend.json", blend_record({**made_from, "manifest": "another"}))
    mark_done(blend, made_from)
    assert fw.suspects(own).source == "01-made"
    with pytest.raises(MismatchError, match="another manifest"):
        fw.suspects(own, "b1")


def test_predicted_values_give_the_number_to_write(own: Project) -> None:
    values = [20.0, 24.0, 29.0, 30.0, 45.0, 60.0]
    manifest = load_manifest(own)
    probabilities = np.tile([0.1, 0.5, 0.2, 0.1, 0.05, 0.05], (manifest.train.height, 1))
    logs = np.log(probabilities).astype(np.float32)
    beside = pl.DataFrame(logs, schema=list(year_columns("age", values)), orient="row")
    row = fw.suspects(own, write_run(own, "02-years", beside=beside), attribute="age").rows[0]
    assert (row.value, row.value_from) == ("24", "the median of the predicted values that are <30")


# ------------------------------------------------------------------------------------------------------------- accept


def test_ranks_people_and_both_scores(own: Project) -> None:
    call(own, "suspects")
    text = call(own, "accept", f"1,{FLIPPED}", *SEEN)
    assert [(r["image"], r["group"], r["attribute"], r["value"]) for r in overlay_lines(own)] == [
        (SWAPPED, "", "mask", "wear"),
        ("", FLIPPED, "gender", "female"),
    ]
    assert {(r["reason"], r["author"]) for r in overlay_lines(own)} == {("seen", "ann")}
    assert "corrected, before" in text
    found = json.loads(call(own, "accept", "3", *SEEN, "--weight", "0.5", "--json"))
    assert [(c["value"], c["weight"]) for c in found["written"]] == [("25", 0.5)]
    scores = found["scores"]
    assert scores["corrected"]["macro_f1"] > scores["corrected_before"]["macro_f1"] > scores["scored"]["macro_f1"]
    assert scores["num_changed"] == 1 + 7 + 7
    again = fw.accept_labels(own, f"person:{FLIPPED}", reason="x", author="y")
    assert (again.added.written, len(again.added.already), again.scores) == ((), 1, None)


def test_scored_is_never_moved_and_corrected_is_its_own(own: Project) -> None:
    before = fw.score_labels(own)
    assert (before.corrected, before.num_corrections) == (before.scored, 0)
    fw.suspects(own)
    fw.accept_labels(own, "1-3", reason="seen", author="ann")
    after = fw.score_labels(own)
    assert after.scored == before.scored
    assert after.scored.macro_f1 == fw.show(own, "1").scorecard.macro_f1
    codes = load_manifest(own).codes(own.space)
    train = load_manifest(own).train
    predicted_codes = np.stack([p.argmax(axis=1) for p in predicted(own, load_manifest(own))], axis=1)
    corrected = codes.copy()
    corrected[(train["group"] == FLIPPED).to_numpy(), 1] = 1
    corrected[(train["group"] == YOUNG).to_numpy(), 2] = 0
    corrected[(train["image"] == SWAPPED).to_numpy(), 0] = 0
    truth, said = own.space.encode(corrected), own.space.encode(predicted_codes)
    assert after.corrected.macro_f1 == macro_f1(truth, said, own.space.num_joint)
    assert after.corrected.interval == bootstrap_interval(truth, said, train["group"].to_numpy(), own.space.num_joint)
    assert json.loads(call(own, "score", "--json")) == json.loads(json.dumps(after.as_dict()))
    assert "corrected" in call(own, "score", "1")


def test_corrected_labels_leave_the_list(own: Project) -> None:
    fw.suspects(own)
    fw.accept_labels(own, "1-2", reason="seen", author="ann")
    fw.accept_labels(own, "3", reason="ranks mean what they meant on the screen", author="ann")
    view = fw.suspects(own)
    assert view.rows == ()
    assert [a.num_corrected for a in view.attributes] == [1, 1, 1]
    everything = fw.suspects(own, with_corrected=True)
    assert [r.corrected for r in everything.rows] == [True] * 3
    assert "corrected" in call(own, "suspects", "--with-corrected")


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("4", "`4` is neither a rank from 1 to 3 nor a person of the list"),
        ("1,2-9", "`2-9` is neither a rank"),
        ("0", "`0` is neither a rank"),
        ("rank:000006", "`rank:000006` is neither a rank"),
        ("person:1", "`person:1` is neither a rank"),
        (" , ", "no rank or person was given"),
        ("3-1", "`3-1` is neither a rank"),
    ],
)
def test_a_selection_that_means_nothing_accepts_nothing(selection: str, words: str, own: Project) -> None:
    fw.suspects(own)
    with pytest.raises(ProblemsError, match="nothing was accepted") as told:
        fw.accept_labels(own, selection, reason="r", author="a")
    assert words in str(told.value)
    assert overlay_lines(own) == []


def test_a_word_that_is_a_rank_and_a_person_is_refused(own: Project) -> None:
    fw.suspects(own)
    file = own.workspace.cache / "suspects.json"
    file.write_text(file.read_text(encoding="utf-8").replace(f'"{FLIPPED}"', '"3"'), encoding="utf-8")
    with pytest.raises(ProblemsError, match="`3` is both a rank and a person: write `rank:3` or `person:3`"):
        fw.accept_labels(own, "3", reason="r", author="a")
    assert len(fw.accept_labels(own, "rank:3", reason="r", author="a").added.written) == 1


def test_ranks_need_a_list_that_still_holds(own: Project) -> None:
    with pytest.raises(InputError, match="no list of suspects"):
        fw.accept_labels(own, "1", reason="r", author="a")
    fw.suspects(own)
    file = own.workspace.cache / "suspects.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    write_json(file, {**kept, "made_from": {**kept["made_from"], "the dataset's labels": "others"}})
    with pytest.raises(MismatchError, match="stale: the dataset's labels changed"):
        fw.accept_labels(own, "1", reason="r", author="a")
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        fw.accept_labels(own, "1", reason="r", author="a")
    assert overlay_lines(own) == []


# ---------------------------------------------------------------------------------------------------------- csv to fill


def filled(own: Project, path: Path, change: Callable[[list[dict[str, str]]], Any]) -> Path:
    """The csv of the list after somebody worked on it."""
    fw.suspects(own, csv=path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    change(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_filled_in_csv_is_accepted(own: Project, tmp_path: Path) -> None:
    def fill(rows: list[dict[str, str]]) -> None:
        rows[0]["accept"], rows[1]["accept"], rows[2]["accept"], rows[2]["value"] = "n", "Y", "yes ", "27"

    call(own, "accept", filled(own, tmp_path / "s.csv", fill), *SEEN)
    assert [(r["group"], r["value"]) for r in overlay_lines(own)] == [(FLIPPED, "female"), (YOUNG, "27")]


def test_everything_wrong_in_a_csv_is_told_at_once(own: Project, tmp_path: Path) -> None:
    def fill(rows: list[dict[str, str]]) -> None:
        rows[0]["accept"] = "perhaps"
        rows[1].update(accept="y", group=FLIPPED.lstrip("0"))
        rows[2].update(accept="y", given="<30")
        rows.append({**rows[2], "given": "30-59", "value": ""})

    with pytest.raises(ProblemsError) as told:
        fw.accept_labels(own, filled(own, tmp_path / "s.csv", fill), reason="r", author="a")
    words = ("s.csv:2: `accept` is `perhaps`", "s.csv:3: the training side has no `gender` of person `6`")
    words += (
        "s.csv:4: `age` of `000007` is `30-59` in the dataset, not `<30`",
        "s.csv:5: accepted, and `value` is empty",
    )
    assert len(told.value.problems) == 4
    assert all(problem.startswith(w) for problem, w in zip(told.value.problems, words, strict=True))
    assert "dropped zeros" in str(told.value.hint)
    assert overlay_lines(own) == []


def test_a_wrong_value_in_a_csv_names_its_line(own: Project, tmp_path: Path) -> None:
    def fill(rows: list[dict[str, str]]) -> None:
        rows[1].update(accept="y")
        rows[2].update(accept="y", value="young")

    with pytest.raises(ProblemsError, match=r"s\.csv:4: `age` is `young`, expected a number"):
        fw.accept_labels(own, filled(own, tmp_path / "s.csv", fill), reason="r", author="a")
    assert overlay_lines(own) == []


def test_a_csv_that_says_nothing_is_an_error(own: Project, tmp_path: Path) -> None:
    fw.suspects(own, csv=tmp_path / "s.csv")
    with pytest.raises(InputError, match="no row is accepted"):
        fw.accept_labels(own, tmp_path / "s.csv", reason="r", author="a")
    with pytest.raises(ProblemsError, match="cannot be read"):
        fw.accept_labels(own, tmp_path / "none.csv", reason="r", author="a")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ProblemsError, match=r"not a list of suspects(.|\n)*no column `attribute`") as error:
        fw.accept_labels(own, tmp_path / "other.csv", reason="r", author="a")
    header = (tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()[0]
    assert f"the columns {header.replace(',', ', ')};" in str(error.value.hint)
    assert "`facetwise labels suspects --csv FILE`" in str(error.value.hint)


def test_it_is_said_which_list_is_accepted_from(own: Project, tmp_path: Path) -> None:
    fw.suspects(own, csv=tmp_path / "s.csv")
    found = fw.accept_labels(own, "1", reason="r", author="a")
    assert found.taken_from is not None
    assert found.taken_from.startswith("the list of 3 suspects by 01-made, made 20")
    runner = CliRunner().invoke(app, ["-p", str(own.root), "labels", "accept", "2", *SEEN])
    assert f"accepted from {found.taken_from}" in runner.stderr
    assert json.loads(call(own, "accept", "3", *SEEN, "--json"))["taken_from"] == found.taken_from
    with pytest.raises(ProblemsError, match="nothing was accepted from the list of 3 suspects by 01-made, made"):
        fw.accept_labels(own, "99", reason="r", author="a")
    by_hand = fw.correct_label(own, person="000002", attribute="age", value=61.0, reason="r", author="a")
    assert by_hand.taken_from is None


# ---------------------------------------------------------------------------------------------------- correct and show


def test_correct_and_show(own: Project) -> None:
    assert "No label is corrected" in call(own, "show")
    call(own, "correct", "--person", "000001", "--attribute", "age", "--value", "31.5", *SEEN)
    call(
        own,
        "correct",
        "--image",
        SWAPPED,
        "--attribute",
        "mask",
        "--value",
        "wear",
        "--reason",
        "본 것",
        "--author",
        "나",
    )
    fw.correct_label(own, person="000002", attribute="age", value=61.0, reason="r", author="a", weight=0)
    shown = json.loads(call(own, "show", "--json"))["corrections"]
    assert [(c["image"], c["group"], c["value"], c["weight"]) for c in shown] == [
        ("", "000001", "31.5", 1),
        (SWAPPED, "", "wear", 1),
        ("", "000002", "61", 0),
    ]
    text = call(own, "show")
    assert all(words in text for words in ("3 corrections", "person 000001", "본 것", "61, weight 0"))
    for arguments in ({}, {"person": "000001", "image": SWAPPED}):
        with pytest.raises(SettingError, match="exactly one of a person and an image"):
            fw.correct_label(own, attribute="age", value="31", reason="r", author="a", **arguments)


def test_without_predictions_correcting_works_and_has_no_scores(own: Project) -> None:
    shutil.rmtree(own.workspace.runs)
    found = fw.correct_label(own, person="000001", attribute="gender", value="male", reason="r", author="a")
    assert (len(found.added.written), found.scores) == (1, None)
    assert found.as_dict()["scores"] is None


def test_errors_end_with_2_and_a_line_or_two(
    own: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in (
        (("accept", "1", *SEEN), "no list of suspects"),
        (("correct", "--person", "9", "--attribute", "age", "--value", "3", *SEEN), "no group `9`"),
        (("suspects", "7"), "no run is called `7`"),
        (("suspects", "--html", "no/such/folder.html"), "no such folder"),
        (("accept",), "Usage"),
    ):
        monkeypatch.setattr(sys, "argv", ["facetwise", "-p", str(own.root), "labels", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        told = capsys.readouterr()
        assert (stop.value.code, told.out) == (2, "")
        assert words in told.err
        assert "Traceback" not in told.err
