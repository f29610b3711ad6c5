"""Labels that may be wrong, as text."""

from __future__ import annotations

from collections.abc import Iterator

from facetwise.core.text.counting import count
from facetwise.core.text.subject import A_PERSON, PERSON, count_people
from facetwise.label_issues.scores import CHOSEN_BY_LOOKING, LabelScores
from facetwise.label_issues.suspects import AttributeSuspects, Row, SuspectsView
from facetwise.results.wording import percent, with_interval
from facetwise.screens.kit import Group, RenderableType, Table, Text


def scores_text(scores: LabelScores) -> RenderableType:
    """Both scores as a small table."""
    table = Table()
    table.add_column("labels")
    table.add_column(f"macro F1, {scores.what}", justify="right")
    for name in scores.scored.attributes if len(scores.scored.attributes) > 1 else ():
        table.add_column(name, justify="right")
    rows = [("scored (the dataset's own)", scores.scored), ("corrected", scores.corrected)]
    if scores.corrected_before is not None:
        rows.insert(1, ("corrected, before", scores.corrected_before))
    for name, score in rows:
        own = [f"{value:.3f}" for value, _ in score.attributes.values()] if len(score.attributes) > 1 else []
        table.add_row(name, with_interval(score.macro_f1, score.interval), *own)
    changed = f"{count(scores.num_corrections, 'correction')} of labels, {count(scores.num_changed, 'image')} of "
    lines: list[RenderableType] = [
        Text(f"{scores.source}, out of fold"),
        table,
        Text(f"{changed}{scores.num_images:,} scored change class."),
    ]
    if scores.num_changed:
        lines.append(Text(CHOSEN_BY_LOOKING, style="dim"))
    return Group(*lines)


def suspects_text(view: SuspectsView) -> RenderableType:
    """The list: one table for each attribute, then both scores."""
    parts: list[RenderableType] = [Text.assemble(("Labels that may be wrong", "bold"), f", by {source_line(view)}")]
    if view.num_uncovered:
        parts.append(Text(f"! {uncovered_line(view)}", style="yellow"))
    for attribute in view.attributes:
        parts += [Text(), *_attribute_text(attribute)]
    return Group(*parts, Text(), scores_text(view.scores))


def source_line(view: SuspectsView) -> str:
    """`07-AdamW-... (the best blend by its nested estimate)`."""
    method = f", ranked by {view.method}" if view.method == "cleanlab" else ""
    return f"{view.source} ({view.why}){method}"


def uncovered_line(view: SuspectsView) -> str:
    """Number of images that are not judged."""
    return f"{view.num_uncovered:,} of {count(view.num_images, 'image')} have no out-of-fold prediction: left out."


def summary(found: AttributeSuspects) -> str:
    """Number of checked and of contradicted labels of an attribute, in a sentence or two."""
    who = count_people(found.num_labels) if found.of_person else count(found.num_labels, "image")
    whose = f"a label {A_PERSON}" if found.of_person else "a label an image"
    parts = [f"{whose}, {who}: {found.num_suspects:,} contradicted, the {len(found.rows):,} surest here."]
    if found.spread is not None:
        parts.append(f"Recorded numbers are taken as right within a spread of {found.spread:.2g}.")
    if found.num_corrected:
        parts.append(f"{found.num_corrected:,} of them corrected already.")
    return " ".join(parts)


def votes(row: Row) -> str:
    """`female 80 %, male 10 %`: what the most alike photos of others say of the proposed and the recorded class."""
    if row.neighbours is None:
        return ""
    given, proposed = row.neighbours
    return f"{row.suspect.proposed} {percent(proposed)}, {row.suspect.given} {percent(given)}"


def near(row: Row) -> str:
    """`1 from the cut at 30`; nothing without a number."""
    suspect = row.suspect
    return "" if suspect.distance is None else f"{suspect.distance:g} from the cut at {suspect.cut:g}"


def _attribute_text(found: AttributeSuspects) -> Iterator[RenderableType]:
    yield Text.assemble((found.name, "bold"), f": {summary(found)}")
    if not found.rows:
        return
    table = Table()
    one_image = any(row.suspect.image for row in found.rows)
    table.add_column("#", justify="right")
    table.add_column("image" if one_image else str(PERSON))
    for heading in ("recorded", "predicted"):
        table.add_column(heading)
    if not one_image:
        table.add_column("images", justify="right")
    if voted := any(row.neighbours for row in found.rows):
        table.add_column("most alike of others")
    for row in found.rows:
        table.add_row(*_cells(row, one_image=one_image), *([votes(row)] if voted else []))
    yield table


def _cells(row: Row, *, one_image: bool) -> list[str]:
    suspect = row.suspect
    given = suspect.given if suspect.value is None else f"{suspect.given} ({suspect.value:g})"
    own = [given, percent(suspect.given_probability), *filter(None, [near(row)])]
    value = "" if row.value in (None, suspect.proposed) else f" ({row.value})"
    proposed = [f"{suspect.proposed}{value}", percent(suspect.probability)] + (["corrected"] if row.corrected else [])
    cells = [str(row.rank), suspect.image or suspect.group, ", ".join(own), ", ".join(proposed)]
    return cells if one_image else [*cells, f"{suspect.num_agreeing} of {len(suspect.images)}"]
