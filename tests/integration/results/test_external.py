"""Imported predictions: a csv is read as it is meant, or refused with everything that is wrong with it."""

from __future__ import annotations

import math
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_project import open_project, write_contest
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, InputError, MismatchError, ProblemsError
from facetwise.core.files.csvrecords import CsvError, csv_records
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.predictors.external import find_external, list_external
from facetwise.predictors.external_csv import CERTAIN, TOLERANCE, parse_predictions
from facetwise.predictors.sources import read_source
from facetwise.screens.text.runs.run import runs_text
from facetwise.upkeep.doctor_project import checks

NAMES = ("a.jpg", "나.jpg", "c d.jpg")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Project, Manifest]:
    """A checked project with three test images."""
    base = tmp_path_factory.mktemp("foreign")
    project = open_project(base / "project", write_contest(base / "contest", tests=NAMES))
    manifest = build_manifest(project, workers=1)
    assert not manifest.errors
    return project, manifest


@pytest.fixture
def own(tmp_path) -> tuple[Project, Manifest]:
    """The same for one test alone."""
    project = open_project(tmp_path / "project", write_contest(tmp_path / "contest", tests=NAMES))
    return project, build_manifest(project, workers=1)


def csv(header: str, *rows: str) -> bytes:
    return "".join(f"{line}\n" for line in (header, *rows)).encode()


def joint_csv(rows: dict[str, list[float]], columns: list[str], image: str = "ImageID") -> bytes:
    lines = [f"{name},{','.join(repr(float(p)) for p in row)}" for name, row in rows.items()]
    return csv(f"{image},{','.join(columns)}", *lines)


def fault(made, data: bytes) -> str:
    with pytest.raises(InputError) as error:
        parse_predictions(data, "alice.csv", *made)
    return str(error.value)


# ------------------------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("columns", [[f"joint={i}" for i in range(18)], [str(i) for i in range(18)]], ids=["=", "bare"])
def test_joint_probabilities_in_any_order_of_rows_and_columns(made, columns):
    project, manifest = made
    drawn = np.random.default_rng(0).dirichlet(np.ones(18), 3)
    shuffled = [*reversed(range(18))]
    rows = {name: drawn[i][shuffled].tolist() for i, name in reversed(list(enumerate(NAMES)))}
    read = parse_predictions(joint_csv(rows, [columns[k] for k in shuffled]), "x.csv", project, manifest)
    assert (read.content, read.attributes, read.decided) == ("probabilities", project.space.names, None)
    kept = np.exp(np.stack([read.columns[c] for c in project.space.joint_columns], axis=1))
    np.testing.assert_allclose(kept, drawn, rtol=1e-12)


def test_a_specialist_whose_images_are_named_by_their_paths(made):
    project, manifest = made
    paths = manifest.test["image"].to_list()
    data = csv("image,gender=male,gender=female,note", *(f"{p},0.25,0.75,x" for p in paths))
    read = parse_predictions(data, "x.csv", project, manifest)
    assert (read.attributes, read.ignored, read.num_normalised) == (("gender",), ("note",), 0)
    np.testing.assert_allclose(np.exp(read.columns["gender=female"]), 0.75)


