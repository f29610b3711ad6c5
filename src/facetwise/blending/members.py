"""The members of a blend: those with out-of-fold predictions, and those that predict the test side only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from facetwise.blending.spec import BlendSpec, FixedWeight
from facetwise.blending.votes import BoolArray
from facetwise.core.errors import ArtefactError, FacetwiseError, InputError
from facetwise.core.project import Project
from facetwise.core.records.run import RunRecord
from facetwise.core.references import parse_reference
from facetwise.core.runs import RunFolder, list_runs
from facetwise.data.manifest import Manifest
from facetwise.evaluate.predictions import Predictions
from facetwise.predictors.sources import PREDICTORS, Source, read_source

VIEWS = {"none": 1, "flip": 2, "crops": 5, "flip-crops": 10}
"""Images that the network sees of each photo, by test-time augmentation."""


@dataclass(frozen=True)
class Member:
    """A predictor with out-of-fold predictions: its weight can be selected."""

    source: Source
    cost: float
    """Training seconds for each 1,000 images, times fold models and test-time views: a proxy for the cost of
    predicting, comparable on machines of one kind only. NaN where unknown."""
    fixed: tuple[FixedWeight, ...] = ()

    @property
    def oof(self) -> Predictions:
        """Its out-of-fold predictions, in manifest order."""
        return self.source.require_oof()


@dataclass(frozen=True)
class UnscoredMember:
    """A predictor without out-of-fold predictions: it joins the blend on the test side only."""

    source: Source
    why: str
    sibling: str | None = None
    """The cross-validated run of the same recipe, whose weight it copies."""
    share: float | None = None
    """Its share of the total weight, below 1, where there is no sibling."""


@dataclass(frozen=True)
class Members:
    """All members of a blend."""

    scored: tuple[Member, ...]
    unscored: tuple[UnscoredMember, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    """When all runs were asked for: those that cannot be blended, and why."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the scored members."""
        return tuple(m.source.id for m in self.scored)


def read_members(project: Project, manifest: Manifest, spec: BlendSpec) -> Members:
    """Read and check the members that a spec names.

    Raises as `read_source`; InputError when no member has out-of-fold predictions, when a member is named twice, when a
    weight names no member, or when an unscored member has neither sibling nor share.
    """
    sources, left_out = _sources(project, manifest, spec)
    by_reference = dict(sources)
    fixed = _fixed_by_reference(spec.given, by_reference)
    scored = tuple(
        Member(s, cost_of(RunFolder(project.workspace.runs / s.id), s.tta), fixed.get(s.reference, ()))
        for s in by_reference.values()
        if s.oof is not None
    )
    if not scored:
        raise InputError(
            "no member of the blend has out-of-fold predictions: weights cannot be chosen, nor the score estimated"
        )
    ids = [m.source.id for m in scored]
    unscored = tuple(
        _unscored_member(s, scored, fixed.get(s.reference, ()), ids) for s in by_reference.values() if s.oof is None
    )
    _check_shares(unscored, spec)
    return Members(scored, unscored, left_out)


def _check_shares(unscored: Sequence[UnscoredMember], spec: BlendSpec) -> None:
    shares = [g.share for g in unscored if g.share is not None]
    if sum(shares) >= 1:
        raise InputError("the shares of members without out-of-fold predictions sum to 1 or more")
    if shares and spec.method == "rank":
        raise InputError(
            "`rank` needs out-of-fold predictions of every member", hint="blend by another method: `--method soft`"
        )


Named = list[tuple[str, Source]]
LeftOut = tuple[tuple[str, str], ...]


def _sources(project: Project, manifest: Manifest, spec: BlendSpec) -> tuple[Named, LeftOut]:
    if not spec.members:
        return _all_runs(project, manifest, spec.tta)
    found: dict[str, Source] = {}
    named = []
    for reference in spec.members:
        wanted = parse_reference(reference, PREDICTORS)
        if wanted.kind == "blend":
            raise InputError(f"`{reference}` is a blend: name the runs that it is made of instead")
        source = read_source(project, manifest, wanted, tta=spec.tta if wanted.kind == "run" else "none")
        if source.reference in found:
            raise InputError(f"`{source.reference}` is in the blend twice", hint="give it more weight instead")
        found[source.reference] = source
        named.append((reference, source))
    return named, ()


