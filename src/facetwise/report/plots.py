"""Figures as plain data for the vendored Plotly: `{"data": [...], "layout": {...}}`, one theme for all.

Plotly reads its texts as a small HTML, so every name that comes from outside is escaped here (`label`).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from facetwise.evaluate.reliability import Bin
from facetwise.evaluate.scorecard import ClassScore, Matrix, Scorecard
from facetwise.report.leaderboard import LeaderboardRow, LeaderboardView, Outcome, outcome_text
from facetwise.report.views import Curve, RunView

Figure = dict[str, Any]

INK, MUTED, GRID, ACCENT = "#1c2733", "#566475", "#e3e8ee", "#1d5b99"
BARS = "#5b8fc2"
FOLD_COLOURS = ("#1d5b99", "#c8641b", "#2f8465", "#8454a3", "#b23a48", "#6b7021", "#3b8ea5", "#7d5a3c")
"""Told apart by people with the common kinds of colour blindness, and dark enough on white."""
ODD = FOLD_COLOURS[1]
HEAT = [[0.0, "#ffffff"], [0.02, "#eff5fb"], [0.5, "#b3cfe9"], [0.75, "#4f88bf"], [1.0, "#123f70"]]
FONT = {"family": "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK KR', sans-serif", "size": 13}
LONGEST_LABEL = 30


def run_figures(view: RunView) -> dict[str, Figure]:
    """Every figure of a run's page by its id, in page order; those without data are left out."""
    figures = {}
    if view.curves:
        figures["loss"] = loss_curves(view.curves)
        if any(v is not None for c in view.curves for v in c.val_macro_f1):
            figures["f1"] = score_curves(view.curves)
    if (card := view.scorecard) is not None:
        figures |= _card_figures(card)
    return figures


def _card_figures(card: Scorecard) -> dict[str, Figure]:
    figures = {}
    if len(card.folds) > 1:
        figures["folds"] = fold_points(card)
    for number, attribute in enumerate(card.attributes):
        figures[f"confusion-{number}"] = confusion_map(attribute.classes, attribute.confusion)
    if len(card.attributes) > 1 and card.classes:
        figures["classes"] = class_bars(card.classes)
        if card.confusion is not None:
            figures["confusion"] = confusion_map(card.classes, card.confusion)
    return figures


def loss_curves(curves: Sequence[Curve]) -> Figure:
    """Loss by epoch: a colour a fold, training dotted and validation solid."""
    data = []
    for curve in curves:
        data.append(_line(curve, curve.train_loss, f"fold {curve.fold} training", dash="dot", legend=False))
        data.append(_line(curve, curve.val_loss, f"fold {curve.fold}", legend=True))
    shown = [d for d in data if any(v is not None for v in d["y"])]
    for trace in shown:
        trace["showlegend"] = len(curves) > 1 and (trace["showlegend"] or len(shown) == len(curves))
    return {"data": shown, "layout": _layout(300, xaxis=_epochs(curves), yaxis=_axis("loss"))}


def score_curves(curves: Sequence[Curve]) -> Figure:
    """Validation macro F1 by epoch, a colour a fold."""
    data = [_line(c, c.val_macro_f1, f"fold {c.fold}", legend=len(curves) > 1) for c in curves]
    return {"data": data, "layout": _layout(300, xaxis=_epochs(curves), yaxis=_axis("macro F1"))}


def fold_points(card: Scorecard) -> Figure:
    """The score of each fold beside the score of all together and its interval."""
    low, high = card.macro_f1_interval.low, card.macro_f1_interval.high
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [f"fold {f.fold}" for f in card.folds],
        "y": [f.macro_f1 for f in card.folds],
        "customdata": [[f.num_people, f.num_images] for f in card.folds],
        "marker": {"size": 11, "color": ACCENT},
        "hovertemplate": "%{x}: %{y:.3f}<br>%{customdata[0]:,} people, %{customdata[1]:,} images<extra></extra>",
        "showlegend": False,
    }
    across = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y"}
    shapes = [
        {**across, "type": "rect", "y0": low, "y1": high, "fillcolor": ACCENT, "opacity": 0.12, "line": {"width": 0}},
        {**across, "type": "line", "y0": card.macro_f1, "y1": card.macro_f1, "line": {"color": ACCENT, "width": 1.5}},
    ]
    yaxis = _axis("macro F1")
    return {
        "data": [points],
        "layout": _layout(280, shapes=shapes, xaxis={**_axis(""), "type": "category", "showgrid": False}, yaxis=yaxis),
    }


