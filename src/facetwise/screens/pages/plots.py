"""Figures as plain data for the vendored Plotly: `{"data": [...], "layout": {...}}`, in one theme (`theme.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from facetwise.core.text.scored import NAMES, SCORE
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.reliability import Bin
from facetwise.evaluate.scorecard import MAX_READABLE, ClassScore, Matrix, Scorecard, to_read
from facetwise.results.runs import Curve, RunView
from facetwise.screens.pages.theme import (
    ACCENT,
    BARS,
    FOLD_COLOURS,
    GRID,
    HEAT,
    MUTED,
    Figure,
    axis_of,
    label,
    layout_of,
)


def run_figures(view: RunView) -> dict[str, Figure]:
    """Every figure of a run's page by its id, in page order; those without data are left out."""
    figures = {}
    if view.curves:
        figures["loss"] = loss_curves(view.curves)
        if any(v is not None for c in view.curves for v in c.val_score):
            figures["f1"] = score_curves(view.curves, NAMES[view.epochs_by])
    if (card := view.scorecard) is not None:
        figures |= _card_figures(card)
    return figures


def _card_figures(card: Scorecard) -> dict[str, Figure]:
    figures = {}
    if len(card.folds) > 1:
        figures["folds"] = fold_points(card)
    figures |= attribute_figures(card)
    if len(card.attributes) > 1 and card.classes:
        figures["classes"] = class_bars([card.classes[k] for k in to_read(card.classes)])
        if card.confusion is not None and len(card.classes) <= MAX_READABLE:
            figures["confusion"] = confusion_map(card.classes, card.confusion)
    return figures


def attribute_figures(card: Scorecard) -> dict[str, Figure]:
    """The confusion matrix of each attribute with few enough classes to read it."""
    return {
        f"confusion-{i}": confusion_map(a.classes, a.confusion)
        for i, a in enumerate(card.attributes)
        if a.confusion is not None and len(a.classes) <= MAX_READABLE
    }


def loss_curves(curves: Sequence[Curve]) -> Figure:
    """Loss by epoch: a colour a fold, training dotted and validation solid."""
    data = []
    for curve in curves:
        data.append(_line(curve, curve.train_loss, f"fold {curve.fold} training", dash="dot", legend=False))
        data.append(_line(curve, curve.val_loss, f"fold {curve.fold}", legend=True))
    shown = [d for d in data if any(v is not None for v in d["y"])]
    for trace in shown:
        trace["showlegend"] = len(curves) > 1 and (trace["showlegend"] or len(shown) == len(curves))
    return {"data": shown, "layout": layout_of(300, xaxis=_epochs(curves), yaxis=axis_of("loss"))}


def score_curves(curves: Sequence[Curve], name: str) -> Figure:
    """Validation score by epoch, called `name`, a colour a fold."""
    data = [_line(c, c.val_score, f"fold {c.fold}", legend=len(curves) > 1) for c in curves]
    return {"data": data, "layout": layout_of(300, xaxis=_epochs(curves), yaxis=axis_of(name))}


def fold_points(card: Scorecard) -> Figure:
    """The score of each fold beside the score of all together and its interval."""
    low, high = card.score_interval.low, card.score_interval.high
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [f"fold {f.fold}" for f in card.folds],
        "y": [f.score for f in card.folds],
        "customdata": [[f.num_people, f.num_images] for f in card.folds],
        "marker": {"size": 11, "color": ACCENT},
        "hovertemplate": f"%{{x}}: %{{y:.3f}}<br>%{{customdata[0]:,}} {PEOPLE}, "
        "%{customdata[1]:,} images<extra></extra>",
        "showlegend": False,
    }
    across = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y"}
    shapes = [
        {**across, "type": "rect", "y0": low, "y1": high, "fillcolor": ACCENT, "opacity": 0.12, "line": {"width": 0}},
        {**across, "type": "line", "y0": card.score, "y1": card.score, "line": {"color": ACCENT, "width": 1.5}},
    ]
    yaxis = axis_of(str(SCORE))
    return {
        "data": [points],
        "layout": layout_of(
            280, shapes=shapes, xaxis={**axis_of(""), "type": "category", "showgrid": False}, yaxis=yaxis
        ),
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
    yaxis = {**axis_of(""), "tickvals": rows, "ticktext": ticks, "autorange": "reversed", "showgrid": False}
    xaxis = {**axis_of("F1"), "range": [0, 1.08], "tickvals": [0, 0.25, 0.5, 0.75, 1]}
    layout = layout_of(70 + 24 * len(classes), xaxis=xaxis, yaxis=yaxis, bargap=0.3)
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


_LETTERS_ACROSS = 32
"""As many letters fit under a square of cells, on a phone too; more are turned."""


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
    side_by_side = size * max(map(len, names)) <= _LETTERS_ACROSS
    ticks = {"tickvals": list(range(size)), "ticktext": names, "showgrid": False, "ticks": "", "zeroline": False}
    xaxis = {**axis_of(across), **ticks, "side": "bottom", "tickangle": 0 if side_by_side else -60}
    yaxis = {**axis_of(down), **ticks, "autorange": "reversed"}
    height = 110 + 58 * size if size <= 8 else 170 + 29 * size
    layout = layout_of(height, xaxis=xaxis, yaxis=yaxis, plot_bgcolor=GRID)
    return {"data": [heat], "layout": layout}


def reliability(before: Sequence[Bin], after: Sequence[Bin]) -> Figure:
    """Share of right answers by how sure they were, with intervals, before and after; below, the number of images."""
    line = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip", "showlegend": False}
    data: list[Figure] = [{**line, "line": {"color": MUTED, "width": 1, "dash": "dot"}}]
    for name, bins, colour in (("as predicted", before, FOLD_COLOURS[1]), ("with temperatures", after, ACCENT)):
        data += [_reliability_points(bins, name, colour), _image_bars(bins, name, colour)]
    lowest = min(b.low for b in (*before, *after))
    xaxis = {**axis_of("probability of the class that was taken"), "range": [lowest, 1.01], "anchor": "y2"}
    yaxis = {**axis_of("share right"), "range": [0, 1.02], "domain": [0.3, 1]}
    counts = {**axis_of("images"), "domain": [0, 0.2], "nticks": 3}
    return {
        "data": data,
        "layout": layout_of(460, xaxis=xaxis, yaxis=yaxis, yaxis2=counts, barmode="group", bargap=0.15),
    }


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
        f"%{{customdata[0]:,}} images, %{{customdata[1]:,}} {PEOPLE}<extra></extra>",
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
    return {**axis_of("epoch"), "tickmode": "linear", "tick0": 0, "dtick": -(-last // 12), "showgrid": False}
