"""Studies as text for a terminal, a pipe or a log: everything fits 80 columns. Names are never read as markup."""

from __future__ import annotations

from collections.abc import Iterable

from facetwise.core.text.counting import count
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE, count_people
from facetwise.results.notices import Notice
from facetwise.results.wording import (
    DASH,
    duration,
    interval,
    score,
    signed,
    signed_interval,
    with_interval,
    with_signs,
)
from facetwise.screens.kit import Group, Padding, RenderableType, Table, Text, paragraph, section, table_of
from facetwise.screens.text.blend import blend_text
from facetwise.study.ablation import Ablation, ChangeRow, Score, Zoo
from facetwise.study.changes import Change, value_text
from facetwise.study.compare import ComparedRun, Comparison, Difference
from facetwise.study.search import Search, TrialRow, number_of
from facetwise.study.space import shown

_KINDS = {"unsafe": "bold red", "caution": "yellow", "note": "dim"}
_STANDINGS = {"better": "bold green", "perhaps better": "green", "perhaps worse": "yellow", "worse": "bold red"}
_STATES = {"pruned": "yellow", "failed": "bold red", "training": "cyan", "stopped": "yellow"}


def comparison_text(view: Comparison) -> RenderableType:
    """Two runs: verdict, differences, folds, and changes of the recipe."""
    parts: list[RenderableType] = [_side("A", view.first), _side("B", view.second)]
    parts += [Text(), Text(view.verdict, style="bold"), *_notices(view.warnings), Text(), _differences(view), Text()]
    if len(view.folds) > 1:
        parts += [_folds(view), Text()]
    return Group(*parts, *_changed(view.changes), Text(), *_method(view.method))


def ablation_text(view: Ablation) -> RenderableType:
    """An ablation: one row for each change."""
    people = f"{count_people(view.num_people)}, {count(view.num_images, 'image')}"
    head = Text.assemble((view.name, "bold"), (f"  {count(len(view.rows), 'change')} of one base, {people}", "dim"))
    table = table_of("change", "run", str(SCORE), "change - base", "time")
    table.add_row(Text("base", style="bold"), *_score_cells(view.base, "", None))
    for row in view.rows:
        table.add_row(*_change_cells(row, view.base))
    return Group(head, *_notices(view.warnings), Text(), table, Text(), *_method(view.method))


def zoo_text(view: Zoo) -> RenderableType:
    """A zoo: its runs, then their blend."""
    return Group(ablation_text(view.study), Text(), blend_text(view.blend))


def study_text(view: Ablation | Search) -> RenderableType:
    """An ablation or a search."""
    return ablation_text(view) if isinstance(view, Ablation) else search_text(view)


def search_text(view: Search) -> RenderableType:
    """A search: one row for each trial, the best one, and its nested estimate."""
    states = [t.state for t in view.trials]
    counted = ", ".join(f"{states.count(s):,} {s}" for s in dict.fromkeys(states))
    head = Text.assemble((view.name, "bold"), (f"  {count(len(view.trials), 'trial')}: {counted}", "dim"))
    table = table_of("trial", "settings", view.score_name, "folds", "run", "time")
    table.columns[1].justify = "left"
    for trial in view.trials:
        table.add_row(*_trial_cells(trial, view.best is not None and trial.number == view.best.trial))
    return Group(head, Text(), table, Text(), *_best(view), *_method(view.method))


def _side(letter: str, side: ComparedRun) -> Text:
    tta = "" if side.tta == "none" else f"  --tta {side.tta}"
    return Text.assemble((letter, "bold"), f"  {side.run}", (tta, "dim"))


def _differences(view: Comparison) -> Table:
    table = table_of(str(SCORE), "A", "B", "B - A")
    for row in (view.main, *view.attributes):
        table.add_row(Text(row.name), score(row.first), score(row.second), _difference(row))
    return table


def _difference(row: Difference) -> Text:
    style = "bold" if row.better in ("first", "second") else ""
    return Text(with_signs(row.difference, row.interval), style=style)


