"""Views of a blend and of the list of blends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from facetwise.core.choices import Metric
from facetwise.core.errors import DamagedError, FacetwiseError
from facetwise.core.plain import plain
from facetwise.core.project import Project
from facetwise.core.records.blend import KNOWN, BestMemberRecord, BlendRecord, ContributionsRecord, WayRecord
from facetwise.core.records.notes import Note
from facetwise.core.text.scored import NAMES, SCORE
from facetwise.core.text.subject import PERSON, count_people
from facetwise.data.manifest import Manifest
from facetwise.evaluate.further.scores import FurtherScores
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows
from facetwise.evaluate.rules.choose import rule_from_dict
from facetwise.evaluate.scorecard import Scorecard, score_rows
from facetwise.predictors.blend_folder import BlendFolder, list_blends
from facetwise.predictors.sources import check_blend, labels_since, manifest_truth, member_faults, runs_below
from facetwise.results.notes import notes_on
from facetwise.results.notices import Notice, base_notices, copies_notices, own_subjects
from facetwise.results.runs import further_of
from facetwise.results.wording import score, with_signs


@dataclass(frozen=True)
class BlendMember:
    """One predictor in a blend."""

    name: str
    weights: Mapping[str, float]
    """By block: `joint`, or an attribute. 0 if it was not chosen or does not predict the block."""
    role: str
    added: float | None
    """Score of the blend with it minus without it, on the people it was chosen on; None for the only member of a
    block, and for members without out-of-fold predictions."""

    @property
    def scored(self) -> bool:
        """Whether it has out-of-fold predictions; other members join on the test side only."""
        return self.role == KNOWN

    @property
    def used(self) -> bool:
        """Whether it has a weight above 0."""
        return any(w > 0 for w in self.weights.values())


@dataclass(frozen=True)
class BlendVariant:
    """One variant of blending that was tried."""

    by: str
    nested: float
    """The better of `by_rule` and `by_argmax`."""
    by_rule: float
    """Nested estimate with a rule fitted without each part of the people."""
    by_argmax: float
    """Nested estimate with plain argmax."""
    decision: str
    """Description of the rule that is used."""


@dataclass(frozen=True)
class BestMember:
    """The best single member with every attribute, on the same people."""

    id: str
    score: float
    interval: Interval
    difference: float
    """Nested estimate of the blend minus this score."""
    difference_interval: Interval


@dataclass(frozen=True)
class BlendView:
    """One blend."""

    id: str
    project: str
    new: bool
    """Whether it was made just now."""
    by: str
    method: str
    weigh: str
    metric: Metric
    """What it was chosen by, and its scores are."""
    nested: float
    """Score by nested estimate: each person decided by weights and a rule fitted without that person's part."""
    nested_interval: Interval
    by_rule: float
    """Nested estimate with a decision rule fitted without each part of the people."""
    by_argmax: float
    """Nested estimate with plain argmax. The better of the two is used."""
    optimistic: float
    """On the people it was chosen on: too high."""
    scorecard: Scorecard
    """Scores of the nested predictions."""
    further: FurtherScores | None
    """Scores beside these, of the same predictions; None in a list of blends."""
    best_member: BestMember | None
    decision: str
    members: tuple[BlendMember, ...]
    ways: tuple[BlendVariant, ...]
    likeness: Mapping[str, Mapping[str, float | None]]
    """Share of images on which two members agree, 0..1."""
    moves: tuple[Mapping[str, Any], ...]
    num_people: int
    num_images: int
    num_left_out: int
    not_in_it: Mapping[str, str]
    """When all runs were asked for: those that could not be blended, and why."""
    made: str
    warnings: tuple[Notice, ...] = ()
    notes: tuple[Note, ...] = ()
    """Notes on it, in the order of writing."""

    @property
    def score_name(self) -> str:
        """What its scores are called."""
        return NAMES[self.metric]

    @property
    def chosen(self) -> bool:
        """Whether weights or rule were chosen on the people that are scored here."""
        return self.weigh == "greedy" or self.optimistic != self.nested

    @property
    def verdict(self) -> str:
        """Comparison with the best member, as a sentence."""
        best = self.best_member
        if best is None:
            return "No member has every attribute, so there is no single one to compare the blend with."
        by, people = with_signs(best.difference, best.difference_interval), count_people(self.num_people)
        if best.difference_interval.low > 0:
            return f"Better than its best member `{best.id}` ({score(best.score)}) by {by}, paired by {PERSON}."
        if best.difference_interval.high < 0:
            return f"Worse than its best member `{best.id}` ({score(best.score)}): {by}. Submit that one instead."
        return f"Cannot be told apart from its best member `{best.id}` ({score(best.score)}) on {people}: {by}."

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        members = [{**asdict(m), "used": m.used} for m in self.members]
        data: dict[str, Any] = plain({**asdict(self), "members": members, "verdict": self.verdict})
        data["scorecard"] = self.scorecard.as_dict()
        return data


