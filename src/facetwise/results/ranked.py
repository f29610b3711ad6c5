"""Runs and blends by how good they are: whom the gate may ask, and what a plan looks at."""

from __future__ import annotations

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.workspace import Workspace
from facetwise.predictors.blend_folder import BlendFolder, list_blends
from facetwise.results.runs import build_runs_view

NUM_BLENDS = 2
"""Best blends that come before all runs."""


def best_first(project: Project) -> list[str]:
    """Ids of the best blends by their nested estimate, then of finished runs by out-of-fold macro F1.

    Runs that do not predict every attribute come last, as they have no opinion on the others. Blends without an
    estimate, or whose record cannot be read, count as 0; runs without a score are left out. Ties go by number.
    """
    blends = best_blends(project.workspace)[:NUM_BLENDS]
    runs = [r for r in build_runs_view(project).runs if r.state == "finished" and r.macro_f1 is not None]
    ranked = sorted(runs, key=lambda r: (r.what != "joint", -(r.macro_f1 or 0.0)))
    return [*(blend.id for blend in blends), *(run.id for run in ranked)]


def best_blends(workspace: Workspace) -> list[BlendFolder]:
    """All blends by their nested estimate; those without one last."""
    return sorted(list_blends(workspace), key=lambda blend: -_nested(blend))


def _nested(blend: BlendFolder) -> float:
    try:
        return blend.record().scores.nested
    except ArtefactError:
        return 0.0
