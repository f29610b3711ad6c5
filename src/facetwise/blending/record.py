"""The record of a blend: what it was made from, what was chosen, and its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from facetwise.blending.contributions import contributions, pairwise_agreement
from facetwise.blending.fit import ChosenVariant, FittedWeights, Variant
from facetwise.blending.members import Members, common_rows
from facetwise.blending.spec import BlendSpec
from facetwise.blending.test_only import weights_on_test
from facetwise.blending.votes import BoolArray
from facetwise.core.labels import FloatArray
from facetwise.core.project import Project
from facetwise.core.records.base import checked
from facetwise.core.records.blend import KNOWN, BlendRecord
from facetwise.core.records.provenance import provenance
from facetwise.core.runs import RunFolder, Side
from facetwise.core.workspace import content_hash, file_hash
from facetwise.data.manifest import Manifest
from facetwise.evaluate.metrics import MAIN
from facetwise.evaluate.rows import Truth, nothing_known
from facetwise.predictors.sources import Source, manifest_truth


@dataclass(frozen=True)
class Question:
    """What is asked of which members, on which data."""

    project: Project
    manifest: Manifest
    spec: BlendSpec
    members: Members

    @cached_property
    def common(self) -> BoolArray:
        """The training images that every member covers, of which every attribute is known."""
        found: BoolArray = common_rows(self.members) & self._labels.known
        if not found.any():
            raise nothing_known(self.project.space.names)
        return found

    @cached_property
    def _labels(self) -> Truth:
        return manifest_truth(self.project, self.manifest)

    @cached_property
    def truth(self) -> Truth:
        """What is true of them."""
        return self._labels.where(self.common)

    @property
    def made_from(self) -> dict[str, str]:
        """Hashes of the data."""
        labels = {"label_space": self.project.space_hash, "labels": self.manifest.labels_hash}
        return {"manifest": self.manifest.hash, **labels}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that determines a blend: its options, the members' tables, the labels."""
        sources = [m.source for m in self.members.scored] + [g.source for g in self.members.unscored]
        spec_fields = {**self.spec.as_dict(), "members": [s.reference for s in sources]}
        tables = [_hashes(self.project, s) for s in sources]
        metric = {} if self.truth.metric == MAIN else {"metric": self.truth.metric}
        return content_hash({"spec": spec_fields, "tables": tables, **self.made_from, **metric})


def blend_record(asked: Question, variants: Sequence[Variant], best: ChosenVariant) -> BlendRecord:
    """All that pages and texts about the blend are made of."""
    project, spec, members, common, truth = asked.project, asked.spec, asked.members, asked.common, asked.truth
    sources, weights = weights_on_test(members, best)
    num_used = int((weights > 0).any(axis=0).sum())
    data = {
        "fingerprint": asked.fingerprint,
        "name": f"{spec.method}-{num_used}",
        "made_from": {
            **asked.made_from,
            "members": [_member(project, members, s, w, best) for s, w in zip(sources, weights.T, strict=True)],
        },
        "spec": spec.as_dict(),
        "left_out": [{"id": run, "why": why} for run, why in members.left_out],
        "by": best.variant.by,
        "method": spec.method,
        "decision": best.fitted.rule.as_dict(),
        "rows": {
            "images": int(common.sum()),
            "left_out": int((~common).sum()),
            "people": truth.num_people,
        },
        "scores": _scores(asked, best),
        "ways": [_variant(w) for w in variants],
        "worth": _contributions_fields(truth, members, best),
        "trace": _trace(members, best),
        "by_part": [_fitted(f, members, best) for f in best.by_part],
        "provenance": provenance(),
    }
    return checked(BlendRecord, data)


def _member(
    project: Project, members: Members, source: Source, weights: FloatArray, best: ChosenVariant
) -> dict[str, Any]:
    names = [b.name for b in best.votes.blocks]
    unscored = next((g for g in members.unscored if g.source is source), None)
    return {
        "kind": source.kind,
        "id": source.id,
        "tta": source.tta,
        "weights": dict(zip(names, map(float, weights), strict=True)),
        "role": KNOWN if unscored is None else unscored.why,
        "share": None if unscored is None else unscored.share,
        **_hashes(project, source),
        "fingerprint": source.fingerprint,
    }


def _hashes(project: Project, source: Source) -> dict[str, str | None]:
    """sha256 of the member's prediction tables."""
    return {f"{side}_sha256": _table_hash(project, source, side) for side in ("oof", "test")}


def _table_hash(project: Project, source: Source, side: Side) -> str | None:
    if source.kind == "run":
        path = RunFolder(project.workspace.runs / source.id).table_file(side, source.tta)
    else:
        path = project.workspace.external / source.id / f"{side}.parquet"
    return file_hash(path) if path.is_file() else None


def _scores(asked: Question, best: ChosenVariant) -> dict[str, Any]:
    truth = asked.truth
    return {
        "metric": truth.metric,
        "optimistic": best.optimistic,
        "nested": best.nested_score,
        "nested_interval": asdict(truth.interval(best.nested)),
        "by_rule": best.variant.by_rule,
        "by_argmax": best.variant.by_argmax,
        "best_member": _best_member(asked, best),
    }


def _best_member(asked: Question, best: ChosenVariant) -> dict[str, Any] | None:
    """The best single member with every attribute, scored on the same rows, and the paired difference from it."""
    truth, members = asked.truth, asked.members
    by_member = {i: m.oof.where(asked.common).classes for i, m in enumerate(members.scored) if m.oof.is_whole}
    if not by_member:
        return None
    scores = {i: truth.score(classes) for i, classes in by_member.items()}
    first = max(scores, key=lambda i: scores[i])
    return {
        "id": members.ids[first],
        "score": scores[first],
        "interval": asdict(truth.interval(by_member[first])),
        "difference": best.nested_score - scores[first],
        "difference_interval": asdict(truth.paired(best.nested, by_member[first])),
    }


def _variant(variant: Variant) -> dict[str, Any]:
    return {
        "by": variant.by,
        "nested": variant.score,
        "by_rule": variant.by_rule,
        "by_argmax": variant.by_argmax,
        "decision": variant.fitted.rule.as_dict(),
    }


def _contributions_fields(truth: Truth, members: Members, best: ChosenVariant) -> dict[str, Any]:
    added = contributions(best.votes, best.fitted.weights, truth.classes, truth.metric)
    return {
        "members": list(members.ids),
        "added": [_number(x) for x in added],
        "likeness": [[_number(x) for x in row] for row in pairwise_agreement(best.votes)],
        "costs": [_number(m.cost) for m in members.scored],
    }


def _trace(members: Members, best: ChosenVariant) -> list[dict[str, Any]]:
    """The moves of the selection on all people, for explaining the weights."""
    if best.fitted.chosen is None:
        return []
    names = [b.name for b in best.votes.blocks]
    return [
        {"round": s.round, "block": names[s.block], "member": members.ids[s.member], "score": s.score}
        for s in best.fitted.chosen.trace
    ]


def _fitted(fitted: FittedWeights, members: Members, best: ChosenVariant) -> dict[str, Any]:
    weights = {
        block.name: dict(zip(members.ids, map(float, row), strict=True))
        for block, row in zip(best.votes.blocks, fitted.weights, strict=True)
    }
    return {"weights": weights, "decision": fitted.rule.as_dict()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
