"""Search spaces: read, checked against the recipe, turned into recipes; and the nested estimate of a choice."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.errors import FacetwiseError, ProblemsError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.rows import Truth
from facetwise.recipe import load_recipe
from facetwise.study.nested import nested_estimate
from facetwise.study.space import read_space

BASE = load_recipe("cpu-tiny")

TOML = """\
["optimizer.lr"]
low = 1e-4
high = 1e-2
log = true

[loss]
choices = ["cross-entropy", { name = "cross-entropy", smoothing = 0.1 }]

[train.batch_size]
low = 16
high = 64
"""


def test_a_space_is_read_in_both_spellings_and_makes_recipes(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text(TOML, encoding="utf-8")
    space = read_space(file, BASE)
    assert list(space.parts) == ["optimizer.lr", "loss", "train.batch_size"]
    assert [getattr(part, "whole", None) for part in space.parts.values()] == [False, None, True]
    smooth = space.parts["loss"].label({"name": "cross-entropy", "smoothing": 0.1})
    recipe = space.recipe(BASE, {"optimizer.lr": 2e-3, "loss": smooth, "train.batch_size": 17})
    assert (recipe.optimizer.lr, recipe.loss.smoothing, recipe.train.batch_size) == (2e-3, 0.1, 17)
    assert space.summary({"optimizer.lr": 0.0012345678}) == "optimizer.lr = 0.001235"
    assert read_space(space.as_dict(), BASE) == space


def test_the_base_is_a_trial_where_it_lies_in_the_space() -> None:
    lr, size = BASE.optimizer.lr, BASE.train.batch_size
    choices = [BASE.as_dict()["schedule"], "step"]
    inside = read_space({"optimizer.lr": {"low": lr / 2, "high": lr * 2}, "schedule": {"choices": choices}}, BASE)
    labels = inside.of_base(BASE)
    assert labels is not None
    assert labels["optimizer.lr"] == lr
    assert inside.recipe(BASE, labels) == BASE
    names = {"loss": {"choices": ["cross-entropy", "focal"]}}  # bare names: with their defaults
    plain = load_recipe("cpu-tiny", ["loss=cross-entropy"])
    assert read_space(names, plain).of_base(plain) == {"loss": "cross-entropy"}
    assert read_space(names, BASE).of_base(load_recipe("cpu-tiny", ["loss.smoothing=0.3"])) is None
    assert read_space({"train.batch_size": {"low": size + 1, "high": size + 9}}, BASE).of_base(BASE) is None
    smooth = {"loss": {"choices": ["focal", {"name": "cross-entropy", "smoothing": 0.33}]}}
    assert read_space(smooth, BASE).of_base(BASE) is None


def test_a_trial_that_drops_an_attribute_is_told_beforehand() -> None:
    single = {"name": "single", "attribute": "age"}
    heads = {"model.head": {"choices": ["multilabel", single, {"name": "multilabel", "attributes": ["mask", "age"]}]}}
    multi = load_recipe("cpu-tiny", ["model.head=multilabel"])
    with pytest.raises(ProblemsError) as error:
        read_space(heads, multi, ("mask", "gender", "age"))
    assert len(error.value.problems) == 2
    assert "does not predict `mask`, `gender`" in error.value.problems[0]
    assert "does not predict `gender`, which" in error.value.problems[1]
    alone = load_recipe("cpu-tiny", ['model.head={name="single",attribute="age"}'])
    assert read_space(heads, alone, ("mask", "gender", "age")).parts.keys() == heads.keys()


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "nothing to search over"),
        ({"optimzer.lr": {"low": 1.0, "high": 2.0}}, "did you mean `optimizer`"),
        ({"optimizer.lrr": {"low": 1.0, "high": 2.0}}, "did you mean `lr`"),
        ({"optimizer.lr": {"low": -1.0, "high": 2.0}}, "got -1.0"),
        ({"optimizer.lr": {"low": 2.0, "high": 1.0}}, "must be less than"),
        ({"optimizer.lr": {"low": 0.0, "high": 1.0, "log": True}}, "`log` needs `low` above 0"),
        ({"optimizer.lr": {"low": 0.1}}, "`high`: missing"),
        ({"optimizer.lr": 3}, "expected a table"),
        ({"optimizer.lr": {"low": 0.1, "high": 1.0, "lgo": True}}, "`lgo`: unknown key"),
        ({"loss": {"choices": ["cross-entropy"]}}, "at least 2"),
        ({"loss": {"choices": ["cross-entropy", "cross-entropy"]}}, "is there twice"),
        ({"loss": {"choices": ["cross-entropy", "focus"]}}, "unknown `focus`"),
        ({"train.batch_size": {"low": 0.5, "high": 4.0}}, "train.batch_size"),
        ({"folds.plan": {"choices": [3, 5]}}, "same folds"),
        ({"optimizer": {"choices": ["adamw", "adam"]}, "optimizer.lr": {"low": -1, "high": 1}}, "optimizer"),
    ],
)
def test_a_space_that_does_not_fit_the_recipe(space: dict[str, object], words: str) -> None:
    with pytest.raises(FacetwiseError, match=words):
        read_space(space, BASE)


def test_problems_are_told_together_and_combinations_are_tried() -> None:
    with pytest.raises(ProblemsError) as error:
        read_space({"optimizer.lrr": {"low": 1.0, "high": 2.0}, "train.sede": {"choices": [1, 2]}}, BASE)
    assert len(error.value.problems) >= 2
    step = load_recipe("cpu-tiny", ["schedule=step"])
    with pytest.raises(ProblemsError, match=r"with schedule = cosine, schedule\.gamma = 0\.1"):
        read_space({"schedule": {"choices": ["step", "cosine"]}, "schedule.gamma": {"low": 0.1, "high": 0.5}}, step)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FacetwiseError, match="no such file"):
        read_space(tmp_path / "space.toml", BASE)
    with pytest.raises(ProblemsError, match="expected a list"):
        read_space({"a": {"choices": 3}}, BASE)


# ------------------------------------------------------------------------------------------------ nested estimate

SPACE = LabelSpace((Attribute("wear", ("on", "off")), Attribute("kind", ("a", "b", "c"))))


def drawn(seed: int, num_people: int = 24, num_candidates: int = 3) -> tuple[list[np.ndarray], np.ndarray, Truth]:
    """Candidates right at different shares of the rows; two images a person, four folds of people."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(num_people), 2)
    codes = np.stack([rng.integers(0, s, len(people)) for s in SPACE.sizes], axis=1)
    candidates = []
    for _ in range(num_candidates):
        wrong = np.stack([rng.integers(0, s, len(people)) for s in SPACE.sizes], axis=1)
        candidates.append(SPACE.encode(np.where(rng.random((len(people), 1)) < rng.random(), codes, wrong)))
    return candidates, people % 4, Truth(SPACE, [str(i) for i in range(len(people))], codes, people)


