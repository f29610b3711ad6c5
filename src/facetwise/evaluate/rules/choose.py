"""Decision rules, fitted on out-of-fold predictions, their nested scores, and the choice among them.

Whatever is fitted flatters itself on the people that it was fitted on. So every kind of rule is priced by a nested
estimate: people are dealt in five parts, the rule is fitted on four and applied to the fifth, and the five fifths are
scored together. The best of several such estimates is still flattered, by having been picked; so the pick is priced too
(`Picked`). A rule that is no better than plain argmax, or whose pick is not, is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from facetwise.core.arrays import count, takes
from facetwise.core.labels import IntArray
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.intervals import RESAMPLES, Interval, PairedInterval
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.rows import Part, ScoredRows, nested
from facetwise.evaluate.rules.fit import MOST_UNASKED, check_kinds, fit_rule, kinds_for, kinds_unasked
from facetwise.evaluate.rules.kinds import ARGMAX, Argmax, JointMultipliers, MovedCuts, Multipliers, Rule, undecided
from facetwise.evaluate.rules.records import rule_from_dict

__all__ = [
    "ARGMAX",
    "Argmax",
    "JointMultipliers",
    "MovedCuts",
    "Multipliers",
    "Picked",
    "Rule",
    "RuleCandidate",
    "RuleChoice",
    "choose_rule",
    "fit_rule",
    "kinds_for",
    "rule_from_dict",
]  # fmt: skip


@dataclass(frozen=True)
class RuleCandidate:
    """One kind of rule with its scores, which are over the joint classes."""

    rule: Rule
    """Fitted on all people."""
    optimistic: float
    """Score of `rule` on the people that it was fitted on: too high."""
    nested: float
    """Each person decided by a rule that was fitted without that person's fifth."""
    difference: float
    """nested - plain argmax."""
    difference_interval: PairedInterval | None
    """Paired by person; None when no intervals were asked for."""
    num_changed: int
    """Images that `rule` gives another class than plain argmax."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.rule.kind, **vars(self), "rule": self.rule.as_dict(), **_plain(self.difference_interval)}


@dataclass(frozen=True)
class Picked:
    """The nested score of picking among the kinds, since the best of several nested estimates is too high.

    Each fifth of the people is decided by the kind that is best on the other four, by an estimate nested among these.
    """

    kinds: tuple[str, ...]
    """Picked without each fifth of the people."""
    nested: float
    difference: float
    """nested - plain argmax."""
    difference_interval: PairedInterval | None
    """Paired by person; None when no intervals were asked for."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "kinds": list(self.kinds), **_plain(self.difference_interval)}


@dataclass(frozen=True)
class RuleChoice:
    """The rule to use, and why."""

    rule: Rule
    """Fitted on all people."""
    plain: float
    """Score of plain argmax."""
    plain_interval: Interval | None
    """By person; None when no intervals were asked for."""
    candidates: tuple[RuleCandidate, ...]
    """In the order asked for; plain argmax is not among them."""
    picked: Picked
    num_images: int
    """Images that were scored."""
    num_people: int
    num_left_out: int
    """Images without a prediction, or without a known class."""

    @property
    def nested(self) -> float:
        """Nested score of what is used: of plain argmax, else of picking a rule as it was picked here."""
        return self.plain if self.rule.kind == ARGMAX else self.picked.nested

    @property
    def best(self) -> RuleCandidate | None:
        """The candidate with the highest nested estimate, used or not; of equals the first."""
        return max(self.candidates, key=lambda c: c.nested, default=None)

    @property
    def why(self) -> str:
        """Why this rule is used, in a sentence or two."""
        if self.best is None:
            more = f"one of more than {MOST_UNASKED} multipliers has to be"
            return f"Plain argmax is used: no other rule was asked for; {more}."
        how = f"fitted on four fifths of the {PEOPLE} and applied to the fifth"
        kind, gain = f"`{self.best.rule.kind}`", f"{self.best.difference:+.3f} {SCORE}"
        seen, picked = f"{self.best.optimistic - self.plain:+.3f}", f"{self.picked.difference:+.3f}"
        if self.rule.kind != ARGMAX:
            return (
                f"{kind} is used: {how}, it is better than plain argmax ({gain}), and still so when the rule "
                f"is picked anew without each fifth ({picked})."
            )
        if self.best.nested > self.plain:
            return (
                f"Plain argmax is used: {how}, {kind} comes to {gain}, but it was picked for that. With the rule "
                f"picked anew without each fifth, nothing is gained ({picked})."
            )
        return (
            f"Plain argmax is used: {how}, no other rule is better. The best of them, {kind}, comes to {gain}; "
            f"the {seen} on the {PEOPLE} that it was fitted on is the fit flattering itself."
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **vars(self),
            "rule": self.rule.as_dict(),
            "plain_interval": None if self.plain_interval is None else vars(self.plain_interval),
            "candidates": [c.as_dict() for c in self.candidates],
            "picked": self.picked.as_dict(),
            "nested": self.nested,
            "why": self.why,
        }


