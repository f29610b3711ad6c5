"""Recognises photos whose labels are in names: a folder a class, or a pattern that a person gives."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from facetwise.core.errors import InputError, ProblemsError, SettingError
from facetwise.core.labels import MAX_CLASSES
from facetwise.core.namepattern import NamePattern
from facetwise.core.people import person
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import class_order
from facetwise.data.reading.recognising.columns import Column, part_of
from facetwise.data.reading.recognising.lying import Lying, below, common_folder
from facetwise.data.reading.recognising.prefixes import groups_in_names
from facetwise.data.reading.recognising.proposal import NO_GROUP_TOLD, Ask, MadeProposal, TableChoices
from facetwise.data.reading.recognising.roles import roles_of
from facetwise.data.reading.recognising.splits import sides_by, sides_by_lists

LABEL = "label"
"""The attribute that folders are classes of; as Hugging Face's `imagefolder` calls it."""
CLASS_FOLDERS = f"{{{LABEL}}}/{{file:path}}"
MAX_UNMATCHED = 12
"""Names that do not match a pattern and are listed."""
_NO_GROUP = f'{NO_GROUP_TOLD}; when names tell it, `--pattern "{{label}}/{{plant}}_{{n}}.jpg"` reads it'


def recognise_folders(lying: Lying, choices: TableChoices) -> MadeProposal | None:
    """The project file for a folder a class, also with parts of a split above; None when images lie otherwise."""
    if not lying.images or choices.of_columns:
        return None
    base = common_folder(lying.images)
    names = [path.removeprefix(below(base, "")) for path in lying.images]
    folders = sorted({name.split("/")[0] for name in names if "/" in name})
    parts = {folder: part for folder in folders if (part := part_of(folder))}
    if "train" in parts.values() and len(parts) > 1:
        return _with_parts(base, names, parts)
    loose = [name for name in names if "/" not in name]
    if not 2 <= len(folders) <= MAX_CLASSES or 2 * len(loose) > len(names):
        return None
    notes = [f"{count(len(loose), 'image')} beside the folders left out: {listed(loose)}"] if loose else []
    keys: dict[str, Any] = {"images": base, "pattern": CLASS_FOLDERS}
    test = sides_by_lists(lying, names, keys, {"images": base}, notes)
    made = _classes(keys, folders, [*notes, *_deeper(names)])
    told = _groups_told(base, [name for name in names if "/" in name], " --leave-out" if loose else "")
    return replace(made, test=test, notes=(*made.notes, *told))


def recognise_names(lying: Lying, choices: TableChoices, ask: Ask) -> MadeProposal:
    """The project file for the pattern that was given, tried on the names of all images.

    Raises ProblemsError with the names that do not match, unless they are left out by choice.
    """
    if choices.of_a_table:
        raise SettingError("a pattern is in the place of a table", hint="give `--pattern`, or `--table` and `--image`")
    pattern = NamePattern(str(choices.pattern))
    matching, others = _tried(pattern, lying, leave_out=choices.leave_out)
    read = zip(*matching.values(), strict=True)
    columns = {n: Column(n, tuple(map(person, cells))) for n, cells in zip(pattern.fields, read, strict=True)}
    roles = roles_of(columns, "", pattern.text, choices, ask)
    notes = [f"{count(len(others), 'image')} of other names left out: {listed(others)}"] if others else []
    if doubtful := [name for name in matching if pattern.is_ambiguous(name)]:
        shown = zip(pattern.fields, matching[doubtful[0]], strict=True)
        taken = ", ".join(f"{field} `{cell}`" for field, cell in shown)
        notes.append(f"{count(len(doubtful), 'name')} can be read in two ways; `{doubtful[0]}` is taken as {taken}")
    keys: dict[str, Any] = {"images": ".", "pattern": pattern.text}
    train = {**keys, **roles.keys}
    test = None if roles.split is None else sides_by(roles.split, train, {**keys, "image": "image name"}, notes)
    title = f"labels in names: {len(matching):,} of {count(len(lying.images), 'name')} match `{pattern.text}`"
    return MadeProposal(title, "names", train, roles.attributes, test, (*notes, *roles.notes))