def test_names_of_images_and_classes_in_another_spelling(made):
    names = [unicodedata.normalize("NFD", n).replace(" ", "\u00a0") for n in NAMES]
    data = csv("Image\u200bID,gender=male,\u00a0gender=female", *(f"{n},0.25,0.75" for n in names))
    read = parse_predictions(data, "x.csv", *made)
    assert (read.attributes, read.ignored, read.num_respelt) == (("gender",), (), 2)
    assert "image '나.jpg' again" in fault(
        made, csv("ImageID,gender=male,gender=female", *(f"{n},0.25,0.75" for n in ("나.jpg", *names)))
    )


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda p: sum(p) > 0.1), st.integers(3, 6))
@settings(max_examples=50)
def test_what_rounding_leaves_is_divided_out(made, weights, digits):
    row = [round(w / sum(weights), digits) for w in weights]
    data = csv("ImageID,age=<30,age=30-59,age=>=60", *(f"{n},{','.join(map(str, row))}" for n in NAMES))
    read = parse_predictions(data, "x.csv", *made)
    total = sum(np.exp(logs) for logs in read.columns.values())
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_a_submission_is_a_whole_vote_and_vetoes_nothing(own):
    project, manifest = own
    answers = {"a.jpg": 0, "나.jpg": 17, "c d.jpg": 10}
    file = project.root / "sent.csv"
    file.write_bytes(csv("ImageID,ans", *(f"{n},{a}" for n, a in reversed(answers.items()))))
    fw.import_predictions(project, file, name="team-2")
    test = read_source(project, manifest, "foreign:team-2").test
    assert test is not None
    assert test.classes.tolist() == [0, 17, 10]
    assert test.undecided().classes.tolist() == [0, 17, 10]
    joint = np.exp(test.joint)
    np.testing.assert_allclose(joint.max(axis=1), CERTAIN**3, rtol=1e-5)
    assert np.isfinite(test.joint).all()
    for block in test.marginals.values():
        np.testing.assert_allclose(np.exp(block).sum(axis=1), 1, rtol=1e-6)


def test_impossible_classes_stay_impossible(made):
    read = parse_predictions(csv("ImageID,gender=male,gender=female", *(f"{n},0,1.0" for n in NAMES)), "x.csv", *made)
    assert read.columns["gender=male"].tolist() == [-math.inf] * 3


# --------------------------------------------------------------------------------------------------- what is refused


def test_every_fault_of_the_rows_at_once_and_with_its_line(made):
    rows = ("a.jpg,0.5,0.5", "a.jpg,0.5,0.5", "z.jpg,1,0", ",1,0", "나.jpg,-0.1,1.1", "c d.jpg,0.7,0.7")
    text = fault(made, csv("ImageID,gender=male,gender=female", *rows))
    for part in (
        "line 3: image 'a.jpg' again, first on line 2",
        "line 4: image 'z.jpg' is not among the test images",
        "line 5: no image name",
        "line 6: `gender=male` is '-0.1', expected a probability from 0 to 1",
        "line 6: `gender=female` is '1.1'",
        "line 7: the probabilities of gender sum to 1.4, expected 1",
    ):
        assert part in text
    assert text.startswith("alice.csv: 6 problems")
    assert text.index("line 3") < text.index("line 6") < text.index("line 7")


@pytest.mark.parametrize(
    ("form", "seems"),
    [
        ("./x/{}.jpg", "`./x/a.jpg` seems to be `eval/images/a.jpg`: it begins with `x/`"),
        ("images\\{}.jpg", "`images\\a.jpg` seems to be `eval/images/a.jpg`: it begins with `images\\`"),
        ("{}", "`a` seems to be `eval/images/a.jpg`: it has no ending"),
        ("{}.png", "`a.png` seems to be `eval/images/a.jpg`: it ends in `.png`"),
        ("{}7.jpg", "`a7.jpg` is none"),
    ],
)
def test_names_of_which_none_is_known_are_one_fact(made, form, seems):
    project, manifest = made
    for name in NAMES:
        (project.dataset_root / "eval/images").mkdir(parents=True, exist_ok=True)
        (project.dataset_root / "eval/images" / name).touch()
    rows = [f"{form.format(Path(name).stem)},1" for name in NAMES]
    with pytest.raises(InputError) as error:
        parse_predictions(csv("ImageID,ans", *rows), "x.csv", project, manifest)
    assert str(error.value) == f"x.csv: none of its 3 images is a test image: {seems}"
    assert error.value.hint == "write the names as they are in `eval/info.csv`"


