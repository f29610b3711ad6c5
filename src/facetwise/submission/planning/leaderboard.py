"""Forecasts of sent submissions beside their leaderboard scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from facetwise.core.errors import InputError
from facetwise.core.plain import plain
from facetwise.core.project import Project
from facetwise.core.text.counting import count
from facetwise.core.text.subject import PEOPLE
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.forecasts.forecast import LEVEL, Part, ScoreForecast, Shift
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.ranks import MIN_PAIRS, RankCorrelation, rank_correlation
from facetwise.predictors.sources import manifest_truth
from facetwise.results.wording import interval, percent, shared_level, signed
from facetwise.submission.ledger.ledger import Entry, Ledger, read_ledger
from facetwise.submission.ledger.view import expected
from facetwise.submission.planning.contenders import Contender, comparable, submissions, widest
from facetwise.submission.planning.forecast import people_notes
from facetwise.submission.planning.outlook import Outlook, read_outlook


@dataclass(frozen=True)
class Outcome:
    """A score on one part of the test set, beside its forecast from out-of-fold predictions alone."""

    score: float
    expected: ScoreForecast | None
    """None without out-of-fold predictions."""

    @property
    def deviation(self) -> float | None:
        """Score minus forecast, in standard deviations of the forecast; None without a forecast."""
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
    """A sent file: a submission, or one that was not made here."""

    name: str
    sent: str | None
    """UTC, ISO 8601."""
    out_of_fold: float | None
    out_of_fold_interval: Interval | None
    made_expected: float | None
    """The forecast for the whole test set, from when the submission was made."""
    made_interval: Interval | None
    public: Outcome | None
    private: Outcome | None
    why_not: str = ""
    """Why there is no forecast; empty if there is one."""

    @property
    def stands_out(self) -> bool:
        """Whether one of its scores lies outside of its prediction interval."""
        return any(o is not None and o.stands_out for o in (self.public, self.private))


Pair = Literal["out of fold, public", "out of fold, private", "public, private"]


@dataclass(frozen=True)
class RankAgreement:
    """Rank correlation of the submissions by two scores."""

    what: Pair
    ranks: RankCorrelation


@dataclass(frozen=True)
class LeaderboardView:
    """The view of `facetwise leaderboard`."""

    project: str
    level: float
    """Level of the intervals that scores are compared with."""
    rows: tuple[LeaderboardRow, ...]
    """In the order of sending."""
    agreements: tuple[RankAgreement, ...]
    """For each pair of scores that at least two submissions have."""
    shift: Shift | None
    """None without public scores."""
    notes: tuple[str, ...]

    @property
    def expected(self) -> tuple[LeaderboardRow, ...]:
        """Rows with a public score and a forecast of it."""
        return tuple(r for r in self.rows if r.public is not None and r.public.expected is not None)

    @property
    def out_of_fold_level(self) -> float | None:
        """Level of the intervals of out-of-fold scores; None without any."""
        return shared_level(row.out_of_fold_interval for row in self.rows)

    @property
    def made_level(self) -> float | None:
        """Level of the recorded forecasts; None if they differ (older records have 95 %), or without any."""
        return shared_level(row.made_interval for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data, with deviations and findings."""
        data: dict[str, Any] = plain(
            {
                "project": self.project,
                "level": self.level,
                "rows": [_row_dict(row) for row in self.rows],
                "agreements": [{"what": a.what, **asdict(a.ranks)} for a in self.agreements],
                "shift": None if self.shift is None else asdict(self.shift),
                "findings": list(findings(self)),
                "notes": self.notes,
            }
        )
        return data


def findings(view: LeaderboardView) -> Iterator[str]:
    """Conclusions from the table, one sentence each."""
    for agreement in view.agreements:
        yield _rank_agreement(agreement)
    yield from _standing_out(view)
    if view.shift is not None:
        yield (
            f"Leaderboard minus out of fold, as far as all share it and the luck of {PEOPLE} does not explain it: "
            f"{signed(view.shift.expected)} ± {view.shift.spread:.3f}."
        )


def _rank_agreement(agreement: RankAgreement) -> str:
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
    parts = {"public": _outcome_dict(row.public), "private": _outcome_dict(row.private)}
    return {**asdict(row), **parts, "stands_out": row.stands_out}


