"""Class counts of a fold's epochs as text, from the `content` events of a run (`train.sampling.EpochContent`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod, sqrt
from typing import Any

from facetwise.core.labels import JOINT
from facetwise.core.text.counting import listed
from facetwise.core.text.subject import PEOPLE

Event = Mapping[str, Any]
WIDTH = 92
"""Width of the widest table."""
MOST_CLASSES = 20
"""Classes of an attribute that are listed."""
MOST_ROWS = 12
"""Rows of the longest table; with more joint classes only the smallest and the largest are listed."""


def content_lines(event: Event) -> list[str]:
    """Class counts of a fold's epochs: one line for each attribute, and the joint classes if sampling changes them."""
    lines = [f"an epoch holds {event['images']:,} images of {event['people']:,} {PEOPLE}"]
    attributes = {name: classes for name, classes in event["classes"].items() if name != JOINT}
    for name, classes in attributes.items():
        ordered = sorted(classes, key=lambda c: -int(c["images"])) if len(classes) > MOST_CLASSES else classes
        lines.append(f"  {name}: " + listed((f"{c['name']} {c['images']:,}" for c in ordered), MOST_CLASSES))
    return [*lines, *_joint_lines(event, attributes), *absent_lines(event)]


def compared_line(event: Event, first: Event) -> str:
    """One line for another fold: sizes, and the class that differs most from the `first` fold.

    Differences are measured in units of the square root of the count, its standard deviation by chance.
    """
    line = f"{event['images']:,} images of {event['people']:,} {PEOPLE}"
    known = [by for by in first["classes"] if by != JOINT or _joint_changed(first)]
    ours, theirs = _counts(event, known), _counts(first, known)
    pairs = {key: (ours.get(key, 0), theirs.get(key, 0)) for key in [*theirs, *ours]}
    by, name = max(pairs, key=lambda key: abs(pairs[key][0] - pairs[key][1]) / sqrt(sum(pairs[key]) or 1))
    here, there = pairs[by, name]
    if here == there:
        return f"{line}, of each class as many as in fold {first['fold']}"
    of = name if by == JOINT else f"{by} {name}"
    return f"{line}; most unlike fold {first['fold']}: {of} {here:,}, not {there:,}"


def absent_lines(event: Event) -> list[str]:
    """A caution for each attribute with a class that is not trained on."""
    lines = []
    for attribute, classes in event["classes"].items():
        names = [f"`{c['name']}`" for c in classes if not c["images"]]
        if names and attribute != JOINT:
            lines.append(f"  caution: no image of {attribute} {listed(names, MOST_CLASSES)} is trained on")
    return lines


def _counts(event: Event, known: Sequence[str]) -> dict[tuple[str, str], int]:
    return {(by, c["name"]): c["images"] for by in known for c in event["classes"][by]}


def _joint_changed(event: Event) -> bool:
    return any(c["images"] != c["available"] for c in event["classes"][JOINT])


def _joint_lines(event: Event, attributes: Mapping[str, Sequence[Event]]) -> list[str]:
    """Empty if every image is used once, or if there is only one attribute."""
    if len(attributes) < 2 or not _joint_changed(event):
        return []
    joint = event["classes"][JOINT]
    least, most = min(joint, key=lambda c: c["images"]), max(joint, key=lambda c: c["images"])
    if least["images"] == most["images"]:
        return [f"  {JOINT}: {len(joint):,} classes with {most['images']:,} each"]
    names = [[c["name"] for c in classes] for classes in attributes.values()]
    if prod(map(len, names[:-1])) <= MOST_ROWS:
        table = list(_table(names, {c["name"]: f"{c['images']:,}" for c in joint}))
        if max(map(len, table)) <= WIDTH:
            return table
    ends = f"{least['name']} has {least['images']:,}, {most['name']} {most['images']:,}"
    return [f"  {JOINT}: {len(joint):,} classes; {ends}"]


def _table(names: Sequence[Sequence[str]], counts: Mapping[str, str]) -> Iterator[str]:
    """Images of each joint class, with the last attribute's classes as columns; `-` for a class that no person has."""
    rows = ["/".join(parts) for parts in product(*names[:-1])]
    heads = [f"{JOINT}:", *(f"  {row}" for row in rows)]
    columns = [[last, *(counts.get(f"{row}/{last}", "-") for row in rows)] for last in names[-1]]
    widths = [max(map(len, column)) for column in columns]
    for head, *cells in zip(heads, *columns, strict=True):
        padded = "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"  {head:<{max(map(len, heads))}}{padded}"