def test_missing_images_are_named(made):
    assert "image '나.jpg' is a test image, but not in the file" in fault(made, csv("ImageID,ans", "a.jpg,1"))


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "", "0,5", "1e400", "abc", "0x1", "٣", "1_0"])
def test_what_is_no_number_is_none(made, text):
    cell = f'"{text}"'
    rows = [f"{NAMES[0]},{cell},1", *(f"{n},0,1" for n in NAMES[1:])]
    assert f"line 2: `gender=male` is {text!r}" in fault(made, csv("ImageID,gender=male,gender=female", *rows))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("25,75", "are per cent: divide them by 100"),
        ("25.0 %,75 %", "are per cent: divide them by 100"),
        ('"0,25","0,75"', "have decimal commas: write points"),
        (f"{math.log(0.25)},{math.log(0.75)}", "are logarithms of probabilities: write the exponential of each"),
        ("-800,900", "are scores from -800 to 900: write the softmax of each row"),
        ("0,0", "sum to 0 up to 0 a row, expected 1: divide each row by its sum"),
        ("0.9,0.8", "sum to 1.7 up to 1.7 a row, expected 1: divide each row by its sum"),
    ],
)
def test_what_all_rows_are_in_place_of_probabilities_is_one_fact(made, row, why):
    text = fault(made, csv("ImageID,gender=male,gender=female", *(f"{n},{row}" for n in NAMES)))
    assert text == f"alice.csv: 1 problem\n  - all 3 rows: the numbers of gender {why}"


def test_a_sum_within_the_tolerance_is_divided_and_counted_and_one_beyond_refused(made):
    def data(first: float) -> bytes:
        rows = zip(NAMES, (0.5, 0.5, first), strict=True)
        return csv("ImageID,gender=male,gender=female", *(f"{name},{p},0.5" for name, p in rows))

    assert parse_predictions(data(0.5 + TOLERANCE * 0.9), "x", *made).num_normalised == 1
    assert "line 4: the probabilities of gender sum to 1.011" in fault(made, data(0.5 + TOLERANCE * 1.1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: the file is empty, expected a header"),
        (csv("ImageID,ans"), "a header and no rows: nothing is listed"),
        (csv("ImageID,ans", "a.jpg,1.0", "나.jpg,1e0", "c d.jpg,+1"), "line 2: answer '1.0' is not an integer"),
        (csv("ImageID,ans", "a.jpg,18", "나.jpg,1", "c d.jpg,1"), "line 2: answer 18 is not a class, expected 0 to 17"),
        (csv("name,ans", "a.jpg,1"), "no column `ImageID` (columns: name, ans)"),
        (csv("ImageID,score", "a.jpg,1"), "no predictions: expected"),
        (csv("ImageID,gender=male", "a.jpg,1"), "no column `gender=female`: all classes of gender are needed"),
        (
            csv("ImageID,gender=male,gender=female,gender=man", "a.jpg,1,0,0"),
            "column `gender=man` is not of a known class",
        ),
        (csv("ImageID,gender=male,gender=female,gender=male", "a.jpg,1,0,1"), "`gender=male` is there twice"),
        (csv("ImageID," + ",".join(map(str, range(19))), "a.jpg" + ",1" * 19), "column `18` is not of a known class"),
        (csv("ImageID," + ",".join(map(str, range(17))), "a.jpg" + ",1" * 17), "no column `17`: all classes of joint"),
        (
            csv("ImageID,gender=male,gender=female," + ",".join(map(str, range(18))), "a.jpg" + ",1" * 20),
            "in more than one way, or beside attributes",
        ),
        (csv("ImageID;ans", "a.jpg;1"), "line 1: seems to be separated by `;`, expected commas"),
        (csv("ImageID,ans", "a.jpg"), "line 2: 1 cell, the header has 2"),
        (csv("ImageID,ans", "a.jpg,1").decode().encode("utf-16"), "UTF-16 text"),
        (csv("ImageID,ans", "나.jpg,1").decode().encode("cp949"), "line 2: not UTF-8"),
        (b"ImageID,ans\na\0.jpg,1\n", "line 2: a NUL character"),
        (b'ImageID,ans\n"a.jpg,1\n', "not readable as csv"),
    ],
)
def test_broken_files(made, data, message):
    assert message in fault(made, data)


