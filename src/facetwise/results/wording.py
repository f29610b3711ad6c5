"""Formatting of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from facetwise.core.text.counting import count
from facetwise.core.text.subject import PERSON, count_people

if TYPE_CHECKING:
    from facetwise.evaluate.further.one_against_rest import Measured
    from facetwise.evaluate.further.scores import FurtherScores
    from facetwise.evaluate.intervals import Interval
    from facetwise.evaluate.reliability import CalibrationCheck
    from facetwise.evaluate.rules.choose import RuleChoice
    from facetwise.evaluate.rules.cuts import CutChoice
    from facetwise.evaluate.scorecard import Scorecard


DASH = "–"  # noqa: RUF001 - an en dash, as typography wants it for "no value"


def sample(found: CalibrationCheck | CutChoice | RuleChoice) -> str:
    """`800 people, 5,600 images (7 without a prediction or a known class left out).`"""
    counted = f"{count_people(found.num_people)}, {count(found.num_images, 'image')}"
    left_out = f" ({found.num_left_out:,} without a prediction or a known class left out)"
    return f"{counted}{left_out if found.num_left_out else ''}."


def unit(card: Scorecard) -> str:
    """What an interval draws: `person`, or `image` where nobody knows whose the images are."""
    return str(PERSON) if card.by == "person" else card.by


def score(value: float | None) -> str:
    """A score, 0..1, with three decimals; a dash for None."""
    return DASH if value is None or math.isnan(value) else f"{value:.3f}"


def loss(value: float | None) -> str:
    """A loss with four decimals; a dash for None."""
    return DASH if value is None or math.isnan(value) else f"{value:.4f}"


def interval(low_high: Interval | None) -> str:
    """`[0.487, 0.537]`; empty for None."""
    return "" if low_high is None else f"[{low_high.low:.3f}, {low_high.high:.3f}]"


def with_interval(value: float | None, low_high: Interval | None) -> str:
    """`0.512 [0.487, 0.537]`."""
    return f"{score(value)} {interval(low_high)}".rstrip()


def with_level(value: float | None, low_high: Interval | None) -> str:
    """`0.512 [0.487, 0.537] (95 %)`."""
    return with_interval(value, low_high) + ("" if low_high is None else f" ({percent(low_high.level)})")


def shared_level(intervals: Iterable[Interval | None]) -> float | None:
    """The common level of a column's intervals, for its heading; None if they differ or there are none."""
    levels = {found.level for found in intervals if found is not None}
    return levels.pop() if len(levels) == 1 else None


def heading(name: str, level: float | None) -> str:
    """`forecast, 90 %`; only the name without a level."""
    return name if level is None else f"{name}, {percent(level)}"


def below_heading(value: float | None, low_high: Interval | None, level: float | None) -> str:
    """A score and its interval, with its level if the column has no common one."""
    return with_level(value, low_high) if level is None else with_interval(value, low_high)


def signed(value: float) -> str:
    """`+0.012`, `-0.003`; no sign for a value that rounds to 0."""
    text = f"{value:+.3f}"
    return text[1:] if float(text) == 0 else text


def with_signs(difference: float, low_high: Interval) -> str:
    """A difference and its interval: `+0.012 [+0.003, +0.021]`."""
    return f"{signed(difference)} {signed_interval(low_high)}"


def signed_interval(low_high: Interval) -> str:
    """`[-0.006, +0.014]`."""
    return f"[{signed(low_high.low)}, {signed(low_high.high)}]"


def amount(found: Measured | None) -> str:
    """A number in a unit of its own, with three digits, and its interval: `4.31 [3.98, 4.70]`; a dash for None."""
    if found is None:
        return DASH
    decimals = 2 - math.floor(math.log10(found.value)) if found.value > 0 else 2
    low, value, high = (
        f"{number:,.{max(0, decimals)}f}" for number in (found.interval.low, found.value, found.interval.high)
    )
    return f"{value} [{low}, {high}]"


def measured(found: Measured | None) -> str:
    """`0.512 [0.487, 0.537]`; a dash for None."""
    return DASH if found is None else with_interval(found.value, found.interval)


def further_notes(further: FurtherScores) -> list[str]:
    """What means of further scores are over, and what is not in them."""
    lines = [
        "AUROC and sensitivity are of each class against the rest, on average; sensitivity is at a specificity of "
        f"{further.specificity:g} (`[score] specificity`)."
    ]
    for s in further.scores:
        if s.num_absent:
            named = ", ".join(s.absent) + (", …" if s.num_absent > len(s.absent) else "")
            left_out = count(s.num_absent, "class", "classes")
            lines.append(f"{s.name}: {left_out} without a scored image left out of these means ({named}).")
    return lines


def percent(share: float) -> str:
    """A share, 0..1, in whole per cent, with `<` or `>` for one that only rounds to 0 or 100."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{share * 100:.0f} %"


def duration(seconds: float) -> str:
    """`0.42 s`, `12.3 s`, `5 min 04 s`, `1 h 20 min`."""
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
