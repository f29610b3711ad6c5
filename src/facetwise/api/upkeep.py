"""What machine and project lack, and the disk."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from facetwise.api.arguments import AnyProject, opened_project
from facetwise.api.options import Option, verb

if TYPE_CHECKING:
    from facetwise.upkeep.clean import CleanPlan
    from facetwise.upkeep.doctor import Doctor


@verb
def doctor(folder: str | Path = ".") -> "Doctor":
    """What this machine and the project around `folder` have and lack, and what to do about it."""
    from facetwise.upkeep.doctor import examine_folder
    from facetwise.upkeep.doctor_submissions import checks

    return examine_folder(Path(folder), checks)


@verb
def clean(
    project: AnyProject = ".",
    *,
    keep: Annotated[int, Option("How many of the best runs of a kind keep their weights.", min=0)] = 5,
    stores: Annotated[bool, Option("Image stores too that no kept run and no recipe reads.")] = False,
    predictions: Annotated[bool, Option("Predictions of other photos too.")] = False,
    yes: Annotated[bool, Option("Delete; without it only show what would go.")] = False,
) -> "CleanPlan":
    """What may be deleted to free the disk, and what stays and why; with `yes` it is deleted.

    Weights go of finished runs that no submission needs, that are not among the best `keep` of what they predict, and
    are not the newest; the folds of trials that a search stopped; and what crashes left behind. `stores`,
    `predictions`: also image stores that no kept run and no recipe reads, and predictions of other photos. Tables,
    recipe and record of every run stay.
    """
    from facetwise.upkeep import clean as cleaning

    opened = opened_project(project)
    plan = cleaning.plan_clean(opened, cleaning.CleanSpec(keep, stores, predictions))
    return cleaning.clean(opened, plan) if yes else plan
