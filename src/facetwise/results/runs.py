"""Views of runs: frozen objects that text, `--json` and pages render, so that numbers cannot differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
import tomli_w

from facetwise.core.choices import Metric
from facetwise.core.errors import ArtefactError, DamagedError
from facetwise.core.files.outside import read_bounded
from facetwise.core.plain import Plain
from facetwise.core.project import Project
from facetwise.core.records.notes import Note
from facetwise.core.records.run import EpochEvent, RunRecord
from facetwise.core.runs import RunFolder, list_runs
from facetwise.core.tables import PREDICTIONS, read_table
from facetwise.core.text.subject import PERSON
from facetwise.core.workspace import is_done, is_locked
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.further.scores import FurtherScores, further_scores
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.scorecard import AttributeScore, Scorecard, attribute_scores, name_of, score_rows
from facetwise.predictors.sources import manifest_truth
from facetwise.results.cache import ResultCache, run_score
from facetwise.results.mistakes import Confused, Mistake, most_confused, worst_mistakes
from facetwise.results.notes import all_notes, notes_on
from facetwise.results.notices import (
    CurrentData,
    Estimate,
    Notice,
    estimate_of,
    interval_meaning,
    method,
    notices,
    scored_alone,
)
from facetwise.results.origin import OTHER_FOLDS, ExternalRow, external_rows, origin_flags, origin_notices

if TYPE_CHECKING:
    from facetwise.evaluate.intervals import Interval

UNUSABLE = "cannot be used"
State = Literal["finished", "training", "unfinished"]


@dataclass(frozen=True)
class RunRow:
    """A row in the list of runs. Scores are None without out-of-fold predictions."""

    id: str
    state: State
    what: str
    """`joint`, or the attributes that the run predicts."""
    score: float | None
    """By the project's metric."""
    score_interval: Interval | None
    accuracy: float | None
    num_covered: int
    folds_done: int
    num_folds: int
    """Number of folds to train."""
    epochs: int
    """Number of epochs trained, over all folds."""
    minutes: float
    """Time spent in those epochs."""
    made: str | None
    """UTC, ISO 8601."""
    flags: tuple[str, ...]
    """`UNSAFE image split`, `imported`, `hold-out`, `trained on all`, `each image its own subject`, `damaged: ...`,
    `cannot be used: ...`."""
    num_notes: int = 0
    """Number of notes on it."""

    @property
    def damaged(self) -> str | None:
        """What is damaged and the remedy; None for an intact run."""
        return next((f.removeprefix("damaged: ") for f in self.flags if f.startswith("damaged: ")), None)

    @property
    def usable(self) -> bool:
        """Whether it is intact and of the project's label space."""
        return self.damaged is None and not any(flag.startswith(UNUSABLE) for flag in self.flags)


@dataclass(frozen=True)
class RunsView(Plain):
    """The list of runs, by number."""

    project: str
    metric: Metric
    """What the project chooses by, and scores are."""
    runs: tuple[RunRow, ...]
    foreign: tuple[ExternalRow, ...] = ()
    """Imported predictions, by name."""


@dataclass(frozen=True)
class Curve:
    """Training log of one fold, an entry an epoch; None where one was not validated. `val_score`: by `epochs_by`."""

    fold: int
    epochs: tuple[int, ...]
    train_loss: tuple[float | None, ...]
    val_loss: tuple[float | None, ...]
    val_macro_f1: tuple[float | None, ...]
    val_score: tuple[float | None, ...]
    lr: tuple[float | None, ...]
    seconds: tuple[float, ...]
    images_per_second: tuple[float | None, ...]


