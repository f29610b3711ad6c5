"""The members of a blend: who is known out of fold and can be chosen, and who joins on the test side only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from facetwise.blending.spec import BlendSpec, GivenWeight
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
    """One predictor that is known out of fold."""

    source: Source
    cost: float
    """Seconds that its models trained on 1,000 images took, times models and views of a photo: a measure of what
    predicting with it takes, of machines of one kind. NaN where nothing tells."""
    given: tuple[GivenWeight, ...] = ()

    @property
    def oof(self) -> Predictions:
        """Its out-of-fold predictions, in manifest order."""
        return self.source.require_oof()


@dataclass(frozen=True)
class Guest:
    """A predictor that joins on the test side only: nothing is known of it out of fold."""

    source: Source
    why: str
    sibling: str | None = None
    """The cross-validated run of the same recipe, whose weight it takes."""
    share: float | None = None
    """Its share of the whole, below 1, where there is no sibling."""


@dataclass(frozen=True)
class Members:
    """Everybody in a blend."""

    known: tuple[Member, ...]
    guests: tuple[Guest, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    """Where all runs were asked for: those that cannot be in it, and why."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of those who are known out of fold."""
        return tuple(m.source.id for m in self.known)


def read_members(project: Project, manifest: Manifest, spec: BlendSpec) -> Members:
    """Read and check everybody that a blend names.

    Raises as `read_source` does; InputError when nobody is known out of fold, when somebody is named twice, when a
    weight is for nobody, or when a guest has neither sibling nor share.
    """
    sources, left_out = _sources(project, manifest, spec)
    by_reference = dict(sources)
    given = _given_by_id(spec.given, by_reference)
    known = tuple(
        Member(s, cost_of(RunFolder(project.workspace.runs / s.id), s.tta), given.get(s.reference, ()))
        for s in by_reference.values()
        if s.oof is not None
    )
    if not known:
        raise InputError("nobody in the blend is known out of fold: there is nothing to choose or to estimate by")
    ids = [m.source.id for m in known]
    guests = tuple(_guest(s, known, given.get(s.reference, ()), ids) for s in by_reference.values() if s.oof is None)
    _check_guests(guests, spec)
    return Members(known, guests, left_out)


def _check_guests(guests: Sequence[Guest], spec: BlendSpec) -> None:
    shares = [g.share for g in guests if g.share is not None]
    if sum(shares) >= 1:
        raise InputError("the shares of the members that are known on the test side only come to 1 or more")
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
            raise InputError(f"`{source.reference}` stands in the blend twice", hint="give it more weight instead")
        found[source.reference] = source
        named.append((reference, source))
    return named, ()


def _all_runs(project: Project, manifest: Manifest, tta: str) -> tuple[Named, LeftOut]:
    """Every finished cross-validated run that fits the data as it is now; and those that cannot be in it, and why."""
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


def _given_by_id(given: Sequence[GivenWeight], sources: Mapping[str, Source]) -> dict[str, tuple[GivenWeight, ...]]:
    """Weights by `Source.reference`; they name members as `sources` do, or by number or id."""
    found: dict[str, tuple[GivenWeight, ...]] = {}
    for weight in given:
        source = sources.get(weight.member) or _named(weight.member, sources)
        if source is None:
            raise InputError(f"a weight is given to `{weight.member}`, which is not in the blend")
        if weight.attribute is not None and weight.attribute not in source.attributes:
            raise InputError(f"a weight is given to `{weight.member}` for `{weight.attribute}`, which it lacks")
        if any(other.attribute == weight.attribute for other in found.get(source.reference, ())):
            what = f" for `{weight.attribute}`" if weight.attribute else ""
            raise InputError(f"two weights are given to `{weight.member}`{what}", hint="give one: `--weights 3=2`")
        found[source.reference] = (*found.get(source.reference, ()), weight)
    return found


def _named(member: str, sources: Mapping[str, Source]) -> Source | None:
    wanted = parse_reference(member, PREDICTORS)
    return next((s for s in sources.values() if s.kind == wanted.kind and wanted.means(s.id)), None)


def _guest(source: Source, known: Sequence[Member], given: tuple[GivenWeight, ...], ids: Sequence[str]) -> Guest:
    if source.test is None:
        raise InputError(f"`{source.reference}` predicts nothing: neither out of fold nor the test side")
    if given:
        share = given[0].weight
        if len(given) > 1 or given[0].attribute is not None or not 0 < share < 1:
            raise InputError(
                f"`{source.reference}` is known on the test side only: give it one weight between 0 and 1, "
                "its share of the whole",
                hint=f"for example `--weights {source.reference}=0.3`",
            )
        return Guest(source, "known on the test side only", share=share)
    for member, run in zip(known, ids, strict=True):
        if source.run is not None and member.source.run is not None and _same_but_folds(source.run, member.source.run):
            everybody = source.run.fold_plan == "none"
            how = "trained on everybody" if everybody else "validated on other folds"
            return Guest(source, f"{how}, beside `{run}`", sibling=run)
    raise InputError(
        f"`{source.reference}` is known on the test side only, so its weight cannot be chosen",
        hint=f"give it a share of the whole, `--weights {source.reference}=0.3`, or add a cross-validated run of the "
        "same recipe",
    )


def _same_but_folds(one: RunRecord, other: RunRecord) -> bool:
    """Whether two runs have the same recipe but for the folds."""
    recipes = [{k: v for k, v in record.recipe.items() if k != "folds"} for record in (one, other)]
    return recipes[0] == recipes[1]


def cost_of(run: RunFolder, tta: str) -> float:
    """See `Member.cost`."""
    with suppress(ArtefactError, OSError):
        if speeds := [e.images_per_second for e in run.epochs() if e.images_per_second]:
            return 1000.0 / statistics.median(speeds) * len(run.record().folds) * VIEWS.get(tta, 1)
    return math.nan


def specialists(members: Members) -> list[str]:
    """Ids of members that lack an attribute: they have no joint to blend."""
    return [m.source.id for m in members.known if not m.oof.is_whole]


def common_rows(members: Members) -> BoolArray:
    """Training images, (num_train,), that every member predicted out of fold; raises InputError when there is none."""
    kept = np.logical_and.reduce([m.oof.covered for m in members.known])
    if not kept.any():
        counts = ", ".join(f"`{m.source.id}` {int(m.oof.covered.sum()):,}" for m in members.known)
        raise InputError(f"no image was predicted out of fold by every member ({counts})", hint="leave some out")
    found: BoolArray = kept
    return found
