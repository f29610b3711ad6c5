"""What was expected of submissions, and what the leaderboard said: submission and report brought together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from facetwise.core.errors import InputError
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.forecast import LEVEL, Part
from facetwise.evaluate.intervals import Interval, bootstrap_interval
from facetwise.evaluate.metrics import MISSING, macro_f1
from facetwise.evaluate.ranks import rank_correlation
from facetwise.report.leaderboard import Agreement, LeaderboardRow, LeaderboardView, Outcome, Pair
from facetwise.submission.contenders import Contender, comparable, submissions, widest
from facetwise.submission.forecast import people_notes
from facetwise.submission.ledger import Entry, Ledger, read_ledger
from facetwise.submission.outlook import Outlook, read_outlook
from facetwise.submission.show import expected


def build_leaderboard(project: Project, *, seed: int = 0) -> LeaderboardView:
    """Every sending with what was expected of it.

    Scores are held against the forecast by out of fold alone for the people of their part, which is narrower or wider
    than the forecast for the whole test set that the submission's record has. Raises InputError when nothing was sent,
    and ProblemsError for a wrong ledger.
    """
    manifest, ledger = load_manifest(project), read_ledger(project.workspace)
    if not ledger.entries:
        raise InputError(
            f"{project.workspace.ledger_file}: nothing was sent yet, so there is nothing to hold against out of fold",
            hint="note what a submission scored: `facetwise ledger record SUBMISSION --public SCORE`",
        )
    found, left_out = submissions(project, manifest, ledger, sent_only=True)
    usable, narrow = comparable(found, widest(found)) if found else ([], [])
    outlook = read_outlook(project, manifest, usable, seed=seed) if usable else None
    why = {item.name: item.told() for item in (*left_out, *narrow)}
    rows = tuple(_rows(project, manifest, ledger, outlook, why))
    notes = () if outlook is None else (*people_notes(outlook.test), _BY)
    shift = None if outlook is None else outlook.shift
    return LeaderboardView(project.file.name, LEVEL, rows, tuple(_agreements(rows)), shift, notes)


_BY = (
    "Deviations and intervals that scores are held against are by out of fold alone, for the people of that part; the "
    "forecast when made is for the whole test set."
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
    """Macro F1 on all images that it predicts out of fold, and its interval by person."""
    rows = np.flatnonzero(contender.oof != MISSING)
    truth, groups = project.space.encode(manifest.codes(project.space))[rows], manifest.train["group"].to_numpy()[rows]
    answers, num = contender.oof[rows], project.space.num_joint
    return macro_f1(truth, answers, num), bootstrap_interval(truth, answers, groups, num)


def _outcome(outlook: Outlook | None, place: int | None, part: Part, score: float | None) -> Outcome | None:
    if score is None:
        return None
    if outlook is None or place is None or part not in outlook.alone.people.parts:
        return Outcome(score, None)
    return Outcome(score, outlook.alone.forecast(part, place))


def _agreements(rows: Sequence[LeaderboardRow]) -> Iterator[Agreement]:
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
            yield Agreement(what, rank_correlation([a for a, _ in both], [b for _, b in both]))
