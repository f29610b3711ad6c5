"""`labels import` and `labels export`: files of annotation tools become corrections, and the labels go out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Ready
from made_project import attribute, photo_project
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.choices import LabelFormat
from facetwise.core.errors import InputError, ProblemsError, SettingError
from facetwise.core.project import Project
from facetwise.data.labels.overlay import Correction
from facetwise.data.manifest import load_manifest

FORMS: tuple[LabelFormat, ...] = ("label-studio", "fiftyone", "coco")
TWO = attribute("glasses", "no", "yes") + attribute("age", "young", "old", cuts=[50], valid=[0, 120])
CELLS = ["no,20", "yes,", ",60", "yes,70", "no,80.30000000000001", "yes,30"]


@pytest.fixture
def photos(tmp_path: Path) -> Project:
    """Six photos of three people; a class of each attribute is not known of one of them."""
    rows = [f"{i}.png,{i // 2},{both}" for i, both in enumerate(CELLS)]
    names = [f"photos/{i}.png" for i in range(6)]
    project = photo_project(tmp_path, ["file,person,glasses,age", *rows], names, attributes=TWO)
    assert not fw.check(project, workers=1).has_errors
    return project


def overlay(project: Project) -> list[str]:
    file = project.workspace.overlay_file
    return file.read_text(encoding="utf-8").splitlines()[1:] if file.exists() else []


def task(number: int, image: str, who: Any = "kim", **labels: Any) -> dict[str, Any]:
    """A task of Label Studio that an annotator has answered."""
    result = [
        {"from_name": name, "type": "number", "value": {"number": value}}
        if isinstance(value, int | float)
        else {"from_name": name, "type": "choices", "value": {"choices": [value]}}
        for name, value in labels.items()
    ]
    annotation = {"id": number, "completed_by": who, "was_cancelled": False, "result": result}
    return {"id": number, "data": {"image": image}, "annotations": [annotation]}


def written(folder: Path, *tasks: dict[str, Any]) -> Path:
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_what_differs_becomes_corrections_with_author_and_task(photos, tmp_path):
    path = written(
        tmp_path,
        task(11, "/data/upload/1/00000001-0.png", {"email": "kim@example.org"}, glasses=" YES ", age=20),
        task(12, "/data/upload/1/00000002-1.png", 8, glasses="yes", age=33.5),
        task(13, "/data/upload/1/00000003-2.png", "ann", Glasses="no"),
        task(14, "/data/upload/1/00000004-3.png", "ann", glasses="yes", smile="wide"),
    )
    path.write_text(path.read_text(encoding="utf-8").replace(" YES ", " yes "), encoding="utf-8")
    done = fw.import_labels(photos, "label-studio", path)
    assert done.added.written == (
        Correction("photos/0.png", "", "glasses", "yes", "label-studio #11", "kim@example.org"),
        Correction("photos/1.png", "", "age", "33.5", "label-studio #12", "label-studio user 8"),
    )
    assert done.taken_from == "Label Studio's tasks.json, 3 labels the same as the project has"
    assert done.notes == ("no attributes of the project, left out: `Glasses`, `smile`",)
    again = fw.import_labels(photos, "label-studio", path, author="somebody")
    assert (again.added.written, len(overlay(photos))) == ((), 2)


def test_a_class_of_an_attribute_with_cuts_stands_for_its_usual_number(photos, tmp_path):
    path = written(tmp_path, task(1, "0.png", age="old"), task(2, "3.png", age="old"), task(3, "1.png", age="young"))
    done = fw.import_labels(photos, "label-studio", path, reason="seen")
    assert [(c.image, c.value, c.reason) for c in done.added.written] == [
        ("photos/0.png", "70", "seen (the median recorded value of old)"),
        ("photos/1.png", "20", "seen (the median recorded value of young)"),
    ]


def test_everything_wrong_is_told_with_its_task_and_nothing_is_written(photos, tmp_path):
    path = written(
        tmp_path,
        task(1, "0.png", glasses="yes"),
        task(2, "1.png", glasses="maybe"),
        task(3, "9.png", glasses="no"),
        task(4, "3.png", age=200),
        task(5, "4.png", None, glasses="yes"),
    )
    with pytest.raises(ProblemsError) as error:
        fw.import_labels(photos, "label-studio", path)
    told = "\n".join(error.value.problems)
    assert "tasks.json, task 2: `glasses` is `maybe`, expected a class of `glasses`" in told
    assert "tasks.json, task 3: the dataset has no image `9.png`" in told
    assert "tasks.json, task 4: `age` is `200`, expected 0 to 120" in told
    assert "tasks.json: it does not say who gave 1 label that differ from the project's" in told
    assert overlay(photos) == []


def test_annotators_who_contradict_each_other_or_the_overlay_write_nothing(photos, tmp_path):
    both = task(1, "0.png", "kim", glasses="yes", age=20)
    both["annotations"] += task(1, "", "ann", glasses="no", age=30)["annotations"]
    both["annotations"][1]["id"] = 2
    with pytest.raises(ProblemsError, match=r"annotation 2") as error:
        fw.import_labels(photos, "label-studio", written(tmp_path, both))
    assert len(error.value.problems) == 2
    assert "task 1, annotation 1" in "".join(error.value.problems)
    fw.correct_label(photos, image="photos/0.png", attribute="glasses", value="yes", reason="r", author="a")
    with pytest.raises(ProblemsError, match="becomes `no`"):
        fw.import_labels(photos, "label-studio", written(tmp_path, task(1, "0.png", glasses="no")))
    assert len(overlay(photos)) == 1


def test_the_only_label_is_the_only_attribute(tmp_path):
    names = [f"photos/{i}.png" for i in range(3)]
    project = photo_project(tmp_path, ["file,person,glasses", *(f"{i}.png,{i},no" for i in range(3))], names)
    fw.check(project, workers=1)
    done = fw.import_labels(project, "label-studio", written(tmp_path, task(1, "0.png", choice="yes")))
    assert [c.value for c in done.added.written] == ["yes"]
    assert done.notes == ("`choice` taken as `glasses`, the only attribute",)


def test_no_label_called_like_an_attribute_is_an_error(photos, tmp_path):
    with pytest.raises(SettingError, match="it has `smile`, the project `glasses`, `age`"):
        fw.import_labels(photos, "label-studio", written(tmp_path, task(1, "0.png", smile="wide")))
    with pytest.raises(InputError, match=r"tasks\.json: looks like Label Studio's"):
        fw.import_labels(photos, "coco", written(tmp_path, task(1, "0.png", smile="wide")))
    with pytest.raises(InputError, match=r"none\.json"):
        fw.import_labels(photos, "coco", tmp_path / "none.json")


def test_several_findings_of_one_attribute_are_yes_or_no_of_each(tmp_path):
    findings = '\n[[attributes]]\nname = "skin"\nclasses = ["rust", "mould"]\ncolumn = "skin"\nsplit = "/"\n'
    rows = ["0.png,0,rust/mould", "1.png,1,rust", "2.png,2,none"]
    names = [f"photos/{i}.png" for i in range(3)]
    project = photo_project(tmp_path, ["file,person,skin", *rows], names, attributes=findings)
    fw.check(project, workers=1)
    own = task(1, "0.png", skin="rust")
    own["annotations"][0]["result"][0]["value"]["choices"] = ["rust"]
    done = fw.import_labels(project, "label-studio", written(tmp_path, own))
    assert [(c.attribute, c.value) for c in done.added.written] == [("mould", "no")]


@pytest.mark.parametrize("form", FORMS)
def test_export_then_import_changes_nothing(photos, tmp_path, form):
    fw.correct_label(photos, image="photos/0.png", attribute="glasses", value="yes", reason="r", author="a")
    fw.correct_label(photos, person="2", attribute="age", value=44.5, reason="asked, twice", author="kim")
    before = overlay(photos)
    out = tmp_path / "out.json"
    done = fw.export_labels(photos, form, out)
    assert (done.images, done.labels, done.corrected, done.predictor) == (6, 10, 3, None)
    again = fw.import_labels(photos, form, out)
    assert (again.added.written, again.added.already, overlay(photos)) == ((), (), before)


@pytest.mark.parametrize("form", FORMS)
def test_what_was_corrected_goes_to_another_project_by_whom_and_why(photos, tmp_path, form):
    fw.correct_label(photos, image="photos/0.png", attribute="glasses", value="yes", reason="r, s", author="a")
    fw.correct_label(photos, person="2", attribute="age", value=44.5, reason="asked", author="kim")
    fw.export_labels(photos, form, tmp_path / "out.json")
    photos.workspace.overlay_file.unlink()
    done = fw.import_labels(photos, form, tmp_path / "out.json")
    assert [(c.image, c.value, c.reason, c.author) for c in done.added.written] == [
        ("photos/0.png", "yes", "r, s", "a"),
        ("photos/4.png", "44.5", "asked", "kim"),
        ("photos/5.png", "44.5", "asked", "kim"),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_predictions_go_out_as_pre_annotations_and_never_come_back_as_labels(own_finished: Ready, tmp_path, form):
    project = fw.open_project(own_finished.project)
    out = tmp_path / "out.json"
    command = CliRunner().invoke(
        app, ["-p", str(project.root), "labels", "export", form, str(out), "--predictions", "last", "--json"]
    )
    assert command.exit_code == 0, command.output
    done = json.loads(command.stdout)
    images = load_manifest(project).train.height
    assert (done["images"], done["labels"], done["guessed"]) == (images, 3 * images, images)
    assert done["predictor"] == fw.runs(project).runs[0].id
    text = out.read_text(encoding="utf-8")
    assert str(project.dataset_root) in text or form != "fiftyone"
    again = fw.import_labels(project, form, out)
    assert again.added.written == ()
    (left_out,) = again.notes
    assert left_out.startswith("left out: ")


def test_label_studios_interface_is_of_label_studio(photos, tmp_path):
    fw.export_labels(photos, "label-studio", tmp_path / "tasks.json", interface=tmp_path / "labels.xml")
    assert '<Choice value="yes"/>' in (tmp_path / "labels.xml").read_text(encoding="utf-8")
    with pytest.raises(SettingError, match="`interface` is of Label Studio"):
        fw.export_labels(photos, "coco", tmp_path / "coco.json", interface=tmp_path / "labels.xml")
    with pytest.raises(InputError, match="not written over"):
        fw.export_labels(photos, "coco", photos.dataset_root / "coco.json")


def test_the_command_says_what_it_read_and_wrote(photos, tmp_path):
    path = written(tmp_path, task(1, "0.png", glasses="yes", age=20))
    runner = CliRunner().invoke(app, ["-p", str(photos.root), "labels", "import", "label-studio", str(path)])
    assert runner.exit_code == 0, runner.output
    assert "read from Label Studio's tasks.json, 1 label the same as the project has" in runner.stderr
    assert "label-studio #1" in runner.stdout
    bad = CliRunner().invoke(app, ["-p", str(photos.root), "labels", "import", "excel", str(path)])
    assert bad.exit_code == 2
    out = CliRunner().invoke(app, ["-p", str(photos.root), "labels", "export", "coco", "-"])
    assert json.loads(out.stdout)["images"][0]["file_name"] == "photos/0.png"
