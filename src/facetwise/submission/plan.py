"""What to send today: which files, in which order, and why.

A file is worth sending for what can be done afterwards: once its public score is known, the file with the highest
expected private score is chosen (`picks.final_value`). Files are taken one by one, each the one that adds most to that;
what is nearly a copy of a file that was sent or taken is not taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from facetwise.core.errors import FacetwiseError, InputError
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.forecast import LEVEL, ScoreForecast
from facetwise.evaluate.picks import Gain, final_value, gain_over, variance_told
from facetwise.submission.contenders import (
    Contender,
    LeftOut,
    comparable,
    possible,
    share_apart,
    submissions,
    widest,
)
from facetwise.submission.forecast import people_notes, shift_notes
from facetwise.submission.ledger import read_ledger
from facetwise.submission.outlook import Outlook, TestSet, read_outlook
from facetwise.submission.quota import Quota, quota_left

MAX_POSSIBLE = 6
"""Runs and blends that are looked at beside the submissions that were made already: the best out of fold."""
MAX_READ = 12
"""Runs and blends that are read to find them."""
NEAR = 0.005
"""Files that answer fewer images otherwise are near copies."""
MIN_WORTH = 0.0001
"""A file that adds less to the private score to expect is not worth one: it is the leaderboard's last decimal."""


@dataclass(frozen=True)
class Nearest:
    """The file, sent or taken before, that a candidate answers most like."""

    id: str
    apart: float
    """Share of the test images answered otherwise, 0..1."""


@dataclass(frozen=True)
class Candidate:
    """A file that could be sent."""

    kind: str
    """`submission` when it is made already, else `run` or `blend`."""
    id: str
    order: int | None
    """Its place in what to send today, from 1; None when it is not to be sent."""
    why: str
    out_of_fold: float
    public: ScoreForecast
    private: ScoreForecast
    gain: Gain | None
    """Over the best public score so far; None when there is none."""
    nearest: Nearest | None
    """None when nothing was sent or taken before it."""
    teaches: float
    """Share of the variance of the other candidates' private forecasts that its public score would take away."""
    worth: float | None
    """What sending it adds to the private score to expect of the file that is chosen in the end, after what was sent
    and taken before; None of the first file of all."""


@dataclass(frozen=True)
class PlanView:
    """What `facetwise plan` tells."""

    project: str
    level: float
    quota: Quota | None
    """None where `facetwise.toml` sets no limit."""
    test: TestSet
    num_sent: int
    """Submissions in the ledger that can be forecast."""
    num_scored: int
    best: tuple[str, float] | None
    """The sending with the best public score, and that score."""
    candidates: tuple[Candidate, ...]
    """Those to send in their order, then the others by what they are worth."""
    shift: tuple[float, float] | None
    left_out: tuple[LeftOut, ...]

    @property
    def chosen(self) -> tuple[Candidate, ...]:
        """What to send today, in order."""
        return tuple(c for c in self.candidates if c.order is not None)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data = asdict(self)
        best = None if self.best is None else {"id": self.best[0], "public": self.best[1]}
        shift = None if self.shift is None else {"expected": self.shift[0], "spread": self.shift[1]}
        quota = None if self.quota is None else self.quota.as_dict()
        more = {"best": best, "shift": shift, "quota": quota, "test": self.test.as_dict()}
        return {**data, **more, "notes": list(plan_notes(self))}


def build_plan(project: Project, moment: datetime, others: Sequence[str], *, seed: int = 0) -> PlanView:
    """What to send on the contest's day that `moment` is in; `others`: runs and blends that may be sent, best first.

    Raises InputError when there is nothing that could be sent, and ProblemsError for a wrong ledger.
    """
    manifest, ledger = load_manifest(project), read_ledger(project.workspace)
    made, left_out = submissions(project, manifest, ledger)
    more, unread = _possible(project, manifest, others, made)
    if not (open_ := [c for c in [*made, *more] if not c.sent]):
        raise InputError(_nothing(made, [*left_out, *unread]), hint="train or blend something new, then plan again")
    contenders, narrow = comparable([*made, *more], widest([*made, *more]))
    quota = quota_left(ledger, project.file.contest, moment)
    outlook = read_outlook(project, manifest, contenders, seed=seed)
    scores = [(e.name, e.public) for e in ledger.entries if e.public is not None]
    best = max(scores, key=lambda s: s[1], default=None)
    return PlanView(
        project=project.file.name,
        level=LEVEL,
        quota=quota,
        test=outlook.test,
        num_sent=sum(c.sent for c in contenders),
        num_scored=len(outlook.scored),
        best=best,
        candidates=_candidates(outlook, len(open_) if quota is None else quota.left, best),
        shift=outlook.shift,
        left_out=(*narrow, *unread, *left_out),
    )


def plan_notes(view: PlanView) -> Iterator[str]:
    """What a reader has to know of the numbers."""
    yield from people_notes(view.test)
    yield from shift_notes(view.shift, view.num_scored)
    if view.quota is None:
        yield "No limit a day is set (`contest.submissions_per_day` in facetwise.toml): all that is worth it is listed."