@dataclass(frozen=True)
class ChoiceRow:
    """An automatic choice of the run."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True)
class RunView(Plain):
    """Everything about one run."""

    id: str
    project: str
    state: State
    what: str
    estimate: Estimate
    folds_done: int
    num_folds: int
    warnings: tuple[Notice, ...]
    notes: tuple[Note, ...]
    """Notes on it, in the order of writing."""
    scorecard: Scorecard | None
    """None without out-of-fold predictions, or where no image is known whole."""
    alone: tuple[AttributeScore, ...]
    """Each attribute on the images of which it is known, where there is no score of all of them."""
    further: FurtherScores | None
    """Scores beside these, on the same images; None without out-of-fold predictions."""
    interval_meaning: str | None
    method: tuple[str, ...]
    """How the score was computed: sentences for the report."""
    curves: tuple[Curve, ...]
    epochs_by: Metric
    """What its epochs are chosen by, where they are."""
    seconds_total: float
    seconds_per_epoch: float | None
    confused: tuple[Confused, ...]
    """The most confused pairs of classes."""
    mistakes: tuple[Mistake, ...]
    """The most confident wrong predictions."""
    recipe: Mapping[str, Any]
    recipe_toml: str
    choices: tuple[ChoiceRow, ...]
    fingerprint: str
    provenance: Mapping[str, Any]
    each_its_own: bool = False
    """Whether each image is taken as its own subject."""
    parts_copies: bool = False
    """Whether copies of one picture, under two people, stand on both sides of the split."""


def build_runs_view(project: Project, manifest: Manifest | None = None) -> RunsView:
    """Every run of the project with its score; damaged runs are listed and flagged."""
    runs, metric = list_runs(project.workspace), project.file.score.metric
    if not runs:
        return RunsView(project.file.name, metric, (), external_rows(project, manifest))
    manifest = manifest or load_manifest(project)
    cache, noted = ResultCache(project, manifest), Counter(n.id for n in all_notes(project)[0] if n.kind == "run")
    rows = tuple(replace(_run_row(project, run, manifest, cache), num_notes=noted[run.id]) for run in runs)
    cache.save()
    return RunsView(project.file.name, metric, rows, external_rows(project, manifest))


def build_run_view(project: Project, run: RunFolder, manifest: Manifest | None = None) -> RunView:
    """The view of one run; `manifest` is loaded if not given.

    Raises ArtefactError when its files are damaged, MismatchError when its tables have images not in the manifest.
    """
    record, manifest = run.record(), manifest or load_manifest(project)
    run.check_labels(project.space_hash)
    came = run.imported()
    matched = _matched_rows(run, manifest, project)
    scored = matched if matched is not None and matched.scored().any() else None
    card = _score(scored)
    alone = attribute_scores(matched) if scored is None and matched is not None and matched.covered.any() else ()
    estimate, state, curves = estimate_of(record), state_of(run), _curves(run.epochs(), record.epochs_by)
    times = [s for c in curves for s in c.seconds]
    cautions = [*notices(estimate, record, card, state, CurrentData.of(manifest)), *scored_alone(alone)]
    notes, troubles = notes_on(project, "run", run.id)
    return RunView(
        id=run.id,
        project=project.file.name,
        state=state,
        what=card.what if card else name_of(tuple(record.attributes), project.space),
        estimate=estimate,
        folds_done=_folds_done(run, record),
        num_folds=len(record.folds),
        warnings=(*_damage(run), *origin_notices(came), *cautions, *troubles),
        notes=notes,
        scorecard=card,
        alone=alone,
        further=further_of(scored, project, manifest) if scored else None,
        interval_meaning=interval_meaning(card, record) if card else None,
        method=OTHER_FOLDS if came is not None and came.other_folds else method(estimate, record, card),
        curves=curves,
        epochs_by=record.epochs_by,
        seconds_total=sum(times),
        seconds_per_epoch=sum(times) / len(times) if times else None,
        confused=most_confused(card) if card else (),
        mistakes=worst_mistakes(scored) if scored else (),
        recipe=record.recipe,
        recipe_toml=_recipe_toml(run, record),
        choices=tuple(ChoiceRow(n, str(c.value), c.reason) for n, c in record.choices.items()),
        fingerprint=record.fingerprint,
        provenance=record.provenance.as_dict(),
        each_its_own=manifest.each_its_own,
        parts_copies=record.parts_copies,
    )


def _damage(run: RunFolder) -> tuple[Notice, ...]:
    """The notice that a file is missing or was changed, which no number on the screen is made from."""
    try:
        run.check()
    except DamagedError as error:
        return (Notice("caution", error.summary),)
    return ()


def state_of(run: RunFolder) -> State:
    """`finished`, `training` (a process holds its lock now) or `unfinished`."""
    if run.finished:
        return "finished"
    return "training" if is_locked(run.lock_file) else "unfinished"


def scored_rows(run: RunFolder, manifest: Manifest, project: Project) -> ScoredRows | None:
    """The run's out-of-fold predictions with the scored labels; None where none of them can be scored.

    Raises MismatchError naming an image that is no longer in the manifest.
    """
    rows = _matched_rows(run, manifest, project)
    return rows if rows is not None and rows.scored().any() else None


def _matched_rows(run: RunFolder, manifest: Manifest, project: Project) -> ScoredRows | None:
    table, whose = _held_out(run), f"run `{run.id}`"
    if table is None:
        return None
    predictions = Predictions.read(table, project.space, whose)
    return ScoredRows.matched(predictions, manifest_truth(project, manifest), whose)


def further_of(rows: ScoredRows, project: Project, manifest: Manifest) -> FurtherScores:
    """Scores beside macro F1 and accuracy of predictions of the training images, at the project's specificity."""
    numbers = {a.name: manifest.values(a.name) for a in project.space.attributes if a.is_ordinal}
    return further_scores(rows, numbers, project.file.score.specificity)


