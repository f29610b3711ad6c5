"""A given split: parts that are called `train`, `val` and `test`, or numbers of folds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import class_order
from facetwise.data.findings import Findings
from facetwise.data.reading.recognising.columns import Column, part_of
from facetwise.data.reading.recognising.lying import Lying
from facetwise.data.reading.sidetable import is_listed, read_list


def sides_by_lists(
    lying: Lying, names: Collection[str], train: dict[str, Any], test: Mapping[str, Any], notes: list[str]
) -> dict[str, Any] | None:
    """The test side by text files `train`, `val` and `test` that list most of their lines among the `names` of images.

    None unless there is one for training and one for testing; what they decide is added to `train` and `notes`.
    """
    found: dict[str, str] = {}
    for path in lying.lists:
        part, lines = part_of(PurePosixPath(path).stem), None
        if part and part not in found:
            lines = read_list(lying.root, path, Findings())
        if lines is not None and 2 * sum(is_listed(name, lines) for name in names) >= len(lines):
            found[part] = path
    if not {"train", "test"} <= found.keys():
        return None
    train["listed"] = [found[part] for part in ("train", "val") if part in found]
    notes.append(
        f"{listed([*train['listed'], found['test']])} give the sides: `listed`. Labels of the test side are never read"
    )
    return {**test, "listed": [found["test"]]}


def sides_by(split: Column, train: dict[str, Any], test: Mapping[str, Any], notes: list[str]) -> dict[str, Any] | None:
    """The test side by a column of a given split, made of the keys `test`; None when no part is called so.

    What the column decides of the training side is added to `train`, and told in `notes`.
    """
    testing = sorted(value for value in split.known if split.part(value) == "test")
    kept = sorted((value for value in split.known if value not in testing), key=class_order)
    if not kept:
        return None
    if len(kept) > 1:
        train["split"] = split.name
        notes.append(f"`{split.name}` gives the folds, {listed(kept, 8)}; without `split` groups are dealt into folds")
    if not testing:
        return None
    train["where"] = {split.name: kept}
    notes.append(
        f"`{split.name}` gives the test side, {listed(testing)}: labels there are never read. Without `where` and "
        "`[dataset.test]` they are trained on"
    )
    return {**test, "where": {split.name: testing}}