def class_bars(classes: Sequence[ClassScore]) -> Figure:
    """F1 of each class as a bar, with the number of its images."""
    rows = list(range(len(classes)))
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": rows,
        "x": [c.f1 for c in classes],
        "text": [f"{c.f1:.3f}" for c in classes],
        "textposition": "outside",
        "cliponaxis": False,
        "customdata": [[label(c.name, None), c.support, c.precision, c.recall] for c in classes],
        "hovertemplate": "%{customdata[0]}<br>F1 %{x:.3f}, precision %{customdata[2]:.3f}, "
        "recall %{customdata[3]:.3f}<br>%{customdata[1]:,} images<extra></extra>",
        "marker": {"color": BARS},
        "showlegend": False,
    }
    ticks = [f"{label(c.name)}  <span style='color:{MUTED}'>{c.support:,}</span>" for c in classes]
    yaxis = {**_axis(""), "tickvals": rows, "ticktext": ticks, "autorange": "reversed", "showgrid": False}
    xaxis = {**_axis("F1"), "range": [0, 1.08], "tickvals": [0, 0.25, 0.5, 0.75, 1]}
    layout = _layout(70 + 24 * len(classes), xaxis=xaxis, yaxis=yaxis, bargap=0.3)
    return {"data": [bars], "layout": layout}


def confusion_map(classes: Sequence[ClassScore], counts: Matrix) -> Figure:
    """Rows the true class, columns the predicted one; colour the share of the row, text the number of images."""
    names = [label(c.name) for c in classes]
    shares = [[n / sum(row) if sum(row) else 0.0 for n in row] for row in counts]
    texts = [[f"{n:,}" if n else "" for n in row] for row in counts]
    hovers = [
        [
            f"true {true}<br>predicted {predicted}<br>{n:,} images, {share:.1%} of the row"
            for predicted, n, share in zip(names, row, row_shares, strict=True)
        ]
        for true, row, row_shares in zip(names, counts, shares, strict=True)
    ]
    return heat_map(names, shares, texts, hovers, across="predicted", down="true")


def heat_map(
    names: Sequence[str],
    shades: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]],
    hovers: Sequence[Sequence[str]],
    *,
    across: str,
    down: str,
) -> Figure:
    """A square of cells, names as `label` gives them; `shades` are 0 (white) to 1, None is left empty."""
    size = len(names)
    heat = {
        "type": "heatmap",
        "z": shades,
        "x": list(range(size)),
        "y": list(range(size)),
        "text": texts,
        "customdata": hovers,
        "texttemplate": "%{text}",
        "textfont": {"size": 13 if size <= 8 else 10},
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorscale": HEAT,
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
    }
    ticks = {"tickvals": list(range(size)), "ticktext": names, "showgrid": False, "ticks": "", "zeroline": False}
    xaxis = {**_axis(across), **ticks, "side": "bottom", "tickangle": 0 if size <= 5 else -60}
    yaxis = {**_axis(down), **ticks, "autorange": "reversed"}
    height = 110 + 58 * size if size <= 8 else 170 + 29 * size
    layout = _layout(height, xaxis=xaxis, yaxis=yaxis, plot_bgcolor=GRID)
    return {"data": [heat], "layout": layout}


def reliability(before: Sequence[Bin], after: Sequence[Bin]) -> Figure:
    """Share of right answers by how sure they were, with intervals, before and after; below, the number of images."""
    line = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip", "showlegend": False}
    data: list[Figure] = [{**line, "line": {"color": MUTED, "width": 1, "dash": "dot"}}]
    for name, bins, colour in (("as predicted", before, FOLD_COLOURS[1]), ("with temperatures", after, ACCENT)):
        data += [_reliability_points(bins, name, colour), _image_bars(bins, name, colour)]
    lowest = min(b.low for b in (*before, *after))
    xaxis = {**_axis("probability of the class that was taken"), "range": [lowest, 1.01], "anchor": "y2"}
    yaxis = {**_axis("share right"), "range": [0, 1.02], "domain": [0.3, 1]}
    counts = {**_axis("images"), "domain": [0, 0.2], "nticks": 3}
    return {"data": data, "layout": _layout(460, xaxis=xaxis, yaxis=yaxis, yaxis2=counts, barmode="group", bargap=0.15)}