def _folds(view: Comparison) -> Table:
    table = table_of("fold", "A", "B", "B - A", str(PEOPLE), "images")
    for f in view.folds:
        scores = score(f.first), score(f.second), signed(f.difference)
        table.add_row(str(f.fold), *scores, f"{f.num_people:,}", f"{f.num_images:,}")
    return table


def _changed(changes: Iterable[Change]) -> list[RenderableType]:
    listed = list(changes)
    if not listed:
        return [section("The recipes are the same")]
    table = Table(ruled=False, show_header=False)
    for c in listed:
        table.add_row(Text(c.key), Text(f"{value_text(c.before)} → {value_text(c.after)}"))
    return [section("What the recipes differ in: A → B"), Padding(table, (0, 0, 0, 2), expand=False)]


def _change_cells(row: ChangeRow, base: Score) -> list[RenderableType]:
    name = Text(row.change)
    if row.score is None or row.difference is None or row.interval is None:
        reason = f"\n  {row.state}" + (f": {row.reason}" if row.reason else "")
        name.append(reason, style="bold red" if row.state == "failed" else "yellow")
        return [name, *(Text(DASH, style="dim") for _ in range(4))]
    words = row.standing or "no verdict"
    name.append(f"\n  {words}" + (f" ({row.score.what})" if row.score.what != base.what else ""))
    name.stylize(_STANDINGS.get(words, "dim"), len(row.change))
    return [name, *_score_cells(row.score, signed(row.difference), row)]


def _score_cells(value: Score, difference: str, row: ChangeRow | None) -> list[RenderableType]:
    cell = Text.assemble((score(value.value), "bold"), (f"\n{interval(value.interval)}", "dim"))
    bounds = row.interval if row is not None else None
    apart = f"\n{signed_interval(bounds)}" if bounds is not None else ""
    cells = [Text(number_of(value.run)), cell, Text.assemble((difference, "bold"), (apart, "dim"))]
    return [*cells, Text(duration(value.seconds), style="dim")]


def _trial_cells(trial: TrialRow, best: bool) -> list[RenderableType]:
    settings = Text(", ".join(f"{key} = {shown(value)}" for key, value in trial.settings.items()))
    if trial.state != "finished":
        reason = f": {trial.reason}" if trial.reason else ""
        of_folds = ", the score is the mean of its folds" if trial.state == "pruned" else ""
        settings.append(f"\n  {trial.state}{of_folds}{reason}", style=_STATES.get(trial.state, ""))
    folds = f"{trial.folds_done}/{trial.num_folds}" if trial.num_folds else DASH
    style = "bold green" if best else "" if trial.state == "finished" else "dim"
    cell = Text(score(trial.score), style=style)
    return [str(trial.number), settings, cell, folds, number_of(trial.run), duration(trial.seconds)]


def _best(view: Search) -> list[RenderableType]:
    if view.best is None:
        return [section("No trial is finished"), Text()]
    table = Table(ruled=False, show_header=False)
    value = with_interval(view.best.score, view.best.interval)
    flattered = "flattered by the choice" if view.was_chosen else ""
    table.add_row(f"Best: trial {view.best.trial}", Text(value, style="bold"), Text(flattered, "dim"))
    if view.nested is not None:
        value = with_interval(view.nested.score, view.nested.interval)
        folds = ", ".join(f"{trial}" for trial in view.nested.chosen.values())
        what = Text(f"chosen by the other folds: trials {folds}", "dim")
        table.add_row("Nested estimate", Text(value, style="bold"), what)
    return [
        table,
        Text(),
        section("Best recipe"),
        paragraph(view.best.recipe_file),
        paragraph(f"`{view.best.command}`"),
        Text(),
    ]


def _notices(notices: Iterable[Notice]) -> list[RenderableType]:
    return [Text(f"! {n.text}", style=_KINDS[n.kind]) for n in notices]


def _method(sentences: Iterable[str]) -> list[RenderableType]:
    listed = [paragraph(s) for s in sentences]
    return [section("How the numbers were made"), *listed] if listed else []
