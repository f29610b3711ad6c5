"""What to send today: existing submissions, and runs and blends that could become one, compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from facetwise.core.errors import FacetwiseError, InputError
from facetwise.core.project import Project
from facetwise.core.runs import list_runs
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.agreement import disagreement
from facetwise.evaluate.forecasts.forecast import LEVEL, Shift
from facetwise.predictors.blend_folder import list_blends
from facetwise.submission.eligible import PartialError
from facetwise.submission.ledger.ledger import read_ledger
from facetwise.submission.ledger.quota import Quota, quota_left
from facetwise.submission.planning.candidates import Candidate, ordered_candidates
from facetwise.submission.planning.contenders import (
    Contender,
    LeftOut,
    comparable,
    possible_contender,
    submissions,
    widest,
)
from facetwise.submission.planning.forecast import people_notes, shift_notes
from facetwise.submission.planning.outlook import TestSet, read_outlook
from facetwise.submission.planning.sent_scores import SentFile, sent_as, sent_files

MAX_POSSIBLE = 6
"""Most runs and blends that are compared with existing submissions: the best out of fold."""
MAX_READ = 12
"""Most runs and blends that are read to find them."""


@dataclass(frozen=True)
class PlanView:
    """The view of `facetwise plan`."""

    project: str
    level: float
    quota: Quota | None
    """None if `facetwise.toml` sets no limit."""
    test: TestSet
    num_sent: int
    """Number of submissions in the ledger that can be forecast."""
    num_scored: int
    best: tuple[str, float] | None
    """Id and value of the best public score."""
    candidates: tuple[Candidate, ...]
    """Files to send in order, then the others by added value."""
    shift: Shift | None
    averaged: bool
    """Whether several fold models predict the test images of any file."""
    left_out: tuple[LeftOut, ...]

    @property
    def chosen(self) -> tuple[Candidate, ...]:
        """The files to send today, in order."""
        return tuple(c for c in self.candidates if c.order is not None)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data = asdict(self)
        best = None if self.best is None else {"id": self.best[0], "public": self.best[1]}
        quota = None if self.quota is None else self.quota.as_dict()
        more = {"best": best, "quota": quota, "test": self.test.as_dict()}
        return {**data, **more, "notes": list(plan_notes(self))}


def build_plan(project: Project, moment: datetime, others: Sequence[str]) -> PlanView:
    """The plan for the contest's day that contains `moment`; `others`: possible runs and blends, best first.

    Raises InputError when there is nothing to send, and ProblemsError for an invalid ledger.
    """
    manifest, ledger = load_manifest(project), read_ledger(project.workspace)
    made, left_out = submissions(project, manifest, ledger)
    sent = [file for file in sent_files(project.workspace, ledger) if file.id not in {c.id for c in made}]
    made, again = _not_sent(project, manifest, made, sent)
    more, unread = _possible(project, manifest, others, made, sent)
    left_out += [*again, *_damaged(project, others)]
    if not (open_ := [c for c in [*made, *more] if not c.sent]):
        raise InputError(_nothing(made, [*left_out, *unread]), hint="train or blend something new, then plan again")
    contenders, narrow = comparable([*made, *more], widest([*made, *more]))
    quota = quota_left(ledger, project.file.contest, moment)
    outlook = read_outlook(project, manifest, contenders)
    best = ledger.best_public
    return PlanView(
        project=project.file.name,
        level=LEVEL,
        quota=quota,
        test=outlook.test,
        num_sent=sum(c.sent for c in contenders),
        num_scored=len(outlook.scored),
        best=best,
        candidates=ordered_candidates(outlook, len(open_) if quota is None else quota.left, best),
        shift=outlook.shift,
        averaged=any(c.averaged for c in contenders),
        left_out=(*narrow, *unread, *left_out),
    )


def plan_notes(view: PlanView) -> Iterator[str]:
    """Notes on the numbers."""
    yield from people_notes(view.test)
    yield from shift_notes(view.shift, view.num_scored, averaged=view.averaged)
    if view.quota is None:
        yield "No limit a day is set (`contest.submissions_per_day` in facetwise.toml): all that is worth it is listed."


def _not_sent(
    project: Project, manifest: Manifest, made: Sequence[Contender], sent: Sequence[SentFile]
) -> tuple[list[Contender], list[LeftOut]]:
    """Those that do not equal a sent submission whose csv is no longer readable."""
    copies = {c.id: file for c in made if not c.sent and (file := sent_as(project, manifest, c, sent))}
    left_out = [LeftOut(name, f"the same file as `{file}`, which was sent") for name, file in copies.items()]
    return [c for c in made if c.id not in copies], left_out


def _possible(
    project: Project,
    manifest: Manifest,
    others: Sequence[str],
    made: Sequence[Contender],
    sent: Sequence[SentFile],
) -> tuple[list[Contender], list[LeftOut]]:
    """The best runs and blends without a submission, and whose answers differ from those of every submission."""
    found: list[Contender] = []
    left_out: list[LeftOut] = []
    for reference in others[:MAX_READ]:
        try:
            contender = possible_contender(project, manifest, reference)
        except FacetwiseError as error:
            left_out.append(LeftOut(reference, str(error), error.lacks if isinstance(error, PartialError) else ()))
            continue
        if not any(disagreement(contender.test, other.test) == 0 for other in [*made, *found]):
            found.append(contender)
    found, again = _not_sent(project, manifest, found[:MAX_POSSIBLE], sent)
    return found, [*left_out, *again]


def _damaged(project: Project, looked_at: Sequence[str]) -> Iterator[LeftOut]:
    """Damaged runs and blends, except those that were read anyway."""
    for artefact in (*list_runs(project.workspace), *list_blends(project.workspace)):
        if artefact.id not in looked_at and (damage := artefact.damage) is not None:
            yield LeftOut(artefact.id, f"damaged: {damage}", hint=damage.hint)


def _nothing(made: Sequence[Contender], left_out: Sequence[LeftOut]) -> str:
    if made:
        return f"there is nothing left to send: all {len(made)} submissions were sent, and nothing else could be"
    why = f" ({left_out[0].name}: {left_out[0].why})" if left_out else ""
    return f"there is nothing to send: no submission, and no finished run or blend that could be one{why}"