def _reliability_points(bins: Sequence[Bin], name: str, colour: str) -> Figure:
    above = [b.right_interval.high - b.right for b in bins]
    below = [b.right - b.right_interval.low for b in bins]
    error = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.2, "width": 3}
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [b.confidence for b in bins],
        "y": [b.right for b in bins],
        "error_y": {**error, "color": colour},
        "name": name,
        "legendgroup": name,
        "line": {"color": colour, "width": 1.5},
        "marker": {"size": 8, "color": colour},
        "customdata": [[b.num_images, b.num_people] for b in bins],
        "hovertemplate": f"{name}<br>%{{x:.3f}} sure, %{{y:.3f}} right<br>"
        "%{customdata[0]:,} images, %{customdata[1]:,} people<extra></extra>",
    }


def _image_bars(bins: Sequence[Bin], name: str, colour: str) -> Figure:
    return {
        "type": "bar",
        "x": [(b.low + b.high) / 2 for b in bins],
        "y": [b.num_images for b in bins],
        "yaxis": "y2",
        "name": name,
        "legendgroup": name,
        "showlegend": False,
        "marker": {"color": colour, "opacity": 0.6},
        "hovertemplate": f"{name}: %{{y:,}} images<extra></extra>",
    }


def leaderboard_scatter(view: LeaderboardView) -> Figure:
    """A point a submission, out of fold across and public upwards, over a bar that is its forecast; dotted: equal.

    Private scores that are known are rings at the same place across.
    """
    rows = view.expected
    usual = [(r, o) for r in rows if (o := r.public) is not None and not o.stands_out]
    odd = [(r, o) for r in rows if (o := r.public) is not None and o.stands_out]
    private = [(r, o) for r in rows if (o := r.private) is not None]
    named = (("public", usual, ACCENT), ("public, outside of its interval", odd, ODD))
    data = [_forecasts(rows)] + [_outcomes(found, name, colour) for name, found, colour in named if found]
    data += [_outcomes(private, "private", ACCENT, "circle-open")] if private else []
    across = _span([r.out_of_fold for r in rows], 0.25)
    up = _span([y for r in rows for y in _heights(r)], 0.04)
    low, high = min(across[0], up[0]), max(across[1], up[1])
    equal = {"type": "line", "xref": "x", "yref": "y", "x0": low, "x1": high, "y0": low, "y1": high, "layer": "below"}
    shapes = [{**equal, "line": {"color": MUTED, "width": 1, "dash": "dot"}}]
    xaxis = {**_axis("macro F1 out of fold"), "range": across}
    yaxis = {**_axis("macro F1 on the leaderboard"), "range": up}
    return {"data": data, "layout": _layout(460, shapes=shapes, xaxis=xaxis, yaxis=yaxis)}


def _forecasts(rows: Sequence[LeaderboardRow]) -> Figure:
    """Intervals as bars around what was expected of the public part."""
    found = [(r.out_of_fold, r.public.expected) for r in rows if r.public is not None and r.public.expected is not None]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "forecast of the public part by out of fold alone",
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


def label(name: str, longest: int | None = LONGEST_LABEL) -> str:
    """A name for Plotly's texts: shortened in the middle when `longest` says so, and escaped."""
    if longest is not None and len(name) > longest:
        half = (longest - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return html.escape(name, quote=False).replace("\n", " ")


def _line(curve: Curve, values: Sequence[float | None], name: str, *, legend: bool, dash: str = "solid") -> Figure:
    colour = FOLD_COLOURS[curve.fold % len(FOLD_COLOURS)]
    solid = dash == "solid"
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(curve.epochs) == 1 else "lines",
        "x": list(curve.epochs),
        "y": list(values),
        "name": name,
        "legendgroup": str(curve.fold),
        "showlegend": legend,
        "line": {"color": colour, "width": 2 if solid else 1.5, "dash": dash},
        "hovertemplate": f"{name}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
    }


def _epochs(curves: Sequence[Curve]) -> Figure:
    last = max(c.epochs[-1] for c in curves)
    return {**_axis("epoch"), "tickmode": "linear", "tick0": 0, "dtick": -(-last // 12), "showgrid": False}


def _axis(title: str) -> Figure:
    titled = {"title": {"text": title, "font": {"size": 12, "color": MUTED}, "standoff": 8}} if title else {}
    line = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True, "fixedrange": True}
    return {**titled, **line, "tickfont": {"size": 12, "color": INK}}


def _layout(height: int, **more: Any) -> Figure:
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
