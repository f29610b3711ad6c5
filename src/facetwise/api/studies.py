"""Many runs as one question, and the disk that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetwise.api.arguments import AnyProject, Listener, base_recipe, need_training, opened_project
from facetwise.core.progress import Progress

if TYPE_CHECKING:
    from facetwise.recipe import Recipe
    from facetwise.study.ablation import Ablation
    from facetwise.study.compare import Comparison
    from facetwise.study.search import Search
    from facetwise.study.trials import Pruner
    from facetwise.upkeep.clean import CleanPlan


def compare(
    project: AnyProject, first: str, second: str = "last", *, tta: tuple[str, str] = ("none", "none")
) -> Comparison:
    """Compare two finished runs, paired by person: is the second better than the first, by how much, and where.

    `tta`: which predictions of either to take, as `predict` made them. Scored on the dataset's own labels of the images
    that both predicted. Raises MismatchError when the runs were made from other images or people.
    """
    from facetwise.core.runs import find_run
    from facetwise.study.compare import compare_runs

    opened = opened_project(project)
    runs = (find_run(opened.workspace, reference) for reference in (first, second))
    return compare_runs(opened, *runs, tta=tta)


def ablate(
    project: AnyProject,
    recipe: str | Path | Recipe,
    *,
    tries: Sequence[str],
    settings: Sequence[str] = (),
    name: str | None = None,
    jobs: int = 1,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> Ablation:
    """Train a base recipe and one run for each change of it, on the same folds, and compare each with the base.

    `tries`: a change each, such as `"loss=focal"`, or several settings with `;` between. What was trained before is not
    trained again, so the same call goes on after an interruption. All recipes are checked before anything is trained.
    `jobs` folds are trained at a time, as by `fit`.
    """
    from facetwise.study.ablate import ablate as run_ablation

    need_training()
    opened = opened_project(project)
    base, label = base_recipe(opened, recipe, settings)
    return run_ablation(opened, base, tries, name=name, label=label, jobs=jobs, listener=listener, progress=progress)


def tune(
    project: AnyProject,
    recipe: str | Path | Recipe,
    *,
    space: str | Path | Mapping[str, Any],
    trials: int,
    settings: Sequence[str] = (),
    name: str | None = None,
    pruner: Pruner = "median",
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> Search:
    """Search a space of settings around a recipe until the study has `trials` trials in all.

    `space`: a TOML file, or the same as a dict: `{"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}}`. The same
    call goes on after an interruption, and several processes may work on one study. Needs the extra `search`.
    """
    from facetwise.study.tune import tune as run_search

    need_training()
    opened = opened_project(project)
    base, label = base_recipe(opened, recipe, settings)
    return run_search(
        opened, base, space, trials, name=name, label=label, pruner=pruner, listener=listener, progress=progress
    )


def show_study(project: AnyProject, name: str = "last") -> Ablation | Search:
    """The table of a study as it stands, also while another process works on it; `last`: the one worked on last."""
    from facetwise.study.show import build_study, find_study

    opened = opened_project(project)
    return build_study(opened, find_study(opened, name))


def clean(
    project: AnyProject = ".",
    *,
    keep: int = 5,
    stores: bool = False,
    predictions: bool = False,
    dry_run: bool = True,
) -> CleanPlan:
    """What may be deleted to free the disk, and what stays and why; with `dry_run=False` it is deleted.

    Weights go of finished runs that no submission needs, that are not among the best `keep` of what they predict, and
    are not the newest; the folds of trials that a search stopped; and what crashes left behind. `stores`,
    `predictions`: also image stores that no kept run and no recipe reads, and predictions of other photos. Tables,
    recipe and record of every run stay.
    """
    from facetwise.upkeep import clean as cleaning

    opened = opened_project(project)
    plan = cleaning.plan_clean(opened, cleaning.CleanSpec(keep, stores, predictions))
    return plan if dry_run else cleaning.clean(opened, plan)
