"""Submissions: the csv, the folder, and the score once labels are known."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_blend import write_blend

import facetwise as fw
from facetwise.core.errors import (
    ArtefactError,
    DamagedError,
    FacetwiseError,
    GateError,
    InputError,
    MismatchError,
    ProblemsError,
)
from facetwise.core.files import outside
from facetwise.core.files.answers_csv import read_submission
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.records.done import Anything, read_done
from facetwise.core.records.submission import Filled, MadeFrom, PartMadeFrom
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.workspace import Workspace, file_hash, read_json, write_json
from facetwise.evaluate.forecasts.forecast import ScoreForecast
from facetwise.evaluate.intervals import Interval
from facetwise.predictors.blend_folder import BlendFolder
from facetwise.submission.folder import (
    SubmissionFolder,
    SubmitSpec,
    find_submission,
    list_submissions,
    record_submission,
    score_submission,
)
from facetwise.submission.gate.finding import GateFinding
from facetwise.submission.gate.gate import GateReport
from facetwise.submission.write import submission_csv

SPACE = LabelSpace((Attribute("hat", ("none", "cap", "helmet")), Attribute("hue", ("red", "blue"))))

# --- the csv ---


def filled(template: str, joint: dict[str, int], answer: str = "ans") -> str:
    data = submission_csv(list(joint), np.array(list(joint.values())), template.encode(), "ImageID", answer)
    return data.decode()


def test_template_order_and_columns_are_kept():
    template = "ImageID,ans,note\nb.jpg,0,second\na.jpg,0,first\n"
    assert filled(template, {"a.jpg": 3, "b.jpg": 5}) == "ImageID,ans,note\nb.jpg,5,second\na.jpg,3,first\n"


def test_an_answer_column_is_added_where_there_is_none():
    assert filled("ImageID\nb\na\n", {"a": 3, "b": 5}) == "ImageID,ans\nb,5\na,3\n"


def test_bom_crlf_quotes_and_empty_lines_at_the_end():
    template = '\ufeff"ImageID",ans,"a ""note"""\r\n"가,나.jpg",0,"two\r\nlines"\r\n\r\n'
    expected = 'ImageID,ans,"a ""note"""\n"가,나.jpg",4,"two\r\nlines"\n'
    assert filled(template, {"가,나.jpg": 4}) == expected


def test_columns_without_a_name_blank_lines_and_spare_commas_of_a_template():
    template = ",ImageID , ans,x,x\n0,b,9,p,q,,\n  \n1,a,9,,\n"
    assert filled(template, {"a": 3, "b": 5}) == ",ImageID , ans,x,x\n0,b,5,p,q\n1,a,3,,\n"


NAMES = st.lists(st.text("ab,\"가 \r\n'\t;", min_size=1, max_size=6), min_size=1, max_size=6)


@settings(max_examples=50)
@given(NAMES, st.randoms(use_true_random=False))
def test_what_is_written_is_read_back(tmp_path_factory, drawn, random):
    names = [f"{i}{name}" for i, name in enumerate(drawn)]
    joint = np.array([random.randrange(18) for _ in names])
    template = submission_csv(names, joint, b"ImageID\n" + _csv(names), "ImageID", "ans")
    order = random.sample(range(len(names)), len(names))
    data = submission_csv([names[i] for i in order], joint[order], template, "ImageID", "ans")
    path = tmp_path_factory.mktemp("csv") / "made.csv"
    path.write_bytes(data)
    read_names, read_joint = read_submission(path, "ImageID", "ans")
    assert read_names == tuple(names)
    np.testing.assert_array_equal(read_joint, joint)


def _csv(names: list[str]) -> bytes:
    return "".join('"' + name.replace('"', '""') + '"\n' for name in names).encode()


def test_a_template_of_other_images():
    with pytest.raises(ProblemsError) as error:
        filled("ImageID,ans\na,0\na,0\nc,0\n", {"a": 1, "b": 2})
    text = str(error.value)
    assert "line 3: image 'a' again, first on line 2" in text
    assert "image 'b' is among the predictions but not in the file" in text
    assert "image 'c' is not among the predictions" in text