def _all_runs(project: Project, manifest: Manifest, tta: str) -> tuple[Named, LeftOut]:
    """Every finished cross-validated run that matches the current data; and the runs that cannot be blended, and
    why."""
    found: Named = []
    left_out = []
    for run in list_runs(project.workspace):
        try:
            if not run.finished or run.record().fold_plan in ("none", "holdout"):
                continue
            source = read_source(project, manifest, f"run:{run.id}", tta=tta)
            source.require_oof()
            found.append((source.reference, source))
        except FacetwiseError as error:
            left_out.append((run.id, str(error)))
    if not found:
        why = f": {left_out[0][1]}" if left_out else ""
        raise InputError(f"no finished cross-validated run to blend{why}", hint="train some: `facetwise fit RECIPE`")
    return found, tuple(left_out)


def _fixed_by_reference(
    fixed: Sequence[FixedWeight], sources: Mapping[str, Source]
) -> dict[str, tuple[FixedWeight, ...]]:
    """Weights by `Source.reference`; `fixed` names members by the keys of `sources`, by number or by id."""
    found: dict[str, tuple[FixedWeight, ...]] = {}
    for weight in fixed:
        source = sources.get(weight.member) or _named(weight.member, sources)
        if source is None:
            raise InputError(f"there is a weight for `{weight.member}`, which is not in the blend")
        if weight.attribute is not None and weight.attribute not in source.attributes:
            raise InputError(
                f"there is a weight for `{weight.attribute}` of `{weight.member}`, which does not predict it"
            )
        if any(other.attribute == weight.attribute for other in found.get(source.reference, ())):
            what = f" for `{weight.attribute}`" if weight.attribute else ""
            raise InputError(f"there are two weights for `{weight.member}`{what}", hint="give one: `--weights 3=2`")
        found[source.reference] = (*found.get(source.reference, ()), weight)
    return found


def _named(member: str, sources: Mapping[str, Source]) -> Source | None:
    wanted = parse_reference(member, PREDICTORS)
    return next((s for s in sources.values() if s.kind == wanted.kind and wanted.means(s.id)), None)


def _unscored_member(
    source: Source, scored: Sequence[Member], fixed: tuple[FixedWeight, ...], ids: Sequence[str]
) -> UnscoredMember:
    if source.test is None:
        raise InputError(f"`{source.reference}` has no predictions, neither out of fold nor of the test side")
    if fixed:
        share = fixed[0].weight
        if len(fixed) > 1 or fixed[0].attribute is not None or not 0 < share < 1:
            raise InputError(
                f"`{source.reference}` predicts the test side only: give it one weight between 0 and 1, "
                "its share of the total",
                hint=f"for example `--weights {source.reference}=0.3`",
            )
        return UnscoredMember(source, "known on the test side only", share=share)
    for member, run in zip(scored, ids, strict=True):
        if source.run is not None and member.source.run is not None and _same_but_folds(source.run, member.source.run):
            everybody = source.run.fold_plan == "none"
            how = "trained on everybody" if everybody else "validated on other folds"
            return UnscoredMember(source, f"{how}, beside `{run}`", sibling=run)
    raise InputError(
        f"`{source.reference}` predicts the test side only, so its weight cannot be chosen",
        hint=f"give it a share of the total, `--weights {source.reference}=0.3`, or add a cross-validated run of the "
        "same recipe",
    )


def _same_but_folds(one: RunRecord, other: RunRecord) -> bool:
    """Whether two runs have the same recipe except for the folds."""
    recipes = [{k: v for k, v in record.recipe.items() if k != "folds"} for record in (one, other)]
    return recipes[0] == recipes[1]


def cost_of(run: RunFolder, tta: str) -> float:
    """See `Member.cost`."""
    with suppress(ArtefactError, OSError):
        if speeds := [e.images_per_second for e in run.epochs() if e.images_per_second]:
            return 1000.0 / statistics.median(speeds) * len(run.record().folds) * VIEWS.get(tta, 1)
    return math.nan


def specialists(members: Members) -> list[str]:
    """Ids of members that lack an attribute, and with it a joint prediction."""
    return [m.source.id for m in members.scored if not m.oof.is_whole]


def common_rows(members: Members) -> BoolArray:
    """Mask of the training images, (num_train,), that every scored member covers; InputError when there are none."""
    common = np.logical_and.reduce([m.oof.covered for m in members.scored])
    if not common.any():
        counts = ", ".join(f"`{m.source.id}` {int(m.oof.covered.sum()):,}" for m in members.scored)
        raise InputError(f"no image was predicted out of fold by every member ({counts})", hint="leave some out")
    found: BoolArray = common
    return found
