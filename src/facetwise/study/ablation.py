"""The table of an ablation: each change compared with the base, paired by person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from facetwise.core.choices import Metric
from facetwise.core.errors import ArtefactError
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.records.study import ChangeRecord
from facetwise.core.runs import RunFolder
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.intervals import LEVEL, RESAMPLES, Interval, PairedInterval
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.scorecard import name_of
from facetwise.results.blends import BlendView
from facetwise.results.notices import Notice, copies_notices, own_subjects, unsafe_split
from facetwise.study.compare import Pair
from facetwise.study.record import StudyFolder
from facetwise.study.scored_run import ScoredRun, read_scored_run
from facetwise.study.wording import Standing, bonferroni, many_comparisons, of_seeds, pairing, standing, unresolved

MAX_RESAMPLES = 10_000


@dataclass(frozen=True)
class Score:
    """The score of a run with its interval by person, and its training time."""

    run: str
    what: str
    """`joint`, or the attributes that are compared."""
    value: float
    interval: Interval
    seconds: float
    """Time spent in epochs."""


@dataclass(frozen=True)
class ChangeRow:
    """One change compared with the base; fields of the result are None until its run is finished."""

    change: str
    """Its settings."""
    state: Literal["finished", "failed", "waiting"]
    reason: str | None
    """Why it failed."""
    score: Score | None
    difference: float | None
    """Change minus base, on the rows that both predicted."""
    interval: PairedInterval | None
    """Interval of the difference, by person, for this comparison alone."""
    widened: PairedInterval | None
    """The interval widened so that those of all changes hold simultaneously."""
    standing: Standing | None
    """The verdict; None for folds split by image, at most `perhaps ...` when `widened` is not resolved."""


@dataclass(frozen=True)
class Ablation(Plain):
    """A base and its changes, in the order they were given."""

    project: str
    metric: Metric
    """What the project chooses by, and scores are."""
    name: str
    folder: str
    base: Score
    rows: tuple[ChangeRow, ...]
    num_people: int
    num_images: int
    warnings: tuple[Notice, ...]
    method: tuple[str, ...]
    """How the numbers were computed: sentences for the report."""


@dataclass(frozen=True)
class Zoo:
    """An ablation whose changes are other pretrained weights and heads, and the blend of all its runs."""

    study: Ablation
    blend: BlendView

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"study": self.study.as_dict(), "blend": self.blend.as_dict()}


def build_ablation(project: Project, folder: StudyFolder) -> Ablation:
    """The table of a recorded ablation; raises ArtefactError when its base is not finished."""
    record, manifest = folder.record(), load_manifest(project)
    if record.kind != "ablation" or record.base is None:
        raise ArtefactError(
            f"study `{folder.name}` has no finished base", hint="give the same command again: it goes on"
        )
    base = read_scored_run(project, manifest, RunFolder(project.workspace.runs / record.base))
    names, rows = base.attributes, base.rows_with(base.attributes)
    done = sum(_run_of(project, entry) is not None for entry in record.changes)
    table = _Table(project, manifest, base, done)
    changes = tuple(table.row(entry) for entry in record.changes)
    notices = (many_comparisons(done), unresolved(row.widened for row in changes))
    return Ablation(
        project=project.file.name,
        metric=project.file.score.metric,
        name=folder.name,
        folder=folder.path.relative_to(project.root).as_posix(),
        base=_score(base, rows, names),
        rows=changes,
        num_people=rows.truth.num_people,
        num_images=len(rows),
        warnings=(*_safety(base), *copies_notices([base.record]), *own_subjects(manifest.each_its_own)),
        method=(pairing(rows.truth.num_people, len(rows), LEVEL), *filter(None, notices), of_seeds()),
    )


@dataclass(frozen=True)
class _Table:
    project: Project
    manifest: Manifest
    base: ScoredRun
    num_compared: int

    def row(self, entry: ChangeRecord) -> ChangeRow:
        run = _run_of(self.project, entry)
        if run is None:
            state: Literal["failed", "waiting"] = "failed" if entry.reason else "waiting"
            return ChangeRow(entry.change, state, entry.reason, None, None, None, None, None)
        return self._compared(entry.change, read_scored_run(self.project, self.manifest, run))

    def _compared(self, change: str, changed_run: ScoredRun) -> ChangeRow:
        pair = Pair.of(self.base, changed_run)
        score = _score(changed_run, pair.second, pair.names)
        (truth, before), (_, after) = pair.first.decided(pair.names), pair.second.decided(pair.names)
        own = truth.paired(after, before)
        resamples = min(MAX_RESAMPLES, RESAMPLES * self.num_compared)
        widened = truth.paired(after, before, level=bonferroni(self.num_compared), resamples=resamples)
        words = None if self.base.by_image else standing(own, widened)
        difference = score.value - truth.score(before)
        return ChangeRow(change, "finished", None, score, difference, own, widened, words)


def _score(side: ScoredRun, rows: ScoredRows, names: tuple[str, ...]) -> Score:
    truth, decided = rows.decided(names)
    return Score(
        run=side.run.id,
        what=name_of(names, rows.space),
        value=truth.score(decided),
        interval=truth.interval(decided),
        seconds=seconds_of(side.run),
    )


def seconds_of(run: RunFolder) -> float:
    """Total time spent in a run's epochs."""
    return sum(epoch.seconds or 0.0 for epoch in run.epochs())


def _run_of(project: Project, entry: ChangeRecord) -> RunFolder | None:
    """The finished run of a change, if any."""
    if entry.run is None:
        return None
    run = RunFolder(project.workspace.runs / entry.run)
    return run if run.finished else None


def _safety(base: ScoredRun) -> tuple[Notice, ...]:
    if not base.by_image:
        return ()
    text = "All of these scores are known to be too high, and no change is called better or worse."
    return (unsafe_split("", text),)