def test_every_problem_of_a_file_at_once(tmp_path):
    path = tmp_path / "sent.csv"
    path.write_text("ImageID,ans\na,1\na,2\nb,2.0\nc,\nd,-1\ne, 3\n,4\nf,1e1\n", encoding="utf-8")
    with pytest.raises(ProblemsError) as error:
        read_submission(path, "ImageID", "ans", expected=["a", "b", "z"])
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    for part in (
        "line 3: image 'a' again",
        "line 4: image 'b': answer '2.0' is not an integer",
        "line 5: image 'c': no answer",
        "line 6: image 'd': answer '-1'",
        "line 7: image 'e': answer ' 3'",
        "line 8: image '': no image name",
        "line 9: image 'f': answer '1e1'",
        "image 'z' is among the expected images but not in the file",
    ):
        assert part in text
    path.write_text("ImageID,ans\na,1\nb,2\nd,2\n", encoding="utf-8")
    with pytest.raises(ProblemsError, match="image 'd' is not among the expected images"):
        read_submission(path, "ImageID", "ans", expected=["a", "b", "z"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: the file is empty, expected a header"),
        (b"ImageID,ans\n", "a header and no rows: nothing is listed"),
        (b"image,ans\na,1\n", "line 1: no column `ImageID`"),
        (b"ImageID,ans,ans\na,1,1\n", "column `ans` is there twice"),
        (b"ImageID,ans\na,1\nb\n", "line 3: 1 cell, the header has 2"),
        (b"ImageID,ans\na,1\n\nb,2,3\n", "line 4: 3 cells, the header has 2"),
        (b"ImageID,ans\na\0,1\n", "line 2: a NUL character"),
        ("ImageID,ans\n가,1\n".encode("cp949"), "line 2: not UTF-8"),
        ("ImageID,ans\na,1\n".encode("utf-16"), "UTF-16 text"),
        (b'ImageID,ans\n"a,1\n', "not readable as csv"),
        (b"ImageID;ans\na;1\n", "line 1: seems to be separated by `;`, expected commas"),
        (b"ImageID\tans\na\t1\n", "seems to be separated by tabs"),
        (b"PK\x03\x04rest", "an archive, expected a csv"),
    ],
)
def test_unusable_files(tmp_path, data, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        read_submission(path, "ImageID", "ans")
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_long_lists_of_problems_are_cut(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("ImageID,ans\n" + "".join(f"{i},x\n" for i in range(500)), encoding="utf-8")
    with pytest.raises(ProblemsError, match="500 problems") as error:
        read_submission(path, "ImageID", "ans")
    assert len(error.value.problems) == 500
    assert str(error.value).endswith("and 480 more")


def test_what_is_not_read_whole_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="not a regular file"):
        read_submission(tmp_path / "pipe.csv", "ImageID", "ans")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(outside.MAX_BYTES + 1)
    with pytest.raises(InputError, match=f"{outside.MAX_BYTES + 1:,} bytes, at most {outside.MAX_BYTES:,}"):
        read_submission(tmp_path / "large.csv", "ImageID", "ans")


def test_no_file(tmp_path):
    for path, words in ((tmp_path / "none.csv", "cannot be read"), (tmp_path, "not a regular file")):
        with pytest.raises(InputError, match=words):
            read_submission(path, "ImageID", "ans")


# --- the folder ---

IMAGES = 6
EXPECTED = [f"{i}.jpg" for i in range(20 * IMAGES)]
DECIDED = np.random.default_rng(1).integers(0, SPACE.num_joint, len(EXPECTED))


def rows(names: list[str], answers: list[object]) -> bytes:
    return ("ImageID,ans\n" + "".join(f"{n},{a}\n" for n, a in zip(names, answers, strict=True))).encode()


GOOD = rows(EXPECTED, DECIDED.tolist())

PASSED = GateReport((GateFinding("ok", "names", "fine"),))
ODD = GateReport((GateFinding("warning", "drift", "odd mix"),))
AGAINST = GateReport((GateFinding("error", "likely-fault", "when two are swapped"),))
FAILED = GateReport((GateFinding("error", "order", "rows moved"),))


def part_of(kind, id, tta, fingerprint, test_sha256, models):
    return PartMadeFrom(kind=kind, id=id, tta=tta, fingerprint=fingerprint, test_sha256=test_sha256, models=models)


PART = part_of("run", "03-AdamW-CE-v0", "none", "fingerprint", "table", {"0": "weights"})
MADE = MadeFrom(
    kind="run", id=PART.id, tta="none", parts=[PART], test_sha256="table", manifest="manifest", label_space="space",
    template_sha256="template",
)  # fmt: skip
OLD = {
    "run": "03-AdamW-CE-v0", "run_fingerprint": "fingerprint", "manifest_hash": "manifest",
    "tta": "none", "test_table_sha256": "table", "models": {"0": "weights"}, "decision": "argmax",
}  # fmt: skip
"""What `made_from` was before records had a version."""


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path)


