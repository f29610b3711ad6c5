"""Runs and predictions that travel between teammates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facetwise.api.arguments import AnyProject, checked_output, opened_project

if TYPE_CHECKING:
    from facetwise.predictors.external import ForeignFolder
    from facetwise.sharing.export_run import Exported
    from facetwise.sharing.import_run import ImportedRun


def export_run(project: AnyProject, run: str = "last", *, out: str | Path, tables_only: bool = False) -> Exported:
    """Pack a finished run into the new file `out` for a teammate: all of it, or with `tables_only` without weights.

    The same run gives the same bytes. No paths of the machine and no names of users are in them.
    """
    from facetwise.core.runs import find_run
    from facetwise.sharing.export_run import export_run as write_pack

    opened = opened_project(project)
    target = checked_output(opened, out, stdout=False)
    return write_pack(opened, find_run(opened.workspace, run), target, tables_only=tables_only)


def import_run(project: AnyProject, file: str | Path, *, name: str | None = None) -> ImportedRun:
    """Take a run that a teammate packed into the project, under the next number; packs are checked, not trusted.

    Raises MismatchError naming what differs when it is of another dataset or label. A run on folds that this project
    does not have can be used for the test side only, and says so.
    """
    from facetwise.sharing.import_run import import_run as take_pack

    return take_pack(opened_project(project), Path(file), name=name)


def import_predictions(
    project: AnyProject, file: str | Path, *, name: str, answers_of: str | None = None
) -> ForeignFolder:
    """Bring in a csv of predictions that were made elsewhere, as `foreign:NAME`: for the test side only.

    A csv of probabilities by image (columns `<attribute>=<class>`, or `joint=<i>`, or the bare numbers of the joint
    classes), or a submission. `answers_of` names the attribute whose classes a submission answers, or `joint`; unless
    it is given, answers that seem to be those of one attribute are refused. All faults are told at once, by line.
    """
    from facetwise.data.manifest import load_manifest
    from facetwise.predictors.external import import_predictions as take_csv

    opened = opened_project(project)
    return take_csv(opened, load_manifest(opened), Path(file), name, answers_of=answers_of)