@dataclass(frozen=True)
class BlendsView:
    """The list of blends."""

    project: str
    blends: tuple[BlendView, ...]
    unusable: Mapping[str, str]
    """Blends that cannot be read or belong to other data, and why."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        blends = [b.as_dict() for b in self.blends]
        return {"project": self.project, "blends": blends, "unusable": dict(self.unusable)}


def build_blend_view(
    project: Project, blend: BlendFolder, manifest: Manifest, *, new: bool = False, further: bool = True
) -> BlendView:
    """The view of a blend, with or without `further` scores; raises ArtefactError when its files are damaged."""
    record, label, table = blend.record(), f"blend `{blend.id}`", blend.table("oof")
    check_blend(project, manifest, blend.id, record)
    assert table is not None  # every blend has this table
    oof = Predictions.read(table, project.space, label)
    rows = ScoredRows.matched(oof, manifest_truth(project, manifest), label)
    notes, troubles = notes_on(project, "blend", blend.id)
    scores, runs = record.scores, [*runs_below(project.workspace, "blend", blend.id)]
    return BlendView(
        id=blend.id,
        project=project.file.name,
        new=new,
        by=record.by,
        method=record.method,
        weigh="given" if record.spec.given and not record.trace else record.spec.weigh,
        metric=scores.metric,
        nested=scores.nested,
        nested_interval=Interval.of(scores.nested_interval),
        by_rule=scores.by_rule,
        by_argmax=scores.by_argmax,
        optimistic=scores.optimistic,
        scorecard=score_rows(rows.covered_rows()),
        further=further_of(rows, project, manifest) if further else None,
        best_member=_best(scores.best_member),
        decision=_words(record.decision, project),
        members=_members(record),
        ways=tuple(_variant(w, project) for w in record.ways),
        likeness=_likeness(record.worth),
        moves=tuple(move.as_dict() for move in record.trace),
        num_people=record.rows.people,
        num_images=record.rows.images,
        num_left_out=record.rows.left_out,
        not_in_it={run.id: run.why for run in record.left_out},
        made=record.provenance.made,
        warnings=(
            *copies_notices(runs),
            *own_subjects(manifest.each_its_own),
            *_since(record, manifest),
            *_members_lost(record, project),
            *_other_score(record, project),
            *troubles,
            *base_notices(runs),
        ),
        notes=notes,
    )


def build_blends_view(project: Project, manifest: Manifest) -> BlendsView:
    """Every blend of the project, by number."""
    views, unusable = [], {}
    for blend in list_blends(project.workspace):
        try:
            views.append(build_blend_view(project, blend, manifest, further=False))
        except FacetwiseError as error:
            unusable[blend.id] = error.summary if isinstance(error, DamagedError) else str(error)
    return BlendsView(project.file.name, tuple(views), unusable)


def _since(record: BlendRecord, manifest: Manifest) -> tuple[Notice, ...]:
    text = labels_since(record, manifest)
    return () if text is None else (Notice("caution", text),)


def _members_lost(record: BlendRecord, project: Project) -> tuple[Notice, ...]:
    """The notice of members that cannot be read any more."""
    faults = "; ".join(member_faults(project.workspace, record.made_from.members))
    what = "What the blend predicts is kept in its own tables"
    return (Notice("caution", f"{faults}. {what}, see `facetwise doctor`."),) if faults else ()


def _other_score(record: BlendRecord, project: Project) -> tuple[Notice, ...]:
    """The notice that the project has chosen by another score since."""
    if record.scores.metric == project.file.score.metric:
        return ()
    was = NAMES[record.scores.metric]
    return (Notice("caution", f"Chosen by {was}, and the project goes by {SCORE} now: blend again."),)


def _best(best: BestMemberRecord | None) -> BestMember | None:
    if best is None:
        return None
    intervals = Interval.of(best.interval), Interval.of(best.difference_interval)
    return BestMember(best.id, best.score, intervals[0], best.difference, intervals[1])


def _members(record: BlendRecord) -> tuple[BlendMember, ...]:
    added = dict(zip(record.worth.members, record.worth.added, strict=True))
    return tuple(BlendMember(m.reference, m.weights, m.role, added.get(m.id)) for m in record.made_from.members)


def _variant(variant: WayRecord, project: Project) -> BlendVariant:
    return BlendVariant(
        variant.by, variant.nested, variant.by_rule, variant.by_argmax, _words(variant.decision, project)
    )


def _likeness(contributions: ContributionsRecord) -> dict[str, dict[str, float | None]]:
    names = contributions.members
    return {a: dict(zip(names, row, strict=True)) for a, row in zip(names, contributions.likeness, strict=True)}


def _words(decision: Mapping[str, Any], project: Project) -> str:
    return rule_from_dict(decision, project.space).describe(project.space)
