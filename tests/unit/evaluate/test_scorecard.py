"""Scorecards: every number against scikit-learn or a count, for full runs, specialists and hold-outs."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from made_tables import read, rows, without

from facetwise.core.errors import InputError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import PREDICTIONS
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.rows import Truth
from facetwise.evaluate.scorecard import ENDS, MAX_READABLE, ClassScore, Scorecard, score_decided, score_rows, to_read

SPACE = LabelSpace(
    (Attribute("hat", ("none", "cap", "helmet")), Attribute("hue", ("red", "blue")), Attribute("age", ("young", "old")))
)
N = 120


@pytest.fixture
def codes() -> np.ndarray:
    return SPACE.decode(np.random.default_rng(0).integers(0, SPACE.num_joint, N))


@pytest.fixture
def groups() -> list[str]:
    return [f"김 {i // 4}" for i in range(N)]


def truth(codes: np.ndarray, groups: list[str], space: LabelSpace = SPACE) -> Truth:
    return Truth(space, [f"{i}.jpg" for i in range(len(codes))], codes, groups)


def table(codes: np.ndarray, groups: list[str], names: tuple[str, ...] = SPACE.names) -> pl.DataFrame:
    """Predictions that are right more often than not."""
    draws = np.random.default_rng(1)
    folds = [int(g.split()[1]) % 3 for g in groups]
    keys = pl.DataFrame(
        {"image": [f"{i}.jpg" for i in range(N)], "group": groups, "fold": folds, "repeat": [0] * N},
        schema=dict(PREDICTIONS),
    )
    for name in names:
        right = np.eye(SPACE.attribute(name).size)[codes[:, SPACE.index(name)]]
        logs = log_normalised(right * 1.5 + draws.normal(0, 1, right.shape)).astype(np.float32)
        keys = keys.hstack(pl.DataFrame(logs, schema=list(SPACE.columns(name)), orient="row"))
    return keys


def test_full_run_against_scikit_learn(codes, groups):
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score

    predictions = table(codes, groups)
    card = score_rows(rows(predictions, codes, space=SPACE))
    true, predicted = SPACE.encode(codes), SPACE.encode(read(predictions, SPACE).codes)
    labels = range(SPACE.num_joint)
    assert (card.what, card.by) == ("joint", "person")
    assert (card.num_images, card.num_covered, card.num_people) == (N, N, 30)
    options = {"labels": labels, "zero_division": 0}
    assert card.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro", **options))
    assert card.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert card.macro_f1_interval.low < card.macro_f1 < card.macro_f1_interval.high
    assert card.accuracy_interval.low < card.accuracy < card.accuracy_interval.high
    assert [c.name for c in card.classes] == list(SPACE.joint_names)
    for field, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        expected = score(true, predicted, average=None, **options)
        np.testing.assert_allclose([getattr(c, field) for c in card.classes], expected)
    assert [c.support for c in card.classes] == np.bincount(true, minlength=12).tolist()
    np.testing.assert_array_equal(card.confusion, confusion_matrix(true, predicted, labels=labels))


def test_attributes_and_folds_of_a_full_run(codes, groups):
    from sklearn.metrics import f1_score

    predictions = table(codes, groups)
    card = score_rows(rows(predictions, codes, space=SPACE))
    decided = read(predictions, SPACE).codes
    assert [a.name for a in card.attributes] == list(SPACE.names)
    for i, attribute in enumerate(card.attributes):
        assert attribute.macro_f1 == pytest.approx(f1_score(codes[:, i], decided[:, i], average="macro"))
        assert np.sum(attribute.confusion) == sum(c.support for c in attribute.classes) == N
        assert attribute.interval.low < attribute.macro_f1 < attribute.interval.high
    assert [(f.fold, f.num_people, f.num_images) for f in card.folds] == [(0, 10, 40), (1, 10, 40), (2, 10, 40)]
    assert np.mean([f.accuracy for f in card.folds]) == pytest.approx(card.accuracy)


@pytest.mark.parametrize(("names", "what"), [(("age",), "age"), (("age", "hat"), "hat/age")])
def test_a_specialist_is_scored_on_what_it_predicts(codes, groups, names, what):
    card = score_rows(rows(table(codes, groups, names), codes, space=SPACE))
    assert card.what == what
    assert "/".join(a.name for a in card.attributes) == what
    if len(names) == 1:
        assert (card.macro_f1, card.accuracy) == (card.attributes[0].macro_f1, card.attributes[0].accuracy)
        assert card.macro_f1_interval == card.attributes[0].interval
    else:
        assert [c.name for c in card.classes][:2] == ["none/young", "none/old"]


def test_a_hold_out_run_is_scored_on_its_covered_rows(codes, groups):
    predictions = table(codes, groups)
    kept = predictions["fold"].to_numpy() == 0
    card = score_rows(rows(without(predictions, np.flatnonzero(~kept).tolist()), codes, space=SPACE))
    alone = score_rows(rows(predictions, codes, space=SPACE).where(kept))
    assert (card.num_images, card.num_covered, card.num_people) == (N, 40, 10)
    assert card.as_dict() == {**alone.as_dict(), "num_images": N}
    with pytest.raises(InputError, match="none of the 120 rows"):
        score_decided(np.full_like(codes, -1), truth(codes, groups))


def test_row_order_does_not_matter(codes, groups):
    predictions = table(codes, groups)
    order = np.random.default_rng(3).permutation(N)
    moved = score_rows(rows(predictions[order.tolist()], codes[order], space=SPACE))
    assert moved == score_rows(rows(predictions, codes, space=SPACE))


def test_a_class_that_occurs_nowhere_counts(codes, groups):
    young = codes.copy()
    young[:, 2] = 0
    card = score_decided(young, truth(young, groups))
    assert card.accuracy == 1
    assert card.macro_f1 == pytest.approx(0.5)
    assert card.classes[1].f1 == card.classes[1].support == 0


def test_plain_data_goes_through_json(codes, groups):
    card = score_rows(rows(table(codes, groups), codes, space=SPACE))
    plain = card.as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["macro_f1_interval"]["level"] == 0.95
    assert isinstance(card, Scorecard)


def test_too_many_joint_classes_to_list(groups):
    wide = LabelSpace(tuple(Attribute(n, tuple(f"c{i}" for i in range(30))) for n in "abc"))
    codes = np.random.default_rng(0).integers(0, 30, (N, 3))
    card = score_decided(codes, truth(codes, groups, wide))
    assert (card.classes, card.confusion, card.accuracy) == ((), None, 1)
    assert len(card.attributes) == 3
    assert len(card.attributes[0].confusion) == 30


def test_of_many_classes_the_commonest_and_the_worst_are_shown():
    scores = [ClassScore(f"c{k}", support=k % 50, precision=0.5, recall=0.5, f1=k / 100) for k in range(100)]
    assert to_read(scores[:MAX_READABLE]) == list(range(MAX_READABLE))
    shown = to_read(scores)
    common = {49 - k for k in range(5)} | {99 - k for k in range(5)}
    worst = set(range(1, ENDS + 1))  # class 0 has no image
    assert shown == sorted(common | worst)


def test_a_thousand_classes_have_scores_and_no_matrix(groups):
    space = LabelSpace((Attribute("kind", tuple(f"c{k}" for k in range(1000))),))
    drawn = np.random.default_rng(3).integers(0, 1000, (N, 1))
    card = score_decided(drawn, truth(drawn, groups, space))
    assert card.attributes[0].confusion is None
    assert card.confusion is None
    assert len(card.classes) == 1000
    assert card.accuracy == 1
