"""The page of `facetwise diff`: figures, and photos of the disagreements grouped by differing attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facetwise.core.files.writing import write_output
from facetwise.core.text.counting import count
from facetwise.results.differences.diff import KINDS, DiffView, only
from facetwise.results.differences.images import Disagreement
from facetwise.results.differences.pairs import ChangeMatrix, PairDiff
from facetwise.results.wording import DASH, score
from facetwise.screens.pages.html import page
from facetwise.screens.pages.plots import heat_map
from facetwise.screens.pages.theme import Figure, label


@dataclass(frozen=True)
class PhotoGroup:
    """The photos of one kind of disagreement."""

    title: str
    num_images: int
    """Number of images of this kind, shown or not."""
    images: tuple[Disagreement, ...]


def write_diff_page(view: DiffView, pictures: Mapping[str, str], out: Path) -> None:
    """Write the page to the file `out`, whole or not at all; see `diff_page`."""
    write_output(out, diff_page(view, pictures))


def diff_page(view: DiffView, pictures: Mapping[str, str]) -> str:
    """The page. `pictures`: image -> `data:image/...` address; a disagreement without one shows its path only."""
    context = {
        "shelves": photo_groups(view),
        "kinds": KINDS,
        "from_a": from_first(view),
        "only": only,
        "voices": letters_by_class,
    }
    return page("diff.html.j2", view, diff_figures(view), pictures, **context)


def photo_groups(view: DiffView) -> tuple[PhotoGroup, ...]:
    """Disagreements grouped by differing attributes, the most frequent kind first."""
    found = ((k, tuple(d for d in view.disagreements if d.moved == k.attributes)) for k in view.kinds)
    return tuple(PhotoGroup(only(k.attributes, view.attributes), k.num_images, images) for k, images in found if images)


def from_first(view: DiffView) -> tuple[PairDiff, ...]:
    """The pairs with the first side, which are drawn; the others are in tables."""
    return tuple(p for p in view.pairs if p.first == view.sides[0].letter)


def letters_by_class(view: DiffView, d: Disagreement, attribute: int) -> list[tuple[str, str]]:
    """Letters of the sides with each class of an attribute: sides with the same class are grouped."""
    letters_of: dict[str, list[str]] = {}
    for side, answer in zip(view.sides, d.answers, strict=True):
        letters_of.setdefault(DASH if answer is None else answer[attribute], []).append(side.letter)
    return [(" ".join(letters), name) for name, letters in letters_of.items()]


def diff_figures(view: DiffView) -> dict[str, Figure]:
    """Every figure of the page by its id."""
    figures = {} if view.voting is None else {"agreement": agreement_map(view)}
    for pair in from_first(view):
        if pair.whole.num_different:
            figures |= {f"steps-{pair.second}-{k}": steps_map(pair, m) for k, m in enumerate(pair.matrices)}
    return figures


def agreement_map(view: DiffView) -> Figure:
    """Share of images on which two sides agree; colours range from the lowest to the highest agreement."""
    letters = [s.letter for s in view.sides]
    shares = [[None if a == b else view.pair(a, b).whole.share for b in letters] for a in letters]
    known = [s for row in shares for s in row if s is not None]
    low, width = min(known, default=0.0), (max(known, default=1.0) - min(known, default=0.0)) or 1.0
    shades = [[None if s is None else 0.1 + 0.9 * (s - low) / width for s in row] for row in shares]
    texts = [["" if s is None else score(s) for s in row] for row in shares]
    names = [label(f"{s.letter}: {s.name}", None) for s in view.sides]
    hovers = [
        [f"{a}<br>{b}<br>{t} alike" for b, t in zip(names, row, strict=True)]
        for a, row in zip(names, texts, strict=True)
    ]
    return heat_map(letters, shades, texts, hovers, across="", down="")


def steps_map(pair: PairDiff, steps: ChangeMatrix) -> Figure:
    """Rows: the first side's class, columns: the second's; colour: share of the most frequent change, white if
    equal."""
    names = [label(n) for n in steps.classes]
    most = max((n for i, row in enumerate(steps.counts) for j, n in enumerate(row) if i != j), default=0) or 1
    shades = [[0.0 if i == j else n / most for j, n in enumerate(row)] for i, row in enumerate(steps.counts)]
    texts = [[f"{n:,}" if n else "" for n in row] for row in steps.counts]
    hovers = [
        [_hover(pair, before, after, n) for after, n in zip(names, row, strict=True)]
        for before, row in zip(names, steps.counts, strict=True)
    ]
    return heat_map(names, shades, texts, hovers, across=f"by {pair.second}", down=f"by {pair.first}")


def _hover(pair: PairDiff, before: str, after: str, number: int) -> str:
    return f"{pair.first} {before}<br>{pair.second} {after}<br>{count(number, 'image')}"