def _possible(
    project: Project, manifest: Manifest, others: Sequence[str], made: Sequence[Contender]
) -> tuple[list[Contender], list[LeftOut]]:
    """The best runs and blends out of fold that no submission was made from, with the answers of no submission."""
    found: list[Contender] = []
    left_out: list[LeftOut] = []
    for reference in others[:MAX_READ]:
        try:
            contender = possible(project, manifest, reference)
        except FacetwiseError as error:
            left_out.append(LeftOut(reference, str(error)))
            continue
        if not any(share_apart(contender, other) == 0 for other in [*made, *found]):
            found.append(contender)
    return found[:MAX_POSSIBLE], left_out


def _nothing(made: Sequence[Contender], left_out: Sequence[LeftOut]) -> str:
    if made:
        return f"there is nothing left to send: all {len(made)} submissions were sent, and nothing else could be"
    why = f" ({left_out[0].name}: {left_out[0].why})" if left_out else ""
    return f"there is nothing to send: no submission, and no finished run or blend that could be one{why}"


@dataclass(frozen=True)
class _Taken:
    """What was sent, and what is to be sent after it, as places in the outlook."""

    scored: tuple[int, ...]
    later: tuple[int, ...]
    """Whose public scores are still to come."""

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.scored, *self.later)

    def with_(self, place: int) -> _Taken:
        return replace(self, later=(*self.later, place))


def _candidates(outlook: Outlook, num: int, best: tuple[str, float] | None) -> tuple[Candidate, ...]:
    """Greedy: one after the other the file that adds most, then the rest with what they would add after those."""
    everyone = tuple(k for k, c in enumerate(outlook.contenders) if not c.sent)
    pending = tuple(k for k, c in enumerate(outlook.contenders) if c.sent and c.public is None)
    taken, chosen, found = _Taken(outlook.scored, pending), list[int](), list[Candidate]()
    while len(chosen) < num:
        place, worth = _most_worth(outlook, taken, [k for k in everyone if k not in chosen])
        if place is None:
            break
        candidate = _candidate(outlook, place, everyone, taken, best, worth)
        chosen.append(place)
        found.append(replace(candidate, order=len(chosen), why=_why_sent(candidate, best)))
        taken = taken.with_(place)
    for place in (k for k in everyone if k not in chosen):
        candidate = _candidate(outlook, place, everyone, taken, best, _worth(outlook, taken, place))
        found.append(replace(candidate, why=_why_not(candidate, num)))
    return tuple(sorted(found, key=lambda c: (c.order or len(found) + 1, -(c.worth or 0.0), c.id)))


def _most_worth(outlook: Outlook, taken: _Taken, rest: Sequence[int]) -> tuple[int | None, float | None]:
    """The candidate to take next and what it adds; none when no candidate is worth it."""
    fresh = [k for k in rest if not (near := _nearest(outlook, k, taken)) or near.apart >= NEAR]
    if not fresh:
        return None, None
    if not taken.all:
        return max(fresh, key=lambda k: (outlook.forecast("private", k).expected, -k)), None
    worths = {k: _worth(outlook, taken, k) or 0.0 for k in fresh}
    place = max(fresh, key=lambda k: (worths[k], -k))
    return (place, worths[place]) if worths[place] >= MIN_WORTH else (None, None)


def _worth(outlook: Outlook, taken: _Taken, place: int) -> float | None:
    before = final_value(outlook.joint, taken.scored, taken.later)
    after = final_value(outlook.joint, taken.scored, taken.with_(place).later)
    return None if before is None or after is None else max(0.0, after - before)


def _candidate(
    outlook: Outlook,
    place: int,
    everyone: Sequence[int],
    taken: _Taken,
    best: tuple[str, float] | None,
    worth: float | None,
) -> Candidate:
    contender = outlook.contenders[place]
    public = outlook.joint.scores("public")[:, place]
    return Candidate(
        kind=contender.kind,
        id=contender.id,
        order=None,
        why="",
        out_of_fold=outlook.in_hand[place],
        public=outlook.forecast("public", place),
        private=outlook.forecast("private", place),
        gain=None if best is None else gain_over(public, best[1]),
        nearest=_nearest(outlook, place, taken),
        teaches=variance_told(outlook.joint, place, [k for k in everyone if k != place]),
        worth=worth,
    )


def _nearest(outlook: Outlook, place: int, taken: _Taken) -> Nearest | None:
    here = outlook.contenders[place]
    found = [Nearest(outlook.contenders[k].id, share_apart(here, outlook.contenders[k])) for k in taken.all]
    return min(found, key=lambda n: (n.apart, n.id), default=None)


def _why_sent(candidate: Candidate, best: tuple[str, float] | None) -> str:
    near, gain = candidate.nearest, candidate.gain
    if candidate.worth is None or near is None:
        return f"nothing was sent yet; its private score is to be expected highest ({candidate.private.expected:.3f})"
    chance = "" if gain is None or best is None else f", beats {best[1]:.4f} with a chance of {gain.chance:.0%}"
    return (
        f"answers {near.apart:.1%} of the images otherwise than `{near.id}`{chance}; adds {candidate.worth:.4f} to the "
        "private score to expect of the final choice"
    )


def _why_not(candidate: Candidate, num: int) -> str:
    near = candidate.nearest
    if near is not None and near.apart < NEAR:
        return f"nearly a copy: answers {near.apart:.1%} of the images otherwise than `{near.id}`"
    if candidate.worth is not None and candidate.worth < MIN_WORTH:
        return "its score would change nothing: it is not likely to be chosen, nor does it tell which file to choose"
    return "worth one on another day" if num else "worth one, but nothing more can be sent today"
