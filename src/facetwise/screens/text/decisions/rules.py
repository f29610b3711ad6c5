"""Decision rules as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from facetwise.core.labels import JOINT
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.rules.choose import ARGMAX, Picked, RuleCandidate, RuleChoice
from facetwise.results.rules import RulesView, verdict
from facetwise.results.wording import DASH, sample, score, signed, with_interval, with_signs
from facetwise.screens.kit import Group, RenderableType, Table, Text


def rules_text(view: RulesView) -> RenderableType:
    """The view for a terminal: a row a rule, what each does, and the verdict."""
    choice = view.choice
    parts: list[RenderableType] = [Text(view.id, style="bold")]
    parts += [Text(f"! {n.text}", style="yellow") for n in view.warnings]
    parts += [Text(), *_head(view), _table(choice), Text()]
    parts += [Text.assemble((c.rule.kind, "bold"), f"  {c.rule.describe(view.space)}") for c in choice.candidates]
    if len(choice.candidates) > 1:
        times = ", ".join(f"{kind} {_times(n)}" for kind, n in Counter(choice.picked.kinds).most_common())
        parts.append(Text(f"Picked without each fifth of the {PEOPLE}: {times}.", style="dim"))
    parts += [Text(), Text(verdict(choice), style="" if choice.rule.kind == ARGMAX else "bold")]
    return Group(*parts)


def _head(view: RulesView) -> Iterator[Text]:
    yield Text(f"Decision rules for the {SCORE} of {_aim(view)}. {sample(view.choice)}")
    yield Text(f"Plain argmax: {with_interval(view.choice.plain, view.choice.plain_interval)}.")


def _table(choice: RuleChoice) -> Table:
    table = Table()
    table.add_column("rule")
    for heading in ("nested", "against argmax", f"same {PEOPLE}", "changed"):
        table.add_column(heading, justify="right")
    for row in _rows(choice):
        table.add_row(*row)
    return table


def _rows(choice: RuleChoice) -> Iterator[tuple[str | Text, ...]]:
    for candidate in choice.candidates:
        yield _row(candidate, candidate.rule == choice.rule)
    if len(choice.candidates) > 1:
        yield "the best, picked anew", score(choice.picked.nested), _by(choice.picked), "", ""


def _row(candidate: RuleCandidate, used: bool) -> tuple[str | Text, ...]:
    nested = Text(score(candidate.nested), style="bold" if used else "")
    changed = f"{candidate.num_changed:,}" if candidate.num_changed else DASH
    return (
        Text(candidate.rule.kind, style="bold" if used else ""),
        nested,
        _by(candidate),
        score(candidate.optimistic),
        changed,
    )


def _by(worth: RuleCandidate | Picked) -> str:
    interval = worth.difference_interval
    return signed(worth.difference) if interval is None else with_signs(worth.difference, interval)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _aim(view: RulesView) -> str:
    return f"{view.space.num_joint:,} joint classes" if view.what == JOINT else f"{view.what} alone"
