"""Every door into a project gives the same dataset: the same images with the same labels, by whatever way they came."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from made_project import encoded, picture, project_at

from facetwise.core.errors import SettingError
from facetwise.core.files.csvform import CsvForm, recognised_form
from facetwise.core.namepattern import NamePattern
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.data.reading.readers import Listing, read_dataset

ROWS = [
    (plant, state, f"{state}/{plant}_{k}.jpg") for state in ("rust", "sund") for plant in ("i1", "k2") for k in "01"
]
HEADER = ("plant", "state", "file")
PROJECT = """
name = "leaves"
[dataset]
path = "data"
layout = "{layout}"
[dataset.train]
images = "photos"
{more}
[[attributes]]
name = "state"
classes = ["rust", "sund"]
column = "state"
"""
BY_TABLE = 'image = "file"\ngroup = "plant"\n'


def csv_bytes(delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    note = {"cp949": "잎", "cp1252": "Blätter für Ä"}.get(encoding, "잎")
    rows = [(*HEADER, "note"), *((*row, note) for row in ROWS)]
    return "".join(delimiter.join(row) + "\r\n" for row in rows).encode(encoding)


def parquet() -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(ROWS, schema=list(HEADER), orient="row").write_parquet(buffer)
    return buffer.getvalue()


def json_lines() -> bytes:
    return "".join(json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) + "\n" for row in ROWS).encode()


def keys(form: CsvForm) -> str:
    return f'delimiter = {json.dumps(form.delimiter)}\nencoding = "{form.encoding}"\n'


DOORS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    f"{encoding} {delimiter!r}": (
        "labels.csv",
        keys(CsvForm(delimiter, encoding)) + BY_TABLE,
        lambda d=delimiter, e=encoding: csv_bytes(d, e),
    )
    for encoding in ("utf-8", "utf-16", "cp949", "cp1252")
    for delimiter in (",", ";", "\t", "|")
} | {
    "JSON lines": ("labels.jsonl", BY_TABLE, json_lines),
    "Parquet": ("labels.parquet", BY_TABLE, parquet),
    "names": ("", 'pattern = "{state}/{plant}_{k:int}.jpg"\ngroup = "plant"\n', bytes),
}
every_door = pytest.mark.parametrize("door", DOORS)


def enter(root: Path, door: str, *, photos: bool = True) -> Project:
    """The project on the same photos, behind a door."""
    table, more, made = DOORS[door]
    for seed, (_, _, file) in enumerate(ROWS if photos else ()):
        path = root / "data" / "photos" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(seed)))
    (root / "data" / "photos").mkdir(parents=True, exist_ok=True)
    if table:
        (root / "data" / table).write_bytes(made())
        more = f'table = "{table}"\n{more}'
    return project_at(root, PROJECT.format(layout="images" if table else "names", more=more))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return build_manifest(enter(tmp_path_factory.mktemp("plain"), "utf-8 ','"), workers=1)


@every_door
def test_every_door_gives_the_same_manifest(door, plain, tmp_path):
    found = build_manifest(enter(tmp_path, door), workers=1)
    assert found.findings == ()
    assert (found.hash, found.labels_hash) == (plain.hash, plain.labels_hash)


@every_door
def test_missing_photos_are_told_behind_every_door(door, tmp_path):
    found = read_dataset(enter(tmp_path, door, photos=False))
    assert [f.code for f in found.findings if f.level == "error"] == ["names-not-found"]
    assert found.table.is_empty()


@pytest.mark.parametrize("door", [door for door in DOORS if " '" in door])
def test_what_a_csv_is_written_in_is_recognised(door):
    _, more, made = DOORS[door]
    assert more.startswith(keys(recognised_form(made())))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Zoë;Hélène\nÅngström;Æ\n", CsvForm(";", "cp1252")),
        ("파일\t나이\na.jpg\t3\n", CsvForm("\t", "cp949")),
        ("price;file\n1,5;a.jpg\n2,5;b.jpg\n", CsvForm(";", "utf-8")),
        ("file\na.jpg\n", CsvForm()),
        ("", CsvForm()),
    ],
)
def test_a_csv_is_recognised_by_what_most_of_it_is(text, form):
    assert recognised_form(text.encode(form.encoding)) == form


def test_a_wrong_encoding_is_one_error_that_names_the_key(tmp_path):
    project = enter(tmp_path, "cp949 ','")
    (tmp_path / "data" / "labels.csv").write_bytes(csv_bytes(",", "cp1252"))
    (problem,) = (f for f in read_dataset(project).findings if f.level == "error")
    assert (problem.code, problem.where) == ("wrong-encoding", "labels.csv:2")
    assert "`encoding`" in str(problem.hint)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("labels.jsonl", b'{"file": "a.jpg"}\n[1]\n', "line 2: expected an object"),
        ("labels.jsonl", b'{"file": "a.jpg", "file": "b.jpg"}\n', "line 1"),
        ("labels.jsonl", b'{"file": "\xff"}\n', "line 1: not UTF-8 text"),
        ("labels.jsonl", b"", "empty"),
        ("labels.parquet", b"PAR1", "damaged"),
        ("labels.parquet", b"", "damaged"),
    ],
)
def test_a_table_of_another_kind_that_cannot_be_read_is_one_error(name, data, said, tmp_path):
    project = enter(tmp_path, "JSON lines" if name.endswith("l") else "Parquet")
    (tmp_path / "data" / name).write_bytes(data)
    (problem,) = (f for f in read_dataset(project).findings if f.level == "error")
    assert problem.where.startswith(name)
    assert said in problem.message


def test_what_json_and_parquet_hold_beside_texts_is_text(tmp_path):
    rows = [
        {
            "file": file,
            "plant": number,
            "state": state,
            "nested": {"a": 1},
            "several": ["x", "y"],
            "boxes": [[0, 1]],
            "ratio": 1.0,
            "seen": True,
            "gone": None,
        }
        for number, (_, state, file) in enumerate(ROWS)
    ]
    tables = {}
    for door in ("JSON lines", "Parquet"):
        project = enter(tmp_path / door, door)
        path = tmp_path / door / "data" / DOORS[door][0]
        if door == "Parquet":
            pl.DataFrame(rows).with_columns(gone=pl.lit(None, pl.String)).write_parquet(path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tables[door] = read_dataset(project).table
    one, other = tables.values()
    assert one.equals(other)
    kept = {"nested.a": "1", "several": "x|y", "ratio": "1.0", "seen": "true", "gone": ""}
    assert [c for c in one.columns if c.startswith("meta:")] == [f"meta:{name}" for name in kept]  # lists of lists go
    assert one.select("group", *(f"meta:{name}" for name in kept)).row(0) == ("0", *kept.values())


# --- no group, sides by a column, images without a table


def codes(found: Listing) -> list[tuple[str, str]]:
    return [(f.level, f.code) for f in found.findings]


def test_without_a_group_each_image_is_its_own(tmp_path):
    project = enter(tmp_path, "names")
    file = tmp_path / "facetwise.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('group = "plant"', 'group = "none"'), encoding="utf-8")
    project = Project.open(tmp_path)
    found = read_dataset(project)
    assert codes(found) == []
    assert found.table["group"].to_list() == found.table["image"].to_list()
    assert project.file.dataset.train.group_column is None


def by_sides(root: Path, train: str, test: str = "", rows: list[str] | None = None) -> Listing:
    """A table with a column `part`, of which sides take what their keys say."""
    project = enter(root, "utf-8 ','")
    rows = rows or [f"{','.join(row)},{('train', 'val', 'test', 'other')[k % 4]}" for k, row in enumerate(ROWS)]
    (root / "data" / "labels.csv").write_text("\n".join([",".join([*HEADER, "part"]), *rows]) + "\n", encoding="utf-8")
    more = f'table = "labels.csv"\n{BY_TABLE}{train}\n{test}'
    project = project_at(root, PROJECT.format(layout="images", more=more))
    return read_dataset(project)


TEST = '[dataset.test]\ntable = "labels.csv"\nimages = "photos"\nimage = "file"\nwhere = { part = ["test"] }'


def test_where_parts_a_table_into_sides_and_tells_what_is_of_neither(tmp_path):
    found = by_sides(tmp_path, 'where = { part = ["train", "val"] }', TEST)
    assert codes(found) == [("info", "no-answer-column"), ("warning", "rows-left-out")]
    by_side = found.table.group_by("split", maintain_order=True).agg("meta:part").rows()
    assert by_side == [("train", ["train", "val"] * 2), ("test", ["test"] * 2)]
    assert found.table.filter(split="test")["label:state"].null_count() == 2


def test_where_compares_numbers_as_the_table_may_write_them(tmp_path):
    rows = [f"{','.join(row)},{k % 2}.0" for k, row in enumerate(ROWS)]
    assert by_sides(tmp_path, 'where = { part = ["1"] }', rows=rows).table.height == len(ROWS) // 2


@pytest.mark.parametrize(
    ("where", "code"), [('{ prt = ["train"] }', "missing-column"), ('{ part = ["nobody"] }', "no-rows")]
)
def test_where_nothing_is_chosen_is_an_error(where, code, tmp_path):
    found = by_sides(tmp_path, f"where = {where}")
    assert codes(found)[0] == ("error", code)
    assert found.table.is_empty()


def test_a_test_side_without_a_table_is_all_its_images_by_name(tmp_path):
    project = enter(tmp_path, "names")
    for name in ("b.jpg", "a.PNG", ".hidden.jpg", "notes.txt", "more/c.jpg"):
        path = tmp_path / "data" / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    file = tmp_path / "facetwise.toml"
    text = file.read_text(encoding="utf-8").replace("[[attributes]]", '[dataset.test]\nimages = "new"\n[[attributes]]')
    file.write_text(text, encoding="utf-8")
    found = read_dataset(Project.open(project.root))
    assert codes(found) == []
    assert found.table.filter(split="test")["name"].to_list() == ["a.PNG", "b.jpg", "more/c.jpg"]


def test_images_whose_names_do_not_match_are_left_out_and_told(tmp_path):
    project = enter(tmp_path, "names")
    (tmp_path / "data" / "photos" / "cover.jpg").write_bytes(encoded(picture(99)))
    (tmp_path / "data" / "photos" / ".trash").mkdir()
    (tmp_path / "data" / "photos" / ".trash" / "old.jpg").write_bytes(encoded(picture(98)))
    found = read_dataset(project)
    assert codes(found) == [("warning", "unlisted-image")]
    assert "1 image not" in found.findings[0].message
    assert "photos/cover.jpg" in found.findings[0].message
    assert found.table.height == len(ROWS)


# --- patterns


@pytest.mark.parametrize(
    ("pattern", "path", "cells"),
    [
        (
            "{mask}_{gender}_{age:int}/{n}.jpg",
            "incorrect_mask_female_31/2.jpg",
            ("incorrect_mask", "female", "31", "2"),
        ),
        ("{a}/{b}.jpg", "x/y/z.jpg", None),
        ("{a}/{rest:path}", "x/y/z.jpg", ("x", "y/z.jpg")),
        ("{age:int}.jpg", "31a.jpg", None),
        ("{a:word}_{b}.jpg", "x9_y_z.jpg", ("x9", "y_z")),
        ("{a:word}_{b}.jpg", "x-9_y.jpg", None),
        ("({a})+.jpg", "(눈)+.jpg", ("눈",)),
        ("{a}.jpg", "a\n.jpg", ("a\n",)),
        ("{a}.jpg", ".jpg", None),
        ("{a}_{b}_{c}_{d}_{e}_{f:int}.jpg", "_" * 240, None),
    ],
)
def test_a_pattern_reads_names_as_it_says(pattern, path, cells):
    assert NamePattern(pattern).cells(path) == cells


def test_what_can_be_read_in_two_ways_is_known():
    pattern = NamePattern("{a}_{b}.jpg")
    assert (pattern.cells("x_y_z.jpg"), pattern.is_ambiguous("x_y_z.jpg")) == (("x_y", "z"), True)
    assert not pattern.is_ambiguous("x_y.jpg")


@pytest.mark.parametrize(
    "pattern", ["", "photos/a.jpg", "{a}{b}.jpg", "{a:float}.jpg", "{}.jpg", "{a}/{a}.jpg", "{a.jpg", "a}{b}.jpg"]
)
def test_a_pattern_that_cannot_be_read_is_refused(pattern):
    with pytest.raises(SettingError, match="pattern"):
        NamePattern(pattern)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('table = "labels.csv"\npattern = "{state}/{plant}.jpg"', "a `pattern` in its place"),
        ('pattern = "{stat}/{plant}.jpg"', "no field `state`; did you mean `stat`"),
        ('pattern = "{state}/{plnt}.jpg"', "no field `plant`"),
        ('pattern = "{state}/{plant}.jpg"\nsplit = "plant"', "`split` is `plant`"),
        ('pattern = "{state}/{plant}.jpg"\nwhere = { part = ["a"] }', "no field `part`"),
        ('pattern = "{state}{plant}.jpg"', "nothing stands between"),
    ],
)
def test_a_project_file_whose_pattern_does_not_fit_it_is_refused(keys, said, tmp_path):
    with pytest.raises(SettingError, match=said):
        project_at(tmp_path, PROJECT.format(layout="names", more=f'group = "plant"\n{keys}'))