def record(workspace, gate=PASSED, data=GOOD, **more):
    forecast = ScoreForecast("all", 20, 0.7, Interval(0.6, 0.8, 0.9), 0.05)
    return record_submission(
        workspace, data, MADE, gate, SubmitSpec(**more), forecast=forecast, test_people=(20, "why")
    )


def test_a_submission_is_kept_with_what_made_it(workspace):
    first, second = record(workspace), record(workspace)
    assert [s.id for s in list_submissions(workspace)] == ["01-03-AdamW-CE-v0", "02-03-AdamW-CE-v0"]
    assert first.read_csv_bytes() == GOOD
    kept = first.record()
    assert (kept.schema_version, kept.id) == (2, first.id)
    assert kept.made_from.as_dict() == {
        "kind": "run", "id": "03-AdamW-CE-v0", "tta": "none", "test_sha256": "table", "manifest": "manifest",
        "label_space": "space", "template_sha256": "template", "decision": "argmax", "filled": None,
        "parts": [{
            "kind": "run", "id": "03-AdamW-CE-v0", "tta": "none", "fingerprint": "fingerprint", "test_sha256": "table",
            "models": {"0": "weights"},
        }],
    }  # fmt: skip
    assert first.made_from() == first.needs() == MADE
    assert MADE.runs == ("03-AdamW-CE-v0",)
    assert kept.forecast.interval.as_dict() == {"low": 0.6, "high": 0.8, "level": 0.9}
    assert kept.test_people.as_dict() == {"number": 20, "why": "why"}
    assert set(read_done(first.path, Anything).files) == {"submission.csv", "record.json"}
    assert find_submission(workspace, "last") == find_submission(workspace, "2") == second
    assert find_submission(workspace, first.id) == first
    for reference in ("s1", "submission:1", f"submission:{first.id}"):
        assert find_submission(workspace, reference) == first
    assert find_submission(workspace, "submission:last") == second


def as_version_1(kept: SubmissionFolder, **changes: object) -> None:
    """Write a record as it was written before there were versions."""
    path = kept.path / "record.json"
    record = {**read_json(path), "made_from": {**OLD, **changes}}
    for name in ("schema_version", "overruled", "id"):
        del record[name]
    write_json(path, record)
    write_json(kept.path / "DONE.json", {**read_json(kept.path / "DONE.json"), "made_from": record["made_from"]})


def test_a_record_of_version_1_is_read_and_not_rewritten(workspace):
    kept = record(workspace)
    as_version_1(kept)
    before = (kept.path / "record.json").read_bytes()
    assert kept.made_from() == MADE.changed(label_space=None, template_sha256=None)
    now = kept.record()
    assert (now.schema_version, now.overruled) == (2, False)
    assert now.made_from == kept.made_from()
    assert kept.read_csv_bytes() == GOOD
    assert (kept.path / "record.json").read_bytes() == before
    (kept.path / "record.json").unlink()
    assert kept.needs() == MADE.changed(label_space=None, template_sha256=None)  # by its mark


@pytest.mark.parametrize(("number", "filled"), [(3, Filled(images=3, joint=None)), (0, None)])
def test_version_1_said_in_words_what_was_filled_in(workspace, number, filled):
    kept = record(workspace)
    as_version_1(kept, decision=f"argmax, {number} unreadable answered with the commonest class")
    assert (kept.made_from().decision, kept.made_from().filled) == ("argmax", filled)


def test_records_that_cannot_be_read(workspace):
    kept = record(workspace)
    whole = read_json(kept.path / "record.json")
    for damaged, words in (
        ({**whole, "schema_version": 3}, "schema version 3, this facetwise reads 1 to 2"),
        ({"made_from": {}}, "it does not say what it was made from"),
        ({**whole, "gate": {}}, "not the record of a submission: `gate.findings`: missing"),
        ([], "not an object"),
    ):
        write_json(kept.path / "record.json", damaged)
        with pytest.raises(ArtefactError) as error:
            kept.record()
        assert words in str(error.value)
    write_json(kept.path / "record.json", {**whole, "made_from": {"parts": []}})
    with pytest.raises(DamagedError, match=r"`made_from\.kind`: missing"):
        kept.made_from()
    (kept.path / "DONE.json").unlink()
    with pytest.raises(ArtefactError, match="nothing is cleaned"):
        kept.needs()


