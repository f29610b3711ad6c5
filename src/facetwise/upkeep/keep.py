"""Reasons not to clean: why the weights of a run, or an image store, must be kept.

Tables, recipe, record and events of every run are always kept: they are small, and they are the record.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from facetwise.core.errors import ArtefactError, DamagedError, FacetwiseError
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder, list_runs
from facetwise.core.text.scored import SCORE
from facetwise.core.workspace import Workspace
from facetwise.data.images.store import VIEW, StoreInfo, StoreSpec, described, files_hash, recipe_store
from facetwise.data.manifest import Manifest
from facetwise.recipe import Recipe, load_recipe
from facetwise.recipe.model import NO_FILE
from facetwise.results.runs import RunRow
from facetwise.study.record import list_studies, pruned_by
from facetwise.submission.folder import SubmissionFolder

Reasons = dict[str, tuple[str, ...]]
"""Run id (or store) -> why it is kept, a few words a reason; absent or empty: nothing speaks for it."""


def runs_to_keep(project: Project, rows: Sequence[RunRow], keep: int) -> Reasons:
    """Why each run of `rows` keeps its weights. `keep`: number of best runs of each kind that do."""
    whole = {run.id for run in list_runs(project.workspace) if any(run.path.glob("fold-*/*.safetensors"))}
    needed, best = needed_runs(project.workspace), best_runs([r for r in rows if r.id in whole], keep)
    newest = rows[-1].id if rows else None
    reasons: Reasons = {}
    for row in rows:
        pruned = row.state == "unfinished" and pruned_by(RunFolder(project.workspace.runs / row.id))
        state = [] if pruned else _state(row)
        found = [*needed.get(row.id, ()), *state, *best.get(row.id, ())]
        reasons[row.id] = (*found, *(["the newest run"] if row.id == newest else []))
    return _with_parents(project, reasons)


def _with_parents(project: Project, reasons: Reasons) -> Reasons:
    """Keep the runs too whose weights a kept run, or a recipe of the project or a study, starts from; and so on."""
    started = {run.id: weights_of(run) for run in list_runs(project.workspace)}
    found = dict(reasons)
    for name, recipe in [*_recipes(project), *_study_recipes(project)]:
        _keep_parent(project, recipe.model.weights, f"`{name}` starts from its weights", found)
    for name, text in _unread(project):
        for run in found:
            if text is None:
                found[run] = (*found[run], f"{name} is damaged: what it starts from is not known")
            elif run in text:
                found[run] = (*found[run], f"{name} cannot be read, and names it")
    todo = [run for run in found if found[run]]
    while todo:
        child = todo.pop()
        parent = _keep_parent(project, started.get(child), f"run `{child}` started from its weights", found)
        todo += [parent] if parent else []
    return found


def _keep_parent(project: Project, weights: str | None, why: str, reasons: Reasons) -> str | None:
    """Add the reason `why` to the run of the file `weights`; returns the run if it had no reason before."""
    if weights is None or weights in NO_FILE:
        return None
    parent = _run_holding(project, weights)
    if parent not in reasons or why in reasons[parent]:
        return None
    first = not reasons[parent]
    reasons[parent] = (*reasons[parent], why)
    return parent if first else None


def _run_holding(project: Project, weights: str) -> str:
    """The run whose folder contains a path, as written or after resolving links; empty if none."""
    runs = project.workspace.runs
    file = project.root / weights
    for path, folder in ((file.resolve(), runs.resolve()), (Path(os.path.normpath(file)), runs)):
        if path.is_relative_to(folder) and path != folder:
            return path.relative_to(folder).parts[0]
    return ""


def weights_of(run: RunFolder) -> str | None:
    """What a run started from; of one that was imported the path leads into another project."""
    if run.imported_file.is_file():
        return None
    with suppress(ArtefactError):
        weights: str | None = run.record().setting("model", "weights")
        return weights
    return None


def needed_runs(workspace: Workspace) -> Reasons:
    """Runs that are needed to replay submissions, directly or through blends.

    Raises ArtefactError when a record is unreadable, since it is then unknown which runs it needs.
    """
    found: dict[str, list[str]] = {}
    folders = sorted(workspace.submissions.glob("[!.]*/")) if workspace.submissions.is_dir() else []
    for folder in folders:
        made_from = SubmissionFolder(folder).needs()
        through = f", through blend `{made_from.id}`" if made_from.kind == "blend" else ""
        for run in made_from.runs:
            found.setdefault(run, []).append(f"submission `{folder.name}` was made from it{through}")
    return {run: tuple(reasons) for run, reasons in found.items()}


def _state(row: RunRow) -> list[str]:
    if row.state == "training":
        return ["is being trained"]
    if row.state == "unfinished":
        return [f"unfinished: `facetwise fit --resume {row.id.split('-')[0]}` goes on with it"]
    if not row.usable:
        return ["damaged or of other labels: see `facetwise doctor`"]
    return ["has no score to be ranked by"] if row.score is None else []


def best_runs(rows: Sequence[RunRow], keep: int) -> Reasons:
    """The best `keep` finished runs of each kind by out-of-fold score; ties go to the earlier run.

    A kind is the set of predicted attributes, since only scores of the same kind are comparable. Runs on folds split by
    image are not ranked: their scores are too high.
    """
    ranked = [r for r in rows if r.state == "finished" and r.score is not None and not is_unsafe(r)]
    ordered = sorted(ranked, key=lambda r: (r.what, -(r.score or 0.0)))
    reasons: Reasons = {}
    for what, group in groupby(ordered, key=lambda r: r.what):
        for place, row in enumerate(list(group)[:keep], start=1):
            reasons[row.id] = (f"no. {place} of `{what}` by out-of-fold {SCORE} ({row.score:.3f})",)
    return reasons


def is_unsafe(row: RunRow) -> bool:
    """Whether its folds were split by image, which makes its score too high."""
    return any(flag.startswith("UNSAFE") for flag in row.flags)


def stores_to_keep(
    project: Project, stores: Sequence[StoreInfo], manifest: Manifest, reasons: Mapping[str, Sequence[str]]
) -> Reasons:
    """Why each image store, by key, is kept: a kept run was trained on it, or a recipe reads it."""
    runs = _stores_of([run for run in list_runs(project.workspace) if reasons.get(run.id)])
    recipes = [(name, recipe_store(recipe.input)) for name, recipe in _recipes(project)]
    ours = files_hash(manifest)
    found: Reasons = {}
    for store in stores:
        read = [name for name, spec in recipes if store.files_hash == ours and _fits(store.spec, spec)]
        pages = ["pages and pictures read it"] if _fits(store.spec, VIEW) else []
        why = [*(f"run `{r}` was trained on it" for r in runs.get(store.key, [])), *(f"`{r}` reads it" for r in read)]
        found[store.key] = (*why[:1], *pages)
    return found


def _stores_of(runs: Sequence[RunFolder]) -> dict[str, list[str]]:
    """Store key -> the runs that were trained on it."""
    found: dict[str, list[str]] = {}
    for run in runs:
        with suppress(ArtefactError):
            found.setdefault(run.record().fingerprint_fields.store, []).append(run.id)
    return found


def _recipes(project: Project) -> list[tuple[str, Recipe]]:
    """The loadable recipes in the project's folder."""
    found = []
    for path in sorted((project.root / "recipes").glob("*.toml")):
        with suppress(FacetwiseError, OSError):
            found.append((f"recipes/{path.name}", load_recipe(path)))
    return found


