"""Groups that the names of images seem to tell: `plant12_3.jpg` is the third photo of `plant12`, if names repeat so.

A proposal only: it is printed with the line that takes it, and never taken by itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from facetwise.core.errors import SettingError
from facetwise.core.namepattern import NamePattern
from facetwise.core.records.dataset import GROUP
from facetwise.core.text.counting import count
from facetwise.data.reading.recognising.columns import Column

FEWEST = 4
"""Groups; fewer are a camera or a class."""
LARGEST = 0.5
"""Share of the images that a group may have."""
EACH = 1.5
"""Images that a group has on average, at least."""
_SEPARATORS = "_-. "


@dataclass(frozen=True)
class GroupsInNames:
    """A pattern of images' paths that makes groups."""

    pattern: str
    num_groups: int
    example: str
    """One of the largest groups, and how many images it has."""

    def told(self, line: str) -> str:
        """What it makes, and what it costs to be wrong; `line` takes it."""
        return (
            f"names seem to tell {count(self.num_groups, 'group')} ({self.example}); if each is one subject: {line}. "
            "Taken in error, folds are less even; left out in error, every estimate is too high"
        )


def groups_in_names(names: Sequence[str], classes: Sequence[Hashable], before: str = "") -> GroupsInNames | None:
    """What parts of images' paths, the coarsest first, that repeat, and are not simply the class; None if none are.

    `names` are paths below the images' folder, `classes` what is known of each image's labels; `before` is what a
    pattern begins with, such as `{label}/`, which `names` do not have.
    """
    for text in group_patterns(names):
        try:
            pattern = NamePattern(text)
        except SettingError:  # nothing stands between two parts
            continue
        cells = [pattern.cells(name) for name in names]
        found = [cell[pattern.fields.index(GROUP)] for cell in cells if cell is not None]
        if len(found) == len(names) and (example := _example(found, classes)) is not None:
            return GroupsInNames(before + text, len(set(found)), example)
    return None


def _example(groups: Sequence[str], classes: Sequence[Hashable]) -> str | None:
    """The largest of groups that may be some; None where they are too few, too many, or tell the class."""
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    largest = max(sizes, key=lambda group: sizes[group])
    fits = max(FEWEST, len(set(classes)) + 1) <= len(sizes) <= len(groups) / EACH
    return f"`{largest}` has {sizes[largest]:,}" if fits and sizes[largest] <= LARGEST * len(groups) else None


def labels_in_names(names: Sequence[str]) -> str | None:
    """The pattern of file names of which parts have few values that repeat, and so may be labels: `{label}.{n}` of
    `cat.0.jpg`; None where none have."""
    stems = [name.rpartition("/")[2].rpartition(".")[0] for name in names]
    folders = {name.rpartition("/")[0] for name in names}
    before = (
        f"{folders.pop()}/" if len(folders) == 1 and "" not in folders else "" if folders == {""} else "{folder:path}/"
    )
    for sign in _SEPARATORS:
        counts = {stem.count(sign) for stem in stems}
        ending = ".{ending}" if sign == "." else ""
        if len(counts) == 1 and min(counts) > 0:
            parts = [*zip(*(stem.split(sign) for stem in stems), strict=True)]
            columns = [Column("", cells) for cells in parts]
            few = [k for k, column in enumerate(columns) if column.is_an_attribute]
            few = [k for k in few if not columns[k].is_numbers] or few
            called = {k: f"{{label{number or ''}}}" for number, k in enumerate(few)}
            if few:
                return before + sign.join(called.get(k, f"{{n{k}}}") for k in range(len(parts))) + ending
        elif counts and min(counts) > 0:
            heads, _, tails = zip(*(stem.rpartition(sign) for stem in stems), strict=True)
            if Column("", heads).is_an_attribute and all(map(str.isdecimal, tails)):
                return f"{before}{{label}}{sign}{{n:int}}{ending}"
    return None


def group_patterns(names: Sequence[str]) -> Iterator[str]:
    """Patterns that may name a group, to be tried: folders from the top, then the beginnings of files' names, the
    shortest first."""
    depths = {name.count("/") for name in names}
    folders = min(depths, default=0)
    for depth in range(folders):
        yield "".join(f"{{in{k}}}/" for k in range(depth)) + f"{{{GROUP}}}/{{file:path}}"
    if not names or (not folders and max(depths) > 0):
        return
    start = "{folder:path}/" if folders else ""
    stems = [name.rpartition("/")[2].rpartition(".")[0] for name in names]
    for sign in _SEPARATORS:
        parts = {stem.count(sign) for stem in stems}
        ending = ".{ending}" if sign == "." else ""
        if len(parts) > 1 and min(parts) > 0:
            yield f"{start}{{{GROUP}:word}}{sign}{{n}}{ending}"
        for rest in range(max(parts) if len(parts) == 1 else 1, 0, -1):
            yield start + f"{{{GROUP}}}" + "".join(f"{sign}{{n{k or ''}}}" for k in range(rest)) + ending
