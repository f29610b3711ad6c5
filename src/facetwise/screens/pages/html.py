"""One self-contained page a view: styles, the plot library, figures and pictures are all in the file.

Every text goes through Jinja's autoescape. The content security policy allows no request at all and only the two
scripts whose hashes it names; styles may be inline, because Plotly writes its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from facetwise.core.files.writing import write_output
from facetwise.core.text.counting import count
from facetwise.core.text.printable import printable
from facetwise.core.text.scored import NAMES, SCORE, SCORE_FIRST
from facetwise.core.text.subject import WORDS, count_people
from facetwise.evaluate.scorecard import to_read
from facetwise.results import wording
from facetwise.results.runs import RunView
from facetwise.screens.pages.plots import run_figures
from facetwise.screens.pages.theme import Figure

_UNSAFE_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class View(Protocol):
    """What a page shows: also as plain JSON data, which the page carries for whoever reads it by program."""

    def as_dict(self) -> dict[str, Any]: ...


def write_run_page(view: RunView, pictures: Mapping[str, str], out: Path) -> None:
    """Write the page of a run to the file `out`, whole or not at all; see `run_page`."""
    write_output(out, run_page(view, pictures))


def run_page(view: RunView, pictures: Mapping[str, str]) -> str:
    """The page of a run. `pictures`: image -> `data:image/...` address; a mistake without one shows its path only."""
    return page("run.html.j2", view, run_figures(view), pictures, card=view.scorecard, epochs_by=NAMES[view.epochs_by])


def page(
    template: str, view: View, figures: Mapping[str, Figure], pictures: Mapping[str, str] | None = None, **context: Any
) -> str:
    """A page from a template that extends `base.html.j2`, which gets `view`, `figures`, `pictures` and `context`.

    `figures`: by the id in the template's `data-figure`. `pictures`: image -> `data:image/...` address.
    """
    pictures = pictures or {}
    bad = [image for image, address in pictures.items() if not address.startswith("data:image/")]
    if bad:
        raise ValueError(f"the picture of {bad[0]!r} is not a `data:image/` address: a page may load nothing")
    scripts = [_vendored("plotly-cartesian.min.js"), _template_text("page.js")] if figures else []
    return (
        _environment()
        .get_template(template)
        .render(
            view=view,
            pictures=pictures,
            figures=figures,
            figures_json=script_json(figures),
            view_json=script_json(view.as_dict()),
            scripts=[Markup(s) for s in scripts],
            script_sources=" ".join(f"'sha256-{_sha256(s)}'" for s in scripts) or "'none'",
            **context,
        )
    )


def script_json(value: Any) -> Markup:
    """JSON for a `<script type="application/json">`: nothing in it can end the script or start a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup("".join(_UNSAFE_IN_SCRIPT.get(c, c) for c in text))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("facetwise.screens.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    numbers = (wording.score, wording.loss, wording.interval, wording.measured, wording.amount, wording.percent)
    written = (*numbers, wording.duration, wording.unit, wording.further_notes, count)
    environment.filters.update({how.__name__: how for how in written})
    environment.filters["to_read"] = to_read
    environment.filters["grouped"] = lambda number: f"{number:,}"
    environment.filters["ticked"] = _ticked
    environment.filters["count_people"] = count_people
    environment.globals |= {"dash": wording.DASH, **WORDS, "SCORE": SCORE, "SCORE_FIRST": SCORE_FIRST}
    return environment


def _ticked(text: str) -> Markup:
    """Escaped text with words in backticks set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def _vendored(name: str) -> str:
    return (files("facetwise.screens.pages") / "vendor" / name).read_text(encoding="utf-8")


@cache
def _template_text(name: str) -> str:
    return (files("facetwise.screens.pages") / "templates" / name).read_text(encoding="utf-8")


@cache
def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