@takes(seed=count(0), resamples=count())
def choose_rule(
    rows: ScoredRows,
    kinds: Sequence[str] | None = None,
    *,
    seed: int = 0,
    intervals: bool = True,
    resamples: int = RESAMPLES,
) -> RuleChoice:
    """Fit a rule of each of `kinds` (without them, of `kinds_unasked`) on out-of-fold predictions, and choose one.

    `seed`: how people are dealt in five parts. Used is the kind with the highest nested estimate, and plain argmax
    unless that is *better* than argmax, and the pick made anew without each fifth of the people (`picked`) is better
    as well. Each kind is fitted 16 times: on all, without each part, and without each two. `intervals=False` spares the
    bootstrap, for use inside an outer loop; the rule is the same. Raises what `fit_rule` does, and InputError for
    predictions of fewer than five people.
    """
    wanted = [k for k in dict.fromkeys(kinds_unasked(rows.space) if kinds is None else kinds) if k != ARGMAX]
    check_kinds(wanted, rows.space)
    covered = ScoredRows(undecided(rows.predictions), rows.truth).scored_rows()
    trial = _Trial.of(covered, seed)
    paired = partial(covered.truth.paired, second=trial.plain, resamples=resamples) if intervals else None
    candidates = tuple(_candidate(trial, kind, paired) for kind in wanted)
    base, best = trial.score(trial.plain), max(candidates, key=lambda c: c.nested, default=None)
    picked = _picked(trial, wanted, paired)
    return RuleChoice(
        rule=best.rule if best is not None and min(best.nested, picked.nested) > base else Argmax(),
        plain=base,
        plain_interval=covered.truth.interval(trial.plain, resamples=resamples) if intervals else None,
        candidates=candidates,
        picked=picked,
        num_images=len(covered),
        num_people=covered.truth.num_people,
        num_left_out=len(rows) - len(covered),
    )


Pairing = Callable[[IntArray], PairedInterval]


@dataclass(frozen=True)
class _Trial:
    """Covered rows in parts. `plain`: joint classes of plain argmax, (n,); `part`: (n,).

    `rule` fits a kind on everybody but some parts, once.
    """

    rows: ScoredRows
    plain: IntArray
    part: IntArray
    rule: Callable[[str, frozenset[int]], Rule]

    @classmethod
    def of(cls, rows: ScoredRows, seed: int) -> _Trial:
        part = rows.truth.parts(seed)

        @cache
        def rule(kind: str, without: frozenset[int]) -> Rule:
            return fit_rule(kind, rows.where(~np.isin(part, list(without))))

        return cls(rows, rows.predictions.classes, part, rule)

    def score(self, decided: IntArray) -> float:
        """Score of decided classes, over the rows that have one."""
        return self.rows.truth.score(decided, skip_missing=True)

    def decide(self, rule: Rule, part: Part) -> IntArray:
        """Joint classes of the rows of a part."""
        return rule.decide(self.rows.predictions.where(part.held_out))

    def nested(self, kind: str, without: int = MISSING) -> IntArray:
        """Each part decided by a rule fitted without it (and without the part `without`, whose rows are -1), (n,)."""
        part, others = np.where(self.part == without, MISSING, self.part), frozenset({without}) - {MISSING}
        return nested(lambda p: self.rule(kind, others | {p.number}), self.decide, part)[1]

    def pick(self, kinds: Sequence[str], part: Part) -> Rule:
        """The rule of the kind that is best without a part, by an estimate nested among the others; fitted on these."""
        estimates = {ARGMAX: self.score(np.where(part.held_out, MISSING, self.plain))}
        estimates |= {kind: self.score(self.nested(kind, part.number)) for kind in kinds}
        best = max(estimates, key=lambda kind: estimates[kind])  # of equals argmax, which comes first
        return self.rule(best, frozenset({part.number}))


def _candidate(trial: _Trial, kind: str, paired: Pairing | None) -> RuleCandidate:
    rule, decided = trial.rule(kind, frozenset()), trial.nested(kind)
    optimistic, score = rule.decide(trial.rows.predictions), trial.score(decided)
    return RuleCandidate(
        rule=rule,
        optimistic=trial.score(optimistic),
        nested=score,
        difference=score - trial.score(trial.plain),
        difference_interval=paired(decided) if paired else None,
        num_changed=int((optimistic != trial.plain).sum()),
    )


def _picked(trial: _Trial, kinds: Sequence[str], paired: Pairing | None) -> Picked:
    rules, decided = nested(lambda part: trial.pick(kinds, part), trial.decide, trial.part)
    score = trial.score(decided)
    difference = score - trial.score(trial.plain)
    return Picked(tuple(r.kind for r in rules), score, difference, paired(decided) if paired else None)


def _plain(difference: PairedInterval | None) -> Mapping[str, Any]:
    return {"difference_interval": None if difference is None else vars(difference)}
