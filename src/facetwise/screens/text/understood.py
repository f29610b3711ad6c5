"""Text of `facetwise init`: what was understood, and the line of the project file that changes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from facetwise.core.text.counting import count
from facetwise.core.text.subject import PERSON, count_people
from facetwise.data.reading.recognising.proposal import NO_GROUP_TOLD
from facetwise.data.reading.recognising.understood import Understood, UnderstoodAttribute
from facetwise.screens.kit import LEVEL_STYLES, Group, RenderableType, Table, Text

MAX_CLASSES = 12
"""Classes of an attribute that are listed with their images."""


def understood_text(found: Understood) -> RenderableType:
    """Each fact on a line, beside the key of facetwise.toml that it comes from; then what else to know."""
    table = Table(ruled=False, show_header=False)
    for row in _facts(found):
        table.add_row(Text(row[0], style="bold"), row[1], Text(row[2], style="dim"))
    return Group(Text(f"{found.dataset}: {found.title}"), table, *_notes(found))


def _facts(found: Understood) -> Iterator[tuple[str, str, str]]:
    groups = f"of {count_people(found.groups)} by `{found.group}`" if found.group else "each its own group"
    yield "train", f"{count(found.train, 'image')} {groups}", f'group = "{found.group or "none"}", subject = "{PERSON}"'
    yield "test", "none" if found.test is None else count(found.test, "image"), "[dataset.test]"
    for attribute in found.attributes:
        yield attribute.name, _classes(attribute), "[[attributes]] classes"


def _classes(attribute: UnderstoodAttribute) -> str:
    shown = [f"{name} {images:,}" for name, images in attribute.classes[:MAX_CLASSES]]
    rest = len(attribute.classes) - MAX_CLASSES
    more = [f"and {rest} more"] if rest > 0 else []
    return f"{len(attribute.classes)} classes, in this order: {', '.join([*shown, *more])}"


def _notes(found: Understood) -> Iterator[RenderableType]:
    for note in found.notes:
        yield Text(f"note: {note}", style="yellow" if note.startswith(NO_GROUP_TOLD) else "")
    kinds = Counter((finding.level, finding.code) for finding in found.findings if finding.level != "info")
    for (level, code), number in kinds.items():
        first = next(f for f in found.findings if f.code == code)
        more = f" (and {number - 1:,} more)" if number > 1 else ""
        way = f" -> {first.hint}" if first.hint and level == "error" else ""
        yield Text(f"{level}: {code}: {first}{more}{way}", style=LEVEL_STYLES[level])
