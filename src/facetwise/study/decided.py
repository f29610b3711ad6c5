"""What a finished run decided of every training image, in manifest order."""

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
class Decided:
    """A finished run's out-of-fold predictions beside the scored labels."""

    run: RunFolder
    tta: str
    record: RunRecord
    rows: ScoredRows
    """A row a training image in manifest order; not covered where no fold held it out."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the run's fingerprint is made of."""
        return self.record.fingerprint_fields.as_dict()

    @property
    def by_image(self) -> bool:
        """Whether the folds were split by image, so that the scores are known to be too high."""
        return self.record.by_image

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that were predicted, in the label's order."""
        return self.rows.predictions.attributes

    def known(self, names: Sequence[str]) -> ScoredRows:
        """The rows in which every one of the attributes called `names` was predicted."""
        return self.rows.where(self.rows.decided(names)[1] != MISSING)


def read_decided(project: Project, manifest: Manifest, run: RunFolder, tta: str = "none") -> Decided:
    """What a finished run decided, from its own out-of-fold table or that of `facetwise predict --tta`.

    Raises ArtefactError when it is not finished or damaged, InputError when it was trained on everybody, MismatchError
    when it was made for another label space or predicts images that the manifest lacks.
    """
    if not run.finished:
        what = "is still training" if state_of(run) == "training" else "is not finished"
        raise ArtefactError(f"run `{run.id}` {what}", hint=f"finish it with `facetwise fit --resume {run.id}`")
    run.check_labels(project.space_hash)
    table = run.oof(tta)
    if table is None:
        hint = "judge its recipe by a cross-validated run of this project"
        raise InputError(f"run `{run.id}` {run.why_no_oof()}", hint=hint)
    whose = f"run `{run.id}`"
    predictions = Predictions.read(table, project.space, whose)
    rows = ScoredRows.matched(predictions, manifest_truth(manifest, project.space), whose)
    if not rows.covered.any():
        raise InputError(f"{whose} predicted no image out of fold: there is nothing to compare")
    return Decided(run, tta, run.record(), rows)
