"""The project file: what it says, and what is refused."""

import pytest
from made_project import project_at

from facetwise.core.errors import InputError, SettingError
from facetwise.core.project import Project

GOOD = """\
name = "glasses"
[dataset]
path = "data"
layout = "images"
[dataset.train]
table = "labels.csv"
images = "photos"
group = "person"
image = "file"
[[attributes]]
name = "glasses"
classes = ["no", "yes"]
column = "glasses"
values = { n = "no", y = "yes" }
[[attributes]]
name = "age"
classes = ["young", "old"]
column = "age"
cuts = [40]
"""


def test_a_project_file_by_hand(tmp_path):
    (tmp_path / "sub").mkdir()
    project = project_at(tmp_path, GOOD)
    assert project.space.names == ("glasses", "age")
    assert project.space.sizes == (2, 2)
    assert project.space.attribute("age").cuts == (40.0,)
    assert project.dataset_root == (tmp_path / "data").resolve()
    assert project.file.dataset.test is None
    assert Project.open(tmp_path / "sub").root == tmp_path.resolve()
    assert project.space_hash == project_at(tmp_path, GOOD.replace('"glasses"\n[d', '"other"\n[d')).space_hash
    assert project.space_hash != project_at(tmp_path, GOOD.replace("[40]", "[41]")).space_hash


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('layout = "images"', 'layout = "folders"', r"layout `folders` needs `dataset\.train\.folder`"),
        ('image = "file"', "", "exactly one of `folder`"),
        ('image = "file"', 'image = "file"\nfolder = "f"', "exactly one of `folder`"),
        ('column = "age"', "", "exactly one of `column` and `files`"),
        (
            'column = "glasses"\nvalues = { n = "no", y = "yes" }',
            'files = { a = "no" }',
            "every attribute needs a `column`",
        ),
        ('column = "glasses"', 'column = "glasses"\nvalid = [0, 1]', "`valid` is for numbers"),
        ('column = "glasses"', 'files = { a = "no" }', "`values` are spellings in a `column`"),
        ('y = "yes"', 'y = "yep"', "unknown class 'yep'"),
        ("cuts = [40]", "cuts = [40, 50]", "needs 1 cuts"),
        ("cuts = [40]", 'cuts = ["40"]', r"`attributes\.1\.cuts\.0`: expected a number \(got '40'\)"),
        (
            "cuts = [40]",
            "cuts = [40]\nvalid = [true, 100]",
            r"`attributes\.1\.valid\.0`: expected a number \(got true\)",
        ),
        ("cuts = [40]", "cuts = [40]\nvalid = [100, 0]", "`valid` is the smallest and then the largest value"),
        (
            "[[attributes]]",
            "[contest]\nsubmissions_per_day = true\n[[attributes]]",
            r"expected a whole number \(got true\)",
        ),
        (
            "[[attributes]]",
            '[dataset.test]\ntable = "t"\nimages = "i"\nimage = "ans"\nanswer = "ans"\n[[attributes]]',
            "`image` and `answer` are one column",
        ),
        ("[[attributes]]", f"[{'k' * 9999}]\n[[attributes]]", r"`k{200}\.\.\.`: unknown key"),
        ('name = "age"', 'name = "glasses"', "must differ"),
        ('classes = ["no", "yes"]', 'classes = ["no"]', r"attributes\.0\.classes"),
        ("[dataset.train]", "[dataset.trian]", "did you mean `train`"),
        ('group = "person"', 'gruop = "person"', "did you mean `group`"),
        ('name = "glasses"\n[dataset]', "schema_version = 2\nname = 'x'\n[dataset]", "schema_version"),
        ('name = "glasses"\n[dataset]', "schema_version = true\nname = 'x'\n[dataset]", "schema_version"),
        ('name = "glasses"\n[dataset]', "schema_version = 1.0\nname = 'x'\n[dataset]", "schema_version"),
    ],
)
def test_project_files_that_cannot_be(tmp_path, old, new, words):
    assert old in GOOD
    with pytest.raises(SettingError, match=words) as error:
        project_at(tmp_path, GOOD.replace(old, new, 1))
    assert "facetwise.toml" in str(error.value)


def test_no_project_and_no_toml(tmp_path):
    with pytest.raises(InputError, match=r"no facetwise\.toml") as error:
        Project.open(tmp_path)
    assert "facetwise init" in error.value.hint
    with pytest.raises(InputError, match="not valid TOML"):
        project_at(tmp_path, "name = ")


def test_attributes_by_file_name_name_the_same_files(tmp_path):
    folders = GOOD.replace('layout = "images"', 'layout = "folders"').replace('image = "file"', 'folder = "path"')
    folders = folders.replace('column = "glasses"\nvalues = { n = "no", y = "yes" }', 'files = { a = "no", b = "yes" }')
    second = '[[attributes]]\nname = "hat"\nclasses = ["no", "yes"]\nfiles = { %s }\n'
    assert project_at(tmp_path, folders + second % 'b = "no", a = "no"').space.names == ("glasses", "age", "hat")
    with pytest.raises(SettingError, match="`hat` has no class for the file 'b' that `glasses` lists"):
        project_at(tmp_path, folders + second % 'a = "no"')
    with pytest.raises(SettingError, match="`glasses` has no class for the file 'c' that `hat` lists"):
        project_at(tmp_path, folders + second % 'a = "no", b = "no", c = "yes"')