def _tried(pattern: NamePattern, lying: Lying, *, leave_out: bool) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """What the fields stand for in each name that matches, and the other names."""
    cells = {name: pattern.cells(name) for name in lying.images}
    matching = {name: found for name, found in cells.items() if found is not None}
    others = [name for name in cells if name not in matching]
    if not cells:
        raise InputError(f"{lying.root}: no images in it", hint="give the folder of the dataset")
    if others and not (matching and leave_out):
        rest = len(others) - MAX_UNMATCHED
        told = [*others[:MAX_UNMATCHED], *([f"and {rest:,} more"] if rest > 0 else [])]
        what = f"{len(others):,} of {count(len(cells), 'image')} {'is' if len(others) == 1 else 'are'} not called"
        way = "mend the pattern (a `{name}` holds no `/`, a `{name:path}` may)"
        hint = f"{way}, or leave them out: `--leave-out`" if matching else way
        raise ProblemsError(f"{what} `{pattern.text}`", told, hint=hint)
    return matching, others


def _groups_told(base: str, names: Iterable[str], more: str) -> Iterable[str]:
    """A note on groups that names below the folders of classes seem to tell; `more` goes to the option."""
    classes, files = zip(*(name.split("/", 1) for name in names), strict=True)
    if (found := groups_in_names(files, classes, below(base, f"{{{LABEL}}}/"))) is not None:
        yield found.told(f"`--pattern {shlex.quote(found.pattern)}{more}`")


def _classes(train: Mapping[str, Any], folders: Iterable[str], notes: Sequence[str]) -> MadeProposal:
    names = sorted({person(folder) for folder in folders}, key=class_order)
    attribute = {"name": LABEL, "classes": names, "column": LABEL}
    keys = {**train, "group": "none"}
    return MadeProposal("a folder a class", "names", keys, [attribute], notes=(*notes, _NO_GROUP))


def _deeper(names: Iterable[str]) -> list[str]:
    """A note on images further below the folder of their class."""
    deep = [name for name in names if name.count("/") > 1]
    told = f"{count(len(deep), 'image')} in folders below a class, and of that class: {listed(deep)}"
    return [f"{told}; `--pattern` reads more of their names"] if deep else []


def _with_parts(base: str, names: Sequence[str], parts: Mapping[str, str]) -> MadeProposal | None:
    """Folders `train`, `val` and `test` above the classes; `parts`: folder -> part. One without classes, or called
    `test`, is the test side."""
    inside = {part: [n.split("/", 1)[1] for n in names if n.startswith(f"{part}/")] for part in parts}
    classes = {part: {name.split("/")[0] for name in found if "/" in name} for part, found in inside.items()}
    (train, *_) = [folder for folder, part in parts.items() if part == "train"]
    folds = [f for f, part in parts.items() if part == "val" and classes[f] and classes[f] <= classes[train]]
    testing = sorted((f for f in parts if f not in (train, *folds)), key=lambda f: parts[f] != "test")[:1]
    if len(classes[train]) < 2:
        return None
    left = sorted({name.split("/")[0] for name in names} - {train, *folds, *testing})
    notes = [f"left out, beside the parts of the split: {listed(left, 8)}"] if left else []
    for test in testing:
        never = ": the folders in it are no labels to this, and never read" if classes[test] else ""
        notes.append(f"the folder `{test}` is the test side{never}")
    notes += _deeper(name for part in (train, *folds) for name in inside[part])
    keys: dict[str, Any] = {"images": below(base, train), "pattern": CLASS_FOLDERS}
    if folds:
        kept = [train, *folds]
        notes.append(f"the folders {listed(kept)} give the folds; without `split` images are dealt into folds")
        keys = {"images": base, "pattern": f"{{part}}/{CLASS_FOLDERS}", "where": {"part": kept}, "split": "part"}
    found = classes[train].union(*(classes[part] for part in folds))
    made = _classes(keys, found, notes)
    return replace(made, test={"images": below(base, testing[0])}) if testing else made
