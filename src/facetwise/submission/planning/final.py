"""Which submissions to choose for the private score, and why not by the public score alone.

The best of the chosen files counts, so the choice maximises the mean of their highest private score under the joint
forecast given all public scores. Two good files that differ are better than twins. The highest public score of many was
also lucky: its private score is expected to be lower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facetwise.core.errors import InputError, SettingError
from facetwise.core.project import Project
from facetwise.data.manifest import load_manifest
from facetwise.evaluate.agreement import disagreement
from facetwise.evaluate.forecasts.forecast import LEVEL, ScoreForecast, Shift
from facetwise.evaluate.forecasts.picks import MAX_SETS, best_picks, expected_best
from facetwise.submission.ledger.ledger import Ledger, read_ledger
from facetwise.submission.planning.contenders import LeftOut, comparable, submissions, widest
from facetwise.submission.planning.forecast import people_notes, shift_notes
from facetwise.submission.planning.outlook import Outlook, TestSet, read_outlook


@dataclass(frozen=True)
class Finalist:
    """A submission that was sent."""

    id: str
    reference: str
    """Short reference: `s3`."""
    chosen: bool
    out_of_fold: float
    public: float | None
    private: ScoreForecast
    chance: float
    """Probability of the highest private score of all sent files, 0..1; copies share it."""


@dataclass(frozen=True)
class FinalView:
    """The view of `facetwise final`."""

    project: str
    level: float
    test: TestSet
    finalists: tuple[Finalist, ...]
    """Sorted by expected private score, highest first."""
    expected_best: float
    """Mean of the highest private score of the chosen files."""
    by_public: tuple[str, ...]
    """The same number of files chosen by public score alone, highest first; empty without public scores."""
    by_public_best: float | None
    """Mean of the highest private score of these."""
    highest_public: tuple[str, float] | None
    """The file with the highest public score in the ledger, whether it can be forecast or not."""
    apart: float | None
    """Smallest share of differing test answers between two chosen files; None for a single one."""
    shift: Shift | None
    averaged: bool
    """Whether several fold models predict the test images of any file."""
    exhaustive: bool
    """Whether all sets were compared."""
    left_out: tuple[LeftOut, ...]

    @property
    def chosen(self) -> tuple[Finalist, ...]:
        """The chosen files, highest expected private score first."""
        return tuple(f for f in self.finalists if f.chosen)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "test": self.test.as_dict(), "reasons": list(final_reasons(self))}


def build_final(project: Project, count: int) -> FinalView:
    """Choose `count` of the submissions in the ledger.

    Raises SettingError when `count` is not positive, InputError when no sent file can be forecast, and ProblemsError
    for an invalid ledger.
    """
    if count < 1:
        raise SettingError(f"`count` is {count}: expected how many submissions the contest lets you choose, 1 or more")
    manifest, ledger = load_manifest(project), read_ledger(project.workspace)
    found, left_out = submissions(project, manifest, ledger, sent_only=True)
    if not found:
        unsent = "note what was sent with `facetwise ledger sent SUBMISSION`"
        raise InputError(_nothing(ledger, left_out), hint=next((i.hint for i in left_out if i.hint), unsent))
    contenders, narrow = comparable(found, widest(found))
    outlook = read_outlook(project, manifest, contenders)
    scores = outlook.joint.scores("private")
    best, *rest = best_picks(scores, count)
    by_public = sorted(outlook.scored, key=lambda k: (-(outlook.contenders[k].public or 0.0), k))[: len(best.chosen)]
    return FinalView(
        project=project.file.name,
        level=LEVEL,
        test=outlook.test,
        finalists=_finalists(outlook, best.chosen),
        expected_best=best.expected_best,
        by_public=tuple(outlook.contenders[k].id for k in by_public),
        by_public_best=expected_best(scores, by_public) if by_public else None,
        highest_public=ledger.best_public,
        apart=_apart(outlook, best.chosen),
        shift=outlook.shift,
        averaged=any(c.averaged for c in contenders),
        exhaustive=bool(rest) or len(best.chosen) == len(contenders),
        left_out=(*narrow, *left_out),
    )


def final_reasons(view: FinalView) -> Iterator[str]:
    """Why these files, why not by public score alone, and notes on the numbers."""
    yield from _why_these(view)
    yield from _why_not_public(view)
    if not view.exhaustive:
        yield f"There are more than {MAX_SETS:,} sets to choose from: this one was grown one by one."
    yield from people_notes(view.test)
    yield from shift_notes(view.shift, sum(f.public is not None for f in view.finalists), averaged=view.averaged)


def _nothing(ledger: Ledger, left_out: list[LeftOut]) -> str:
    if not ledger.entries:
        return "nothing was sent yet: the final choice is among what was sent"
    why = "; ".join(f"{item.name}: {item.why}" for item in left_out[:3])
    return f"nothing that was sent can be forecast ({why})"


def _finalists(outlook: Outlook, chosen: tuple[int, ...]) -> tuple[Finalist, ...]:
    scores = outlook.joint.scores("private")
    top = np.isclose(scores, scores.max(axis=1, keepdims=True), rtol=0.0, atol=1e-9)
    chances = (top / top.sum(axis=1, keepdims=True)).mean(axis=0)
    found = [
        Finalist(
            c.id,
            c.reference,
            k in chosen,
            outlook.in_hand[k],
            c.public,
            outlook.forecast("private", k),
            float(chances[k]),
        )
        for k, c in enumerate(outlook.contenders)
    ]
    return tuple(sorted(found, key=lambda f: (-f.private.expected, f.id)))


def _apart(outlook: Outlook, chosen: tuple[int, ...]) -> float | None:
    picked = [outlook.contenders[k] for k in chosen]
    shares = [disagreement(one.test, other.test) for i, one in enumerate(picked) for other in picked[:i]]
    return min(shares, default=None)


def _why_these(view: FinalView) -> Iterator[str]:
    names = " and ".join(f"`{f.reference}`" for f in view.chosen)
    if view.apart is None:
        yield f"{names}: its private score is to be expected at {view.expected_best:.3f}, the highest of all."
    elif view.apart == 0:
        yield f"{names}: the better of them is to be expected at {view.expected_best:.3f}; there are copies among them."
    else:
        yield (
            f"{names}: the better of them is to be expected at {view.expected_best:.3f}. They answer at least "
            f"{view.apart * 100:.1f} % of the images differently, so one may do well where the other does not."
        )
    top = view.finalists[0]
    if not top.chosen:
        alone = f"`{top.reference}` alone is to be expected higher ({top.private.expected:.3f})"
        yield f"{alone}, but it adds less to the others: it is too much like them."


def _why_not_public(view: FinalView) -> Iterator[str]:
    if not view.by_public or view.by_public_best is None:
        if view.highest_public is None:
            yield "No public score is known: this goes by out of fold alone."
        yield from _not_forecast(view)
        return
    yield from _not_forecast(view)
    yield _fall(next(f for f in view.finalists if f.id == view.by_public[0]), alone=not list(_not_forecast(view)))
    if set(view.by_public) != {f.id for f in view.chosen}:
        short = {f.id: f.reference for f in view.finalists}
        names = " and ".join(f"`{short[name]}`" for name in view.by_public)
        yield f"By public score alone it would be {names}, with {view.by_public_best:.3f} to expect of the better one."
    else:
        yield "The public scores alone would choose the same."


def _not_forecast(view: FinalView) -> Iterator[str]:
    """A note on the file with the highest public score, if it cannot be forecast."""
    if view.highest_public is None:
        return
    name, public = view.highest_public
    known = [f.public for f in view.finalists if f.public is not None]
    if public > max(known, default=-1.0):
        yield (
            f"The highest public score of all, {public:.4f}, is that of `{name}`, which cannot be forecast and is not "
            "among these: whether to choose it is for you to say."
        )


def _fall(top: Finalist, *, alone: bool) -> str:
    """The expected drop from the highest public score to its private score; `alone`: it is the highest of all."""
    assert top.public is not None
    fall = top.private.expected - top.public
    of_whom = "" if alone else " of those that can be forecast"
    highest = f"`{top.reference}` has the highest public score{of_whom}, {top.public:.4f}"
    expected = f"its private score is to be expected at {top.private.expected:.3f} ({fall:+z.3f})"
    if fall < 0:
        return f"{highest}; {expected}: the highest of several was lucky too. Out of fold it has {top.out_of_fold:.3f}."
    return f"{highest}, and out of fold it has {top.out_of_fold:.3f}: {expected}."
