"""A comparison of answers as text: everything fits 80 columns. Names are never read as markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from facetwise.core.text.counting import count
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE, PERSON, count_people
from facetwise.evaluate.agreement import Agreement
from facetwise.results.differences.diff import KINDS, DiffView, only
from facetwise.results.differences.images import Disagreement, VotingSide
from facetwise.results.differences.pairs import ClassChange, PairDiff
from facetwise.results.wording import DASH, interval, percent, score
from facetwise.screens.kit import Group, Padding, RenderableType, Table, Text, paragraph, table_of

MAX_STEPS, MAX_IMAGES, MAX_OUTVOTED = 8, 10, 3
_KINDS = {"unsafe": "bold red", "caution": "yellow", "note": "dim"}


def diff_text(view: DiffView) -> RenderableType:
    """The sides, their agreement, changes of class, and the most confident disagreements."""
    parts: list[RenderableType] = [*_sides(view), _counted(view)]
    parts += [Text(f"! {n.text}", style=_KINDS[n.kind]) for n in view.notices]
    parts += [Text(), *(_pair(view, view.pairs[0]) if view.voting is None else _several(view))]
    parts += [*_people(view), *_surest(view)]
    return Group(*parts, Text(), *(paragraph(line, style="dim") for line in view.method))


def share_of(a: Agreement) -> str:
    """`73 %`, with an interval if people are known; `>99 %` if it only rounds to 100."""
    if a.share is None:
        return DASH
    return f"{score(a.share)} {interval(a.interval)}".rstrip()


def _sides(view: DiffView) -> Iterator[Text]:
    for s in view.sides:
        scored = "" if s.score is None else f", {SCORE} {score(s.score)}"
        yield Text.assemble((s.letter, "bold"), f"  {s.name}  ", (KINDS[s.kind] + scored, "dim"))


def _counted(view: DiffView) -> Text:
    where = "test images" if view.side == "test" else "images out of fold"
    people = "" if view.num_people is None else f" of {count_people(view.num_people)}"
    many = "differ" if len(view.sides) == 2 else "are not answered alike by all"
    return Text.assemble((f"{view.num_different:,}", "bold"), f" of {view.num_answered:,} {where}{people} {many}")


def _pair(view: DiffView, pair: PairDiff) -> Iterator[RenderableType]:
    yield _agreements(pair)
    yield Text()
    if pair.right:
        yield from (_right(pair), Text())
    if pair.moved and len(view.attributes) > 1:
        yield from (_moved(view, pair), Text())
    for what in (a.name for a in pair.agreements):
        if steps := pair.changes_of(what):
            yield from (_steps(pair, what, steps), Text())


def _agreements(pair: PairDiff) -> Table:
    by = f" [95 % by {PERSON}]" if pair.whole.interval else ""
    table = table_of("", f"agree{by}", "kappa", "images that differ")
    for a in pair.agreements:
        kappa = DASH if a.kappa is None else f"{a.kappa:.3f}"
        table.add_row(Text(a.name), share_of(a), kappa, f"{a.num_different:,} of {a.num_images:,}")
    return table


def _right(pair: PairDiff) -> Table:
    table = table_of(
        "where they differ",
        f"{pair.first} is right",
        f"{pair.second} is right",
        "neither",
        str(PEOPLE),
        "in all images",
    )
    for r, p in zip(pair.right, pair.people, strict=True):
        people = f"{p.num_some:,} of {p.num_people:,}"
        table.add_row(Text(r.name), f"{r.first:,}", f"{r.second:,}", f"{r.neither:,}", people, f"{p.num_all:,}")
    return table


def _moved(view: DiffView, pair: PairDiff) -> Table:
    table = table_of("what moved", "images", "share")
    for m in pair.moved:
        share = m.num_images / pair.whole.num_different
        table.add_row(Text(only(m.attributes, view.attributes)), f"{m.num_images:,}", percent(share))
    return table


def _steps(pair: PairDiff, what: str, steps: Sequence[ClassChange]) -> Table:
    table = table_of(f"{what}: {pair.first}", pair.second, "images")
    table.columns[1].justify = "left"
    for s in steps[:MAX_STEPS]:
        table.add_row(Text(s.before), Text(f"→ {s.after}"), f"{s.num_images:,}")
    if rest := steps[MAX_STEPS:]:
        kinds = count(len(rest), "other change", "other changes")
        table.add_row(Text(kinds, style="dim"), "", f"{sum(s.num_images for s in rest):,}")
    return table


def _several(view: DiffView) -> Iterator[RenderableType]:
    yield from (_matrix(view), Text(), _pairs_table(view), Text())
    assert view.voting is not None
    v = view.voting
    counted = f"{v.num_unanimous:,} unanimous, {v.num_majority:,} by a majority, {v.num_tied:,} tied"
    yield Text.assemble(("As votes, one a side: ", "bold"), counted)
    yield _votes(v.sides, view.side == "oof")
    yield Text()
    for side in v.sides:
        yield from _outvoted(view, side)


def _matrix(view: DiffView) -> Table:
    table = table_of("share alike", *(s.letter for s in view.sides))
    for row in view.sides:
        cells = [_alike(view, row.letter, column.letter) for column in view.sides]
        table.add_row(Text(row.letter, style="bold"), *cells)
    return table


def _alike(view: DiffView, row: str, column: str) -> Text:
    return Text("·", style="dim") if row == column else Text(score(view.pair(row, column).whole.share))


def _pairs_table(view: DiffView) -> Table:
    single = view.pairs[0].agreements[1:]
    table = table_of("pair", "images that differ", "kappa", *(f"in {a.name}" for a in single))
    for p in view.pairs:
        kappa = DASH if p.whole.kappa is None else f"{p.whole.kappa:.3f}"
        cells = [f"{a.num_different:,}" for a in p.agreements[1:]]
        table.add_row(f"{p.first} {p.second}", f"{p.whole.num_different:,} of {p.whole.num_images:,}", kappa, *cells)
    return table


def _votes(sides: Sequence[VotingSide], oof: bool) -> Table:
    more = ("right all the same", "the others right") if oof else ()
    table = table_of("", "outvoted", "alone against all", *more)
    for s in sides:
        right = (f"{s.num_outvoted_right:,}", f"{s.num_majority_right:,}") if oof else ()
        table.add_row(Text(s.letter, style="bold"), f"{s.num_outvoted:,}", f"{s.num_alone:,}", *right)
    return table


def _outvoted(view: DiffView, side: VotingSide) -> Iterator[RenderableType]:
    if not side.images:
        return
    shown = min(len(side.images), MAX_OUTVOTED)
    of = "" if shown == side.num_outvoted else f", {shown} of {side.num_outvoted:,}"
    yield Text(f"{side.letter} is outvoted{of}", style="bold")
    for d in side.images[:shown]:
        yield from _image(view, d)
    yield Text()


def _people(view: DiffView) -> Iterator[RenderableType]:
    if not view.people:
        return
    table = table_of(f"most images that differ: {PERSON}", "images", "of", "in")
    table.columns[3].justify = "left"
    for p in view.people:
        table.add_row(Text(p.group), f"{p.num_different:,}", f"{p.num_images:,}", Text(", ".join(p.moved)))
    yield from (table, Text())


def _surest(view: DiffView) -> Iterator[RenderableType]:
    if not view.disagreements:
        return
    known = any(d.sure is not None for d in view.disagreements)
    title = "Surest disagreements: how sure, " if known else "Disagreements: "
    what = "A → B" if len(view.sides) == 2 else "answers"
    yield Text(f"{title}{what}", style="bold")
    for d in view.disagreements[:MAX_IMAGES]:
        yield from _image(view, d)


def _image(view: DiffView, d: Disagreement) -> Iterator[RenderableType]:
    sure = DASH if d.sure is None else percent(d.sure)
    line = Text.assemble((f"  {sure:>5}  ", "bold"))
    if len(view.sides) == 2:
        first, second = d.answers
        line.append_text(Text(" → ").join([_answer(first), _answer(second)]))
    else:
        line.append_text(Text("  ").join(_voices(view, d)))
    if d.truth is not None:
        right = f"{', '.join(d.right)} right" if d.right else "none right"
        line.append_text(Text.assemble(("  label ", "dim"), ("/".join(d.truth), "green"), (f", {right}", "dim")))
    yield Padding(line, (0, 0, 0, 0), expand=False)
    person = "" if d.group is None else f"  {PERSON} {d.group}"
    yield Padding(Text(d.image + person, style="dim"), (0, 0, 0, 9), expand=False)


def _voices(view: DiffView, d: Disagreement) -> Iterator[Text]:
    """The answers; sides with the same answer are grouped."""
    by_answer: dict[tuple[str, ...] | None, list[str]] = {}
    for side, answer in zip(view.sides, d.answers, strict=True):
        by_answer.setdefault(answer, []).append(side.letter)
    for answer, letters in by_answer.items():
        style = "bold red" if set(letters) <= set(d.outvoted) else "bold"
        yield Text.assemble(("".join(letters), style), " ", _answer(answer))


def _answer(names: tuple[str, ...] | None) -> Text:
    return Text(DASH if names is None else "/".join(names))
