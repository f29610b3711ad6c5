"""Cross-validation against the leaderboard: what was expected of every submission, and what came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from facetwise.evaluate.forecast import ScoreForecast
from facetwise.evaluate.ranks import MIN_PAIRS, RankCorrelation
from facetwise.report.views import plain
from facetwise.report.wording import DASH, below_heading, count, heading, interval, percent, shared_level, signed

if TYPE_CHECKING:
    from facetwise.evaluate.intervals import Interval


@dataclass(frozen=True)
class Outcome:
    """A score of one part of the test set, beside what out of fold alone said of it."""

    score: float
    expected: ScoreForecast | None
    """None where nothing is known out of fold."""

    @property
    def deviation(self) -> float | None:
        """Score minus expectation, in standard deviations of the forecast; None where it had none."""
        if self.expected is None or self.expected.spread <= 0:
            return None
        return (self.score - self.expected.expected) / self.expected.spread

    @property
    def stands_out(self) -> bool:
        """Whether the score lies outside of its prediction interval."""
        if self.expected is None:
            return False
        return not self.expected.interval.low <= self.score <= self.expected.interval.high


@dataclass(frozen=True)
class LeaderboardRow:
    """One submission, or a file from elsewhere, that was sent."""

    name: str
    sent: str | None
    """UTC, ISO 8601."""
    out_of_fold: float | None
    out_of_fold_interval: Interval | None
    made_expected: float | None
    """The score that was forecast when the submission was made, for the whole test set."""
    made_interval: Interval | None
    public: Outcome | None
    private: Outcome | None
    why_not: str = ""
    """Why nothing could be expected of it; empty where something was."""

    @property
    def stands_out(self) -> bool:
        """Whether a score of it lies outside of its prediction interval."""
        return any(o is not None and o.stands_out for o in (self.public, self.private))


Pair = Literal["out of fold, public", "out of fold, private", "public, private"]


@dataclass(frozen=True)
class Agreement:
    """Whether two scores put the submissions into the same order."""

    what: Pair
    ranks: RankCorrelation


@dataclass(frozen=True)
class LeaderboardView:
    """What `facetwise leaderboard` tells."""

    project: str
    level: float
    """Of the intervals that scores are held against."""
    rows: tuple[LeaderboardRow, ...]
    """In the order of sending."""
    agreements: tuple[Agreement, ...]
    """For each pair of scores that two submissions or more have."""
    shift: tuple[float, float] | None
    """Mean and standard deviation of leaderboard minus out of fold that all share; None without public scores."""
    notes: tuple[str, ...]

    @property
    def expected(self) -> tuple[LeaderboardRow, ...]:
        """Rows of which something was expected, and whose public score is known."""
        return tuple(r for r in self.rows if r.public is not None and r.public.expected is not None)

    @property
    def out_of_fold_level(self) -> float | None:
        """Of all intervals of scores out of fold; None without any."""
        return shared_level(row.out_of_fold_interval for row in self.rows)

    @property
    def made_level(self) -> float | None:
        """Of all forecasts that were recorded; None where they differ (older records have 95 %), or without any."""
        return shared_level(row.made_interval for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data, with deviations and what stands out."""
        data: dict[str, Any] = plain(
            {
                "project": self.project,
                "level": self.level,
                "rows": [_row_dict(row) for row in self.rows],
                "agreements": [{"what": a.what, **_ranks_dict(a.ranks)} for a in self.agreements],
                "shift": None if self.shift is None else {"expected": self.shift[0], "spread": self.shift[1]},
                "findings": list(findings(self)),
                "notes": self.notes,
            }
        )
        return data


def findings(view: LeaderboardView) -> Iterator[str]:
    """What the table comes to, a sentence an item."""
    for agreement in view.agreements:
        yield _agreement(agreement)
    yield from _standing_out(view)
    if view.shift is not None:
        mean, spread = view.shift
        yield (
            f"Leaderboard minus out of fold, as far as all share it and the luck of people does not explain it: "
            f"{signed(mean)} ± {spread:.3f}."
        )


def leaderboard_text(view: LeaderboardView) -> RenderableType:
    """The view for a terminal: a table, and what it comes to."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("submission", overflow="fold")
    level, made = view.out_of_fold_level, view.made_level
    for name in (heading("out of fold", level), heading("forecast when made", made), "public", "private"):
        table.add_column(name, no_wrap=True)
    for row in view.rows:
        cells = [
            below_heading(row.out_of_fold, row.out_of_fold_interval, level),
            below_heading(row.made_expected, row.made_interval, made),
            outcome_text(row.public),
            outcome_text(row.private),
        ]
        table.add_row(row.name, *cells, style="yellow" if row.stands_out else "")
    parts: list[RenderableType] = [table, Text()]
    parts += [Text(line) for line in findings(view)]
    missing = [Text(f"{row.name}: {row.why_not}", style="dim") for row in view.rows if row.why_not]
    return Group(*parts, *missing, *(Text(note, style="dim") for note in view.notes))


def outcome_text(outcome: Outcome | None) -> str:
    """`0.7478 (+0.8 sd)`, with an exclamation mark where it stands out."""
    if outcome is None:
        return DASH
    deviation = outcome.deviation
    told = "" if deviation is None else f" ({deviation:+z.1f} sd)"
    return f"{outcome.score:.4f}{told}{'!' if outcome.stands_out else ''}"


def _agreement(agreement: Agreement) -> str:
    ranks, one, other = agreement.ranks, *agreement.what.split(", ")
    what = f"Rank correlation of {one} and {other}"
    of = count(ranks.num_pairs, "submission")
    if ranks.value is None:
        return f"{what}: none, since one side is the same for all {of}."
    if ranks.interval is None:
        return f"{what}: {ranks.value:+z.2f} of {of}; fewer than {MIN_PAIRS} are too few to say how far that is luck."
    return f"{what}: {ranks.value:+z.2f} {interval(ranks.interval)} ({percent(ranks.interval.level)}) of {of}."


def _standing_out(view: LeaderboardView) -> Iterator[str]:
    held = view.expected
    if not held:
        yield "No public score can be held against a forecast yet."
        return
    names = [row.name for row in held if row.public is not None and row.public.stands_out]
    chance = f"by chance {percent(1 - view.level)} would"
    if not names:
        yield f"No public score lies outside of its {percent(view.level)} interval, of {len(held)} ({chance})."
        return
    outside = f"outside of their {percent(view.level)} interval ({chance})"
    yield f"{len(names)} of {len(held)} public scores lie {outside}: {', '.join(f'`{name}`' for name in names)}."


def _row_dict(row: LeaderboardRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "sent": row.sent,
        "out_of_fold": row.out_of_fold,
        "out_of_fold_interval": _interval_dict(row.out_of_fold_interval),
        "made_expected": row.made_expected,
        "made_interval": _interval_dict(row.made_interval),
        "public": _outcome_dict(row.public),
        "private": _outcome_dict(row.private),
        "stands_out": row.stands_out,
        "why_not": row.why_not,
    }


def _outcome_dict(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    found = outcome.expected
    return {
        "score": outcome.score,
        "expected": None if found is None else found.expected,
        "interval": None if found is None else _interval_dict(found.interval),
        "num_people": None if found is None else found.num_people,
        "deviation": outcome.deviation,
        "stands_out": outcome.stands_out,
    }


def _ranks_dict(ranks: RankCorrelation) -> dict[str, Any]:
    return {"value": ranks.value, "interval": _interval_dict(ranks.interval), "num_pairs": ranks.num_pairs}


def _interval_dict(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else {"low": found.low, "high": found.high, "level": found.level}
