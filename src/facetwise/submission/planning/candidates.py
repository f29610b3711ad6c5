"""Which files to send, in which order, and why.

The value of sending a file comes from the later choice: once its public score is known, the file with the highest
expected private score is chosen (`picks.final_value`). Files are taken greedily, each time the one that adds most
value; near copies of files that were sent or taken are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from facetwise.evaluate.agreement import disagreement
from facetwise.evaluate.forecasts.forecast import ScoreForecast
from facetwise.evaluate.forecasts.picks import Gain, final_value, gain_over, variance_explained
from facetwise.submission.planning.outlook import Outlook

NEAR = 0.005
"""Largest share of differing answers of near copies."""
MIN_WORTH = 0.0001
"""Smallest added private score for which a file is sent: the leaderboard's last decimal."""


@dataclass(frozen=True)
class Nearest:
    """The sent or taken file with the most similar answers."""

    id: str
    reference: str
    """Short reference."""
    apart: float
    """Share of differing test answers, 0..1."""


@dataclass(frozen=True)
class Candidate:
    """A file that could be sent."""

    kind: str
    """`submission` if it exists, else `run` or `blend`."""
    id: str
    reference: str
    """Short reference: `s3`, `4`, `b2`."""
    order: int | None
    """Its position among the files to send today, from 1; None if it is not to be sent."""
    why: str
    out_of_fold: float
    public: ScoreForecast
    private: ScoreForecast
    gain: Gain | None
    """Possible improvement over the best public score so far; None without one."""
    nearest: Nearest | None
    """None if nothing was sent or taken before it."""
    teaches: float
    """Share of the variance of the other candidates' private scores that its public score would explain."""
    worth: float | None
    """What sending it adds to the expected private score of the finally chosen file, given the files sent and taken
    before; None for the very first file."""


@dataclass(frozen=True)
class _Taken:
    """Files that were sent, and those to send next, as indices into the outlook."""

    scored: tuple[int, ...]
    later: tuple[int, ...]
    """Files without a public score yet."""

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.scored, *self.later)

    def with_(self, place: int) -> _Taken:
        return replace(self, later=(*self.later, place))


def ordered_candidates(outlook: Outlook, num: int, best: tuple[str, float] | None) -> tuple[Candidate, ...]:
    """The unsent contenders: at most `num` to send, in order, then the rest.

    Greedy: each time the file that adds most; the rest with what they would add after those. `best`: id and value of
    the best public score so far.
    """
    everyone = tuple(k for k, c in enumerate(outlook.contenders) if not c.sent)
    pending = tuple(k for k, c in enumerate(outlook.contenders) if c.sent and c.public is None)
    taken, chosen, found = _Taken(outlook.scored, pending), list[int](), list[Candidate]()
    while len(chosen) < num:
        place, worth = _best_next(outlook, taken, [k for k in everyone if k not in chosen])
        if place is None:
            break
        candidate = _candidate(outlook, place, everyone, taken, best, worth)
        chosen.append(place)
        found.append(replace(candidate, order=len(chosen), why=_why_sent(candidate, best)))
        taken = taken.with_(place)
    for place in (k for k in everyone if k not in chosen):
        candidate = _candidate(outlook, place, everyone, taken, best, _added_value(outlook, taken, place))
        found.append(replace(candidate, why=_why_not(candidate, num)))
    return tuple(sorted(found, key=lambda c: (c.order or len(found) + 1, -(c.worth or 0.0), c.id)))


def _best_next(outlook: Outlook, taken: _Taken, rest: Sequence[int]) -> tuple[int | None, float | None]:
    """The next candidate and the value that it adds; None if none adds enough."""
    fresh = [k for k in rest if not (near := _nearest(outlook, k, taken)) or near.apart >= NEAR]
    if not fresh:
        return None, None
    if not taken.all:
        return max(fresh, key=lambda k: (outlook.forecast("private", k).expected, -k)), None
    worths = {k: _added_value(outlook, taken, k) or 0.0 for k in fresh}
    place = max(fresh, key=lambda k: (worths[k], -k))
    return (place, worths[place]) if worths[place] >= MIN_WORTH else (None, None)


def _added_value(outlook: Outlook, taken: _Taken, place: int) -> float | None:
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
        reference=contender.reference,
        order=None,
        why="",
        out_of_fold=outlook.in_hand[place],
        public=outlook.forecast("public", place),
        private=outlook.forecast("private", place),
        gain=None if best is None else gain_over(public, best[1]),
        nearest=_nearest(outlook, place, taken),
        teaches=variance_explained(outlook.joint, place, [k for k in everyone if k != place]),
        worth=worth,
    )


def _nearest(outlook: Outlook, place: int, taken: _Taken) -> Nearest | None:
    here, others = outlook.contenders[place], [outlook.contenders[k] for k in taken.all]
    found = [Nearest(c.id, c.reference, disagreement(here.test, c.test)) for c in others]
    return min(found, key=lambda n: (n.apart, n.id), default=None)


def _why_sent(candidate: Candidate, best: tuple[str, float] | None) -> str:
    near, gain = candidate.nearest, candidate.gain
    if candidate.worth is None or near is None:
        return f"nothing was sent yet; its private score is to be expected highest ({candidate.private.expected:.3f})"
    worth = f"adds {candidate.worth:.4f} to the private score to expect of the final choice"
    chance = "" if gain is None or best is None else f", beats {best[1]:.4f} with a chance of {gain.chance * 100:.0f} %"
    return f"answers {near.apart * 100:.1f} % of the images otherwise than `{near.reference}`{chance}; {worth}"


def _why_not(candidate: Candidate, num: int) -> str:
    near = candidate.nearest
    if near is not None and near.apart < NEAR:
        return f"nearly a copy: answers {near.apart * 100:.1f} % of the images otherwise than `{near.reference}`"
    if candidate.worth is not None and candidate.worth < MIN_WORTH:
        return "its score would change nothing: it is not likely to be chosen, nor does it tell which file to choose"
    return "worth one on another day" if num else "worth one, but nothing more can be sent today"
