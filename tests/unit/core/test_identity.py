"""One person is one person, however a table spells her; what only may be one is told."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_project import photo_project, replace_in
from safetensors.torch import save_file

from facetwise.core.errors import LeakError, MismatchError, ProblemsError, SettingError
from facetwise.core.people import people_text, person_hash
from facetwise.core.project import Project
from facetwise.data.dealing import split_folds
from facetwise.data.labels.overlay import read_overlay
from facetwise.data.manifest import Manifest, build_manifest, load_manifest
from facetwise.data.reading.readers import Listing, read_dataset
from facetwise.data.saved_folds import load_folds, make_folds
from facetwise.train.planning.people import refuse_leaks

NFD = unicodedata.normalize("NFD", "김민수")


def made(folder: Path, people: Sequence[str], more: str = "") -> Project:
    """A project of one photo a name."""
    cells = (name.replace('"', '""') for name in people)
    rows = [f'{i}.png,"{name}",{"yes" if i % 2 else "no"}' for i, name in enumerate(cells)]
    photos = [f"photos/{i}.png" for i in range(len(people))]
    return photo_project(folder, ["file,person,glasses", *rows], photos, more=more)


def told(found: Listing) -> dict[str, list[str]]:
    """Messages by code, without what is said of the pictures."""
    codes: dict[str, list[str]] = {}
    for finding in found.findings:
        codes.setdefault(finding.code, []).append(str(finding))
    codes.pop("no-test-side", None)
    return codes


def seen(listing: Listing) -> Manifest:
    """The manifest of a listing as if every picture had been looked at."""
    sha = pl.Series([f"{i:064x}" for i in range(listing.table.height)])
    return Manifest.of(listing.table.with_columns(sha256=sha, status=pl.lit("ok")))


# ------------------------------------------------------------------------------------------------- joined, and told


@pytest.mark.parametrize(
    ("one", "other", "name", "what"),
    [
        ("김민수", NFD, "김민수", "Unicode normal form"),
        ("Kim Min", "Kim\u00a0Min", "Kim Min", "blanks"),
        ("Kim Min", "Kim  Min", "Kim Min", "blanks"),
        ("Kim", "\u200bKim ", "Kim", "blanks"),
        ("1", "1.0", "1", "`.0`"),
        ("김 1", unicodedata.normalize("NFD", "김\u00a01"), "김 1", "Unicode normal form, blanks"),
    ],
)
def test_spellings_of_one_person_are_joined_and_told(
    one: str, other: str, name: str, what: str, tmp_path: Path
) -> None:
    found = read_dataset(made(tmp_path, [one, other, "somebody", "else"]))
    assert found.table["group"].to_list() == [name, name, "somebody", "else"]
    (message,) = told(found)["joined-groups"]
    assert message.startswith(f"labels.csv:3: one person in 2 spellings ({what})")
    assert "(line 2)" in message
    assert "(line 3)" in message
    assert "similar-groups" not in told(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("000600", "600"),
        ("000600", "000600-1"),
        ("Kim", "kim"),
        ("Kim Min", "Kim-Min"),
        ("김 민수", "김민수"),
        ("1.5", "1.50"),
        ("1000", "1e3"),
        ("\uff11\uff12", "12"),
        ("kim", "kim (2)"),
        ("ki\u200dm", "kim"),
        ("\u0661\u0662", "12"),
        ("José", "Jose"),
        ("İpek", "ipek"),
        ("'kim'", "kim"),
    ],
)
def test_what_may_be_one_person_is_a_warning_with_the_way_to_join_them(tmp_path: Path, one: str, other: str) -> None:
    found = read_dataset(made(tmp_path / "apart", [one, other, "somebody", "else"]))
    assert found.table["group"].n_unique() == 4
    (message,) = told(found)["similar-groups"]
    assert f"`{one}` (line 2)" in message
    assert f"`{other}` (line 3)" in message
    (finding,) = (f for f in found.findings if f.code == "similar-groups")
    assert finding.level == "warning"
    way = str(finding.hint).partition("facetwise.toml: ")[2]
    joined = read_dataset(made(tmp_path / "joined", [one, other, "somebody", "else"], way))
    assert joined.table["group"].to_list() == [one, one, "somebody", "else"]
    assert "(`same_person`)" in told(joined)["joined-groups"][0]
    assert "similar-groups" not in told(joined)


def test_numbered_people_are_not_alike(tmp_path: Path) -> None:
    people = ["p1", "p2", "p11", "1-1", "1-2", "11-1", "1-11", "2.1", "21", "a-1", "a-2", "10", "100", "0"]
    assert told(read_dataset(made(tmp_path, people))) == {}


def test_names_that_stand_for_nobody(tmp_path: Path) -> None:
    found = told(read_dataset(made(tmp_path, ["NaN", "a", "NaN", "b"])))
    assert found == {"nameless-group": ["labels.csv:2: `NaN` stands on 2 rows, which count as one person"]}


def test_same_person_that_nobody_is(tmp_path: Path) -> None:
    found = told(read_dataset(made(tmp_path, ["a", "b"], 'same_person = [["a", "c"]]')))
    assert found == {"unused-same-person": ["labels.csv: `same_person` lists `c`, `person` has no such name"]}


@pytest.mark.parametrize("lists", ['[["a", "b"], ["b ", "c"]]', '[["a", "a"]]', '[["a"]]', '[["a", " "]]'])
def test_lists_that_contradict_themselves_are_refused(tmp_path: Path, lists: str) -> None:
    with pytest.raises(SettingError, match="same_person"):
        made(tmp_path, ["a", "b"], f"same_person = {lists}")


def test_a_row_that_is_spelt_differently_is_no_contradiction(tmp_path: Path) -> None:
    project = made(tmp_path, ["김민수", "b"])
    with (tmp_path / "data" / "labels.csv").open("a", encoding="utf-8") as file:
        file.write(f"0.png,{NFD},no\n")
    found = read_dataset(project)
    assert found.table.height == 2
    assert set(told(found)) == {"duplicate-row", "joined-groups"}


# ----------------------------------------------------------------------------------------- no spelling changes a thing


PEOPLE = ("김민수", "Kim Min", "élan", "7", "000600", "p6")
SPELLINGS = (
    lambda name: name,
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: f" {name}\u3000",
    lambda name: name.replace(" ", "\u00a0 "),
    lambda name: f"{name}.0" if name.isdigit() else f"\ufeff{name}",
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(SPELLINGS), min_size=24, max_size=24))
def test_folds_and_hashes_do_not_depend_on_the_spelling(tmp_path_factory: pytest.TempPathFactory, spelt: list) -> None:
    plain = [name for name in PEOPLE for _ in range(4)]
    folder = tmp_path_factory.mktemp("spelling")
    one = seen(read_dataset(made(folder / "plain", plain)))
    project = made(folder / "spelt", [write(name) for write, name in zip(spelt, plain, strict=True)])
    other = seen(read_dataset(project))
    assert (other.hash, other.labels_hash) == (one.hash, one.labels_hash)
    folds = [split_folds(m, project.space, name="default", num_folds=3, seed=1) for m in (one, other)]
    assert folds[0].hash == folds[1].hash
    assert {other.person(write(name)) for write, name in zip(spelt, plain, strict=True)} == set(PEOPLE)
    assert all(person_hash(name) in other.people_hashes[name] for name in PEOPLE)


def test_corrections_and_weights_know_every_name_of_a_person(tmp_path: Path) -> None:
    project = made(tmp_path, [NFD, "a", "a-1", "b"], 'same_person = [["a", "a-1"]]')
    manifest = seen(read_dataset(project))
    overlay = tmp_path / "labels" / "overlay.csv"
    overlay.parent.mkdir()
    header = "image,group,attribute,value,reason,author\n"
    overlay.write_text(f"{header},김\u200b민수,glasses,yes,r,me\n,a-1,glasses,yes,r,me\n", encoding="utf-8")
    assert [c.group for c in read_overlay(overlay, project.space, manifest).corrections] == ["김민수", "a"]
    overlay.write_text(f"{header},a,glasses,yes,r,me\n,a-1,glasses,no,r,me\n", encoding="utf-8")
    with pytest.raises(ProblemsError, match="line 2 says `yes`"):
        read_overlay(overlay, project.space, manifest)
    for name in ("a", "a-1", NFD, "김민수"):
        weights = tmp_path / "w.safetensors"
        save_file({"head.weight": torch.zeros(1)}, weights, {"people": people_text([person_hash(name)])})
        with pytest.raises(LeakError, match=f"1 people whom fold 0 would validate: `{manifest.person(name)}`"):
            refuse_leaks(weights, manifest, np.zeros(4, np.int64), [0])


# ------------------------------------------------------------------------------------------ what older versions wrote


def older(monkeypatch: pytest.MonkeyPatch, project: Project) -> Manifest:
    """The manifest and folds of a version that took names as they were written."""
    with monkeypatch.context() as patch:
        patch.setattr("facetwise.data.reading.rowgroups.person", lambda name: name)
        patch.setattr("facetwise.data.manifest.person", lambda name: name)
        manifest = build_manifest(project)
    make_folds(project.workspace, manifest, project.space, num_folds=2)
    return manifest


def test_names_spelt_in_one_way_keep_their_hash_and_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = made(tmp_path, [NFD, NFD, "1.0", "1.0", "b"])
    before = older(monkeypatch, project)
    assert before.train["group"].to_list() == [NFD, NFD, "1.0", "1.0", "b"]
    for manifest in (load_manifest(project), build_manifest(project), build_manifest(project), load_manifest(project)):
        assert manifest.hash == before.hash
        assert manifest.train["group"].to_list() == ["김민수", "김민수", "1", "1", "b"]
        assert person_hash(NFD) in manifest.people_hashes["김민수"]
        fold = load_folds(project.workspace, manifest).of(manifest.train)
        assert fold[0] == fold[1]
        assert fold[2] == fold[3]


def test_one_person_who_was_two_is_told_and_voids_the_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = made(tmp_path, [NFD, "김민수", "a", "b"])
    before = older(monkeypatch, project)
    with pytest.raises(MismatchError, match="counts 1 people twice") as error:
        load_manifest(project)
    assert error.value.hint == "run `facetwise check`"
    now = build_manifest(project)
    assert now.hash != before.hash
    with pytest.raises(MismatchError, match="their people changed"):
        load_folds(project.workspace, load_manifest(project))


def test_who_is_one_person_is_asked_again_when_the_project_says_so(tmp_path: Path) -> None:
    project = made(tmp_path, ["a", "a-1", "b"])
    apart = build_manifest(project)
    replace_in(tmp_path / "facetwise.toml", {'image = "file"': 'image = "file"\nsame_person = [["a", "a-1"]]'})
    project = Project.open(tmp_path)
    with pytest.raises(MismatchError, match="changed since"):
        load_manifest(project)
    joined = build_manifest(project)
    assert joined.train["group"].to_list() == ["a", "a", "b"]
    assert joined.hash != apart.hash
    assert load_manifest(project).person("a-1") == "a"


# -------------------------------------------------------------------------------------- classes, columns, file names


def test_names_in_tables_are_found_in_any_spelling(tmp_path: Path) -> None:
    def spelt(text: str) -> str:
        return unicodedata.normalize("NFD", text).replace(" ", "\u00a0")

    project = made(tmp_path, ["a", "b"])
    changes = {'"no", "yes"': '"안 경", "1"', 'column = "glasses"': 'column = "값"\nvalues = { "2" = "안\u3000경" }'}
    replace_in(tmp_path / "facetwise.toml", changes)
    rows = [f"file,person,{spelt('값')}", f"0.png,a,{spelt('안 경')}", "1.png,b,1.0", "2.png,c,2.0", "3.png,d,10"]
    (tmp_path / "data" / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    found = read_dataset(project := Project.open(tmp_path))
    assert found.table["label:glasses"].to_list() == [0, 1, 0]
    assert set(told(found)) == {"unknown-class"}
    assert project.space.attributes[0].classes == ("안 경", "1")


def test_a_table_that_the_disk_spells_differently_is_named(tmp_path: Path) -> None:
    made(tmp_path, ["a", "b"])
    replace_in(tmp_path / "facetwise.toml", {"labels.csv": "표.csv"})
    (tmp_path / "data" / "labels.csv").rename(tmp_path / "data" / unicodedata.normalize("NFD", "표.csv"))
    (finding,) = (f for f in read_dataset(Project.open(tmp_path)).findings if f.code == "missing-csv")
    assert "the disk spells it differently: '\\u1111\\u116d.csv'" in str(finding.hint)
