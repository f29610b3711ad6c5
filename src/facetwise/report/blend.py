"""What a blend is made of and worth: one frozen view, as text and JSON, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from facetwise.blending.folder import BlendFolder, list_blends
from facetwise.blending.record import KNOWN
from facetwise.blending.sources import check_blend
from facetwise.core.errors import FacetwiseError
from facetwise.core.labels import JOINT
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest
from facetwise.evaluate.compose import covered
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.rules import rule_from_dict
from facetwise.evaluate.scorecard import Scorecard, score_table
from facetwise.report.views import plain
from facetwise.report.wording import DASH, count, percent, score, signed, with_interval, with_signs

MAX_MOVES = 12
"""Moves of the selection that are told one by one."""


@dataclass(frozen=True)
class BlendMember:
    """One predictor in a blend."""

    name: str
    weights: Mapping[str, float]
    """By block: `joint`, or an attribute. 0 where it was not chosen or does not predict it."""
    role: str
    added: float | None
    """Macro F1 with it minus without it, on the people it was chosen on; None where a block cannot do without it, or
    for those that are not known out of fold."""

    @property
    def known(self) -> bool:
        """Whether it is known out of fold; others join on the test side only."""
        return self.role == KNOWN

    @property
    def used(self) -> bool:
        """Whether it has any weight."""
        return any(w > 0 for w in self.weights.values())


@dataclass(frozen=True)
class Way:
    """One way of blending that was looked at."""

    by: str
    nested: float
    """The better of the next two."""
    by_rule: float
    """Nested, with a rule that was chosen without each part of the people."""
    by_argmax: float
    """Nested, by plain argmax."""
    decision: str
    """The rule that is used, in words."""


@dataclass(frozen=True)
class Best:
    """The best single member with every attribute, on the same people."""

    id: str
    score: float
    interval: Interval
    difference: float
    """Nested estimate of the blend minus this score."""
    difference_interval: Interval


@dataclass(frozen=True)
class BlendView:
    """Everything about one blend."""

    id: str
    project: str
    new: bool
    """Whether it was made just now."""
    by: str
    method: str
    weigh: str
    nested: float
    """Macro F1, each person decided by weights and a rule that were chosen without that person's part: its worth."""
    nested_interval: Interval
    by_rule: float
    """Nested, with a decision rule that was chosen without each part of the people."""
    by_argmax: float
    """Nested, by plain argmax. The better of the two is used."""
    optimistic: float
    """On the people it was chosen on: too high."""
    scorecard: Scorecard
    """Of the nested predictions."""
    best_member: Best | None
    decision: str
    members: tuple[BlendMember, ...]
    ways: tuple[Way, ...]
    likeness: Mapping[str, Mapping[str, float | None]]
    """How often two members decide alike, 0..1."""
    moves: tuple[Mapping[str, Any], ...]
    num_people: int
    num_images: int
    num_left_out: int
    not_in_it: Mapping[str, str]
    """Where all runs were asked for: those that could not be in it, and why."""
    made: str

    @property
    def chosen(self) -> bool:
        """Whether weights or rule were chosen by the people that are scored here."""
        return self.weigh == "greedy" or self.optimistic != self.nested

    @property
    def verdict(self) -> str:
        """Against the best member, in words."""
        best = self.best_member
        if best is None:
            return "No member has every attribute, so there is no single one to compare the blend with."
        by, people = with_signs(best.difference, best.difference_interval), count(self.num_people, "person", "people")
        if best.difference_interval.low > 0:
            return f"Better than its best member `{best.id}` ({score(best.score)}) by {by}, paired by person."
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
    """Blends that cannot be read or are of other data, and why."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        blends = [b.as_dict() for b in self.blends]
        return {"project": self.project, "blends": blends, "unusable": dict(self.unusable)}


def build_blend_view(project: Project, blend: BlendFolder, manifest: Manifest, *, new: bool = False) -> BlendView:
    """The view of a blend; raises ArtefactError when its files are damaged."""
    record, table = blend.record(), blend.table("oof")
    check_blend(project, manifest, blend.id, record)
    assert table is not None  # every blend has one
    kept = covered(table)
    codes, people = manifest.codes(project.space)[kept], table["group"].to_numpy()[kept]
    scores, worth = record["scores"], record["worth"]
    return BlendView(
        id=blend.id,
        project=project.file.name,
        new=new,
        by=record["by"],
        method=record["method"],
        weigh="given" if record["spec"]["given"] and not record["trace"] else record["spec"]["weigh"],
        nested=scores["nested"],
        nested_interval=Interval(**scores["nested_interval"]),
        by_rule=scores["by_rule"],
        by_argmax=scores["by_argmax"],
        optimistic=scores["optimistic"],
        scorecard=score_table(table.filter(kept), codes, people, project.space),
        best_member=_best(scores["best_member"]),
        decision=_words(record["decision"], project),
        members=_members(record),
        ways=tuple(_way(w, project) for w in record["ways"]),
        likeness=_likeness(worth),
        moves=tuple(record["trace"]),
        num_people=record["rows"]["people"],
        num_images=record["rows"]["images"],
        num_left_out=record["rows"]["left_out"],
        not_in_it={run["id"]: run["why"] for run in record["left_out"]},
        made=record["provenance"]["made"],
    )


def build_blends_view(project: Project, manifest: Manifest) -> BlendsView:
    """Every blend of the project, by number."""
    views, unusable = [], {}
    for blend in list_blends(project.workspace):
        try:
            views.append(build_blend_view(project, blend, manifest))
        except FacetwiseError as error:
            unusable[blend.id] = str(error)
    return BlendsView(project.file.name, tuple(views), unusable)


def blend_text(view: BlendView, *, explain: bool = False) -> RenderableType:
    """A blend: its score, its members, what was looked at; in words with `explain`."""
    parts: list[RenderableType] = [Text(view.id, style="bold"), Text(), _scores(view), Text(view.verdict), Text()]
    parts += [_members_table(view), Text(view.decision), *_left_out(view)]
    if explain:
        parts += [Text(), *(Text(line) for line in explanation(view))]
    return Group(*parts)


def blends_text(view: BlendsView) -> RenderableType:
    """The list of blends, a line each."""
    if not view.blends and not view.unusable:
        return Text(f"{view.project}: no blends yet. Make one with `facetwise blend`.")
    table = _table("blend", "nested macro F1", "best member", "blend - member", "members")
    for b in view.blends:
        best = b.best_member
        single = DASH if best is None else f"{best.id.split('-')[0]}  {score(best.score)}"
        gain = DASH if best is None else with_signs(best.difference, best.difference_interval)
        used = sum(m.used for m in b.members)
        table.add_row(b.id, with_interval(b.nested, b.nested_interval), single, gain, str(used))
    return Group(table, *(Text(f"{name}: {why}", style="yellow") for name, why in view.unusable.items()))


def explanation(view: BlendView) -> Iterator[str]:
    """How the blend came about and how far to trust it, a sentence or two an item."""
    whole = "Joint probabilities were added up" if view.by == "whole" else "Each attribute was blended by itself"
    yield f"{whole} ({view.method} votes), with {_weighing(view)}."
    if len(view.ways) > 1:
        told = ", ".join(f"{w.by} {score(w.nested)}" for w in view.ways)
        yield (
            f"Both ways were tried, and the better one is used: {told} nested. Which one that is was chosen anew "
            "without each part of the people, and so is in the estimate."
        )
    if view.chosen and view.optimistic > view.nested:
        yield (
            f"On the very people that weights and rule were chosen by, the blend scores {score(view.optimistic)}; "
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
    """What the decision rule is worth."""
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
            return "weights chosen greedily by out-of-fold macro F1, averaged over bags"
        case "given":
            return "the weights that were given"
    return "equal weights"


def _moves(view: BlendView) -> Iterator[str]:
    if not view.moves:
        return
    yield "One selection on all people, move by move (the weights above are the mean of many such, on drawn people):"
    told = _told_moves(view.moves)
    yield from told[:MAX_MOVES]
    if len(told) > MAX_MOVES:
        yield f"  and so on, {view.moves[-1]['round']} rounds in all: {score(view.moves[-1]['score'])}"


def _told_moves(moves: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a move; equal ones in a row are told once."""
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
        yield f"Without {short(member.name)} the blend would score {signed(-(member.added or 0.0))} on these people."
    if known:
        yield "Alike members each add little, because the other stands in; that does not mean that both can go."


