"""Blends where some combinations cannot occur."""

from __future__ import annotations

import numpy as np
import pytest
from made_votes import SPACE, apart_table, cast_tables, logs_for, people, table_of

from facetwise.blending.contributions import contributions
from facetwise.blending.select import GreedySearch, score_of, select
from facetwise.blending.votes import By, combine, decide_classes
from facetwise.core.choices import BlendMethod
from facetwise.evaluate.predictions import Predictions

SOME = SPACE.with_combinations(SPACE.decode([0, 3, 4]))
QUICK = GreedySearch(rounds=8, bags=3)


@pytest.mark.parametrize("by", ["attribute", "whole"])
@pytest.mark.parametrize("method", ["soft", "geometric", "hard", "rank"])
def test_a_blend_decides_as_the_predictions_that_it_makes(by: By, method: BlendMethod) -> None:
    draws = np.random.default_rng(0)
    truth = draws.integers(0, SOME.num_joint, 60)
    of_all = SPACE.encode(SOME.decode(truth))
    tables = [apart_table(draws, of_all, worth=worth) for worth in (0.5, 1.0, 2.0)]
    votes, _ = cast_tables(tables, SOME, by=by, method=method)
    found = select(votes, truth, people(60), search=QUICK)
    blocks = [block.astype(np.float32) for block in combine(votes, found.weights)]
    names = [b.name for b in votes.blocks]
    made = Predictions(
        space=SOME,
        images=np.arange(60),
        groups=np.arange(60),
        folds=np.zeros(60, int),
        blocks=dict(zip(names, blocks, strict=True)),
    )
    decided = SOME.encode(votes.decided_in.decode(decide_classes(votes, found.weights)))
    assert (decided == made.classes).mean() > 0.9, "but for ties of few votes"
    if method in ("soft", "geometric"):
        np.testing.assert_array_equal(decided, made.classes)
    assert score_of(votes, found.weights, truth) == found.score
    assert np.isfinite(contributions(votes, found.weights, truth)[found.used]).all() or found.used.sum() == 1


@pytest.mark.parametrize("by", ["attribute", "whole"])
def test_a_perfect_member_scores_one(by: By) -> None:
    draws = np.random.default_rng(1)
    truth = np.arange(SOME.num_joint).repeat(20)
    of_all = SPACE.encode(SOME.decode(truth))
    tables = [apart_table(draws, of_all, worth=worth) for worth in (60.0, 0.0)]
    votes, _ = cast_tables(tables, SOME, by=by, method="soft")
    assert select(votes, truth, people(60), search=QUICK).score == 1.0


def test_joint_heads_of_what_can_occur_blend_with_heads_of_attributes() -> None:
    draws = np.random.default_rng(2)
    truth = draws.integers(0, SOME.num_joint, 60)
    flat = table_of(SOME.joint_columns, logs_for(draws, truth, SOME.num_joint))
    apart = apart_table(draws, SPACE.encode(SOME.decode(truth)))
    for by in ("attribute", "whole"):
        votes, common = cast_tables([flat, apart], SOME, by=by, method="soft")
        assert common.all()
        assert 0 < select(votes, truth, people(60), search=QUICK).score <= 1
