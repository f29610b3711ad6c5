"""Weights remember people, and folds that validate any of them refuse them."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from facetwise.core.errors import InputError, LeakError
from facetwise.core.people import people_text, person_hash
from facetwise.core.tables import TRAIN
from facetwise.data.manifest import Manifest
from facetwise.train.planning.people import people_of_weights, refuse_leaks

OURS = ("mean", "std", "backbone.layers.0.weight", "head.weight")


def write_weights(path: Path, people: list[str] | None, names: tuple[str, ...] = OURS) -> Path:
    """A file of weights of these people; None for one that does not tell."""
    metadata = None if people is None else {"people": people_text(person_hash(p) for p in people)}
    save_file({name: torch.zeros(1) for name in names}, path, metadata)
    return path


def manifest_of(groups: list[str]) -> Manifest:
    """Two images a person to train on."""
    both = [group for group in groups for _ in range(2)]
    return Manifest(pl.DataFrame({"group": both, "split": [TRAIN] * len(both), "status": ["ok"] * len(both)}), "", "")


def folds_of(folds: list[int]) -> np.ndarray:
    return np.repeat(np.array(folds, np.int64), 2)


PEOPLE = [f"p{i}" for i in range(6)]
MANIFEST = manifest_of(PEOPLE)
FOLDS = folds_of([0, 0, 1, 1, 2, 2])


def test_a_fold_that_validates_a_trained_person_refuses_and_names_them(tmp_path):
    weights = write_weights(tmp_path / "w.safetensors", ["p2", "p5", "somebody else"])
    with pytest.raises(LeakError) as error:
        refuse_leaks(weights, MANIFEST, FOLDS, [0, 1, 2])
    assert "2 people whom folds 1, 2 would validate: `p2`, `p5`" in str(error.value)
    assert 'folds.plan="none"' in error.value.hint
    with pytest.raises(LeakError, match="whom fold 2 would validate: `p5`"):
        refuse_leaks(weights, MANIFEST, FOLDS, [2])


def test_only_a_few_of_many_people_are_named(tmp_path):
    many = [f"p{i:02}" for i in range(40)]
    weights = write_weights(tmp_path / "w.safetensors", many)
    with pytest.raises(LeakError, match=r"40 people .*`p00`, `p01`, `p02`, `p03`, `p04` and 35 more"):
        refuse_leaks(weights, manifest_of(many), folds_of([0] * 40), [0])


def test_nobody_is_validated_so_nobody_can_leak(tmp_path):
    weights = write_weights(tmp_path / "w.safetensors", PEOPLE)
    inherited = refuse_leaks(weights, MANIFEST, None, [0])
    assert inherited == {0: frozenset(map(person_hash, PEOPLE))}


def test_each_fold_may_go_on_from_its_own_weights(tmp_path):
    """A run on the same folds: its model k never saw whom fold k validates. One of its files suits a hold-out of that
    fold alone, and no whole cross-validation."""
    for fold in range(3):
        trained = [p for p, f in zip(PEOPLE, FOLDS[::2], strict=True) if f != fold]
        write_weights(tmp_path / f"fold-{fold}.safetensors", trained)
    inherited = refuse_leaks(tmp_path / "fold-{fold}.safetensors", MANIFEST, FOLDS, [0, 1, 2])
    assert inherited[1] == frozenset(map(person_hash, ["p0", "p1", "p4", "p5"]))
    refuse_leaks(tmp_path / "fold-0.safetensors", MANIFEST, FOLDS, [0])
    with pytest.raises(LeakError, match="folds 1, 2 would validate"):
        refuse_leaks(tmp_path / "fold-0.safetensors", MANIFEST, FOLDS, [0, 1, 2])


@given(st.sets(st.sampled_from(PEOPLE)), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_weights_pass_if_and_only_if_nobody_stands_on_both_sides(tmp_path_factory, trained, folds):
    weights = write_weights(tmp_path_factory.getbasetemp() / "law.safetensors", sorted(trained))
    for fold in range(3):
        leaks = any(person in trained and of == fold for person, of in zip(PEOPLE, folds, strict=True))
        try:
            refuse_leaks(weights, MANIFEST, folds_of(folds), [fold])
        except LeakError:
            assert leaks
        else:
            assert not leaks


def test_weights_of_others_know_nobody(tmp_path):
    assert people_of_weights(write_weights(tmp_path / "timm.safetensors", None, ("conv1.weight",))) == frozenset()


def test_our_weights_that_do_not_tell_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not say on which people"):
        people_of_weights(write_weights(tmp_path / "3.safetensors", None))


@pytest.mark.parametrize("text", ["", "[", "7"])
def test_damaged_metadata_is_refused(tmp_path, text):
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"people": text})
    with pytest.raises(InputError, match="unusable"):
        people_of_weights(path)


def test_a_missing_or_damaged_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a \.safetensors file"):
        people_of_weights(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(InputError, match="not readable"):
        people_of_weights(tmp_path / "bad.safetensors")


def test_the_hashes_stay_what_runs_have_written():
    assert json.loads(people_text([person_hash("000001")])) == ["8b2b47c1b524dc5d"]
