"""The shelf of weights as text."""

from __future__ import annotations

from facetwise.core.records.shelf import SHELF, PretrainedBackbone, ShelfRecord, Size
from facetwise.core.text.counting import in_bytes
from facetwise.results.shelf import ShelfView
from facetwise.screens.kit import Group, RenderableType, Text, paragraph, table_of


def shelf_text(view: ShelfView) -> RenderableType:
    """What lies on the shelf, a row an entry; then what to try first."""
    return Group(_on_the_shelf(view), *([Text(), _to_try(view)] if view.to_try else []))


def _on_the_shelf(view: ShelfView) -> RenderableType:
    if not view.weights:
        return Text(f"no weights in {view.folder}: `facetwise weights add FILE --as BACKBONE` puts some there")
    table = table_of("name", "size", "licence", "source", justify="left")
    problems = [f"{row.name}: {row.problem}" for row in view.weights if row.problem is not None]
    for row in view.weights:
        if row.record is not None:
            table.add_row(*_cells(row.record))
    return Group(Text(view.folder, style="dim"), table, *(paragraph(text, style="bold red") for text in problems))


def _to_try(view: ShelfView) -> RenderableType:
    task = view.to_try[0].task
    table = table_of("timm's, by `hub`", "weights", "memory", "made for", "images/s here", "licence")
    for known in view.to_try:
        name = Text.assemble(known.name, *((f"\n{SHELF}{name}", "green") for name in known.on_shelf))
        weights, memory = f"{known.num_weights / 1e6:.1f} M", in_bytes(known.needed_bytes)
        table.add_row(name, weights, memory, _by(known.made_for), _speed(known), known.licence or "not known")
    needed = "weights" if task == "frozen" else "weights, gradients and AdamW's averages"
    words = [f"Memory for `{task}`: {needed}; activations come on top."]
    if any(known.images_per_second is None for known in view.to_try):
        words.append("`--measure` measures the speed here, once, and keeps it.")
    return Group(table, paragraph(" ".join(words)))


def _speed(known: PretrainedBackbone) -> str:
    if known.images_per_second is None:
        return "not measured"
    at = "" if known.size == known.made_for else f" at {_by(known.size)}"
    return f"{known.images_per_second:,.3g}{at}" if known.images_per_second else f"cannot take {_by(known.size)}"


def _by(size: Size) -> str:
    return "{}x{}".format(*size)


def entry_text(record: ShelfRecord) -> RenderableType:
    """How new weights were taken."""
    three = (" ".join(f"{value:.4g}" for value in values) for values in (record.mean, record.std))
    lines = [
        f"{SHELF}{record.name}: {record.backbone}, {record.num_weights:,} weights, matched {record.matched}",
        f"compared with {record.checked}",
        f"input: mean {next(three)}, std {next(three)} ({record.statistics})",
    ]
    lines += [f"left out: {record.left_out}"] if record.left_out else []
    return Group(*map(Text, lines))


def _cells(record: ShelfRecord) -> tuple[RenderableType, ...]:
    of = "" if record.name == record.backbone else f"\n{record.backbone}"
    weights = (f"\n{record.num_weights / 1e6:.1f} M weights", "dim")
    size_of_both = Text.assemble(in_bytes(record.num_bytes), weights)
    return Text.assemble(record.name, (of, "dim")), size_of_both, record.licence or "not known", record.source
