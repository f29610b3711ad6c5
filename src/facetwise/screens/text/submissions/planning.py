"""Forecast, plan and final choice for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE
from facetwise.results.wording import DASH, percent, score, with_interval
from facetwise.screens.kit import Group, Padding, RenderableType, Table, Text, table_of

if TYPE_CHECKING:
    from facetwise.evaluate.forecasts.forecast import ScoreForecast
    from facetwise.submission.planning.contenders import LeftOut
    from facetwise.submission.planning.final import FinalView
    from facetwise.submission.planning.forecast import ForecastView
    from facetwise.submission.planning.plan import PlanView

PARTS = {"public": "public part", "private": "private part", "all": "whole test set"}


def forecast_text(view: ForecastView) -> RenderableType:
    """What to expect of each part, what that comes from, and what is not part of it."""
    from facetwise.submission.planning.forecast import notes

    head = Text.assemble(
        f"{view.kind.capitalize()} ", (view.id, "bold"), f": {SCORE}, {percent(view.level)} intervals."
    )
    learnt = bool(view.scored) or view.public is not None
    headings = ("", str(PEOPLE), "by out of fold", *(["with public scores"] if learnt else []))
    table = table_of(*headings, justify="left")
    for alone, forecast in zip(view.alone, view.forecast, strict=True):
        cells = (PARTS[forecast.part], f"{forecast.num_people:,}", _expected(alone))
        table.add_row(*cells, *([Text(_expected(forecast), style="bold")] if learnt else []))
    known = "" if view.public is None else f" Its public score is known: {view.public:.4f}."
    hand = f"Out of fold {view.out_of_fold:.3f} on {view.num_people:,} {PEOPLE}.{known}"
    return Group(head, table, Text(hand), *_scored_before(view), *_lines(notes(view)), *_left_out(view.left_out))


def plan_text(view: PlanView) -> RenderableType:
    """What to send, in order, with reasons; then what not to, and why."""
    from facetwise.submission.planning.plan import plan_notes

    lines: list[RenderableType] = [] if view.quota is None else [Text(view.quota.text())]
    if view.best is not None:
        lines.append(Text(f"Best public score so far: {view.best[1]:.4f} ({view.best[0]})."))
    lines.append(Text())
    chosen = view.chosen
    lines.append(Text("Send" if chosen else "Send nothing today.", style="bold"))
    for c in chosen:
        how = "" if c.kind == "submission" else f", made by `facetwise submit {c.reference}`"
        lines += [Text(f"{c.order}. {c.kind} `{c.id}`{how}"), Padding(Text(c.why), (0, 0, 0, 3))]
    if rest := [c for c in view.candidates if c.order is None]:
        lines += [Text(), Text("Not these", style="bold")]
        lines += [Padding(Text(f"{c.kind} `{c.reference}`: {c.why}"), (0, 0, 0, 3)) for c in rest]
    return Group(*lines, Text(), _candidates(view), *_lines(plan_notes(view)), *_left_out(view.left_out))


def final_text(view: FinalView) -> RenderableType:
    """What to choose and why, and what to expect of all that were sent."""
    from facetwise.submission.planning.final import final_reasons

    table = table_of(
        "", "submission", "out of fold", "public", f"private, {percent(view.level)}", "best of all", justify="left"
    )
    for f in view.finalists:
        public = DASH if f.public is None else f"{f.public:.4f}"
        cells = (f.id, score(f.out_of_fold), public, _expected(f.private), percent(f.chance))
        table.add_row("*" if f.chosen else "", *cells, style="bold" if f.chosen else "")
    head = Text("Choose those with a star", style="bold")
    return Group(head, table, *_lines(final_reasons(view), dim=False), *_left_out(view.left_out))


def _scored_before(view: ForecastView) -> list[RenderableType]:
    if not view.scored:
        return []
    table = table_of("learns from", "public", "expected", "answered otherwise", "correlation", justify="left")
    for s in view.scored:
        table.add_row(s.id, f"{s.public:.4f}", score(s.expected), f"{s.apart * 100:.1f} %", f"{s.correlation:z.2f}")
    return [Text(), table]


def _candidates(view: PlanView) -> Table:
    headings = ("", "", "out of fold", f"public, {percent(view.level)}", "beats best", "gain", "teaches", "worth")
    table = table_of(*headings, justify="left")
    for c in view.candidates:
        chance = DASH if c.gain is None else percent(c.gain.chance)
        gain = DASH if c.gain is None else f"{c.gain.expected:z.4f}"
        worth = DASH if c.worth is None else f"{c.worth:z.4f}"
        order = "" if c.order is None else str(c.order)
        expected, teaches = _expected(c.public), percent(c.teaches)
        table.add_row(order, c.reference, score(c.out_of_fold), expected, chance, gain, teaches, worth)
    return table


def _expected(forecast: ScoreForecast) -> str:
    return with_interval(forecast.expected, forecast.interval)


def _lines(lines: Iterable[str], *, dim: bool = True) -> list[RenderableType]:
    return [Text(), *(Text(line, style="dim" if dim else "") for line in lines)]


def _left_out(items: Sequence[LeftOut]) -> list[RenderableType]:
    """A line each, but one for all specialists: nothing is wrong with them."""
    lines = [f"{item.name}: {item.text()}" for item in items if not item.lacks]
    if specialists := [item.name for item in items if item.lacks]:
        some = f"{len(specialists)} with only some of the attributes"
        lines.append(f"{some}, which `facetwise blend` puts together: {', '.join(specialists)}")
    return [Text(f"left out: {line}", style="dim") for line in lines]