def test_what_the_gate_refuses_is_not_recorded(workspace):
    with pytest.raises(GateError, match="rows moved"):
        record(workspace, FAILED, confirmed=True)
    with pytest.raises(GateError, match="odd mix") as error:
        record(workspace, ODD)
    assert "--yes" in (error.value.hint or "")
    with pytest.raises(GateError, match="rows moved"):
        record(workspace, FAILED, confirmed=True, overruled=True)
    with pytest.raises(GateError, match="swapped") as error:
        record(workspace, AGAINST, confirmed=True)
    assert "--against-others" in (error.value.hint or "")
    assert list_submissions(workspace) == []
    assert record(workspace, AGAINST, overruled=True).record().overruled is True
    assert record(workspace, ODD, confirmed=True).record().confirmed is True


def test_a_changed_csv_is_noticed(workspace):
    kept = record(workspace)
    kept.csv_file.write_bytes(GOOD[:-2] + b"0\n\n")
    with pytest.raises(ArtefactError, match="changed since it was made"):
        kept.read_csv_bytes()
    kept.csv_file.unlink()
    with pytest.raises(ArtefactError, match="missing"):
        kept.read_csv_bytes()


def test_no_such_submission(workspace):
    with pytest.raises(InputError, match="no submissions yet"):
        find_submission(workspace, "last")
    record(workspace)
    with pytest.raises(InputError, match="no submission is called `9`"):
        find_submission(workspace, "9")


# --- from runs and blends ---


def run_of(project: Path) -> RunFolder:
    (found,) = project.glob("runs/[0-9]*")
    return RunFolder(found)


def test_a_run_is_submitted_with_all_that_it_needs(own_finished):
    project, run = own_finished.project, run_of(own_finished.project)
    made = fw.submit(project, run.id, yes=True)
    said = made.folder.made_from()
    opened = fw.open_project(project)
    assert (said.kind, said.id, said.tta, said.decision, said.filled) == ("run", run.id, "none", "argmax", None)
    (part,) = said.parts
    assert part == part_of(
        "run", run.id, "none", run.record().fingerprint, file_hash(run.table_file("test")), run.weights_hashes()
    )
    assert said.test_sha256 == part.test_sha256
    assert said.label_space == opened.space_hash
    assert said.template_sha256 == file_hash(own_finished.contest / "eval" / "info.csv")


def test_a_blend_is_submitted_by_its_own_decisions(own_finished):
    project, run = own_finished.project, run_of(own_finished.project)
    decision = {"kind": "multipliers", "age": [1.0, 1.2, 1.5]}
    blend = write_blend(project, run, decision=decision, shift=1)
    made = fw.submit(project, "b1", yes=True)
    assert made.folder.id == f"01-{blend.id}"
    opened, table = fw.open_project(project), blend.table("test")
    answers = [int(row.split(",")[1]) for row in made.folder.csv_file.read_text(encoding="utf-8").splitlines()[1:]]
    assert answers == table["decided"].to_list()
    assert answers != [(a + 1) % opened.space.num_joint for a in answers]
    said = made.folder.made_from()
    assert (said.kind, said.id, said.decision) == ("blend", blend.id, decision)
    assert said.runs == (run.id,)
    assert said.parts[0].models == run.weights_hashes()
    assert said.parts[0].fingerprint == run.record().fingerprint
    assert said.test_sha256 == file_hash(blend.path / "test.parquet") != said.parts[0].test_sha256


def test_gate_and_forecast_of_a_blend_use_its_nested_decisions(own_finished):
    project, run = own_finished.project, run_of(own_finished.project)
    plain, shifted = write_blend(project, run), write_blend(project, run, name="b02-soft-1", shift=1)
    alone, same, moved = (fw.submit(project, ref, yes=True) for ref in (run.id, plain.id, shifted.id))
    assert same.forecast == alone.forecast
    assert same.gate.mix == alone.gate.mix
    assert moved.forecast == fw.forecast(project, shifted.id).forecast[-1] != alone.forecast


def test_members_below_members_and_from_elsewhere(own_finished):
    project, run = own_finished.project, run_of(own_finished.project)
    elsewhere = {"kind": "foreign", "id": "friend", "weights": {"joint": 1.0}, "test_sha256": "t", "fingerprint": None}
    first = write_blend(project, run)
    below = {"kind": "blend", "id": first.id, "tta": "none", "weights": {"joint": 1.0}, "fingerprint": None}
    unused = {**elsewhere, "id": "nobody", "weights": {"joint": 0.0}}
    write_blend(project, run, name="b02-soft-2", members=[below, elsewhere, unused])
    said = fw.submit(project, "blend:last", yes=True).folder.made_from()
    assert [(p.kind, p.id) for p in said.parts] == [("run", run.id), ("foreign", "friend")]
    assert said.parts[1] == part_of("foreign", "friend", "none", None, "t", {})
    assert said.runs == (run.id,)


