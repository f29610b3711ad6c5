"""The page of a blend: scores, members, their agreement, and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetwise.core.files.writing import write_output
from facetwise.evaluate.scorecard import to_read
from facetwise.results.blends import BlendView
from facetwise.results.wording import percent, signed, with_interval, with_signs
from facetwise.screens.pages.html import page
from facetwise.screens.pages.plots import attribute_figures, class_bars, heat_map
from facetwise.screens.pages.theme import Figure, label
from facetwise.screens.text.blend import explanation, short


def write_blend_page(view: BlendView, out: Path) -> None:
    """Write the page to the file `out`, whole or not at all."""
    write_output(out, blend_page(view))


def blend_page(view: BlendView) -> str:
    """The page: one file that loads nothing."""
    members = sorted(view.members, key=lambda m: -sum(m.weights.values()))
    context: dict[str, Any] = {
        "card": view.scorecard,
        "names": compared(view),
        "used": [m for m in members if m.used],
        "idle": [m.name for m in members if not m.used],
        "explanation": paragraphs(view),
        "signed": signed,
        "with_signs": with_signs,
        "with_interval": with_interval,
    }
    return page("blend.html.j2", view, blend_figures(view), **context)


def paragraphs(view: BlendView) -> list[tuple[str, list[str]]]:
    """Paragraphs of the explanation, each with the selection's moves that it introduces."""
    found: list[tuple[str, list[str]]] = []
    for line in explanation(view):
        if line.startswith(" ") and found:
            found[-1][1].append(line.strip())
        else:
            found.append((line, []))
    return found


def blend_figures(view: BlendView) -> dict[str, Figure]:
    """Every figure of the page by its id; those without data are left out."""
    card = view.scorecard
    figures = attribute_figures(card)
    if card.classes:
        figures["classes"] = class_bars([card.classes[k] for k in to_read(card.classes)])
    if len(compared(view)) > 1:
        figures["likeness"] = likeness_map(view)
    return figures


def compared(view: BlendView) -> list[str]:
    """Members with a weight and out-of-fold predictions."""
    return [m.name for m in view.members if m.used and m.name in view.likeness]


def likeness_map(view: BlendView) -> Figure:
    """Share of images on which two members agree; colours range from the lowest to the highest agreement."""
    names = compared(view)
    shares = [[None if a == b else view.likeness[a][b] for b in names] for a in names]
    known = [s for row in shares for s in row if s is not None]
    low, width = min(known, default=0.0), (max(known, default=1.0) - min(known, default=0.0)) or 1.0
    shades = [[None if s is None else 0.1 + 0.9 * (s - low) / width for s in row] for row in shares]
    texts = [["" if s is None else percent(s) for s in row] for row in shares]
    full = [label(name, None) for name in names]
    hovers = [
        [f"{a}<br>{b}<br>{t} decided alike" for b, t in zip(full, row, strict=True)]
        for a, row in zip(full, texts, strict=True)
    ]
    return heat_map([label(short(n).strip("`")) for n in names], shades, texts, hovers, across="", down="")
