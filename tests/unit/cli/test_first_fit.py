"""The command that `init` prints fits the images that have labels."""

from __future__ import annotations

import pytest
from made_init import init, photos
from made_project import write_table

from facetwise.cli.next_steps import first_fit
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
