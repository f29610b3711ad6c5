"""The view of `facetwise rules`: decision rules compared by nested estimates on out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facetwise.core.choices import Metric
from facetwise.core.labels import LabelSpace
from facetwise.core.plain import plain
from facetwise.core.project import Project
from facetwise.core.text.subject import PERSON, count_people
from facetwise.data.manifest import Manifest
from facetwise.evaluate.rules.choose import ARGMAX, RuleChoice, choose_rule
from facetwise.evaluate.scorecard import name_of
from facetwise.predictors.sources import Source
from facetwise.results.notices import Notice
from facetwise.results.source_notices import source_notices
from facetwise.results.wording import with_signs


@dataclass(frozen=True)
class RulesView:
    """Decision rules for one predictor."""

    id: str
    project: str
    metric: Metric
    """What the project chooses by, and scores are."""
    warnings: tuple[Notice, ...]
    what: str
    """`joint`, or the attributes of a specialist."""
    space: LabelSpace
    """The label space of these attributes."""
    choice: RuleChoice

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data, with a description of each candidate and the verdict."""
        choice = self.choice.as_dict()
        for kept, candidate in zip(choice["candidates"], self.choice.candidates, strict=True):
            kept["words"] = candidate.rule.describe(self.space)
        warnings = [{"kind": n.kind, "text": n.text} for n in self.warnings]
        head = {"id": self.id, "project": self.project, "metric": self.metric, "warnings": warnings, "what": self.what}
        data: dict[str, Any] = plain({**head, **choice, "verdict": verdict(self.choice)})
        return data


def build_rules_view(project: Project, manifest: Manifest, source: Source) -> RulesView:
    """Fit every kind of rule (`kinds_unasked`) on the out-of-fold predictions of `source`.

    Raises InputError when it has none, or fewer than five people have a prediction.
    """
    rows = source.scored(project, manifest).only(source.attributes)
    what, choice = name_of(source.attributes, project.space), choose_rule(rows)
    warnings = source_notices(project, source, manifest)
    return RulesView(source.reference, project.file.name, project.file.score.metric, warnings, what, rows.space, choice)


def verdict(choice: RuleChoice) -> str:
    """The verdict on the choice, in a few sentences."""
    interval = choice.picked.difference_interval
    if choice.rule.kind == ARGMAX or interval is None:
        return choice.why
    by = with_signs(choice.picked.difference, interval)
    if interval.low > 0:
        return f"{choice.why} Paired by {PERSON} that is {by}."
    people = count_people(choice.num_people)
    told = f"on {people} it cannot be told apart from plain argmax"
    return f"{choice.why} But paired by {PERSON} that is {by}, which holds 0: {told}."
