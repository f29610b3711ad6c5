"""Ranking of runs and blends, for the gate and for plans."""

from __future__ import annotations

from facetwise.core.choices import Metric
from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.predictors.blend_folder import BlendFolder, list_blends
from facetwise.results.runs import build_runs_view

NUM_BLENDS = 2
"""Number of best blends that are ranked before all runs."""


def rank_predictors(project: Project) -> list[str]:
    """Ids of the best blends by nested estimate, then of finished runs by out-of-fold score.

    Specialists come last. Blends without an estimate or with an unreadable record count as 0; runs without a score are
    left out. Ties are broken by number.
    """
    blends = best_blends(project)[:NUM_BLENDS]
    runs = [r for r in build_runs_view(project).runs if r.state == "finished" and r.score is not None]
    ranked = sorted(runs, key=lambda r: (r.what != "joint", -(r.score or 0.0)))
    return [*(blend.id for blend in blends), *(run.id for run in ranked)]


def best_blends(project: Project) -> list[BlendFolder]:
    """All blends by their nested estimate; those without one, or chosen by another score than the project's, last."""
    return sorted(list_blends(project.workspace), key=lambda blend: -_nested(blend, project.file.score.metric))


def _nested(blend: BlendFolder, metric: Metric) -> float:
    try:
        scores = blend.record().scores
    except ArtefactError:
        return 0.0
    return scores.nested if scores.metric == metric else 0.0