def test_what_makes_no_submission(own_finished):
    project, run = own_finished.project, run_of(own_finished.project)
    write_blend(project, run)
    write_blend(project, run, name="b02-other", changes={"manifest": "another"})
    write_blend(project, run, name="b03-other", changes={"label_space": "another"})
    for reference, kind, words in (
        ("foreign:friend", GateError, "it is imported"),
        ("b2", MismatchError, "blend `b02-other` was made from another manifest"),
        ("b3", MismatchError, "other attributes, classes or cuts"),
        ("b7", InputError, "no blend is called `b7`"),
        ("7", InputError, "no run is called `7`"),
    ):
        with pytest.raises(kind, match=words):
            fw.submit(project, reference, yes=True, against_others=True)
    with pytest.raises(InputError, match="its members bring their own"):
        fw.submit(project, "b1", tta="flip", yes=True)
    blend = BlendFolder(project / "blends" / "b01-soft-1")
    table = blend.table("test")
    write_table(table[::-1], blend.path / "test.parquet", PREDICTIONS)
    with pytest.raises(ArtefactError, match="changed since it was made"):
        fw.submit(project, "b1", yes=True)
    assert list_submissions(fw.open_project(project).workspace) == []


# --- the score ---


def labels(folder, *, person: bool = True, answers: np.ndarray = DECIDED):
    """The truth in another row order, with a person a row or without."""
    order = np.random.default_rng(0).permutation(len(EXPECTED))
    path = folder / "labels.csv"
    lines = [f"{EXPECTED[i]},{answers[i]}" + (f",p{i // IMAGES}" if person else "") for i in order]
    path.write_text("\n".join(["ImageID,ans" + (",person" if person else ""), *lines]) + "\n", encoding="utf-8")
    return path


def test_score_of_a_folder_and_of_a_file(workspace, tmp_path):
    kept = record(workspace)
    truth = DECIDED.copy()
    truth[:30] = (truth[:30] + 1) % 6
    known = labels(tmp_path, answers=truth)
    card = score_submission(kept.path, known, "ImageID", "ans", SPACE)
    assert card == score_submission(kept.csv_file, known, "ImageID", "ans", SPACE)
    by_accuracy = score_submission(kept.csv_file, known, "ImageID", "ans", SPACE, metric="accuracy")
    assert (by_accuracy.metric, by_accuracy.score) == ("accuracy", card.accuracy)
    assert (card.what, card.by, card.num_people, card.folds) == ("joint", "person", 20, ())
    assert card.accuracy == pytest.approx(0.75)


def test_people_of_the_labels_are_one_in_every_spelling(workspace, tmp_path):
    path = labels(tmp_path)
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    spelt = [row.replace(",p", ",p ") if i % 2 else row.replace(",p", ", p\u00a0\u00a0") for i, row in enumerate(rows)]
    path.write_text("\n".join([header, *spelt]), encoding="utf-8")
    assert score_submission(record(workspace).path, path, "ImageID", "ans", SPACE).num_people == 20


def test_without_people_the_interval_goes_by_image(workspace, tmp_path):
    card = score_submission(record(workspace).path, labels(tmp_path, person=False), "ImageID", "ans", SPACE)
    assert (card.by, card.num_people, card.accuracy) == ("image", len(EXPECTED), 1)


def test_files_that_do_not_match(tmp_path):
    known = labels(tmp_path)
    sent = tmp_path / "sent.csv"
    for data, part in (
        (
            rows(EXPECTED[:-1], DECIDED[:-1].tolist()),
            "image '119.jpg' is among the expected images but not in the file",
        ),
        (rows([*EXPECTED, "more.jpg"], [*DECIDED.tolist(), 0]), "image 'more.jpg' is not among the expected images"),
        (rows(EXPECTED, [*DECIDED[:-1].tolist(), "2.0"]), "line 121: image '119.jpg': answer '2.0'"),
        (rows(EXPECTED, [*DECIDED[:-1].tolist(), 6]), "image '119.jpg': class 6, expected 0..5"),
    ):
        sent.write_bytes(data)
        with pytest.raises(FacetwiseError) as error:
            score_submission(sent, known, "ImageID", "ans", SPACE)
        assert part in str(error.value)
    known.write_text("ImageID,ans,person\n0.jpg,1,\n", encoding="utf-8")
    sent.write_bytes(rows(["0.jpg"], [1]))
    with pytest.raises(InputError, match="line 2: `person` is empty"):
        score_submission(sent, known, "ImageID", "ans", SPACE)
