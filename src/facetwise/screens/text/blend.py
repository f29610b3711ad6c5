"""Blends as text: one blend, the list of blends, and the explanation of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from facetwise.core.labels import JOINT
from facetwise.core.text.counting import count
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE
from facetwise.results.blends import BlendsView, BlendView
from facetwise.results.wording import DASH, percent, score, signed, with_interval, with_signs
from facetwise.screens.kit import Group, RenderableType, Table, Text, table_of
from facetwise.screens.text.notes import note_text, notice_text
from facetwise.screens.text.runs.further import further_text

MAX_MOVES = 12
"""Number of moves of the selection that are listed."""


def blend_text(view: BlendView, *, explain: bool = False) -> RenderableType:
    """A blend: warnings, notes, score and members; with `explain` how it was made."""
    parts: list[RenderableType] = [Text(view.id, style="bold"), *map(notice_text, view.warnings)]
    parts += [*map(note_text, view.notes), Text(), _scores(view), Text(view.verdict), Text()]
    parts += [_members_table(view), Text(view.decision), *_left_out(view)]
    parts += [Text(), further_text(view.further)] if view.further is not None else []
    if explain:
        parts += [Text(), *(Text(line) for line in explanation(view))]
    return Group(*parts)


def blends_text(view: BlendsView) -> RenderableType:
    """The list of blends, one line each."""
    if not view.blends and not view.unusable:
        return Text(f"{view.project}: no blends yet. Make one with `facetwise blend`.")
    table = table_of("blend", f"nested {SCORE}", "best member", "blend - member", "members")
    for b in view.blends:
        best = b.best_member
        single = DASH if best is None else f"{best.id.split('-')[0]}  {score(best.score)}"
        gain = DASH if best is None else with_signs(best.difference, best.difference_interval)
        used = sum(m.used for m in b.members)
        other = "" if b.score_name == str(SCORE) else f" {b.score_name}"
        table.add_row(b.id, with_interval(b.nested, b.nested_interval) + other, single, gain, str(used))
    return Group(table, *(Text(line, style="yellow") for line in _odd(view)))


def _odd(view: BlendsView) -> Iterator[str]:
    """Each warning once with the blends that it concerns; then unusable blends."""
    blends_of: dict[str, list[str]] = {}
    for blend in view.blends:
        for warning in blend.warnings:
            blends_of.setdefault(warning.text, []).append(blend.id.split("-")[0])
    yield from (f"{', '.join(names)}: {text}" for text, names in blends_of.items())
    yield from (f"{name}: {why}" for name, why in view.unusable.items())


def explanation(view: BlendView) -> Iterator[str]:
    """Sentences about how the blend was made and how reliable its score is."""
    whole = "Joint probabilities were added up" if view.by == "whole" else "Each attribute was blended by itself"
    yield f"{whole} ({view.method} votes), with {_weighing(view)}."
    if len(view.ways) > 1:
        scores = ", ".join(f"{w.by} {score(w.nested)}" for w in view.ways)
        yield (
            f"Both ways were tried, and the better one is used: {scores} nested. Which one that is was chosen anew "
            f"without each part of the {PEOPLE}, and so is in the estimate."
        )
    if view.chosen and view.optimistic > view.nested:
        yield (
            f"On the very {PEOPLE} that weights and rule were chosen by, the blend scores {score(view.optimistic)}; "
            f"chosen on four fifths of them and applied to the fifth, {score(view.nested)}. The second number is what "
            f"it is worth, and {signed(view.optimistic - view.nested)} is what the choice flatters itself by."
        )
    yield _rule(view)
    yield from _moves(view)
    yield from _what_members_add(view)
    yield from _alike(view)


def short(name: str) -> str:
    """`run 3` for the id of a run; other names as they are."""
    number = name.split("-")[0]
    return f"run {int(number)}" if number.isdecimal() else f"`{name}`"


def _rule(view: BlendView) -> str:
    """The effect of the decision rule."""
    if view.by_rule > view.by_argmax:
        return f"Nested, the rule gives {score(view.by_rule)} where plain argmax gives {score(view.by_argmax)}."
    if view.by_rule < view.by_argmax:
        return (
            f"Decision rules were tried and are not used: nested, they give {score(view.by_rule)} where plain argmax "
            f"gives {score(view.by_argmax)}."
        )
    return "No decision rule does better than plain argmax."


def _weighing(view: BlendView) -> str:
    match view.weigh:
        case "greedy":
            return f"weights chosen greedily by out-of-fold {view.score_name}, averaged over bags"
        case "given":
            return "the weights that were given"
    return "equal weights"


def _moves(view: BlendView) -> Iterator[str]:
    if not view.moves:
        return
    yield (
        f"One selection on all {PEOPLE}, move by move (the weights above are the mean of many such, on drawn {PEOPLE}):"
    )
    lines = _move_lines(view.moves)
    yield from lines[:MAX_MOVES]
    if len(lines) > MAX_MOVES:
        yield f"  and so on, {view.moves[-1]['round']} rounds in all: {score(view.moves[-1]['score'])}"


def _move_lines(moves: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each move; consecutive equal moves are merged."""
    found: list[str] = []
    for (name, block), group in groupby(moves, key=lambda m: (m["member"], m["block"])):
        run = list(group)
        rounds = [m["round"] for m in run]
        span = f"{rounds[0]}" if len(rounds) == 1 else f"{rounds[0]}-{rounds[-1]}"
        found.append(
            f"  {span:>5}  {short(name)}{'' if block == JOINT else f' for {block}'}: {score(run[-1]['score'])}"
        )
    return found


