"""Tables joined by a key are read as the one table that they make; a key without its one row is an error of its row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from made_project import GLASSES, photo_project, replace_in, write_table

import facetwise as fw
from facetwise.core.errors import InputError, SettingError
from facetwise.core.project import Project
from facetwise.data.findings import Finding
from facetwise.data.manifest import build_manifest, load_manifest
from facetwise.data.reading.readers import read_dataset

PHOTOS = [f"photos/{k}.png" for k in range(8)]
PATIENTS = ["patient,glasses,age", *(f"P{p},{('no', 'yes')[p % 2]},{30 + p}" for p in range(4))]
IMAGES = ["file,patient,eye", *(f"{k}.png,P{k // 2},{'lr'[k % 2]}" for k in range(8))]
JOIN = '\njoin = [{ table = "patients.csv", on = "patient" }]'


def joined(folder: Path, images: list[str] = IMAGES, patients: list[str] = PATIENTS, join: str = JOIN) -> Project:
    project = photo_project(folder, images, PHOTOS, folder="project", more="")
    write_table(project.dataset_root / "patients.csv", *patients)
    replace_in(project.workspace.project_file, {'group = "person"': f'group = "patient"{join}'})
    return fw.open_project(project.root)


def faults(project: Project) -> list[Finding]:
    return [found for found in read_dataset(project).findings if found.level == "error"]


def test_joined_tables_have_the_hashes_of_the_one_that_they_make(tmp_path: Path) -> None:
    two = build_manifest(joined(tmp_path / "two"), workers=1)
    rows = zip(IMAGES[1:], (PATIENTS[1 + k // 2].split(",", 1)[1] for k in range(8)), strict=True)
    whole = [f"{IMAGES[0]},glasses,age", *(",".join(row) for row in rows)]
    one = photo_project(tmp_path / "one", whole, PHOTOS, folder="project")
    replace_in(one.workspace.project_file, {'group = "person"': 'group = "patient"'})
    other = build_manifest(fw.open_project(one.root), workers=1)
    assert (two.hash, two.labels_hash) == (other.hash, other.labels_hash)
    assert two.table["meta:age"].to_list() == other.table["meta:age"].to_list()


def test_a_key_may_be_called_otherwise_and_a_column_that_is_there_gets_the_name_of_its_table(tmp_path: Path) -> None:
    patients = ["id,eye,glasses", "P0,x,no", "P1,y,yes", "P2,x,no", "P3,y,yes", "P4,x,no"]
    join = JOIN.replace('on = "patient"', 'on = "patient", key = "id"')
    listing = read_dataset(joined(tmp_path, patients=patients, join=join))
    assert listing.table["meta:eye"].to_list() == list("lr" * 4)
    assert listing.table["meta:patients.eye"].to_list() == list("xxyyxxyy")
    (told,) = (f.message for f in listing.findings if f.code == "joined-table")
    assert told == "joined by `patient`, 4 of 5 rows used; columns: patients.eye, glasses"


def test_a_table_joined_to_a_joined_one(tmp_path: Path) -> None:
    project = joined(tmp_path, patients=["patient,site", *(f"P{p},{p % 2}" for p in range(4))])
    write_table(project.dataset_root / "sites.csv", "site,glasses", "0,no", "1,yes")
    both = f'{JOIN[:-1]}, {{ table = "sites.csv", on = "site" }}]'
    replace_in(project.workspace.project_file, {JOIN: both})
    codes = read_dataset(fw.open_project(project.root)).table["label:glasses"].to_list()
    assert codes == [0, 0, 1, 1, 0, 0, 1, 1]


def test_one_spelling_of_keys(tmp_path: Path) -> None:
    numbers = ["patient,glasses", *(f"{p}.0,{('no', 'yes')[p % 2]}" for p in range(4))]
    images = ["file,patient", *(f"{k}.png,{k // 2}" for k in range(8))]
    assert not faults(joined(tmp_path, images, numbers))


@pytest.mark.parametrize(
    ("images", "patients", "code", "where", "message"),
    [
        ({}, {4: "P1,no,99"}, "repeated-key", "patients.csv:5", "`P1` stands on line 3 as well"),
        ({2: "1.png,,r"}, {}, "empty-group", "labels.csv:3", "`patient` is empty"),
        (
            {},
            {0: "patient,glasses,age", 1: "p0,no,1", 2: "p1,yes,1", 3: None, 4: None},
            "no-joined-row",
            "labels.csv",
            "8 of 8 rows, such as `P0` (labels.csv:2)",
        ),
        ({}, {0: "who,glasses,age"}, "missing-column", "patients.csv:1", "no column `patient`"),
        ({}, {0: "patient,x,age"}, "missing-column", "labels.csv:1", "no column `glasses`"),
        ({}, {1: None, 2: None, 3: None, 4: None}, "empty-csv", "patients.csv", "a header and no rows"),
    ],
)
def test_keys_without_their_one_row(
    tmp_path: Path, images: dict[int, str], patients: dict[int, str | None], code: str, where: str, message: str
) -> None:
    def changed(lines: list[str], changes: Mapping[int, str | None]) -> list[str]:
        return [line for n, was in enumerate(lines) if (line := changes.get(n, was)) is not None]

    found = faults(joined(tmp_path, changed(IMAGES, images), changed(PATIENTS, patients)))
    assert (found[0].code, found[0].where) == (code, where)
    assert message in found[0].message


def test_what_a_row_without_its_key_would_say_is_not_known_and_told(tmp_path: Path) -> None:
    listing = read_dataset(joined(tmp_path, patients=[PATIENTS[0], *PATIENTS[2:]]))
    assert listing.table["label:glasses"].to_list() == [None, None, 1, 1, 0, 0, 1, 1]
    (told,) = (f for f in listing.findings if f.level == "warning")
    assert (told.code, told.where) == ("no-joined-row", "labels.csv")
    assert "2 of 8 rows, such as `P0` (labels.csv:2); not known there: glasses, age" in told.message


def test_rows_of_one_key_that_say_the_same_are_one(tmp_path: Path) -> None:
    assert not faults(joined(tmp_path, patients=[*PATIENTS, PATIENTS[2]]))


def test_only_rows_of_the_side_need_a_key(tmp_path: Path) -> None:
    images = [f"{line},{'part' if n == 0 else 'old' if n > 6 else 'new'}" for n, line in enumerate(IMAGES)]
    where = '\nwhere = { part = ["new"] }'
    found = joined(tmp_path, images, PATIENTS[:4], JOIN + where)
    assert not faults(found)
    assert read_dataset(found).table.height == 6


def test_where_may_speak_of_a_joined_column(tmp_path: Path) -> None:
    listing = read_dataset(joined(tmp_path, join=f'{JOIN}\nwhere = {{ age = ["30", "31"] }}'))
    assert listing.table.height == 4
    assert not [f for f in listing.findings if f.level == "error"]


def test_a_joined_table_that_is_not_there_or_leads_out(tmp_path: Path) -> None:
    project = joined(tmp_path)
    (project.dataset_root / "patients.csv").rename(tmp_path / "patients.csv")
    assert [f.code for f in faults(project)] == ["missing-csv"]
    replace_in(project.workspace.project_file, {"patients.csv": "../patients.csv"})
    assert [f.code for f in faults(fw.open_project(project.root))] == ["leaves-dataset"]


def test_a_joined_table_that_changes_makes_the_manifest_old(tmp_path: Path) -> None:
    project = joined(tmp_path)
    fw.check(project, workers=1)
    load_manifest(project)
    write_table(project.dataset_root / "patients.csv", *PATIENTS, "P9,no,3")
    with pytest.raises(Exception, match=r"patients\.csv changed since the last check"):
        load_manifest(project)


def test_a_pattern_joined_with_a_table_of_groups(tmp_path: Path) -> None:
    project = photo_project(tmp_path, ["x"], [f"photos/P{k // 2}_{k}.png" for k in range(8)], folder="project")
    write_table(project.dataset_root / "patients.csv", *PATIENTS)
    text = project.workspace.project_file.read_text(encoding="utf-8")
    side = f'[dataset.train]\nimages = "photos"\npattern = "{{patient}}_{{n}}.png"\ngroup = "patient"{JOIN}\n'
    text = text[: text.index("[dataset.train]")].replace('"images"', '"names"') + side + GLASSES
    project.workspace.project_file.write_text(text, encoding="utf-8")
    listing = read_dataset(fw.open_project(project.root))
    assert listing.table["label:glasses"].to_list() == [0, 0, 1, 1, 0, 0, 1, 1]


def test_a_join_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"dataset\.train\.join\.0\.on"):
        joined(tmp_path, join='\njoin = [{ table = "patients.csv" }]')


# --- recognised by init


def dataset_of(folder: Path, images: list[str], **tables: list[str]) -> Path:
    dataset = photo_project(folder / "seen", images, PHOTOS).root / "data"
    for name, lines in tables.items():
        write_table(dataset / f"{name}.csv", *lines)
    return dataset


def told_by_init(folder: Path, dataset: Path, **choices: object) -> tuple[Project, str]:
    told: list[str] = []
    return fw.init(folder / "own", dataset, tell=lambda found: told.extend(found.notes), **choices), "\n".join(told)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["patient", "id"])
def test_init_joins_a_table_with_the_labels(tmp_path: Path, key: str) -> None:
    images = [f"{line.replace('patient', 'patient_id')}" for line in IMAGES]
    images[1:] = [line.rpartition(",")[0] + f",{n}" for n, line in enumerate(images[1:])]
    patients = [PATIENTS[0].replace("patient", "patient_id" if key == "patient" else "id"), *PATIENTS[1:]]
    project, told = told_by_init(tmp_path, dataset_of(tmp_path, images, patients=patients))
    side = project.file.dataset.train
    assert [(join.table, join.on) for join in side.join] == [("patients.csv", "patient_id")]
    assert side.group == "patient_id"
    assert project.space.names == ("glasses", "age")
    assert "`patients.csv` has a row of each `patient_id` (4), with glasses, age: joined, `join = [{" in told
    assert read_dataset(project).table["label:glasses"].to_list() == [0, 0, 1, 1, 0, 0, 1, 1]


def test_init_only_names_a_table_where_there_are_labels_already(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, IMAGES, patients=PATIENTS)
    project, told = told_by_init(tmp_path, dataset)
    assert project.file.dataset.train.join == []
    assert project.space.names == ("eye",)
    assert 'glasses, age: `join = [{ "table" = "patients.csv", "on" = "patient" }]` adds them' in told


def test_init_joins_for_a_chosen_attribute(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, IMAGES, patients=PATIENTS)
    project, _ = told_by_init(tmp_path, dataset, attributes=["glasses"])
    assert project.space.names == ("glasses",)
    assert not faults(project)


@pytest.mark.parametrize(
    "patients",
    [
        ["patient,glasses", *(f"Q{p},{('no', 'yes')[p % 2]}" for p in range(4))],  # other keys
        ["patient,glasses", *(f"P{p % 2},{('no', 'yes')[p % 2]}" for p in range(4))],  # several rows of a key
        ["somebody,glasses", *(f"P{p},{('no', 'yes')[p % 2]}" for p in range(2))],  # another name, and half of the keys
    ],
)
def test_init_joins_nothing_that_is_no_key(tmp_path: Path, patients: list[str]) -> None:
    project, told = told_by_init(tmp_path, dataset_of(tmp_path, IMAGES, patients=patients))
    assert project.file.dataset.train.join == []
    assert "patients.csv` has a row" not in told


@pytest.mark.parametrize(("on", "key", "prefix"), [("pid", "patient", ""), ("who", "patient_code", "P")])
def test_init_joins_by_a_key_under_two_names(tmp_path: Path, on: str, key: str, prefix: str) -> None:
    images = [f"file,{on}", *(f"{k}.png,{prefix}{k // 2}" for k in range(8))]
    patients = [f"{key},glasses", *(f"{prefix}{p},{('no', 'yes')[p % 2]}" for p in range(4))]
    project, told = told_by_init(tmp_path, dataset_of(tmp_path, images, patients=patients))
    (join,) = project.file.dataset.train.join
    assert (join.on, join.key) == (on, key)
    assert project.space.names == ("glasses",)
    assert "joined" in told


@pytest.mark.parametrize(
    ("patients", "reason"),
    [
        (["patient,glasses", "P0,no", "P1,yes", "P0,yes", "P1,no"], "`P0` stands in its `patient` on lines 2 and 4"),
        (["patient,glasses", *(f"Q{p},{('no', 'yes')[p % 2]}" for p in range(4))], "0 of 8 cells of `patient`"),
        (
            ["patient,glasses", "p00,no", *(f"p{p},{('no', 'yes')[p % 2]}" for p in range(4))],
            "`P0` is not, `p00` is: write them",
        ),
        (["name,glasses", *(f"x{p},{('no', 'yes')[p % 2]}" for p in range(4))], "no column of it is called as one of"),
    ],
)
def test_init_says_why_a_table_with_the_labels_is_not_joined(tmp_path: Path, patients: list[str], reason: str) -> None:
    images = [line.rpartition(",")[0] for line in IMAGES]
    with pytest.raises(InputError) as refused:
        told_by_init(tmp_path, dataset_of(tmp_path, images, patients=patients))
    assert "`patients.csv` is not joined: " in str(refused.value)
    assert reason in str(refused.value)


def test_init_tells_rows_without_their_row(tmp_path: Path) -> None:
    images = [line.rpartition(",")[0] for line in IMAGES]
    _, told = told_by_init(tmp_path, dataset_of(tmp_path, images, patients=PATIENTS[:4]))
    assert "(3, 2 rows without one)" in told
