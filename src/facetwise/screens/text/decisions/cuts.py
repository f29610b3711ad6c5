"""Moved cuts as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from facetwise.core.text.counting import count
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.rules.cuts import CutChoice
from facetwise.results.cuts import CutsView, numbers, verdict, what_is_cut
from facetwise.results.wording import sample, score, with_interval
from facetwise.screens.kit import Group, RenderableType, Table, Text


def cuts_text(view: CutsView) -> RenderableType:
    """The view for a terminal: a small table a choice, and its verdict."""
    parts: list[RenderableType] = [Text(view.id, style="bold")]
    parts += [Text(f"! {n.text}", style="yellow") for n in view.warnings]
    for choice in view.choices:
        parts += [Text(), *_choice_text(choice, view.by_image)]
    return Group(*parts)


def _choice_text(choice: CutChoice, by_image: bool) -> Iterator[RenderableType]:
    aim = f" for the {SCORE} of {_aim(choice)}. {sample(choice)}"
    yield Text.assemble("Cuts of ", (choice.attribute, "bold"), aim)
    table = Table()
    for heading, justify in (("", "left"), (what_is_cut(choice), "left"), (str(SCORE), "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left")
    was = "each model's own" if choice.used_cuts is None else numbers(choice.used_cuts)
    nested = Text(with_interval(choice.nested, choice.nested_interval), style="bold")
    table.add_row("as trained", was, with_interval(choice.plain, choice.plain_interval))
    table.add_row("moved, nested estimate", "chosen without each fifth", nested)
    table.add_row(f"moved, on the same {PEOPLE}", numbers(choice.chosen), f"{score(choice.optimistic)}, too high")
    yield table
    yield Text(f"Without each fifth: {_spread(choice)}. {count(choice.num_changed, 'image')} would change class.")
    yield Text(verdict(choice, by_image), style="bold" if choice.worth_it and not by_image else "")


def _aim(choice: CutChoice) -> str:
    return "the joint classes" if choice.aim != choice.attribute else f"{choice.attribute} alone"


def _spread(choice: CutChoice) -> str:
    """`(29, 59) 3 times, (30, 59) twice`."""
    times = {1: "once", 2: "twice"}
    found = Counter(numbers(cuts) for cuts in choice.by_part).most_common()
    return ", ".join(f"{cuts} {times.get(n, f'{n} times')}" for cuts, n in found)
