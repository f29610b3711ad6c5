"""What `facetwise rules` says: what each way to decide would be worth, on out-of-fold predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from facetwise.blending.sources import Source
from facetwise.core.labels import JOINT, LabelSpace
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest
from facetwise.evaluate.rules import ARGMAX, Candidate, Picked, RuleChoice, choose_rule
from facetwise.report.outoffold import out_of_fold
from facetwise.report.views import plain
from facetwise.report.wording import DASH, Notice, count, score, signed, with_interval, with_signs


@dataclass(frozen=True)
class RulesView:
    """The decision rules that one predictor's out-of-fold predictions would choose among."""

    id: str
    project: str
    warnings: tuple[Notice, ...]
    what: str
    """What is decided: `joint`, or the attributes of a specialist."""
    space: LabelSpace
    """These attributes."""
    choice: RuleChoice

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data; each candidate with what it does in words, and the whole with what it comes to."""
        choice = self.choice.as_dict()
        for kept, candidate in zip(choice["candidates"], self.choice.candidates, strict=True):
            kept["words"] = candidate.rule.words(self.space)
        warnings = [{"kind": n.kind, "text": n.text} for n in self.warnings]
        head = {"id": self.id, "project": self.project, "warnings": warnings, "what": self.what}
        data: dict[str, Any] = plain({**head, **choice, "verdict": verdict(self.choice)})
        return data


def build_rules_view(project: Project, manifest: Manifest, source: Source) -> RulesView:
    """Fit every kind of rule on the out-of-fold predictions of `source`.

    Raises InputError when it has none, or predicts fewer than five people.
    """
    known = out_of_fold(project, manifest, source)
    choice = choose_rule(known.table, known.codes, known.people, known.space)
    return RulesView(source.reference, project.file.name, known.warnings, known.what, known.space, choice)


def verdict(choice: RuleChoice) -> str:
    """What the choice comes to, in a few sentences."""
    interval = choice.picked.difference_interval
    if choice.rule.kind == ARGMAX or interval is None:
        return choice.why
    by = with_signs(choice.picked.difference, interval)
    if interval.low > 0:
        return f"{choice.why} Paired by person that is {by}."
    people = count(choice.num_people, "person", "people")
    told = f"on {people} it cannot be told apart from plain argmax"
    return f"{choice.why} But paired by person that is {by}, which holds 0: {told}."


def rules_text(view: RulesView) -> RenderableType:
    """The view for a terminal: a row a rule, what each does, and the verdict."""
    choice = view.choice
    parts: list[RenderableType] = [Text(view.id, style="bold")]
    parts += [Text(f"! {n.text}", style="yellow") for n in view.warnings]
    parts += [Text(), *_head(view), _table(choice), Text()]
    parts += [Text.assemble((c.rule.kind, "bold"), f"  {c.rule.words(view.space)}") for c in choice.candidates]
    if len(choice.candidates) > 1:
        times = ", ".join(f"{kind} {_times(n)}" for kind, n in Counter(choice.picked.kinds).most_common())
        parts.append(Text(f"Picked without each fifth of the people: {times}.", style="dim"))
    parts += [Text(), Text(verdict(choice), style="" if choice.rule.kind == ARGMAX else "bold")]
    return Group(*parts)


def _head(view: RulesView) -> Iterator[Text]:
    yield Text(f"Decision rules for the macro F1 of {_aim(view)}. {_people(view.choice)}")
    yield Text(f"Plain argmax: {with_interval(view.choice.plain, view.choice.plain_interval)}.")


def _table(choice: RuleChoice) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("rule")
    for heading in ("nested", "against argmax", "same people", "changed"):
        table.add_column(heading, justify="right")
    for row in _rows(choice):
        table.add_row(*row)
    return table


def _rows(choice: RuleChoice) -> Iterator[tuple[str | Text, ...]]:
    for candidate in choice.candidates:
        yield _row(candidate, candidate.rule == choice.rule)
    if len(choice.candidates) > 1:
        yield "the best, picked anew", score(choice.picked.nested), _by(choice.picked), "", ""


def _row(candidate: Candidate, used: bool) -> tuple[str | Text, ...]:
    nested = Text(score(candidate.nested), style="bold" if used else "")
    changed = f"{candidate.num_changed:,}" if candidate.num_changed else DASH
    return (
        Text(candidate.rule.kind, style="bold" if used else ""),
        nested,
        _by(candidate),
        score(candidate.optimistic),
        changed,
    )


def _by(worth: Candidate | Picked) -> str:
    interval = worth.difference_interval
    return signed(worth.difference) if interval is None else with_signs(worth.difference, interval)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _aim(view: RulesView) -> str:
    return f"{view.space.num_joint:,} joint classes" if view.what == JOINT else f"{view.what} alone"


def _people(choice: RuleChoice) -> str:
    people = f"{count(choice.num_people, 'person', 'people')}, {count(choice.num_images, 'image')}"
    return people + (f" ({choice.num_left_out:,} without a prediction left out)." if choice.num_left_out else ".")
