"""Groups that names of images tell: proposed and never taken by itself, read by a pattern, the same as by a column."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_project import photo_project, replace_in

import facetwise as fw
from facetwise.core.errors import SettingError
from facetwise.core.project import Project
from facetwise.data.manifest import build_manifest
from facetwise.data.reading.readers import read_dataset
from facetwise.data.reading.recognising.prefixes import groups_in_names

PHOTOS = [f"photos/p{p}_{k}.png" for p in range(5) for k in range(2)]


def by_column(folder: Path, photos: list[str] = PHOTOS) -> Project:
    rows = (f"{name[7:]},{name[7:].split('_')[0]},{('no', 'yes')[n % 2]}" for n, name in enumerate(photos))
    return photo_project(folder, ["file,person,glasses", *rows], photos, folder="project")


def with_group(project: Project, group: str, more: str = "") -> Project:
    replace_in(project.workspace.project_file, {'group = "person"': f'group = "{group}"{more}'})
    return fw.open_project(project.root)


# --- the proposal


@pytest.mark.parametrize(
    ("names", "pattern", "groups"),
    [
        ([f"plant{p}_{k}.jpg" for p in range(9) for k in range(3)], "{group}_{n}", 9),
        ([f"bean-{p}-{k}.jpg" for p in range(9) for k in range(3)], "{group}-{n}", 9),
        ([f"{p:04}_c1s{k}_{k}{p}_00.jpg" for p in range(9) for k in range(3)], "{group}_{n}_{n1}_{n2}", 9),
        ([f"s{p}.{e}.png" for p in range(15) for e in ("sad", "glad")], "{group}.{n}.{ending}", 15),
        ([f"{p:06}_{m}.jpg" for p in range(9) for m in ("mask1", "no_mask", "bare")], "{group:word}_{n}", 9),
        ([f"p{p}/{k}.jpg" for p in range(9) for k in range(3)], "{group}/{file:path}", 9),
        ([f"all/p{p}/x/{k}.jpg" for p in range(9) for k in range(3)], "{in0}/{group}/{file:path}", 9),
        ([f"all/p{p}_{k}.jpg" for p in range(9) for k in range(3)], "{folder:path}/{group}_{n}", 9),
    ],
)
def test_beginnings_that_repeat_are_groups(names: list[str], pattern: str, groups: int) -> None:
    found = groups_in_names(names, [0] * len(names))
    assert found is not None
    assert (found.pattern, found.num_groups) == (pattern, groups)


@pytest.mark.parametrize(
    "names",
    [
        [f"IMG_{k:04}.jpg" for k in range(40)],  # a camera
        [f"{k}.jpg" for k in range(40)],
        [f"{k:03}_{k * 7919:05}.jpg" for k in range(40)],  # nothing repeats
        [f"{'aaab'[k % 4]}{k // 30}_{k}.jpg" for k in range(40)],  # one has most
        [*(f"p{p}_{k}.jpg" for p in range(9) for k in range(3)), "other.jpg"],
        [],
    ],
)
def test_other_names_tell_no_groups(names: list[str]) -> None:
    assert groups_in_names(names, [0] * len(names)) is None


def test_the_class_is_no_group() -> None:
    names = [f"{kind}_{k}.jpg" for kind in ("ash", "elm", "fir", "oak", "yew") for k in range(6)]
    assert groups_in_names(names, [name[:3] for name in names]) is None
    assert groups_in_names(names, ["leaf", "bark"] * 15) is not None


def test_init_tells_what_names_tell_and_takes_nothing(tmp_path: Path) -> None:
    dataset = by_column(tmp_path).dataset_root
    lines = (dataset / "labels.csv").read_text(encoding="utf-8").splitlines()
    kept = [",".join(line.split(",")[::2]) for line in lines]
    (dataset / "labels.csv").write_text("\n".join(kept), encoding="utf-8")
    told: list[str] = []
    project = fw.init(tmp_path / "own", dataset, tell=lambda found: told.extend(found.notes))
    assert project.file.dataset.train.group == "none"
    note = next(note for note in told if note.startswith("names seem to tell 5 groups (`p0` has 2)"))
    assert "`group = \"{group}_{n}\"` or `--group '{group}_{n}'`" in note
    taken = fw.init(tmp_path / "taken", dataset, group="{group}_{n}")
    assert read_dataset(taken).table["group"].n_unique() == 5


def test_init_tells_what_names_below_class_folders_tell(tmp_path: Path) -> None:
    photos = [f"{('cat', 'dog')[p % 2]}/p{p}_{k}.png" for p in range(5) for k in range(2)]
    dataset = photo_project(tmp_path / "seen", ["file"], photos).root / "data"
    (dataset / "labels.csv").unlink()
    told: list[str] = []
    assert fw.init(tmp_path / "own", dataset, tell=lambda found: told.extend(found.notes)).file.dataset.train.group
    assert any("`--pattern '{label}/{group}_{n}'`" in note for note in told)
    taken = fw.init(tmp_path / "taken", dataset, pattern="{label}/{group}_{n}")
    assert read_dataset(taken).table["group"].unique().sort().to_list() == [f"p{p}" for p in range(5)]


# --- a pattern in the place of the column


def test_groups_by_names_have_the_hash_that_they_have_by_a_column(tmp_path: Path) -> None:
    project = by_column(tmp_path)
    column = build_manifest(project, workers=1)
    names = build_manifest(with_group(project, "{group}_{n}.png"), workers=1)
    assert (names.hash, names.labels_hash) == (column.hash, column.labels_hash)
    assert not names.each_its_own


def test_a_name_that_does_not_match_is_an_error_of_its_row(tmp_path: Path) -> None:
    project = with_group(by_column(tmp_path, [*PHOTOS, "photos/other.png"]), "{group}_{n}.png")
    (found,) = (f for f in read_dataset(project).findings if f.level == "error")
    assert (found.code, found.where) == ("group-not-in-name", "labels.csv:12")
    assert "`other.png` is not called `{group}_{n}.png`" in found.message


def test_groups_by_names_can_be_joined(tmp_path: Path) -> None:
    project = with_group(by_column(tmp_path), "{group}_{n}.png", '\nsame_person = [["p0", "p4"]]')
    listing = read_dataset(project)
    assert listing.table["group"].unique().sort().to_list() == ["p0", "p1", "p2", "p3"]
    assert [f.code for f in listing.findings] == ["joined-groups"]


@pytest.mark.parametrize(
    ("group", "more", "message"),
    [
        ("{plant}_{n}", "", r"which part names the group, `\{group\}`"),
        ("{group}{n}", "", "nothing stands between"),
        ("none", '\nsame_person = [["a", "b"]]', "`same_person` joins groups"),
    ],
)
def test_what_names_no_group_is_refused(tmp_path: Path, group: str, more: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        with_group(by_column(tmp_path), group, more)


def test_a_pattern_of_names_is_for_rows_that_name_images(tmp_path: Path) -> None:
    project = by_column(tmp_path)
    replace_in(project.workspace.project_file, {'group = "person"': 'group = "{group}_{n}"', "image =": "folder ="})
    with pytest.raises(SettingError, match="in layout `images` alone"):
        fw.open_project(project.root)