def test_an_image_by_its_name_and_by_its_path(made):
    _, manifest = made
    rows = [*(f"{n},1" for n in NAMES), f"{manifest.test['image'][0]},1"]
    assert "by its name and by its path" in fault(made, csv("ImageID,ans", *rows))


# ------------------------------------------------------------------------------------------------------- the folder


def sent(project: Project, answer: int = 1, name: str = "sent.csv") -> Path:
    path = project.root / name
    path.write_bytes(csv("ImageID,ans", *(f"{n},{answer}" for n in NAMES)))
    return path


def test_it_is_a_member_for_the_test_side_only_and_says_why(own):
    project, manifest = own
    folder = fw.import_predictions(project, sent(project), name="앨리스")
    source = read_source(project, manifest, "foreign:앨리스")
    assert (source.kind, source.id, source.reference, source.oof) == ("foreign", "앨리스", "foreign:앨리스", None)
    assert source.no_oof == "has predictions of the test side only, as it is imported"
    assert source.test.images.tolist() == manifest.test["image"].to_list()
    assert folder.record().content == "submission"
    assert (folder.path / "original.csv").read_bytes() == (project.root / "sent.csv").read_bytes()


def test_the_same_file_or_name_twice_and_names_that_lead_away(own):
    project, _ = own
    fw.import_predictions(project, sent(project), name="alice")
    with pytest.raises(InputError, match="there are already predictions called `alice`"):
        fw.import_predictions(project, sent(project, 2, "other.csv"), name="alice")
    with pytest.raises(InputError, match="the same file was already imported as `alice`"):
        fw.import_predictions(project, sent(project), name="bob")
    for name in ("../up", ".hidden", "", "a/b", "a\nb"):
        with pytest.raises(InputError, match="cannot name predictions"):
            fw.import_predictions(project, sent(project, 3, "third.csv"), name=name)
    assert [f.name for f in list_external(project.workspace)] == ["alice"]


def test_what_is_unknown_changed_or_of_other_images_is_refused(own):
    project, manifest = own
    with pytest.raises(InputError, match="no imported predictions are called `alice`"):
        read_source(project, manifest, "foreign:alice")
    folder = fw.import_predictions(project, sent(project), name="alice")
    other = Manifest.of(manifest.table.reverse())
    with pytest.raises(MismatchError, match="another manifest"):
        read_source(project, other, "foreign:alice")
    (folder.path / "original.csv").write_bytes(b"ImageID,ans\n")
    with pytest.raises(ArtefactError, match="changed since it was made"):
        read_source(project, manifest, "foreign:alice")


