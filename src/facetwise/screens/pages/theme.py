"""One theme for all figures: colours, names, axes, layout. Figures are plain data for the vendored Plotly.

Plotly reads its texts as a small HTML, so every name that comes from outside is escaped here (`label`).
"""

from __future__ import annotations

import html
from typing import Any

Figure = dict[str, Any]

INK, MUTED, GRID, ACCENT = "#1c2733", "#566475", "#e3e8ee", "#1d5b99"
BARS = "#5b8fc2"
FOLD_COLOURS = ("#1d5b99", "#c8641b", "#2f8465", "#8454a3", "#b23a48", "#6b7021", "#3b8ea5", "#7d5a3c")
"""Told apart by people with the common kinds of colour blindness, and dark enough on white."""
ODD = FOLD_COLOURS[1]
HEAT = [[0.0, "#ffffff"], [0.02, "#eff5fb"], [0.5, "#b3cfe9"], [0.75, "#4f88bf"], [1.0, "#123f70"]]
FONT = {"family": "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK KR', sans-serif", "size": 13}
LONGEST_LABEL = 30


def label(name: str, longest: int | None = LONGEST_LABEL) -> str:
    """A name for Plotly's texts: shortened in the middle when `longest` says so, and escaped."""
    if longest is not None and len(name) > longest:
        half = (longest - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return html.escape(name, quote=False).replace("\n", " ")


def axis_of(title: str) -> Figure:
    """An axis, with a title unless it is empty."""
    titled = {"title": {"text": title, "font": {"size": 12, "color": MUTED}, "standoff": 8}} if title else {}
    line = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True, "fixedrange": True}
    return {**titled, **line, "tickfont": {"size": 12, "color": INK}}


def layout_of(height: int, **more: Any) -> Figure:
    """The layout of a figure of a height in pixels; `more` adds to it, or replaces."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 12, "b": 8},
        "font": {**FONT, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": GRID, "font": {**FONT, "color": INK}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
        "dragmode": False,
        **more,
    }
