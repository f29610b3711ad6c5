"""Links to folders: not followed unless the project says so, and then into a named root alone, never in circles."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_project import GLASSES, encoded, photo_project, picture, project_at, replace_in

import facetwise as fw
from facetwise.core.errors import InputError, SettingError
from facetwise.core.project import Project
from facetwise.data.manifest import build_manifest
from facetwise.data.reading.readers import read_dataset

NAMES = """
name = "linked"
[dataset]
path = "data"
layout = "names"
{more}
[dataset.train]
images = "photos"
pattern = "{{glasses}}/{{person}}_{{n}}.png"
group = "person"
"""
FOLLOW = "follow_links = true"
INTO_DISK = f'{FOLLOW}\nlinks_root = "disk"'


def write_photos(folder: Path, seed: int = 0) -> None:
    folder.mkdir(parents=True)
    for k in range(4):
        (folder / f"p{seed + k // 2}_{k}.png").write_bytes(encoded(picture(seed + k), "PNG"))


def linked(root: Path, more: str) -> Project:
    """Photos without glasses in the dataset, and those with on another disk, a link away."""
    write_photos(root / "data" / "photos" / "no")
    write_photos(root / "disk" / "with", seed=9)
    (root / "data" / "photos" / "yes").symlink_to(root / "disk" / "with")
    return project_at(root, NAMES.format(more=more) + GLASSES)


def test_links_are_passed_over_and_that_is_told(tmp_path: Path) -> None:
    listing = read_dataset(linked(tmp_path, ""))
    assert listing.table.height == 4
    (told,) = (f for f in listing.findings if f.code == "links-not-followed")
    assert (told.level, told.message) == ("warning", "1 link to folders, not followed: photos/yes")
    assert "`follow_links = true`" in str(told.hint)


def test_followed_links_have_the_hash_of_the_folders_that_they_stand_for(tmp_path: Path) -> None:
    followed = build_manifest(linked(tmp_path / "links", INTO_DISK), workers=1)
    write_photos(tmp_path / "whole" / "data" / "photos" / "no")
    write_photos(tmp_path / "whole" / "data" / "photos" / "yes", seed=9)
    whole = build_manifest(project_at(tmp_path / "whole", NAMES.format(more="") + GLASSES), workers=1)
    assert (followed.hash, followed.labels_hash) == (whole.hash, whole.labels_hash)
    assert (followed.table["status"] == "ok").all()
    assert not followed.errors


def test_a_table_may_name_images_behind_followed_links(tmp_path: Path) -> None:
    table = ["file,person,glasses", "no/a.png,1,no", "yes/b.png,2,yes"]
    project = photo_project(tmp_path, table, ["photos/no/a.png", "disk/b.png"])
    (tmp_path / "data" / "disk").rename(tmp_path / "disk")
    (tmp_path / "data" / "photos" / "yes").symlink_to(tmp_path / "disk")
    assert "leaves-dataset" in [f.code for f in read_dataset(project).findings]
    replace_in(project.workspace.project_file, {'layout = "images"': f'layout = "images"\n{INTO_DISK}'})
    manifest = build_manifest(fw.open_project(project.root), workers=1)
    assert manifest.table["status"].to_list() == ["ok", "ok"]


def test_links_stay_in_the_dataset_where_no_root_is_named(tmp_path: Path) -> None:
    project = linked(tmp_path, FOLLOW)
    with pytest.raises(InputError, match=r"photos/yes: a link that leads to .*disk/with, and links are followed into"):
        read_dataset(project)
    (tmp_path / "data" / "photos" / "yes").unlink()
    (tmp_path / "disk" / "with").rename(tmp_path / "data" / "kept")
    (tmp_path / "data" / "photos" / "yes").symlink_to(tmp_path / "data" / "kept")
    assert read_dataset(project).table.height == 8


@pytest.mark.parametrize("target", [".", "..", "../..", "no"])
def test_links_in_circles_are_refused(tmp_path: Path, target: str) -> None:
    project = linked(tmp_path, f'{FOLLOW}\nlinks_root = "."')
    (tmp_path / "data" / "photos" / "no" / "again").symlink_to((tmp_path / "data" / "photos" / target).resolve())
    with pytest.raises(InputError, match="leads back to a folder that holds it"):
        read_dataset(project)


def test_links_that_lead_to_each_other_are_refused(tmp_path: Path) -> None:
    project = linked(tmp_path, INTO_DISK)
    for here, there in (("a", "b"), ("b", "a")):
        (tmp_path / "disk" / here).mkdir()
        (tmp_path / "disk" / here / "on").symlink_to(tmp_path / "disk" / there)
    (tmp_path / "data" / "photos" / "c").symlink_to(tmp_path / "disk" / "a")
    with pytest.raises(InputError, match="leads back to a folder that holds it"):
        read_dataset(project)


def test_a_link_from_the_root_out_of_it_is_refused(tmp_path: Path) -> None:
    project = linked(tmp_path, INTO_DISK)
    (tmp_path / "secret").mkdir()
    (tmp_path / "disk" / "with" / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match=r"with links are|yes/out: a link that leads to .*secret"):
        read_dataset(project)


def test_keys_that_follow_no_links_leave_the_hash(tmp_path: Path) -> None:
    before = linked(tmp_path, "").file.data_hash
    for more, same in (("follow_links = false", True), (INTO_DISK, False)):
        assert (project_at(tmp_path, NAMES.format(more=more) + GLASSES).file.data_hash == before) == same


def test_a_root_that_is_not_there_or_not_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: no such folder"):
        read_dataset(linked(tmp_path, f'{FOLLOW}\nlinks_root = "gone"'))
    with pytest.raises(SettingError, match="give `follow_links = true`"):
        project_at(tmp_path, NAMES.format(more='links_root = "disk"') + GLASSES)


def test_init_follows_links_into_a_named_root(tmp_path: Path) -> None:
    linked(tmp_path / "seen", "")
    dataset = tmp_path / "seen" / "data" / "photos"
    (dataset / "no").rename(tmp_path / "seen" / "disk" / "without")
    (dataset / "no").symlink_to(tmp_path / "seen" / "disk" / "without")
    with pytest.raises(InputError, match=r"2 links to folders \(no, yes\), which `--links-root DIR` follows"):
        fw.init(tmp_path / "none", dataset)
    project = fw.init(tmp_path / "own", dataset, links_root=tmp_path / "seen" / "disk")
    assert project.file.dataset.follow_links
    assert project.space.attributes[0].classes == ("no", "yes")
    assert read_dataset(project).table.height == 8


def test_files_that_are_links_out_of_the_dataset_are_told_with_the_way(tmp_path: Path) -> None:
    names = [f"photos/{k}.png" for k in range(4)]
    rows = ["file,person,glasses", *(f"{k}.png,{k},{('no', 'yes')[k % 2]}" for k in range(4))]
    project = photo_project(tmp_path, rows, names)
    (tmp_path / "store").mkdir()
    for name in names:
        photo = tmp_path / "data" / name
        photo.rename(tmp_path / "store" / photo.name)
        photo.symlink_to(tmp_path / "store" / photo.name)
    (found,) = [f for f in build_manifest(project).errors if f.code == "names-not-found"]
    assert "`photos/0.png` is there, but is no file of the dataset: a link that leads out of it" in found.message
    assert "`follow_links = true` and `links_root` under [dataset]" in str(found.hint)
