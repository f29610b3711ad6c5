"""Checks of the machine and the project, and freeing disk space."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from facetwise.api.arguments import AnyProject, opened_project
from facetwise.api.options import Option, verb

if TYPE_CHECKING:
    from facetwise.upkeep.clean import CleanPlan
    from facetwise.upkeep.doctor import Doctor


@verb
def doctor(folder: str | Path = ".") -> "Doctor":
    """What this machine and the project of `folder` have and lack, and what to do about it."""
    from facetwise.upkeep.doctor import examine_folder
    from facetwise.upkeep.doctor_submissions import checks

    return examine_folder(Path(folder), checks)


@verb
def clean(
    project: AnyProject = ".",
    *,
    keep: Annotated[
        int,
        Option("How many of the best runs keep their weights, among those that predict the same attributes.", min=0),
    ] = 5,
    stores: Annotated[bool, Option("Also delete image stores that no kept run and no recipe reads.")] = False,
    predictions: Annotated[bool, Option("Also delete predictions of other photos.")] = False,
    yes: Annotated[bool, Option("Delete; without it only show what would be deleted.")] = False,
) -> "CleanPlan":
    """What may be deleted to free disk space, what stays, and why; with `yes` it is deleted.

    Deletes the weights of finished runs that no submission needs and that are neither the newest nor among the best
    `keep` of those that predict the same attributes; folds of trials that a search stopped; and leftovers of crashes.
    With `stores`, `predictions`: also image stores that no kept run and no recipe reads, and predictions of other
    photos. Tables, recipe and record of every run stay.
    """
    from facetwise.upkeep import clean as cleaning

    opened = opened_project(project)
    plan = cleaning.plan_clean(opened, cleaning.CleanSpec(keep, stores, predictions))
    return cleaning.clean(opened, plan) if yes else plan
