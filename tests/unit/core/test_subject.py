"""What the groups of a project are called: the plural, where it is read, and what it does not change."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_project import photo_project, replace_in

import facetwise as fw
from facetwise.core.errors import SettingError
from facetwise.core.project import Project
from facetwise.core.text.subject import A_PERSON, PEOPLE, PEOPLE_FIRST, PERSON, Subject, call_them, count_people, plural

TABLE = ["file,person,glasses", "photos/a.jpg,1,no", "photos/b.jpg,2,yes"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return photo_project(tmp_path, TABLE, ["photos/a.jpg", "photos/b.jpg"])


def called(project: Project, lines: str) -> Project:
    """The project with these lines in `[dataset]`."""
    replace_in(project.root / "facetwise.toml", {'layout = "images"': f'layout = "images"\n{lines}'})
    return fw.open_project(project.root)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("person", "people"), ("patient", "patients"), ("study participant", "study participants"), ("body", "bodies"),
        ("key", "keys"), ("fox", "foxes"), ("finch", "finches"), ("leaf", "leaves"), ("field mouse", "field mice"),
        ("owl-child", "owl-children"), ("사람", "사람s"),
    ],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


def test_texts_read_the_words_when_they_are_made():
    call_them(Subject("animal", "animals"))
    try:
        assert f"{PERSON}, {A_PERSON}, {PEOPLE}, {PEOPLE_FIRST}" == "animal, an animal, animals, Animals"
        assert [count_people(n) for n in (0, 1, 2700)] == ["0 animals", "1 animal", "2,700 animals"]
    finally:
        call_them(Subject())
    assert f"{PERSON}, {A_PERSON}, {PEOPLE:>8}" == "person, a person,   people"


def test_a_project_names_them_and_the_hash_does_not_see_it(project: Project) -> None:
    before = project.file.data_hash
    assert f"{PEOPLE}" == "people"
    ours = called(project, 'subject = "patient"')
    assert f"{PEOPLE}" == "patients"
    assert ours.file.data_hash == before
    fw.check(project, workers=1)
    assert f"{PEOPLE}" == "people", "a verb speaks the words of its own project"


def test_a_plural_of_its_own(project: Project) -> None:
    called(project, 'subject = "ox"\nsubjects = "oxen"')
    assert count_people(3) == "3 oxen"


def test_without_a_group_it_is_a_subject(project: Project) -> None:
    replace_in(project.root / "facetwise.toml", {'group = "person"': 'group = "none"'})
    fw.open_project(project.root)
    assert f"{PEOPLE}" == "subjects"


@pytest.mark.parametrize("word", ["", " ", "a\\u0007b", "patient ", "<b>", "%{x}", "p" * 41, "no. 1", "x\\ny"])
def test_what_is_no_word_is_refused(project: Project, word: str) -> None:
    with pytest.raises(SettingError, match=r"dataset\.subject"):
        called(project, f'subject = "{word}"')


def test_a_plural_alone_is_refused(project: Project) -> None:
    with pytest.raises(SettingError, match="give both"):
        called(project, 'subjects = "oxen"')