@given(st.integers(0, 30))
def test_a_fold_has_no_say_in_what_predicts_it(seed: int) -> None:
    candidates, folds, truth = drawn(seed)
    before = nested_estimate(candidates, folds, truth).chosen
    fold = seed % 4
    for classes in candidates:
        classes[folds == fold] = np.roll(classes[folds == fold], 1 + seed % 3)
    assert nested_estimate(candidates, folds, truth).chosen[fold] == before[fold]


def test_the_nested_score_is_that_of_the_pooled_choices() -> None:
    candidates, folds, truth = drawn(1)
    nested = nested_estimate(candidates, folds, truth)
    pooled = np.stack([candidates[nested.chosen[int(f)]][i] for i, f in enumerate(folds)])
    assert nested.score == truth.score(pooled)
    assert nested.interval == truth.interval(pooled)
    for fold, chosen in nested.chosen.items():
        others = truth.where(folds != fold)
        scores = [others.score(c[folds != fold]) for c in candidates]
        assert scores[chosen] == max(scores)


def test_one_candidate_and_equal_ones_price_nothing() -> None:
    candidates, folds, truth = drawn(2)
    one = nested_estimate(candidates[:1], folds, truth)
    same = nested_estimate([candidates[0]] * 3, folds, truth)
    assert one.score == same.score == truth.score(candidates[0])
    assert set(same.chosen.values()) == {0}


def test_the_best_of_lucky_ones_is_not_worth_its_score() -> None:
    """Candidates that guess: the best looks better than the choice is worth, on average."""
    gaps = []
    for seed in range(12):
        rng = np.random.default_rng(1000 + seed)
        _, folds, truth = drawn(seed)
        guesses = [rng.integers(0, SPACE.num_joint, len(folds)) for _ in range(10)]
        best = max(truth.score(g) for g in guesses)
        gaps.append(best - nested_estimate(guesses, folds, truth).score)
    assert np.mean(gaps) > 0.02


def test_one_fold_cannot_be_nested() -> None:
    candidates, folds, truth = drawn(3)
    with pytest.raises(ValueError, match="two folds"):
        nested_estimate(candidates, np.zeros_like(folds), truth)
