"""The command that `init` prints fits the images that have labels."""

from __future__ import annotations

import shlex

import pytest
from made_init import init, photos
from made_project import write_table

from facetwise.cli.main import main
from facetwise.cli.next_steps import after_check, first_fit
from facetwise.data.folds import DEFAULT_FOLDS


@pytest.mark.parametrize(("known", "images"), [(5, 30), (9, 24), (10, 100), (24, 24), (60, 61)])
def test_a_batch_is_no_larger_than_what_a_fold_trains_on(known, images, tmp_path):
    data = photos(tmp_path, *(f"img/{k}.png" for k in range(images)))
    rows = (f"{k}.png,{'ab'[k % 2] if k < known else 'todo'}" for k in range(images))
    write_table(data / "labels.csv", "file,state", *rows)
    project, told = init(data, attributes=("state",))
    assert told.known == known
    batch = int(first_fit(project, told)[-1].removeprefix("train.batch_size="))
    assert 2 <= batch <= known - -(-known // DEFAULT_FOLDS)


def test_a_batch_is_no_larger_than_a_small_given_part_to_train_on(tmp_path):
    names = [f"{part}/{c}/{k}.png" for part, many in {"train": 2, "val": 20}.items() for c in "ab" for k in range(many)]
    project, told = init(photos(tmp_path, *names))
    assert first_fit(project, told)[2:] == ["--set", "folds.plan=holdout", "--set", "train.batch_size=2"]


def test_init_does_not_say_that_all_is_well_where_rows_have_errors(tmp_path, monkeypatch, capsys):
    data = photos(tmp_path, *(f"img/{k}.png" for k in range(8)))
    write_table(data / "labels.csv", "file,state", *(f"{k}.png,{'ab'[k % 2]}" for k in range(8)), "0.png,b")
    monkeypatch.setattr("sys.argv", ["facetwise", "init", str(tmp_path / "project"), "--dataset", str(data)])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code == 2
    assert "error: contradicting-rows: labels.csv:10:" in said.out
    *_, error, hint = said.err.splitlines()
    assert error == "error: the dataset cannot be used as it is: 1 error was found in its tables and names"
    assert hint.endswith(f"cd {shlex.quote(str(tmp_path / 'project'))} && facetwise check")
    assert (tmp_path / "project" / "facetwise.toml").is_file()


def test_fewer_groups_than_folds_are_dealt_into_as_many(tmp_path):
    data = photos(tmp_path, *(f"img/{k}.png" for k in range(12)))
    write_table(data / "labels.csv", "file,person,state", *(f"{k}.png,p{k // 3},{'ab'[k % 2]}" for k in range(12)))
    project, told = init(data)
    assert first_fit(project, told)[2:4] == ["--set", "folds.plan=4"]
    assert after_check(project, told.groups) == ["folds", "--folds", "4"]
    assert after_check(project, DEFAULT_FOLDS) == ["folds"]