def _study_recipes(project: Project) -> list[tuple[str, Recipe]]:
    """The recipes of studies: bases, changes, choices of searches, and best ones."""
    found = []
    for study in list_studies(project.workspace):
        with suppress(FacetwiseError, OSError):
            found += [(f"study {study.name}", recipe) for recipe in study.recipes()]
        with suppress(FacetwiseError, OSError):
            best = study.best_file
            found += [(best.relative_to(project.root).as_posix(), load_recipe(best))] if best.is_file() else []
    return found


def _unread(project: Project) -> Iterator[tuple[str, str | None]]:
    """What may start from the weights of a run, and cannot be read as it was meant: its name and its text.

    None for the text of a study that is damaged: what it was is not in its text, or not all of it.
    """
    for study in list_studies(project.workspace):
        name = f"study `{study.name}`"
        try:
            list(study.recipes(whole=True))
        except FacetwiseError as error:
            yield name, None if isinstance(error, DamagedError) else _text(study.record_file)
        if study.best_file.is_file() and not _loads(study.best_file):
            yield name, None
    for path in sorted((project.root / "recipes").glob("*.toml")):
        if not _loads(path):
            yield f"`recipes/{path.name}`", _text(path)
    for run in list_runs(project.workspace):
        try:
            run.record()
        except ArtefactError:
            yield f"run `{run.id}`", _text(run.record_file) + _text(run.recipe_file)


def _loads(recipe: Path) -> bool:
    try:
        load_recipe(recipe)
    except (FacetwiseError, OSError):
        return False
    return True


def _text(path: Path) -> str:
    """The readable content of a file."""
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _fits(kept: Mapping[str, Any], spec: StoreSpec) -> bool:
    """Whether a store's description is that of `spec`; with a csv of boxes only its size is compared."""
    wanted = {"pad": None, **described(spec)}
    same = all(kept.get(name) == value for name, value in wanted.items())
    return same and (kept.get("boxes_hash") is None) == (spec.boxes is None)
