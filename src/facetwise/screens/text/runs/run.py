"""Views as text for a terminal, a pipe or a log: everything fits 80 columns. Names are never read as markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from facetwise.core.choices import Metric
from facetwise.core.text.counting import count
from facetwise.core.text.scored import NAMES, SCORE, SCORE_FIRST, metric_in_use
from facetwise.core.text.subject import PEOPLE, count_people
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.scorecard import ENDS, MAX_READABLE, AttributeScore, ClassScore, Matrix, Scorecard, to_read
from facetwise.results.origin import ExternalRow
from facetwise.results.runs import Curve, RunRow, RunsView, RunView
from facetwise.results.wording import DASH, duration, interval, percent, score, unit, with_interval
from facetwise.screens.kit import Group, Padding, RenderableType, Table, Text, paragraph, section, table_of
from facetwise.screens.text.notes import note_text, notice_text
from facetwise.screens.text.runs.further import further_text

BAR = 8
MAX_TEXT_CONFUSION = 18
"""Most classes of a matrix that fits 80 columns; the most confused pairs are always listed."""
MAX_TEXT_MISTAKES = 8


def runs_text(view: RunsView) -> RenderableType:
    """The list of runs, two lines each, and of imported predictions."""
    runs = (
        _runs_table(view) if view.runs else Text(f"{view.project}: no runs yet. Train one with `facetwise fit RECIPE`.")
    )
    return Group(runs, Text(), _external_table(view.foreign)) if view.foreign else runs


def _external_table(rows: Sequence[ExternalRow]) -> Table:
    table = table_of("imported", "images", title=f"{count(len(rows), 'imported prediction')}, test side only")
    for row in rows:
        made = (row.imported or "").replace("T", " ")[:16]
        about = ", ".join(part for part in (row.content, row.what, made) if part)
        cell = Text.assemble((f"foreign:{row.name}", "bold"), (f"\n  {about}", "dim"))
        for flag in row.flags:
            cell.append(f"\n  ! {flag}", style="bold red" if flag.startswith("damaged") else "yellow")
        table.add_row(cell, f"{row.num_images:,}")
    return table


def _runs_table(view: RunsView) -> Table:
    table = table_of("run", str(SCORE), "acc.", "folds", title=f"{view.project}: {count(len(view.runs), 'run')}")
    for row in view.runs:
        folds = Text.assemble(f"{row.folds_done}/{row.num_folds}", (f"\n{row.epochs} ep", "dim"))
        table.add_row(_run_cell(row), _score_cell(row), score(row.accuracy), folds)
    return table


def run_text(view: RunView) -> RenderableType:
    """One run: score, warnings, attributes, classes, confusions, mistakes, training and recipe."""
    parts: list[RenderableType] = [_head(view), *map(notice_text, view.warnings), *map(note_text, view.notes), Text()]
    if view.scorecard is not None:
        parts.append(scorecard_text(view.scorecard))
    elif view.alone:
        parts += [attributes_table(view.alone, metric_in_use(), counted=True), Text()]
    if view.further is not None:
        parts += [further_text(view.further), Text()]
    if view.confused:
        parts += [_confused_table(view), Text()]
    if view.mistakes:
        parts += [*_mistakes(view), Text()]
    if view.curves:
        parts += [_training_table(view.curves, NAMES[view.epochs_by]), Text()]
    parts += [section("How the number was made"), *(paragraph(line) for line in view.method)]
    if view.interval_meaning:
        parts.append(paragraph(view.interval_meaning))
    return Group(*parts, Text(), *_recipe(view))


def summary_text(card: Scorecard) -> RenderableType:
    """The main scores of a set of predictions: headline, attributes, folds."""
    parts: list[RenderableType] = [_headline(card), Text(), _attributes_table(card)]
    return Group(*parts, _folds_table(card)) if len(card.folds) > 1 else Group(*parts)


def scorecard_text(card: Scorecard) -> RenderableType:
    """All scores of a set of predictions."""
    parts: list[RenderableType] = [_headline(card), Text(), _attributes_table(card), Text()]
    if len(card.folds) > 1:
        parts += [_folds_table(card), Text()]
    if card.classes:
        parts += [
            _classes_table(card.what if len(card.attributes) > 1 else card.attributes[0].name, card.classes),
            Text(),
        ]
    for attribute in card.attributes:
        if len(attribute.classes) <= MAX_READABLE and attribute.confusion is not None:
            parts += [_attribute_matrix(attribute, attribute.confusion), Text()]
        elif len(card.attributes) > 1:
            parts += [_classes_table(attribute.name, attribute.classes), Text()]
    if len(card.attributes) > 1 and card.confusion is not None and len(card.classes) <= MAX_TEXT_CONFUSION:
        parts += [_joint_matrix(card.confusion), Text()]
    return Group(*parts)


def _head(view: RunView) -> Text:
    folds = f"{view.folds_done} of {count(view.num_folds, 'fold')}"
    state = {"finished": "green", "training": "cyan", "unfinished": "yellow"}[view.state]
    how = f"trained on all {PEOPLE}" if view.estimate == "none" else f"{view.estimate}, {folds}"
    return Text.assemble((view.id, "bold"), "\n", (view.state, state), (f"  {view.what}, {how}", "dim"))


def _headline(card: Scorecard) -> Table:
    table = Table(ruled=False, show_header=False)
    table.add_row(
        str(SCORE_FIRST), Text(with_interval(card.score, card.score_interval), style="bold"), _classes_of(card)
    )
    images = (
        f"{card.num_covered:,} of {card.num_images:,} images"
        if card.num_covered < card.num_images
        else count(card.num_images, "image")
    )
    by_accuracy = card.metric == "accuracy"
    table.add_row(
        "Macro F1" if by_accuracy else "Accuracy",
        with_interval(*_second(card, by_accuracy)),
        Text(f"{count_people(card.num_people)}, {images}", style="dim"),
    )
    return table


def _classes_of(card: Scorecard) -> Text:
    kind = "joint classes" if len(card.attributes) > 1 else f"classes of {card.attributes[0].name}"
    level = f"{card.score_interval.level * 100:.0f} % interval by {unit(card)}"
    return Text(f"{len(card.classes)} {kind}, {level}" if card.classes else f"{kind}, {level}", style="dim")


def _second(scores: Scorecard | AttributeScore, by_accuracy: bool) -> tuple[float, Interval]:
    """What stands beside the score that is chosen by: accuracy, or macro F1 where it is accuracy."""
    if not by_accuracy:
        return scores.accuracy, scores.accuracy_interval
    return scores.macro_f1, scores.macro_f1_interval if isinstance(scores, Scorecard) else scores.interval


def _attributes_table(card: Scorecard) -> Table:
    return attributes_table(card.attributes, card.metric, counted=bool(card.num_unknown))


def attributes_table(scores: Sequence[AttributeScore], metric: Metric, *, counted: bool) -> Table:
    """A row an attribute; `counted`: with the images of which it is known."""
    by_accuracy = metric == "accuracy"
    others = ("images",) if counted else ()
    table = table_of("attribute", str(SCORE), "macro F1" if by_accuracy else "accuracy", "classes", *others)
    for a in scores:
        images = (f"{a.num_images:,}",) if counted else ()
        both = with_interval(a.score, a.score_interval), with_interval(*_second(a, by_accuracy))
        table.add_row(Text(a.name), *both, str(len(a.classes)), *images)
    return table


def _folds_table(card: Scorecard) -> Table:
    by_accuracy = card.metric == "accuracy"
    table = table_of("fold", str(SCORE), "macro F1" if by_accuracy else "accuracy", str(PEOPLE), "images")
    for f in card.folds:
        scores = score(f.score), score(f.macro_f1 if by_accuracy else f.accuracy)
        table.add_row(str(f.fold), *scores, f"{f.num_people:,}", f"{f.num_images:,}")
    return table


def _classes_table(what: str, classes: Sequence[ClassScore]) -> RenderableType:
    table = table_of("", f"{what} class", "F1", "", "precision", "recall", "images")
    table.columns[1].justify = table.columns[3].justify = "left"
    table.columns[0].style = "dim"
    shown = to_read(classes)
    for number in shown:
        c = classes[number]
        scores = score(c.precision), score(c.recall), f"{c.support:,}"
        table.add_row(str(number), Text(c.name), score(c.f1), bar(c.f1), *scores)
    if len(shown) == len(classes):
        return table
    text = f"The {ENDS} commonest and the {ENDS} worst of {len(classes):,} classes; `--json` has all."
    return Group(table, Text(text, style="dim"))


def bar(share: float) -> Text:
    """A bar of eighth blocks, `BAR` cells for a share of 1."""
    eighths = round(max(0.0, min(1.0, share)) * BAR * 8)
    full, rest = divmod(eighths, 8)
    return Text(("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(BAR), style="cyan")


def _attribute_matrix(attribute: AttributeScore, counts: Matrix) -> Table:
    names = [c.name for c in attribute.classes]
    table = table_of(f"true {attribute.name}", *names, title=None)
    for name, row in zip(names, counts, strict=True):
        cells = [_cell(n, sum(row), f"{n:,}", name == names[k]) for k, n in enumerate(row)]
        table.add_row(Text(name), *cells)
    return table


def _joint_matrix(counts: Matrix) -> RenderableType:
    size = len(counts)
    table = Table(ruled=False, padding=(0, 0, 0, 1), header_style="dim")
    for heading in ("", *map(str, range(size))):
        table.add_column(heading, justify="right", min_width=3 if heading else 2)
    for true, row in enumerate(counts):
        total = sum(row)
        cells = [_cell(n, total, f"{100 * n / total:.0f}" if n else "·", true == k) for k, n in enumerate(row)]
        table.add_row(Text(str(true), style="dim"), *cells)
    return Group(section("Joint confusion: row true, column predicted, percent of the row"), table)


def _cell(number: int, total: int, text: str, diagonal: bool) -> Text:
    share = number / total if total else 0.0
    if diagonal:
        return Text(text, style="bold green")
    return Text(text, style="dim" if share < 0.05 else "yellow" if share < 0.2 else "bold red")


def _confused_table(view: RunView) -> Table:
    table = table_of("most confused: true", "predicted", "images", "of the true class")
    table.columns[1].justify = "left"
    for c in view.confused:
        table.add_row(Text(c.truth), Text(c.predicted), f"{c.num_images:,}", percent(c.share))
    return table


def _mistakes(view: RunView) -> Iterator[RenderableType]:
    yield section("Most confident mistakes: how sure, true → predicted")
    for m in view.mistakes[:MAX_TEXT_MISTAKES]:
        sure, was, now = percent(m.probability), "/".join(m.truth), "/".join(m.predicted)
        yield Text.assemble((f"  {sure:>5}  ", "bold"), (was, "green"), " → ", (now, "red"))
        yield Padding(Text(m.image, style="dim"), (0, 0, 0, 9), expand=False)


def _training_table(curves: Sequence[Curve], score_name: str) -> Table:
    table = table_of("fold", "epochs", "train loss", "val log loss", f"val {score_name}", "an epoch", "in all")
    for c in curves:
        last = [score(s[-1]) for s in (c.train_loss, c.val_loss, c.val_score)]
        total = sum(c.seconds)
        table.add_row(str(c.fold), str(len(c.epochs)), *last, duration(total / len(c.seconds)), duration(total))
    return table


def _recipe(view: RunView) -> Iterator[RenderableType]:
    if view.choices:
        yield section("Chosen automatically")
        yield from (paragraph(f"{c.name} = {c.value}" + (f": {c.reason}" if c.reason else "")) for c in view.choices)
        yield Text()
    yield section("Recipe")
    yield paragraph(view.recipe_toml.strip())


def _run_cell(row: RunRow) -> Text:
    made = (row.made or "").replace("T", " ")[:16]
    parts = (row.state, row.what, made, count(row.num_notes, "note") if row.num_notes else "")
    cell = Text.assemble((row.id, "bold"), "\n", ("  " + ", ".join(p for p in parts if p), "dim"))
    for flag in row.flags:
        cell.append(f"\n  ! {flag}", style="bold red" if flag.startswith(("UNSAFE", "damaged")) else "yellow")
    return cell


def _score_cell(row: RunRow) -> Text:
    times = (f"\n{duration(row.minutes * 60)}", "dim")
    if row.score is None:
        return Text.assemble((DASH, "dim"), times)
    return Text.assemble((score(row.score), "bold"), " ", interval(row.score_interval), times)
