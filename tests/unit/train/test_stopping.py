"""A fold's epoch, and when it stops, are the other folds' business: laws of the rule that reads recorded curves."""

import math

from hypothesis import given
from hypothesis import strategies as st

from facetwise.train.stopping import choose_epochs, epochs_needed

SCORES = st.sampled_from([0.1, 0.2, 0.3, 0.7, math.nan])
"""Few, so that ties are common."""
CURVES = st.integers(2, 8).flatmap(
    lambda length: st.lists(st.lists(SCORES, min_size=length, max_size=length), min_size=2, max_size=5).map(
        lambda curves: dict(enumerate(curves))
    )
)
PATIENCE = st.none() | st.integers(1, 4)


def test_each_folds_epoch_is_chosen_by_the_others():
    assert choose_epochs({0: [0.1, 0.2, 0.9], 1: [0.5, 0.4, 0.3], 2: [0.3, 0.5, 0.1]}) == {0: 2, 1: 3, 2: 3}
    assert choose_epochs({0: [0.5, 0.5], 1: [0.5, 0.5]}) == {0: 1, 1: 1}


def test_a_fold_stops_before_the_others_rise_again():
    curves = {0: [0.5, 0.4, 0.3, 0.9], 1: [0.1, 0.2, 0.3, 0.4]}
    assert choose_epochs(curves, 2) == {0: 4, 1: 1}
    assert choose_epochs(curves, 3) == {0: 4, 1: 4}
    assert epochs_needed({0: [], 1: []}, 2, 9) == 3
    assert epochs_needed({fold: curve[:3] for fold, curve in curves.items()}, 2, 9) == 5
    assert epochs_needed(curves, 2, 4) == 4


def test_a_fold_without_a_known_label_has_no_say():
    curves = {0: [0.1, 0.3, 0.2], 1: [math.nan] * 3, 2: [0.3, 0.2, 0.1]}
    assert choose_epochs(curves) == {0: 1, 1: 2, 2: 2}


@given(curves=CURVES, patience=PATIENCE, fold=st.integers(0, 4), other=st.lists(SCORES, min_size=8, max_size=8))
def test_a_folds_own_curve_has_no_say_in_its_epoch(curves, patience, fold, other):
    fold %= len(curves)
    changed = {**curves, fold: other[: len(curves[fold])]}
    assert choose_epochs(changed, patience)[fold] == choose_epochs(curves, patience)[fold]


@given(curves=CURVES, patience=st.integers(1, 4))
def test_trained_as_long_as_needed_the_epochs_are_those_of_a_whole_training(curves, patience):
    """However far the folds are when it is asked: after each stage, after a kill of some."""
    longest, seen = len(curves[0]), 0
    while seen < (needed := epochs_needed({k: c[:seen] for k, c in curves.items()}, patience, longest)):
        for done in range(seen, needed):
            uneven = {k: c[: needed if k == 0 else done] for k, c in curves.items()}
            assert needed <= epochs_needed(uneven, patience, longest)
        seen = needed
    assert choose_epochs({k: c[:seen] for k, c in curves.items()}, patience) == choose_epochs(curves, patience)
    assert seen == min(longest, max(choose_epochs(curves, patience).values()) + patience)
