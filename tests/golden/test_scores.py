"""Scores, intervals and paired differences still are the numbers of the cache's version.

When a change is meant to change them, raise `VERSION` in the cache, so that no project shows an old number, then
`python tests/golden/test_scores.py` writes `scores.json` again.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.evaluate.intervals import paired_interval
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.rows import Truth
from facetwise.evaluate.scorecard import score_decided
from facetwise.results.cache import VERSION

STORED = Path(__file__).parent / "scores.json"
SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
PEOPLE = np.arange(240) // 4


def _codes(step: int) -> np.ndarray:
    """Class numbers without chance, (240, 2): the truth for 0, else one image in `step` of another class."""
    truth = np.stack([PEOPLE % 2, PEOPLE % 7 % 3], axis=1)
    if step:
        truth[::step, 1] = (truth[::step, 1] + 1) % 3
        truth[:: 2 * step + 1, 0] = 1 - truth[:: 2 * step + 1, 0]
    return truth


def scores() -> dict[str, float | int]:
    """What stands in `scores.json`."""
    truth, one, other = _codes(0), _codes(3), _codes(5)
    card = score_decided(one, Truth(SPACE, PEOPLE.astype(str), truth, PEOPLE))
    joint = [SPACE.encode(codes) for codes in (truth, one, other)]
    paired = paired_interval(*joint, PEOPLE, SPACE.num_joint)
    return {
        "version": VERSION,
        "macro_f1": card.macro_f1,
        "low": card.macro_f1_interval.low,
        "high": card.macro_f1_interval.high,
        "accuracy": card.accuracy,
        "difference": macro_f1(joint[0], joint[1], SPACE.num_joint) - macro_f1(joint[0], joint[2], SPACE.num_joint),
        "difference_low": paired.low,
        "difference_high": paired.high,
    }


def test_the_numbers_of_this_version():
    assert scores() == pytest.approx(json.loads(STORED.read_text(encoding="utf-8")), rel=1e-9)


if __name__ == "__main__":
    STORED.write_text(json.dumps(scores(), indent=1) + "\n", encoding="utf-8")