def _held_out(run: RunFolder) -> pl.DataFrame | None:
    """The out-of-fold table; for an unfinished run, that of its finished folds."""
    paths = [p for p in sorted(run.path.glob("fold-*/oof.parquet")) if is_done(p.parent)]
    if run.finished or not paths:
        return run.oof()
    return pl.concat([read_table(p, PREDICTIONS) for p in paths])


def _score(rows: ScoredRows | None) -> Scorecard | None:
    return None if rows is None else score_rows(rows)


def _run_row(project: Project, run: RunFolder, manifest: Manifest, cache: ResultCache) -> RunRow:
    flags: list[str] = []
    score, record = None, None
    try:
        record = run.record()
        flags += _kind_flags(record)
        flags += [f"each image its own {PERSON}"] if manifest.each_its_own and estimate_of(record) != "none" else []
        run.check_labels(project.space_hash)
        flags += origin_flags(run.imported())
        score = run_score(cache, run, lambda: _score(scored_rows(run, manifest, project)))
        run.check()
    except DamagedError as error:
        flags.append(error.summary)
    except ArtefactError as error:
        flags.append(f"{UNUSABLE}: {error}")
    epochs, names = run.epochs(), tuple(record.attributes) if record else project.space.names
    return RunRow(
        id=run.id,
        state=state_of(run),
        what=score.what if score else name_of(names, project.space),
        score=score.score if score else None,
        score_interval=score.score_interval if score else None,
        accuracy=score.accuracy if score else None,
        num_covered=score.num_covered if score else 0,
        folds_done=_folds_done(run, record) if record else 0,
        num_folds=len(record.folds) if record else 0,
        epochs=len(epochs),
        minutes=sum(_number(e.seconds) or 0.0 for e in epochs) / 60,
        made=record.provenance.made if record else None,
        flags=tuple(flags),
    )


def _kind_flags(record: RunRecord) -> list[str]:
    estimate = estimate_of(record)
    flags = ["UNSAFE image split"] if record.by_image else []
    return flags + ([] if estimate == "cross-validation" else ["trained on all" if estimate == "none" else "hold-out"])


def _folds_done(run: RunFolder, record: RunRecord) -> int:
    return len(record.folds) if run.finished else sum(is_done(run.fold(k)) for k in record.folds)


def _recipe_toml(run: RunFolder, record: RunRecord) -> str:
    if run.recipe_file.is_file():
        return read_bounded(run.recipe_file).decode(errors="replace")
    return tomli_w.dumps(record.recipe)


def _curves(epochs: Sequence[EpochEvent], by: Metric) -> tuple[Curve, ...]:
    folds = sorted({e.fold for e in epochs})
    return tuple(_curve(fold, [e for e in epochs if e.fold == fold], by) for fold in folds)


def _curve(fold: int, epochs: Sequence[EpochEvent], by: Metric) -> Curve:
    return Curve(
        fold=fold,
        epochs=tuple(e.epoch for e in epochs),
        train_loss=tuple(_number(e.train_loss) for e in epochs),
        val_loss=tuple(_number(e.val_loss) for e in epochs),
        val_macro_f1=tuple(_number(e.val_macro_f1) for e in epochs),
        val_score=tuple(_number(e.score_by(by)) for e in epochs),
        lr=tuple(_number(e.lr) for e in epochs),
        seconds=tuple(_number(e.seconds) or 0.0 for e in epochs),
        images_per_second=tuple(_number(e.images_per_second) for e in epochs),
    )


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
