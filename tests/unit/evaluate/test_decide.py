"""Probabilities to classes."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import PREDICTIONS, score_column, year_columns
from facetwise.evaluate.compose import joint_log_probs
from facetwise.evaluate.decide import decide

SPACE = LabelSpace((Attribute("hat", ("none", "cap", "helmet")), Attribute("hue", ("red", "blue"))))
ALL = (*SPACE.columns("hat"), *SPACE.columns("hue"))


def table(columns: tuple[str, ...], logs: np.ndarray) -> pl.DataFrame:
    n = len(logs)
    keys = pl.DataFrame(
        {"image": [str(i) for i in range(n)], "group": ["p"] * n, "fold": [0] * n, "repeat": [0] * n},
        schema=dict(PREDICTIONS),
    )
    return keys.hstack(pl.DataFrame(logs.astype(np.float32), schema=list(columns), orient="row"))


@given(st.integers(0, 2**32 - 1))
def test_apart_equals_the_argmax_of_the_product(seed):
    apart = table(ALL, np.random.default_rng(seed).normal(0, 2, (20, 5)))
    best = joint_log_probs(apart, SPACE).argmax(axis=1)
    np.testing.assert_array_equal(decide(apart, SPACE), SPACE.decode(best))


def test_the_joint_decides_where_it_is_there():
    joint = np.log([[0.30, 0.10, 0.05, 0.20, 0.05, 0.30]])  # ties: 0 and 5; marginals: none .40, blue .60
    codes = decide(table(SPACE.joint_columns, joint), SPACE)
    assert codes.tolist() == [[0, 0]]


def test_ties_go_to_the_lowest_class():
    assert decide(table(ALL, np.zeros((2, 5))), SPACE).tolist() == [[0, 0], [0, 0]]


def test_missing_attributes_and_rows():
    logs = np.log([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    logs[1, 0] = np.nan
    assert decide(table(SPACE.columns("hue"), logs), SPACE).tolist() == [[-1, 1], [-1, -1], [-1, 0]]


def test_values_and_scores_do_not_change_the_decision():
    age = Attribute("age", ("young", "old"), cuts=(2,))
    space = LabelSpace((*SPACE.attributes, age))
    classes, years = np.log([[0.4, 0.6], [0.7, 0.3]]), np.log([[0.4, 0.3, 0.3], [0.2, 0.5, 0.3]])
    alone = table(space.columns("age"), classes)
    both = (*space.columns("age"), *year_columns("age", (1, 2, 3)))
    assert decide(table(both, np.hstack([classes, years])), space).tolist() == decide(alone, space).tolist()
    scored = table((*space.columns("age"), score_column("age")), np.hstack([classes, [[5.0], [np.nan]]]))
    assert decide(scored, space).tolist() == [[-1, -1, 1], [-1, -1, -1]]
