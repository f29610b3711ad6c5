"""The page of cross-validation against the leaderboard, and its figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facetwise.core.files.writing import write_output
from facetwise.core.text.scored import SCORE
from facetwise.results.wording import below_heading, heading, percent
from facetwise.screens.pages.html import page
from facetwise.screens.pages.theme import ACCENT, GRID, MUTED, ODD, Figure, axis_of, label, layout_of
from facetwise.screens.text.submissions.leaderboard import outcome_text
from facetwise.submission.planning.leaderboard import LeaderboardRow, LeaderboardView, Outcome, findings


def write_leaderboard_page(view: LeaderboardView, out: Path) -> None:
    """Write the page to the file `out`, whole or not at all."""
    write_output(out, leaderboard_page(view))


def leaderboard_page(view: LeaderboardView) -> str:
    """The page: the figure where there is something to draw, what it comes to, and the table."""
    figures = {"scatter": leaderboard_scatter(view)} if view.expected else {}
    return page(
        "leaderboard.html.j2",
        view,
        figures,
        findings=list(findings(view)),
        outcome_text=outcome_text,
        heading=heading,
        below_heading=below_heading,
    )


def leaderboard_scatter(view: LeaderboardView) -> Figure:
    """A point a submission, out of fold across and public upwards, over a bar that is its forecast; dotted: equal.

    Private scores that are known are rings at the same place across.
    """
    rows = view.expected
    usual = [(r, o) for r in rows if (o := r.public) is not None and not o.stands_out]
    odd = [(r, o) for r in rows if (o := r.public) is not None and o.stands_out]
    private = [(r, o) for r in rows if (o := r.private) is not None]
    named = (("public", usual, ACCENT), ("public, outside of its interval", odd, ODD))
    data = [_forecasts(rows, view.level)] + [_outcomes(found, name, colour) for name, found, colour in named if found]
    data += [_outcomes(private, "private", ACCENT, "circle-open")] if private else []
    across = _span([r.out_of_fold for r in rows], 0.25)
    up = _span([y for r in rows for y in _heights(r)], 0.04)
    low, high = min(across[0], up[0]), max(across[1], up[1])
    equal = {"type": "line", "xref": "x", "yref": "y", "x0": low, "x1": high, "y0": low, "y1": high, "layer": "below"}
    shapes = [{**equal, "line": {"color": MUTED, "width": 1, "dash": "dot"}}]
    xaxis = {**axis_of(f"{SCORE} out of fold"), "range": across}
    yaxis = {**axis_of(f"{SCORE} on the leaderboard"), "range": up}
    return {"data": data, "layout": layout_of(460, shapes=shapes, xaxis=xaxis, yaxis=yaxis)}


def _forecasts(rows: Sequence[LeaderboardRow], level: float) -> Figure:
    """Intervals as bars around what was expected of the public part."""
    found = [(r.out_of_fold, r.public.expected) for r in rows if r.public is not None and r.public.expected is not None]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{percent(level)} forecast of the public part by out of fold alone",
        "x": [x for x, _ in found],
        "y": [f.expected for _, f in found],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [f.interval.high - f.expected for _, f in found],
            "arrayminus": [f.expected - f.interval.low for _, f in found],
            "color": GRID,
            "thickness": 6,
            "width": 0,
        },
        "marker": {"size": 9, "color": MUTED, "symbol": "line-ew-open"},
        "hoverinfo": "skip",
        "showlegend": True,
    }


def _outcomes(
    found: Sequence[tuple[LeaderboardRow, Outcome]], name: str, colour: str, symbol: str = "circle"
) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [r.out_of_fold for r, _ in found],
        "y": [o.score for _, o in found],
        "customdata": [[label(r.name, None), outcome_text(o)] for r, o in found],
        "hovertemplate": f"%{{customdata[0]}}<br>out of fold %{{x:.3f}}<br>{name}: %{{customdata[1]}}<extra></extra>",
        "marker": {"size": 11, "color": colour, "symbol": symbol},
        "showlegend": True,
    }


def _heights(row: LeaderboardRow) -> list[float]:
    """All that is drawn of a submission, upwards."""
    outcomes = [o for o in (row.public, row.private) if o is not None]
    held = [] if row.public is None or row.public.expected is None else [row.public.expected.interval]
    return [*(o.score for o in outcomes), *(i.low for i in held), *(i.high for i in held)]


def _span(values: Sequence[float | None], margin: float) -> list[float]:
    """A range that holds scores, wider by a share of it, within 0..1."""
    known = [v for v in values if v is not None]
    more = margin * (max(known) - min(known)) or 0.02
    return [max(0.0, min(known) - more), min(1.0, max(known) + more)]
