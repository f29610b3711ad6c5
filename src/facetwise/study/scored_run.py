"""Out-of-fold predictions of a finished run with the scored labels, in manifest order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.project import Project
from facetwise.core.records.run import RunRecord
from facetwise.core.runs import RunFolder
from facetwise.data.manifest import Manifest
from facetwise.evaluate.metrics import MISSING
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows
from facetwise.predictors.sources import manifest_truth
from facetwise.results.runs import state_of


@dataclass(frozen=True)
class ScoredRun:
    """A finished run's out-of-fold predictions with the scored labels."""

    run: RunFolder
    tta: str
    record: RunRecord
    rows: ScoredRows
    """One row for each training image in manifest order; not covered where no fold held it out."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the run's fingerprint."""
        return self.record.fingerprint_fields.as_dict()

    @property
    def by_image(self) -> bool:
        """Whether the folds were split by image, which makes the scores too high."""
        return self.record.by_image

    @property
    def attributes(self) -> tuple[str, ...]:
        """The predicted attributes, in label order."""
        return self.rows.predictions.attributes

    def rows_with(self, names: Sequence[str]) -> ScoredRows:
        """The rows in which all of the attributes `names` are predicted."""
        return self.rows.where(self.rows.decided(names)[1] != MISSING)


def read_scored_run(project: Project, manifest: Manifest, run: RunFolder, tta: str = "none") -> ScoredRun:
    """Read a finished run's out-of-fold table, its own or that of `facetwise predict --tta`.

    Raises ArtefactError when the run is unfinished or damaged, InputError when it was trained on all people,
    MismatchError when it has another label space or predicts images that are not in the manifest.
    """
    if not run.finished:
        what = "is still training" if state_of(run) == "training" else "is not finished"
        raise ArtefactError(f"run `{run.id}` {what}", hint=f"finish it with `facetwise fit --resume {run.id}`")
    run.check_labels(project.space_hash)
    table = run.oof(tta)
    if table is None:
        hint = "judge its recipe by a cross-validated run of this project"
        raise InputError(f"run `{run.id}` {run.why_no_oof()}", hint=hint)
    label = f"run `{run.id}`"
    predictions = Predictions.read(table, project.space, label)
    rows = ScoredRows.matched(predictions, manifest_truth(project, manifest), label)
    if not rows.scored().any():
        raise InputError(f"{label} predicted no image out of fold: there is nothing to compare")
    return ScoredRun(run, tta, run.record(), rows)
