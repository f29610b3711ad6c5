"""`blend.json`: the members of a blend, the chosen weights and decision, and their scores."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from facetwise.core.choices import Metric
from facetwise.core.records.base import Bounds, Provenance, Record

PredictorKind = Literal["run", "blend", "foreign"]
KNOWN = "known out of fold"
"""The role of a member with out-of-fold predictions."""


class PairedBounds(Bounds):
    """The interval of a difference."""

    resolved: bool = True
    """Whether there are enough people to know its ends."""


class MemberRecord(Record):
    """One predictor in a blend."""

    kind: PredictorKind
    id: str
    tta: str = "none"
    weights: dict[str, float]
    """By block: `joint`, or an attribute."""
    role: str
    share: float | None = None
    """Share of the whole, below 1, of a member with test predictions only."""
    oof_sha256: str | None = None
    test_sha256: str | None = None
    fingerprint: str | None = None
    """A run's fingerprint."""

    @property
    def reference(self) -> str:
        """Its reference on the command line."""
        return f"foreign:{self.id}" if self.kind == "foreign" else self.id


class BlendMadeFrom(Record):
    """The data and the members of a blend."""

    manifest: str
    label_space: str
    labels: str | None = None
    """Hash of the dataset's labels; None in blends of 25 November 2026 and before."""
    members: list[MemberRecord]


class BlendDone(Record):
    """`made_from` in the mark of a blend."""

    fingerprint: str | None = None


class LeftOutRecord(Record):
    """A run that could not be in a blend of all runs."""

    id: str
    why: str


class RowsRecord(Record):
    """The training images that a blend was chosen on."""

    images: int
    left_out: int
    people: int


class BestMemberRecord(Record):
    """The best single member with every attribute, on the same rows."""

    id: str
    score: float
    interval: Bounds
    difference: float
    """Nested estimate of the blend minus this score."""
    difference_interval: PairedBounds


class BlendScores(Record):
    """Scores of a blend, 0..1, by what its project chose by."""

    metric: Metric = "macro_f1"
    optimistic: float
    """On the people it was chosen on: too high."""
    nested: float
    """Each person decided by weights and a rule that were chosen without that person's part."""
    nested_interval: Bounds
    by_rule: float
    by_argmax: float
    best_member: BestMemberRecord | None


class WayRecord(Record):
    """One variant of blending that was evaluated."""

    by: str
    nested: float
    by_rule: float
    by_argmax: float
    decision: dict[str, Any]
    """A decision rule; `evaluate.rules.records` reads it."""


class ContributionsRecord(Record):
    """What each member with out-of-fold predictions adds, and how often the members agree; in the order of
    `members`."""

    members: list[str]
    added: list[float | None]
    likeness: list[list[float | None]]
    costs: list[float | None] = Field(default_factory=list)


class MoveRecord(Record):
    """A move of the selection on all people."""

    round: int
    block: str
    member: str
    score: float


class PartRecord(Record):
    """The choice without one part of the people."""

    weights: dict[str, dict[str, float]]
    """By block and member."""
    decision: dict[str, Any]


class BlendQuestion(Record):
    """The options of a blend: all of `blending.spec.BlendSpec`; these fields are read."""

    given: list[dict[str, Any]]
    weigh: str


class BlendRecord(Record):
    """`blend.json`."""

    schema_version: Literal[1] = 1
    id: str | None = None
    """The blend's name, and that of its folder; None in blends of 30 November 2026 and before."""
    fingerprint: str
    name: str
    """The id without its number."""
    made_from: BlendMadeFrom
    spec: BlendQuestion
    left_out: list[LeftOutRecord] = Field(default_factory=list)
    """For a blend of all runs; missing in older blends."""
    by: str
    method: str
    decision: dict[str, Any]
    rows: RowsRecord
    scores: BlendScores
    ways: list[WayRecord]
    worth: ContributionsRecord
    trace: list[MoveRecord]
    by_part: list[PartRecord]
    provenance: Provenance

    @property
    def shared(self) -> bool:
        """Whether a member without out-of-fold predictions has a share of the whole: then the blend has none either."""
        return any(member.share for member in self.made_from.members)
