"""The audit: copies where none should be, and the hash that finds them."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from made_project import STEMS, encoded, open_project, picture, replace_in, write_contest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from facetwise.cli.main import app
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.project import Project
from facetwise.data.audit import Audit, audit
from facetwise.data.labels.overlay import Correction, Overlay
from facetwise.data.manifest import build_manifest
from facetwise.screens.text.check import MAX_CLASSES, MAX_IN_LINE, audit_text


def audited(project: Project, overlay: Overlay | None = None) -> Audit:
    return audit(project, build_manifest(project), overlay)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return open_project(tmp_path / "project", write_contest(tmp_path / "data"))


def place(project: Project, person: str, stem: str) -> Path:
    folder = next((project.dataset_root / "train" / "images").glob(f"{person}_*"))
    return folder / f"{stem}.jpg"


def test_a_clean_dataset(project: Project) -> None:
    found = audited(project)
    assert found.copies.pairs == ()
    assert found.suspicious == ()
    assert not found.has_errors
    assert [(s.split, s.images, s.groups) for s in found.sides] == [("train", 14, 2), ("test", 2, 0)]
    assert [(c.name, c.images, c.groups) for c in found.balance["mask"]] == [
        ("wear", 10, 2),
        ("incorrect", 2, 2),
        ("normal", 2, 2),
    ]
    assert sum(c.images for c in found.joint) == 14
    assert len(found.joint) == 18
    json.dumps(found.as_dict(), allow_nan=False)


def test_exact_copies(project: Project) -> None:
    mask1, normal = place(project, "000001", "mask1"), place(project, "000001", "normal")
    normal.write_bytes(mask1.read_bytes())  # in one folder, under another label
    place(project, "000001", "mask2").write_bytes(mask1.read_bytes())  # in one folder, under the same label
    place(project, "000002", "mask5").write_bytes(mask1.read_bytes())
    (project.dataset_root / "eval" / "images" / "a.jpg").write_bytes(mask1.read_bytes())
    found = audited(project).copies
    assert {(Path(p.second).name, p.between, p.labels_differ) for p in found.pairs} == {
        ("normal.jpg", "one group", True),
        ("mask5.jpg", "groups", True),
        ("a.jpg", "sides", False),
    }
    assert {p.kind for p in found.pairs} == {"exact"}


def test_a_correction_settles_a_conflict(project: Project) -> None:
    copied = place(project, "000001", "normal")
    copied.write_bytes(place(project, "000001", "mask1").read_bytes())
    image = copied.relative_to(project.dataset_root).as_posix()
    assert len(audited(project).copies.conflicts) == 1
    corrected = audited(project, Overlay((Correction(image, "", "mask", "wear", "seen", "me"),)))
    assert corrected.copies.conflicts == ()
    assert corrected.corrections == 1


def test_near_copies_between_people_and_sides(project: Project) -> None:
    with Image.open(place(project, "000001", "mask1")) as opened:
        image = opened.convert("RGB")
    place(project, "000002", "mask1").write_bytes(encoded(image.resize((96, 128)), quality=60))
    (project.dataset_root / "eval" / "images" / "b.jpg").write_bytes(encoded(image, quality=40))
    found = audited(project).copies.pairs
    assert {(p.between, p.kind) for p in found} == {("groups", "recoded"), ("sides", "recoded")}
    assert {p.people for p in found} == {("000001", "000002"), None}
    console = Console(width=300, file=io.StringIO())
    console.print(audit_text(audited(project)))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "between people `000001` and `000002`" in told
    way = 'same_person = [["000001", "000002"]]'
    assert way in told
    replace_in(project.workspace.project_file, {"[dataset.train]\n": f"[dataset.train]\n{way}\n"})
    joined = audited(Project.open(project.root))
    assert {p.between for p in joined.copies.pairs} == {"sides"}
    assert joined.sides[0].groups == 1


def test_copies_where_each_image_is_its_own_group_are_dealt_together_or_taken_away(project: Project) -> None:
    replace_in(project.workspace.project_file, {'group = "id"': 'group = "none"'})
    place(project, "000002", "mask1").write_bytes(place(project, "000001", "mask1").read_bytes())
    console = Console(width=300, file=io.StringIO())
    console.print(audit_text(audited(Project.open(project.root))))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "-> 14 subjects are 13 where those who share a picture count as one: `facetwise folds --join-copies`" in told
    assert "same_person" not in told  # which would join nothing


def test_a_picture_that_all_people_share_is_paired_with_the_first_only(tmp_path: Path) -> None:
    people = tuple(f"{i:03d},male,Asian,30,{i:03d}" for i in range(6))
    project = open_project(tmp_path / "project", write_contest(tmp_path / "data", people, tests=("a.jpg",)))
    for row in people:
        for stem in STEMS:
            place_of = project.dataset_root / "train" / "images" / row[:3] / f"{stem}.jpg"
            place_of.write_bytes(encoded(picture(5)))
    found = audited(project).copies
    assert len(found.pairs) == 6 * 7 - 1 - 4  # all but the first one, and its namesakes with its label


def test_suspicious_images(project: Project) -> None:
    eval_images = project.dataset_root / "eval" / "images"
    (eval_images / "a.jpg").write_bytes(encoded(Image.new("RGB", (48, 64), (9, 9, 9))))
    (eval_images / "b.jpg").write_bytes(encoded(picture(3, (200, 40)), "PNG"))
    reasons = {(Path(s.image).name, s.reason) for s in audited(project).suspicious}
    assert reasons == {
        ("a.jpg", "nearly uniform"),
        ("b.jpg", "read as PNG RGB"),
        ("b.jpg", "extreme shape: 200x40"),
    }


def test_an_odd_image_is_listed_once_in_the_text(project: Project) -> None:
    (project.dataset_root / "eval" / "images" / "a.jpg").write_bytes(encoded(Image.new("RGB", (48, 64), (9, 9, 9))))
    (project.dataset_root / "eval" / "images" / "b.jpg").write_bytes(encoded(picture(3, (200, 40))))
    console = Console(width=200, file=io.StringIO())
    console.print(audit_text(audited(project)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("eval/images/a.jpg") == 1
    assert "1 suspicious image" in text


def test_a_dataset_with_a_test_side_only_is_not_sent_to_folds(project: Project) -> None:
    (project.dataset_root / "train" / "train.csv").unlink()
    (project.dataset_root / "train" / "images").rename(project.dataset_root / "unrelated")
    result = CliRunner().invoke(app, ["--project", str(project.root), "check"])
    assert result.exit_code == 0, result.output
    assert "nothing to train on" in result.output
    assert "facetwise predict --dataset" in result.output
    assert "facetwise folds" not in result.output


def test_findings_are_grouped(project: Project) -> None:
    for stem in STEMS[:6]:
        place(project, "000001", stem).write_bytes(b"")
    kind = audited(project).findings[0]
    assert (kind.level, kind.code, kind.count, len(kind.examples)) == ("warning", "train-image-damaged", 6, 5)


def test_too_many_joint_classes_to_list(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = tuple(f"c{k}" for k in range(30))
    many = [Attribute(a.name, (*a.classes, *letters[a.size :])) for a in project.space.attributes]
    manifest = build_manifest(project)
    few = audit(project, manifest).joint
    monkeypatch.setattr(Project, "space", LabelSpace(tuple(many)))
    found = audit(project, manifest)
    assert [(c.name, c.images, c.groups) for c in found.joint] == [
        (c.name, c.images, c.groups) for c in few if c.images
    ]
    assert [c.number for c in found.joint] == [0, 30 + 2, 900, 900 + 32, 1800, 1800 + 32]
    json.dumps(found.as_dict(), allow_nan=False)


def test_many_classes_are_cut_for_people_only(project: Project) -> None:
    found = audited(project)
    many = dataclasses.replace(found, joint=found.joint * 5)
    console = Console(width=100, file=io.StringIO())
    console.print(audit_text(many))
    assert f"and {90 - MAX_CLASSES} rarer ones (`--json` lists all)" in console.file.getvalue()  # type: ignore[attr-defined]
    assert len(many.as_dict()["joint"]) == 90


def test_combinations_are_counted_though_those_that_occur_alone_are_listed(project: Project) -> None:
    found = audited(project)
    seen = [c for c in found.joint if c.images]
    many = dataclasses.replace(found, joint=tuple(seen), num_joint=113_029, products=10**6, combinations="a.csv")
    console = Console(width=200, file=io.StringIO())
    console.print(audit_text(many))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "113,029 of 1,000,000 combinations can occur by a.csv" in text
    assert f"{113_029 - len(seen):,} of 113,029 joint classes have no image" in text


def test_joint_classes_without_an_image_are_told_with_what_they_cost(project: Project) -> None:
    found = audited(project)
    absent = sum(not c.images for c in found.joint)
    console = Console(width=200, file=io.StringIO())
    console.print(audit_text(found))
    assert (absent, len(found.joint)) == (12, 18)
    words = (
        "12 of 18 joint classes have no image: each counts 0 in the macro F1 over joint classes, which is 0.333 at most"
    )
    assert words in console.file.getvalue()  # type: ignore[attr-defined]


def test_of_many_classes_of_an_attribute_the_rare_ones_are_counted(project: Project) -> None:
    found = audited(project)
    ages = [dataclasses.replace(found.balance["age"][0], name=f"c{k}", images=k + 1) for k in range(100)]
    console = Console(width=100, file=io.StringIO())
    console.print(audit_text(dataclasses.replace(found, balance={"age": tuple(ages)})))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "age: c99 100 (" in text
    assert f"and {100 - MAX_IN_LINE // 2} rarer ones down to " in " ".join(text.split())
