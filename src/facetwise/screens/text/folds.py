"""Text of `facetwise folds`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from facetwise.core.labels import LabelSpace
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.data.folds import Folds
from facetwise.screens.kit import Group, RenderableType, Table, Text

MAX_LISTED = 12
"""Number of missing classes that are listed."""


def folds_dict(folds: Folds) -> dict[str, Any]:
    """Plain data for `--json`."""
    keys = ("name", "split", "num_folds", "seed", "hash", "manifest_hash")
    copies = None if folds.copies is None else folds.copies.model_dump(mode="json")
    return {**{k: getattr(folds, k) for k in keys}, "stats": asdict(folds.stats), "copies": copies}


def folds_text(folds: Folds, space: LabelSpace) -> RenderableType:
    """Sizes of the folds, how even they are, and warnings."""
    table = Table(ruled=False, padding=(0, 3, 0, 0))
    for heading in ("fold", str(PEOPLE), "images"):
        table.add_column(heading, justify="right")
    stats = folds.stats
    for fold, (people, images) in enumerate(zip(stats.num_groups, stats.num_images, strict=True)):
        table.add_row(str(fold), f"{people:,}", f"{images:,}")
    lines = [
        _kind(folds),
        *_copies(folds),
        Text(f"largest deviation of a class's share in a fold: {stats.deviation:.1%}"),
    ]
    lines += [_missing(fold, joint, space) for fold, joint in stats.missing[:MAX_LISTED]]
    if len(stats.missing) > MAX_LISTED:
        more = f"and {len(stats.missing) - MAX_LISTED:,} more of a fold and a class (`--json` lists all)"
        lines.append(Text(more, style="yellow"))
    return Group(Text(f"folds `{folds.name}` ({folds.hash[:12]})", style="bold"), table, *lines)


def _kind(folds: Folds) -> Text:
    if folds.split == "group":
        return Text(f"every {PERSON} is in one fold, every image is held out once")
    shared = folds.stats.shared_groups
    return Text(
        f"UNSAFE: split by image; {PEOPLE} stand in {shared} more folds than one each. Scores on these folds are too "
        "high, and no submission is made from them.",
        style="bold red",
    )


def _copies(folds: Folds) -> Iterator[Text]:
    if note := folds.copies_note:
        yield Text(f"warning: {note}", style="yellow") if folds.parts_copies else Text(note)


def _missing(fold: int, joint: int, space: LabelSpace) -> Text:
    return Text(f"warning: fold {fold} has no image of class {joint} ({space.joint_name(joint)})", style="yellow")
