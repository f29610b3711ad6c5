"""Typed settings: every problem at once, each with its key and what would be right."""

import pytest

from facetwise.core.errors import InputError, ProblemsError, SettingError, did_you_mean
from facetwise.core.files.settings import parse, read_toml
from facetwise.core.text.counting import count
from facetwise.recipe import Recipe

GOOD = {"input": {"height": 32, "width": 24}, "model": {"backbone": "resnet18"}, "train": {"length": "1ep"}}


def problems_of(data: dict) -> list[str]:
    with pytest.raises(SettingError) as error:
        parse(Recipe, data, "recipe.toml")
    first, *lines = str(error.value).splitlines()
    assert first == f"recipe.toml: {count(len(lines), 'setting')} not usable"
    return lines


def test_every_problem_is_listed_with_its_key():
    lines = problems_of(
        {
            "input": {"height": 4, "width": 24, "hieght": 3},
            "model": {"backbone": "resnet18", "head": {"name": "flatt"}},
            "optimizer": {"name": "adamw", "lr": -1},
            "train": {"batch_size": 1},
            "trian": {},
        }
    )
    expected = {
        "`input.height`": "greater than or equal to 8",
        "`input.hieght`": "did you mean `height`?",
        "`model.head.name`": "did you mean `flat`?",
        "`optimizer.lr`": "greater than 0",
        "`train.length`": "missing",
        "`train.batch_size`": "greater than or equal to 2",
        "`trian`": "did you mean `train`?",
    }
    assert len(lines) == len(expected)
    for key, words in expected.items():
        assert any(key in line and words in line for line in lines), key


def small(**args: object) -> dict:
    return {"backbone": "small_resnet", "args": args}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"augment": [{"name": "flip"}, {"name": "blurr"}]}, "`augment.1.name`: unknown `blurr`"),
        ({"augment": [{"name": "flip", "prob": 1}]}, "`augment.0.prob`: unknown key; allowed: `name`, `p`"),
        ({"input": {"height": 32, "width": 24, "box": [0.5, 0, 0.5, 1]}}, "left < right"),
        ({"input": {"height": 32, "width": 24, "box": [0, 0, 0.5, 1], "boxes": "b.csv"}}, "not both"),
        ({"train": {"length": 12}}, "a duration with a unit"),
        ({"train": {"length": "9" * 400 + "ep"}}, "at most 1,000,000,000 epochs or steps"),
        ({"train": {"length": "1ep", "batch_size": 10**9}}, "`train.batch_size`: expected less than or equal to 65536"),
        ({"labels": {"soften": {"age": 0}}}, "`labels.soften.age`"),
        ({"folds": {"plan": 1}}, "`folds.plan"),
        ({"folds": {"plan": "leave-one-out"}}, "`folds.plan"),
        ({"model": {"backbone": "x", "head": {"name": "single"}}}, "attribute`: missing"),
        ({"model": small(stem=1.5)}, "`stem`: expected a whole number (got 1.5)"),
        ({"model": small(stem=True)}, "`stem`: expected a whole number (got true)"),
        ({"model": small(widths=[])}, "`widths`"),
        ({"model": small(widths=[5000] * 4)}, "`widths.0`"),
        ({"model": small(depths=[10**9, 1, 1, 1])}, "`model.args.depths"),
        ({"model": small(depths=[0, 1, 1, 1])}, "`depths.0`"),
        ({"model": small(widths=[8], depths=[1, 1])}, "as many `widths` as `depths` are needed, got 1 and 2"),
        ({"model": small(width=8)}, "`width`: unknown key; did you mean `widths`?"),
        ({"model": small(widths=[4096] * 8, depths=[256] * 8)}, "weights, at most 268,435,456 are built"),
        ({"model": {"backbone": "resnet18", "args": {"layers": [10**9, 1]}}}, "`model.args.layers"),
        ({"model": {"backbone": "resnet18", "args": {"layers": [1] * 100}}}, "`model.args.layers"),
    ],
)
def test_values_that_cannot_be(change, words):
    assert any(words in line for line in problems_of({**GOOD, **change}))


def test_settings_cannot_be_changed_after_they_were_read():
    recipe = parse(Recipe, GOOD, "here")
    with pytest.raises(ValueError, match="frozen"):
        recipe.train.seed = 3


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"a = \n", "not valid TOML"), (b"a = '\xff'\n", "not UTF-8 text"), (b"a = 1\na = 2\n", "not valid TOML")],
)
def test_files_that_are_no_toml(tmp_path, data, words):
    path = tmp_path / "f.toml"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as error:
        read_toml(path)
    assert str(path) in str(error.value)


def test_a_missing_file_a_folder_and_a_byte_order_mark(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(InputError, match="is a folder"):
        read_toml(tmp_path)
    (tmp_path / "bom.toml").write_bytes(b"\xef\xbb\xbfname = '\xed\x95\x9c'\n")
    assert read_toml(tmp_path / "bom.toml") == {"name": "한"}


def test_close_matches_and_problem_lists():
    assert did_you_mean("flatt", ["flat", "single"]) == "did you mean `flat`? allowed: `flat`, `single`"
    assert did_you_mean("qqq", ["flat"]) == "allowed: `flat`"
    error = ProblemsError("two things", ["one", "two"], hint="mend them")
    assert str(error) == "two things\n  - one\n  - two"
    assert (error.problems, error.hint) == (("one", "two"), "mend them")
