"""What is no prediction stops the command that computes it, naming run, fold and image."""

import numpy as np
import pytest
from made_heads import HEADS, drawn, layout_of

from facetwise.core.errors import TrainingError
from facetwise.inference.predict import check_predictions


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_every_number_that_is_none_is_found(head):
    layout = layout_of(head)
    good = layout.log_probs(drawn(layout, 3)[0]).numpy()
    check_predictions(good, layout, "abc", "run `01-x`, fold 2")
    for column in range(layout.num_columns):
        for value in (np.nan, np.inf):
            bad = good.copy()
            bad[1, column] = value
            with pytest.raises(TrainingError, match="run `01-x`, fold 2: the predictions of image `b` are not numbers"):
                check_predictions(bad, layout, "abc", "run `01-x`, fold 2")


def test_probabilities_sum_to_one():
    layout = layout_of(HEADS["multilabel"])
    good = layout.log_probs(drawn(layout, 3)[0]).numpy()
    bad = good.copy()
    bad[2, layout.blocks[1].classes] += 0.01
    with pytest.raises(TrainingError, match="image `c` do not sum to 1"):
        check_predictions(bad, layout, "abc", "fold 0")


def test_a_class_that_cannot_be_is_a_probability_of_nought():
    layout = layout_of(HEADS["multilabel"])
    logs = np.log(np.full((1, layout.num_columns), 0.5, np.float32))
    for block in layout.blocks:
        logs[:, block.classes] = -np.inf
        logs[:, block.classes.start] = 0.0
    check_predictions(logs, layout, "a", "fold 0")