def _what_members_add(view: BlendView) -> Iterator[str]:
    known = [m for m in view.members if m.added is not None and m.used]
    for member in sorted(known, key=lambda m: -(m.added or 0.0)):
        added = member.added or 0.0
        change = f"{abs(added):.3f} {'lower' if added > 0 else 'higher'}"
        same = "the same" if change.startswith("0.000") else change
        yield f"Without {short(member.name)} the blend would score {same} on these {PEOPLE}."
    if known:
        yield "Alike members each add little, because the other stands in; that does not mean that both can go."


def _alike(view: BlendView) -> Iterator[str]:
    used = [m.name for m in view.members if m.used and m.name in view.likeness]
    pairs = [(view.likeness[a][b], a, b) for i, a in enumerate(used) for b in used[i + 1 :]]
    shown = sorted((p for p in pairs if p[0] is not None), key=lambda p: p[0] or 0.0)
    if shown:
        (low, a, b), (high, c, d) = shown[0], shown[-1]
        yield f"Least alike: {short(a)} and {short(b)} decide {percent(low or 0.0)} of the images the same way."
        if len(shown) > 1:
            yield f"Most alike: {short(c)} and {short(d)}, {percent(high or 0.0)}."


def _scores(view: BlendView) -> Table:
    table = table_of("", view.score_name)
    table.add_row("nested estimate", Text(with_interval(view.nested, view.nested_interval), style="bold"))
    if view.chosen:
        high = ", too high" if round(view.optimistic, 3) > round(view.nested, 3) else ""
        table.add_row(f"on the {PEOPLE} chosen by", f"{score(view.optimistic)}{high}")
    of = "" if view.score_name == str(SCORE) else f" {SCORE}"
    for attribute in view.scorecard.attributes:
        table.add_row(f"  {attribute.name}, nested{of}", with_interval(attribute.score, attribute.score_interval))
    return table


def _members_table(view: BlendView) -> Table:
    blocks = list(view.members[0].weights)
    table = table_of("member", *(f"weight {b}" if len(blocks) == 1 else b for b in blocks), f"adds, same {PEOPLE}")
    for member in sorted(view.members, key=lambda m: -sum(m.weights.values())):
        if not member.used:
            continue
        name = Text.assemble(member.name, *(() if member.scored else ((f"\n  {member.role}", "dim"),)))
        weights = (f"{w:.2f}" if w else DASH for w in member.weights.values())
        table.add_row(name, *weights, DASH if member.added is None else signed(member.added))
    if idle := [m.name for m in view.members if not m.used]:
        table.caption = f"not chosen: {', '.join(i.split('-')[0] for i in idle)}"
        table.caption_justify = "left"
    return table


def _left_out(view: BlendView) -> list[RenderableType]:
    found: list[RenderableType] = [Text(f"not in it: {why}", style="yellow") for why in view.not_in_it.values()]
    if not view.num_left_out:
        return found
    total = view.num_images + view.num_left_out
    who = "that every member predicted and whose label is known whole"
    text = f"Chosen and scored on the {view.num_images:,} of {count(total, 'image')} {who}."
    return [*found, Text(text, style="yellow")]
