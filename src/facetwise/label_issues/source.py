"""Which predictor's out-of-fold predictions label issues are found with."""

from __future__ import annotations

from collections.abc import Iterator

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.project import Project
from facetwise.core.text.scored import SCORE
from facetwise.data.manifest import Manifest
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.scorecard import name_of
from facetwise.predictors.sources import Source, read_source
from facetwise.results.ranked import best_blends
from facetwise.results.runs import build_runs_view
from facetwise.results.wording import score


def label_source(project: Project, manifest: Manifest, reference: str | None) -> tuple[Source, ScoredRows, str]:
    """The predictor named by `reference`, its out-of-fold rows, and why it was chosen.

    Without a reference the blend with the highest nested estimate, else the finished run with the highest out-of-fold
    score of the whole label; one that does not fit the dataset any more is passed over. Raises InputError when there is
    none, or when the predictor predicts nobody out of fold, and as `read_source` (GateError for folds split by image).
    """
    if reference is not None:
        source = read_source(project, manifest, reference)
        return source, source.scored(project, manifest), "as asked"
    skipped = list[str]()
    for candidate, why in _candidates(project, manifest):
        try:
            source = read_source(project, manifest, candidate)
            return source, source.scored(project, manifest), why
        except (ArtefactError, InputError) as error:
            skipped.append(str(error))
    raise InputError(
        "no finished run or blend predicts the whole label out of fold" + (f" ({skipped[0]})" if skipped else ""),
        hint="train one with `facetwise fit RECIPE`, name a specialist, or ask the most alike photos: "
        "`facetwise labels suspects --method neighbours --features FEATURES`",
    )


def _candidates(project: Project, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """References and reasons, the first choice first."""
    for blend in best_blends(project):
        yield f"blend:{blend.id}", "the best blend by its nested estimate"
    whole = name_of(project.space.names, project.space)
    runs = [r for r in build_runs_view(project, manifest).runs if r.state == "finished" and r.what == whole]
    scored = [r for r in runs if r.score is not None and r.usable and not any(f.startswith("UNSAFE") for f in r.flags)]
    for run in sorted(scored, key=lambda r: (bool(r.flags), -(r.score or 0.0))):
        yield f"run:{run.id}", f"the best finished run of the whole label, {SCORE} {score(run.score)}"