def _alike(view: BlendView) -> Iterator[str]:
    used = [m.name for m in view.members if m.used and m.name in view.likeness]
    pairs = [(view.likeness[a][b], a, b) for i, a in enumerate(used) for b in used[i + 1 :]]
    told = sorted((p for p in pairs if p[0] is not None), key=lambda p: p[0] or 0.0)
    if told:
        (low, a, b), (high, c, d) = told[0], told[-1]
        yield f"Least alike: {short(a)} and {short(b)} decide {percent(low or 0.0)} of the images the same way."
        if len(told) > 1:
            yield f"Most alike: {short(c)} and {short(d)}, {percent(high or 0.0)}."


def _scores(view: BlendView) -> Table:
    table = _table("", "macro F1")
    table.add_row("nested estimate", Text(with_interval(view.nested, view.nested_interval), style="bold"))
    if view.chosen:
        high = ", too high" if view.optimistic > view.nested else ""
        table.add_row("on the people chosen by", f"{score(view.optimistic)}{high}")
    for attribute in view.scorecard.attributes:
        table.add_row(f"  {attribute.name}, nested", with_interval(attribute.macro_f1, attribute.interval))
    return table


def _members_table(view: BlendView) -> Table:
    blocks = list(view.members[0].weights)
    table = _table("member", *(f"weight {b}" if len(blocks) == 1 else b for b in blocks), "adds, same people")
    table.columns[0].overflow = "fold"
    for member in sorted(view.members, key=lambda m: -sum(m.weights.values())):
        if not member.used:
            continue
        name = Text.assemble(member.name, *(() if member.known else ((f"\n  {member.role}", "dim"),)))
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
    text = f"Chosen and scored on the {view.num_images:,} of {count(total, 'image')} that every member predicted."
    return [*found, Text(text, style="yellow")]


def _best(best: Mapping[str, Any] | None) -> Best | None:
    if best is None:
        return None
    low_high = Interval(**best["interval"])
    difference = {k: best["difference_interval"][k] for k in ("low", "high", "level")}
    return Best(best["id"], best["score"], low_high, best["difference"], Interval(**difference))


def _members(record: Mapping[str, Any]) -> tuple[BlendMember, ...]:
    added = dict(zip(record["worth"]["members"], record["worth"]["added"], strict=True))
    return tuple(
        BlendMember(
            f"foreign:{m['id']}" if m["kind"] == "foreign" else m["id"], m["weights"], m["role"], added.get(m["id"])
        )
        for m in record["made_from"]["members"]
    )


def _way(way: Mapping[str, Any], project: Project) -> Way:
    numbers = (way["nested"], way["by_rule"], way["by_argmax"])
    return Way(way["by"], *numbers, _words(way["decision"], project))


def _likeness(worth: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    names = worth["members"]
    return {a: dict(zip(names, row, strict=True)) for a, row in zip(names, worth["likeness"], strict=True)}


def _words(decision: Mapping[str, Any], project: Project) -> str:
    return rule_from_dict(decision, project.space).words(project.space)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table
