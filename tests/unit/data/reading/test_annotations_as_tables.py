"""A dataset whose labels are in an annotation tool's file is the dataset that a csv of the same makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_init import HEADER, PHOTOS, ROWS, init, labels, notes, photos
from made_project import encoded, picture, write_table

from facetwise.core.errors import InputError
from facetwise.core.files.annotations.annotated import AnnotatedImage, Said
from facetwise.core.files.annotations.formats import FORMATS
from facetwise.core.labels import Attribute
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, build_manifest

ATTRIBUTES = {"disease": Attribute("disease", ("rust", "well")), "crop": Attribute("crop", ("bean", "maize", "rice"))}


def dataset(root: Path) -> Path:
    """Drawn photos of leaves, without labels."""
    for seed, name in enumerate(PHOTOS):
        path = root / "data" / "img" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(seed)))
    return root / "data"


def write(path: Path, form: str) -> None:
    """The labels of the photos: a csv, or the file of a tool."""
    if form == "csv":
        write_table(path.with_suffix(".csv"), HEADER, *map(",".join, ROWS))
        return
    images = [
        AnnotatedImage("", file, {"disease": Said(disease), "crop": Said(crop)}, {"plant": plant})
        for file, plant, disease, crop in ROWS
    ]
    path.write_text(json.dumps(FORMATS[form].write(images, ATTRIBUTES)), encoding="utf-8")


def made(root: Path, form: str) -> tuple[Project, Manifest]:
    data = dataset(root)
    write(data / "labels.json", form)
    project, _ = init(data)
    return project, build_manifest(project, workers=1)


@pytest.mark.parametrize("form", FORMATS)
def test_every_door_gives_the_same_manifest(form, tmp_path):
    project, manifest = made(tmp_path / "tool", form)
    other, by_csv = made(tmp_path / "csv", "csv")
    assert project.file.dataset.train.table == "labels.json"
    assert labels(project) == labels(other)
    assert (manifest.hash, manifest.labels_hash) == (by_csv.hash, by_csv.labels_hash)
    assert manifest.errors == ()


def tasks(*given: tuple[str, str, bool]) -> list[dict[str, object]]:
    """Tasks of Label Studio: each an image, a class and whether it was cancelled."""
    return [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/{number:08x}-{image}"},
            "annotations": [
                {
                    "completed_by": 3,
                    "was_cancelled": cancelled,
                    "result": [{"from_name": "disease", "type": "choices", "value": {"choices": [label]}}],
                }
            ],
        }
        for number, (image, label, cancelled) in enumerate(given, 1)
    ]


def test_what_was_cancelled_is_not_known_and_told(tmp_path):
    data = photos(tmp_path, *(f"img/{name}" for name in PHOTOS))
    given = [(name, ("rust", "well")[k % 2], k == 0) for k, name in enumerate(PHOTOS)]
    (data / "export.json").write_text(json.dumps(tasks(*given)), encoding="utf-8")
    project, told = init(data)
    assert [dict(a.classes) for a in told.attributes] == [{"rust": 5, "well": 6}]
    assert "of `export.json` left out: 1 cancelled annotation" in notes(told)
    assert "`author`" not in {a.name for a in project.space.attributes}
    assert project.file.dataset.train.images == "img"
    assert ("not-read", "left out: 1 cancelled annotation") in [(f.code, f.message) for f in told.findings]


def test_annotators_who_contradict_each_other_are_an_error_of_the_row(tmp_path):
    data = dataset(tmp_path)
    given = [(name, ("rust", "well")[k % 2], False) for k, name in enumerate(PHOTOS)]
    both = tasks(*given)
    both[4]["annotations"] += tasks((PHOTOS[4], "well", False))[0]["annotations"]  # type: ignore[operator, index]
    (data / "export.json").write_text(json.dumps(both), encoding="utf-8")
    project, _ = init(data)
    (error,) = build_manifest(project, workers=1).errors
    assert (error.code, error.where) == ("contradicting-rows", "export.json, task 5")
    assert "with another `disease`" in error.message


def test_a_csv_goes_before_the_json_of_a_tool_beside_it(tmp_path):
    data = dataset(tmp_path)
    write(data / "boxes.json", "coco")
    write(data / "labels.json", "csv")
    project, told = init(data)
    assert project.file.dataset.train.table == "labels.csv"
    assert "other tables left out: boxes.json" in notes(told)


def test_other_json_is_no_table(tmp_path):
    data = photos(tmp_path, "a.jpg")
    (data / "settings.json").write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(InputError, match=r"settings.json \(unreadable: .*of none of the forms that are read"):
        init(data)
