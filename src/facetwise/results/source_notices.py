"""Notices about fitting anything on the out-of-fold predictions of a run or blend."""

from __future__ import annotations

from collections.abc import Iterator

from facetwise.core.project import Project
from facetwise.core.records.blend import BlendRecord
from facetwise.core.records.run import RunRecord
from facetwise.core.text.subject import PEOPLE
from facetwise.data.manifest import Manifest
from facetwise.predictors.sources import Source, labels_since, runs_below
from facetwise.results.notices import CurrentData, Notice, copies_notices, estimate_of, notices, own_subjects


def _of_blend(record: BlendRecord, manifest: Manifest) -> Iterator[str]:
    """Cautions about fitting on a blend's nested predictions.

    Each person is predicted by weights chosen without that person's part. But a rule or temperature for one part is
    fitted on predictions of the other parts, whose weights were chosen with that part.
    """
    if record.trace or len(record.ways) > 1:
        yield (
            f"The members and weights of this blend were chosen on all {PEOPLE}, and what is fitted here is nested on "
            "top of that: nested only to second order, so its estimates may be a little too high."
        )
    if text := labels_since(record, manifest):
        yield text


def source_notices(project: Project, source: Source, manifest: Manifest) -> tuple[Notice, ...]:
    """Notices about fitting on the out-of-fold predictions of `source`."""
    match source.record:
        case BlendRecord():
            cautions = (Notice("caution", text) for text in _of_blend(source.record, manifest))
            runs = runs_below(project.workspace, source.kind, source.id)
            return (*copies_notices(runs), *own_subjects(manifest.each_its_own), *cautions)
        case RunRecord():
            return notices(estimate_of(source.record), source.record, None, "finished", CurrentData.of(manifest))
    return ()
