"""The view of `facetwise cuts`: cuts moved after training, with a nested estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from facetwise.core.choices import Metric
from facetwise.core.errors import InputError
from facetwise.core.labels import MAX_LISTED_JOINT
from facetwise.core.plain import plain
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.rules.cuts import Aim, CutChoice, choose_cuts, movable
from facetwise.results.notices import CurrentData, Notice, estimate_of, notices
from facetwise.results.runs import scored_rows, state_of
from facetwise.results.wording import signed, with_signs


@dataclass(frozen=True)
class CutsView:
    """Cuts chosen on one run's out-of-fold predictions."""

    id: str
    project: str
    metric: Metric
    """What the project chooses by, and scores are."""
    warnings: tuple[Notice, ...]
    choices: tuple[CutChoice, ...]
    """For each attribute: cuts for its own score and, if the run predicts all attributes, for the joint one."""
    by_image: bool
    """Whether folds were split by image; then there is no verdict."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data, with the verdict on each choice. `worth_it` is None if unknown."""
        choices = [{**c.as_dict(), "verdict": verdict(c, self.by_image)} for c in self.choices]
        if self.by_image:
            choices = [{**c, "worth_it": None} for c in choices]
        warnings = [{"kind": n.kind, "text": n.text} for n in self.warnings]
        head = {"id": self.id, "project": self.project, "metric": self.metric, "warnings": warnings}
        data: dict[str, Any] = plain({**head, "choices": choices})
        return data


def build_cuts_view(
    project: Project, run: RunFolder, manifest: Manifest | None = None, *, attribute: str | None = None
) -> CutsView:
    """Choose the cuts of `attribute`, or of every attribute that can be cut, on a run's out-of-fold predictions.

    Raises InputError when the run has no out-of-fold predictions, or neither a distribution over values nor a score;
    SettingError for an unknown attribute, ArtefactError when its files are damaged.
    """
    record, manifest = run.record(), manifest or load_manifest(project)
    run.check_labels(project.space_hash)
    scored = scored_rows(run, manifest, project)
    if scored is None:
        raise InputError(f"run `{run.id}` has no out-of-fold predictions: there is nothing to choose cuts by")
    names = _movable_attributes(run, scored.predictions, attribute)
    return CutsView(
        id=run.id,
        project=project.file.name,
        metric=project.file.score.metric,
        warnings=notices(estimate_of(record), record, None, state_of(run), CurrentData.of(manifest)),
        choices=tuple(choice for name in names for choice in _choices(scored, name)),
        by_image=record.by_image,
    )


def verdict(choice: CutChoice, by_image: bool = False) -> str:
    """The verdict on a choice of cuts, in a sentence or two; none for folds split by image."""
    if by_image:
        return f"No verdict: the run was validated on {PEOPLE} that the models had seen."
    by = with_signs(choice.difference, choice.difference_interval)
    seen = signed(choice.optimistic - choice.plain)
    if not choice.num_changed:
        return f"Leave the cuts where they are: no other cuts score higher on these {PEOPLE}."
    if not choice.worth_it:
        return (
            f"Not to be used: chosen on four fifths of the {PEOPLE} and applied to the fifth, moved cuts are no better "
            f"({by}). The {seen} on the {PEOPLE} that they were chosen on is the choice flattering itself."
        )
    if choice.difference_interval.low > 0:
        return f"Better by {by}, nested and paired by {PERSON}: {numbers(choice.chosen)} is the better place to cut."
    return (
        f"Higher by {by}, nested and paired by {PERSON}, but the interval holds 0: on {choice.num_people:,} {PEOPLE} "
        f"{what_is_cut(choice)} {numbers(choice.chosen)} cannot be told apart from as trained."
    )


def numbers(cuts: Sequence[float]) -> str:
    """Cuts as text: `(29, 59)`."""
    return "(" + ", ".join(f"{c:g}" if abs(c) >= 10 else f"{c:.3g}" for c in cuts) + ")"


def _movable_attributes(run: RunFolder, predictions: Predictions, attribute: str | None) -> list[str]:
    """The attributes to choose cuts for; raises InputError with the head to train when there are none."""
    space, can = predictions.space, movable(predictions)
    asked = space.attributes if attribute is None else (space.attribute(attribute),)
    if names := [a.name for a in asked if a.name in can]:
        return names
    ordinal = [a.name for a in asked if a.is_ordinal]
    if not ordinal:
        which = "no attribute's classes are" if attribute is None else f"the classes of `{attribute}` are not"
        raise InputError(f"there is no cut to move: {which} made from numbers")
    head = f'model.head={{name="single",attribute="{ordinal[0]}",kind="bins"}}'
    raise InputError(
        f"run `{run.id}` did not predict the values of `{ordinal[0]}`, nor a score: no cut can be moved after training",
        hint=f"train a head that does: `facetwise fit RECIPE --set '{head}'`",
    )


def _choices(rows: ScoredRows, name: str) -> Iterator[CutChoice]:
    whole = len(rows.space.names) > 1 and rows.predictions.is_whole
    aims: list[Aim] = ["attribute", "joint"] if whole and rows.space.num_joint <= MAX_LISTED_JOINT else ["attribute"]
    for aim in aims:
        yield choose_cuts(rows, name, aim=aim)


def what_is_cut(choice: CutChoice) -> str:
    """What moves: cuts of a distribution over values, or thresholds of a score."""
    match choice.kind:
        case "years":
            return "cuts"
        case "score":
            return "thresholds"
        case _:
            assert_never(choice.kind)
