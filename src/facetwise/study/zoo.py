"""A zoo: one recipe from several pretrained weights, with several heads; then a blend of all its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from facetwise.blending.make import make_blend
from facetwise.blending.spec import BlendSpec
from facetwise.core.errors import InputError, SettingError
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.records.shelf import SHELF, find_shelf_entry, shelf_entries, shelf_folder
from facetwise.data.manifest import load_manifest
from facetwise.jobs.executor import Executor
from facetwise.results.blends import build_blend_view
from facetwise.study.ablate import ablate
from facetwise.study.ablation import Zoo
from facetwise.study.changes import changed
from facetwise.study.fitting import Listener
from facetwise.study.record import StudyBase

HUB = "hub:"
"""Before the name of a backbone whose weights timm downloads."""


def train_zoo(
    project: Project,
    base: StudyBase,
    weights: Sequence[str],
    tries: Sequence[str],
    *,
    executor: Executor | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> Zoo:
    """Train `base` from each of `weights` (all of the shelf without any), and each of `tries` so; blend the runs.

    `weights`: names on the shelf, or `hub:BACKBONE`. Blank `tries` are none. Runs that fail are left out of the blend.
    Raises InputError for weights that are not there, SettingError for a single run, and as `ablate`.
    """
    starts = list(dict.fromkeys(_start(name) for name in weights or _shelf()))
    recipe = changed(base.recipe, starts[0])
    beside = ["; ".join(parts) for parts in _beside(starts, [change for change in tries if change.strip()])]
    if not beside:
        raise SettingError(
            "one backbone with one head is a single run, and there is nothing to blend",
            hint="name further weights by `--weights`, or try another head: `--try model.head=flat`; `facetwise fit "
            "RECIPE` trains a single run",
        )
    study = ablate(
        project, replace(base, recipe=recipe), beside, executor=executor, listener=listener, progress=progress
    )
    runs = [study.base.run, *(row.score.run for row in study.rows if row.score is not None)]
    made = make_blend(project, BlendSpec(members=tuple(runs)))
    return Zoo(study, build_blend_view(project, made.folder, load_manifest(project), new=made.new))


def _shelf() -> list[str]:
    """Names of all weights on the shelf; raises InputError when it is empty."""
    if names := [entry.record().name for entry in shelf_entries()]:
        return names
    raise InputError(
        f"no weights to start from: {shelf_folder()} is empty",
        hint="put some there: `facetwise weights add FILE --as BACKBONE`; or with a network `--weights hub:BACKBONE`",
    )


def _start(name: str) -> str:
    """The change of a recipe that starts from these weights."""
    if name.startswith(HUB):
        return f"model.backbone={name.removeprefix(HUB)}; model.weights=hub"
    record = find_shelf_entry(name).record()
    return f"model.backbone={record.backbone}; model.weights={SHELF}{record.name}"


def _beside(starts: Sequence[str], tries: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """The changes of what starts from the first weights: others, and each of `tries` with all of them."""
    for number, start in enumerate(starts):
        own = (start,) if number else ()
        if own:
            yield own
        yield from ((*own, change.strip()) for change in tries)