def test_a_kill_or_a_fault_leaves_nothing(own, monkeypatch):
    project, _ = own

    def full(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facetwise.predictors.external.write_record", full)
    with pytest.raises(KeyboardInterrupt):
        fw.import_predictions(project, sent(project), name="alice")
    assert [p.name for p in project.workspace.external.iterdir()] == [".lock"]


def test_what_is_no_file(own, tmp_path):
    with pytest.raises(InputError, match="not a regular file"):
        fw.import_predictions(own[0], tmp_path, name="alice")
    with pytest.raises(InputError, match="cannot be read"):
        fw.import_predictions(own[0], tmp_path / "none.csv", name="alice")


def test_lists_and_the_doctor_know_it(own):
    project, _ = own
    fw.import_predictions(project, sent(project), name="alice")
    view = fw.runs(project)
    (row,) = view.foreign
    assert (row.name, row.content, row.what, row.num_images, row.flags) == ("alice", "submission", "joint", 3, ())
    assert view.as_dict()["foreign"][0]["name"] == "alice"
    runs_text(view)
    (line,) = checks(project)["foreign"]()
    assert (line.level, "foreign:alice" in line.message) == ("ok", True)
    (find_external(project.workspace, "alice").path / "test.parquet").unlink()
    (line,) = checks(project)["foreign"]()
    assert line.level == "problem"
    assert fw.runs(project).foreign[0].flags[0].startswith("damaged")


def test_the_command(own):
    project, _ = own

    def run(*words: object) -> str:
        result = CliRunner().invoke(app, ["--project", str(project.root), *map(str, words)])
        return result.output if result.exit_code == 0 else str(result.exception)

    assert "need a name" in run("run", "import", sent(project))
    assert "as foreign:alice" in run("run", "import", sent(project), "--name", "alice")
    assert "foreign:alice" in run("runs")


def test_problems_are_a_problems_error(made):
    with pytest.raises(ProblemsError):
        parse_predictions(csv("ImageID,ans", "a.jpg,x"), "x.csv", *made)


def test_what_a_terminal_would_obey_is_no_table() -> None:
    with pytest.raises(CsvError, match=r"control \(0x1b\)") as told:
        csv_records(b"ImageID,ans\na.jpg,\x1b]0;title\x07\n")
    assert told.value.fault.line == 2


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["[0.1 0.9]"] * 3, "all 3 answers are printed lists: write probabilities as a column a class"),
        (["1.0", "2.0", "17.0"], "all 3 answers have a decimal point"),
        (["wear/male", "wear", "normal"], "all 3 answers are words"),
    ],
)
def test_what_is_wrong_with_all_answers_is_told_once(made, answers, message):
    rows = (f"{name},{answer}" for name, answer in zip(NAMES, answers, strict=True))
    text = fault(made, csv("ImageID,ans", *rows))
    assert text.startswith("alice.csv: 1 problem")
    assert message in text


def specialist(base, answers: list[int]) -> tuple[Project, Manifest, bytes]:
    names = tuple(f"{i}.jpg" for i in range(len(answers)))
    project = open_project(base / "project", write_contest(base / "contest", tests=names))
    rows = (f"{name},{answer}" for name, answer in zip(names, answers, strict=True))
    return project, build_manifest(project, workers=1), csv("ImageID,ans", *rows)


def test_answers_of_one_attribute_are_not_taken_for_joint_classes(tmp_path):
    answers = [0, 1, 2, 1, 0, 2, 2, 0]
    project, manifest, data = specialist(tmp_path, answers)
    with pytest.raises(InputError, match=r"from 0 to 2, of 18 joint classes.* `mask` or `age` only") as caught:
        parse_predictions(data, "x.csv", project, manifest)
    assert "`--answers-of age`" in str(caught.value.hint)
    read = parse_predictions(data, "x.csv", project, manifest, answers_of="age")
    assert (read.attributes, read.decided) == (("age",), None)
    logs = np.stack([read.columns[c] for c in project.space.columns("age")], axis=1)
    assert logs.argmax(axis=1).tolist() == answers
    np.testing.assert_allclose(np.exp(logs).max(axis=1), CERTAIN)
    joint = parse_predictions(data, "x.csv", project, manifest, answers_of="joint")
    assert joint.decided is not None
    assert joint.decided.tolist() == answers


def test_what_answers_cannot_be_of(tmp_path):
    project, manifest, data = specialist(tmp_path, [0, 1, 2, 17, 0, 2, 2, 0])
    parse_predictions(data, "x.csv", project, manifest)
    with pytest.raises(InputError, match="answer 17 is not a class, expected 0 to 2"):
        parse_predictions(data, "x.csv", project, manifest, answers_of="age")
    with pytest.raises(InputError, match="`ages` is not an attribute"):
        parse_predictions(data, "x.csv", project, manifest, answers_of="ages")
    probabilities = data.replace(b",ans", b",gender=male,gender=female").replace(b"\n", b",0\n")
    with pytest.raises(InputError, match="no answer column"):
        parse_predictions(probabilities.replace(b"female,0", b"female"), "x.csv", project, manifest, answers_of="age")
