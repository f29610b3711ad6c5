"""What every reader of a dataset layout keeps to: a layout that a project file can name is tried by being named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from made_project import encoded, picture

from facetwise.core.files.outside import is_regular
from facetwise.core.project import Project
from facetwise.core.records.dataset import Layout
from facetwise.data.reading.layouts.registry import reader_class
from facetwise.data.reading.readers import Listing, read_dataset

LAYOUTS: tuple[Layout, ...] = tuple(layout for layout in get_args(Layout) if layout != "names")
"""Layouts with a table; the one without is tried in test_doors_alike.py."""
PROJECT = """
name = "drawn"
[dataset]
path = "{data}"
layout = "{layout}"
[dataset.train]
table = "labels.csv"
images = "photos"
group = "person"
{column} = "what"
[[attributes]]
name = "glasses"
classes = ["no", "yes"]
column = "glasses"
"""
COLUMN = {"folders": "folder", "images": "image"}
"""The setting of the training side that a layout wants."""
NAMES: dict[str, Callable[[str], list[str]]] = {
    "folders": lambda person: [person],
    "images": lambda person: [f"{person}/0.jpg", f"{person}/1.jpg"],
}
"""What the rows of a person name, whose two photos are always `PERSON/0.jpg` and `PERSON/1.jpg`."""
PEOPLE = {"ann": "no", "bob": "yes", "kim": "no"}
HOSTILE = (
    "../outside", "/etc", "", ".", " ", "a/../../b", "ann\x1b[31m", "[/red]ann", "=1+1", "\u202egpj.nna", "a\\b",
    "C:\\x", "x" * 300, "\x7f", "ann\u00a0", "~root", "%2e%2e/ann", "ANN", "한",
)  # fmt: skip
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def rows_of(layout: str, people: dict[str, str] = PEOPLE) -> list[str]:
    return [f"{person},{worn},{name}" for person, worn in people.items() for name in NAMES[layout](person)]


def draw(root: Path, layout: str, table: bytes | str | None = None, *, photos: bool = True) -> Project:
    """A project on a dataset in this layout; `table` in place of the good one."""
    data = root / "data"
    for person in PEOPLE if photos else ():
        for number in range(2):
            path = data / "photos" / person / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(picture(number)))
    (data / "photos").mkdir(parents=True, exist_ok=True)
    text = "\n".join(["person,glasses,what", *rows_of(layout)]) + "\n" if table is None else table
    (data / "labels.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    project = root / "project"
    project.mkdir()
    (project / "facetwise.toml").write_text(
        PROJECT.format(data=data, layout=layout, column=COLUMN[layout]), encoding="utf-8"
    )
    return Project.open(project)


def told(found: Listing, level: str = "error") -> list[str]:
    return [f.code for f in found.findings if f.level == level]


def test_each_layout_has_a_reader_that_is_tried_here():
    assert set(COLUMN) == set(NAMES) == set(LAYOUTS)
    assert len({reader_class(layout) for layout in get_args(Layout)}) == len(get_args(Layout))


@every_layout
def test_a_good_dataset_is_the_same_listing_in_any_layout(layout, tmp_path):
    found = read_dataset(draw(tmp_path, layout))
    assert found.findings == ()
    assert found.table["image"].to_list() == [f"photos/{p}/{i}.jpg" for p in PEOPLE for i in range(2)]
    assert found.table["group"].to_list() == [p for p in PEOPLE for _ in range(2)]
    assert found.table["label:glasses"].to_list() == [0, 0, 1, 1, 0, 0]
    assert set(found.table["split"]) == {"train"}
    assert list(found.sources) == ["labels.csv"]


@every_layout
def test_a_table_that_is_not_there_is_one_error_that_names_it(layout, tmp_path):
    project = draw(tmp_path, layout)
    (tmp_path / "data" / "labels.csv").unlink()
    found = read_dataset(project)
    assert [(f.code, f.where) for f in found.findings if f.level == "error"] == [("missing-csv", "labels.csv")]
    assert found.table.is_empty()


@every_layout
@pytest.mark.parametrize(
    "text", ["", "\n\n", "\ufeff", "person,glasses,what\n", "person,glasses\n", "\x00\x00", "a\n" * 3]
)
def test_a_table_without_rows_or_columns_is_told_and_nothing_is_read(layout, text, tmp_path):
    found = read_dataset(draw(tmp_path, layout, text))
    assert found.table.is_empty()
    assert any(f.where.startswith("labels.csv") for f in found.findings)


@every_layout
@pytest.mark.parametrize("how", ["mark", "crlf", "blank lines", "quoted"])
def test_what_a_table_is_written_in_does_not_matter(layout, how, tmp_path):
    lines = ["person,glasses,what", *rows_of(layout)]
    table = {
        "mark": "\ufeff" + "\n".join(lines),
        "crlf": "\r\n".join(lines) + "\r\n",
        "blank lines": "\n\n".join(lines) + "\n\n",
        "quoted": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in lines),
    }[how]
    found = read_dataset(draw(tmp_path, layout, table))
    assert told(found) == []
    assert found.table.equals(read_dataset(draw(tmp_path / "plain", layout)).table)


@every_layout
@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-8"), ("|", "utf-8"), (",", "utf-16")])
def test_other_separators_and_encodings_are_read_or_named(layout, separator, encoding, tmp_path):
    text = "\n".join(["person,glasses,what", *rows_of(layout)]).replace(",", separator)
    found = read_dataset(draw(tmp_path, layout, text.encode(encoding)))
    if told(found):
        assert found.table.is_empty()
        assert len(told(found)) == 1  # one fact, not one a column
    else:
        assert found.table.height == 6


@every_layout
def test_a_row_that_stands_twice_counts_once_and_one_that_contradicts_another_is_an_error(layout, tmp_path):
    rows = rows_of(layout)
    twice = read_dataset(draw(tmp_path / "twice", layout, "\n".join(["person,glasses,what", *rows, rows[0]])))
    assert (told(twice), told(twice, "warning")) == ([], ["duplicate-row"])
    assert twice.table.height == 6
    other = rows[0].replace(",no,", ",yes,")
    contradicting = read_dataset(draw(tmp_path / "other", layout, "\n".join(["person,glasses,what", *rows, other])))
    assert told(contradicting) == ["contradicting-rows"]


@every_layout
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_is_told_with_its_line_and_leads_nowhere(layout, name, tmp_path):
    (tmp_path / "outside").mkdir()
    cell = '"' + name.replace('"', '""') + '"'
    found = read_dataset(draw(tmp_path, layout, "\n".join(["person,glasses,what", *rows_of(layout), f"eve,no,{cell}"])))
    inside = [image for image in found.table["image"] if is_regular(tmp_path / "data" / image)]
    assert set(inside) <= {f"photos/{p}/{i}.jpg" for p in PEOPLE for i in range(2)}
    assert all(not Path(image).is_absolute() and ".." not in Path(image).parts for image in found.table["image"])
    assert found.findings or len(inside) < found.table.height


@every_layout
def test_all_images_missing_is_an_error_that_names_the_column(layout, tmp_path):
    found = read_dataset(draw(tmp_path, layout, photos=False))
    (problem,) = [f for f in found.findings if f.level == "error"]
    assert problem.code == "names-not-found"
    assert "`what`" in problem.message
    assert found.table.is_empty()


@every_layout
def test_a_folder_of_images_that_is_a_link_is_read_inside_the_dataset_and_refused_outside(layout, tmp_path):
    for place in ("inside", "outside"):
        root = tmp_path / place
        project = draw(root, layout)
        photos = root / "data" / "photos"
        target = root / "data" / "elsewhere" if place == "inside" else root / "elsewhere"
        photos.rename(target)
        photos.symlink_to(target)
        found = read_dataset(project)
        if place == "inside":
            assert told(found) == []
            assert found.table.height == 6
        else:
            (problem,) = [f for f in found.findings if f.level == "error"]
            assert (problem.code, found.table.height) == ("leaves-dataset", 0)
            assert "set `path" in problem.hint