def _outcome_dict(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    found = outcome.expected
    return {
        "score": outcome.score,
        "expected": None if found is None else found.expected,
        "interval": None if found is None else asdict(found.interval),
        "num_people": None if found is None else found.num_people,
        "deviation": outcome.deviation,
        "stands_out": outcome.stands_out,
    }


def build_leaderboard(project: Project) -> LeaderboardView:
    """Every sent file with its forecast and scores.

    Scores are compared with forecasts from out-of-fold predictions alone for the people of their part, whose intervals
    differ from those for the whole test set in submissions' records. Raises InputError when nothing was sent, and
    ProblemsError for an invalid ledger.
    """
    manifest, ledger = load_manifest(project), read_ledger(project.workspace)
    if not ledger.entries:
        raise InputError(
            f"{project.workspace.ledger_file}: nothing was sent yet, so there is nothing to hold against out of fold",
            hint="note what a submission scored: `facetwise ledger record SUBMISSION --public SCORE`",
        )
    found, left_out = submissions(project, manifest, ledger, sent_only=True)
    usable, narrow = comparable(found, widest(found)) if found else ([], [])
    outlook = read_outlook(project, manifest, usable) if usable else None
    why = {item.name: item.text() for item in (*left_out, *narrow)}
    rows = tuple(_rows(project, manifest, ledger, outlook, why))
    notes = () if outlook is None else (*people_notes(outlook.test), _by())
    shift = None if outlook is None else outlook.shift
    return LeaderboardView(project.file.name, LEVEL, rows, tuple(_agreements(rows)), shift, notes)


def _by() -> str:
    return (
        f"Deviations and intervals that scores are held against are by out of fold alone, for the {PEOPLE} of that "
        "part; the forecast when made is for the whole test set."
    )


def _rows(
    project: Project, manifest: Manifest, ledger: Ledger, outlook: Outlook | None, why: Mapping[str, str]
) -> Iterator[LeaderboardRow]:
    places = {} if outlook is None else {c.id: k for k, c in enumerate(outlook.contenders)}
    for entry in ledger.files:
        made = expected(project.workspace, entry.submission)
        place = places.get(entry.submission or "")
        score, interval = (
            (None, None) if outlook is None or place is None else _in_hand(project, manifest, outlook.contenders[place])
        )
        yield LeaderboardRow(
            name=entry.name,
            sent=entry.sent,
            out_of_fold=score,
            out_of_fold_interval=interval,
            made_expected=None if made is None else made.score,
            made_interval=None if made is None else made.interval,
            public=_outcome(outlook, place, "public", entry.public),
            private=_outcome(outlook, place, "private", entry.private),
            why_not=_why_not(entry, place, why),
        )


def _why_not(entry: Entry, place: int | None, why: Mapping[str, str]) -> str:
    return "" if place is not None else why.get(entry.name, "nothing is known of it out of fold")


def _in_hand(project: Project, manifest: Manifest, contender: Contender) -> tuple[float, Interval]:
    """Out-of-fold score on all images that it predicts, and its interval by person."""
    rows = np.flatnonzero(contender.oof != MISSING)
    truth, answers = manifest_truth(project, manifest).where(rows), contender.oof[rows]
    return truth.score(answers), truth.interval(answers)


def _outcome(outlook: Outlook | None, place: int | None, part: Part, score: float | None) -> Outcome | None:
    if score is None:
        return None
    if outlook is None or place is None or part not in outlook.alone.people.parts:
        return Outcome(score, None)
    return Outcome(score, outlook.alone.forecast(part, place))


def _agreements(rows: Sequence[LeaderboardRow]) -> Iterator[RankAgreement]:
    columns = {
        "out of fold": [row.out_of_fold for row in rows],
        "public": [None if row.public is None else row.public.score for row in rows],
        "private": [None if row.private is None else row.private.score for row in rows],
    }
    whats: tuple[Pair, ...] = ("out of fold, public", "out of fold, private", "public, private")
    for what in whats:
        one, other = (columns[name] for name in what.split(", "))
        both = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
        if len(both) > 1:
            yield RankAgreement(what, rank_correlation([a for a, _ in both], [b for _, b in both]))
