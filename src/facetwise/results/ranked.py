"""Ranking of runs and blends, for the gate and for plans."""

from __future__ import annotations

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.workspace import Workspace
from facetwise.predictors.blend_folder import BlendFolder, list_blends
from facetwise.results.runs import build_runs_view

NUM_BLENDS = 2
"""Number of best blends that are ranked before all runs."""


def rank_predictors(project: Project) -> list[str]:
    """Ids of the best blends by nested estimate, then of finished runs by out-of-fold score.

    Specialists come last. Blends without an estimate or with an unreadable record count as 0; runs without a score are
    left out. Ties are broken by number.
    """
    blends = best_blends(project.workspace)[:NUM_BLENDS]
    runs = [r for r in build_runs_view(project).runs if r.state == "finished" and r.score is not None]
    ranked = sorted(runs, key=lambda r: (r.what != "joint", -(r.score or 0.0)))
    return [*(blend.id for blend in blends), *(run.id for run in ranked)]


def best_blends(workspace: Workspace) -> list[BlendFolder]:
    """All blends by their nested estimate; those without one last."""
    return sorted(list_blends(workspace), key=lambda blend: -_nested(blend))


def _nested(blend: BlendFolder) -> float:
    try:
        return blend.record().scores.nested
    except ArtefactError:
        return 0.0
