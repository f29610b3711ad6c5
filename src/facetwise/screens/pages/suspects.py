"""Labels that may be wrong, as a page with the photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facetwise.core.files.writing import write_output
from facetwise.label_issues.scores import CHOSEN_BY_LOOKING
from facetwise.label_issues.suspects import SuspectsView
from facetwise.screens.pages.html import page
from facetwise.screens.text.suspects import near, source_line, summary, uncovered_line, votes


def write_suspects_page(view: SuspectsView, pictures: Mapping[str, str], out: Path) -> None:
    """Write the page of the list, whole or not at all. `pictures`: image -> `data:image/...` address."""
    context = {
        "source_line": source_line,
        "uncovered_line": uncovered_line,
        "summary": summary,
        "near": near,
        "votes": votes,
    }
    write_output(out, page("suspects.html.j2", view, {}, pictures, flattered=CHOSEN_BY_LOOKING, **context))
