"""Recognises photos whose labels are in names: a folder a class, or a pattern that a person gives."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from facetwise.core.errors import InputError, ProblemsError, SettingError
from facetwise.core.files.outside import is_folder, names_in
from facetwise.core.labels import MAX_CLASSES
from facetwise.core.namepattern import NamePattern
from facetwise.core.people import person
from facetwise.core.records.dataset import NO_GROUP
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import folded
from facetwise.data.reading.on_disk.imagefiles import is_hidden
from facetwise.data.reading.recognising.columns import PART, Column, part_of
from facetwise.data.reading.recognising.levels import CLASS_FOLDERS, LABEL, UPPER, pattern_of_folders
from facetwise.data.reading.recognising.lying import Lying, below, common_folder
from facetwise.data.reading.recognising.prefixes import groups_in_names
from facetwise.data.reading.recognising.proposal import NO_GROUP_TOLD, Ask, MadeProposal, TableChoices
from facetwise.data.reading.recognising.roles import one_case, one_case_told, roles_of
from facetwise.data.reading.recognising.splits import sides_by, sides_by_lists

MAX_UNMATCHED = 12
"""Names that do not match a pattern and are listed."""
_NO_GROUP = f'{NO_GROUP_TOLD}; when names tell it, `--pattern "{{label}}/{{plant}}_{{n}}.jpg"` reads it'


def recognise_folders(lying: Lying, choices: TableChoices, ask: Ask) -> MadeProposal | None:
    """The project file for a folder a class, also with parts of a split above or below; None when images lie otherwise.

    Raises InputError for folders that are no classes (images beside masks), or may be in several ways.
    """
    if not lying.images or choices.of_columns:
        return None
    base = common_folder(lying.images)
    names = [path.removeprefix(below(base, "")) for path in lying.images]
    folders = sorted({name.split("/")[0] for name in names if "/" in name})
    parts = {folder: part for folder in folders if (part := part_of(folder))}
    if "train" in parts.values() and len(parts) > 1:
        return _with_parts(lying, base, names, parts, ask)
    loose = [name for name in names if "/" not in name]
    if not 2 <= len(folders) <= MAX_CLASSES or 2 * len(loose) > len(names):
        return None
    inner = [name for name in names if "/" in name]
    notes = [f"{count(len(loose), 'image')} beside the folders left out: {listed(loose)}"] if loose else []
    keys: dict[str, Any] = {"images": base}
    if below_classes := _parts_below(inner):
        keys["pattern"] = f"{{{LABEL}}}/{{{PART}}}/{{file:path}}"
        made = _classes(lying, keys, inner, notes)
        train, told = dict(made.train), list(made.notes)
        sides = {"images": base, "pattern": keys["pattern"], "image": "image name"}
        test = sides_by(Column(PART, tuple(below_classes)), train, sides, told)
        return replace(made, train=train, test=test, notes=tuple(told))
    keys["pattern"] = pattern_of_folders(inner, below(base, ""), ask)
    if UPPER in NamePattern(keys["pattern"]).fields:
        return recognise_names(lying, TableChoices(pattern=below(base, keys["pattern"]), leave_out=bool(loose)), ask)
    made = _classes(lying, keys, inner, notes)
    train, told = dict(made.train), list(made.notes)
    test = sides_by_lists(lying, names, train, {"images": base}, told)
    if keys["pattern"] == CLASS_FOLDERS:
        told += [*_deeper(names), *_groups_told(base, inner, " --leave-out" if loose else "")]
    return replace(made, train=train, test=test, notes=tuple(told))


def _parts_below(names: Sequence[str]) -> list[str]:
    """The part of each image where it is the folder below that of its class, and one of them is for training."""
    second = [name.split("/")[1] for name in names if name.count("/") > 1]
    called = {part_of(folder) for folder in second}
    return second if len(second) == len(names) and "" not in called and {"train"} < called else []


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


def _classes(
    lying: Lying, keys: Mapping[str, Any], names: Sequence[str], notes: Sequence[str], pattern: str | None = None
) -> MadeProposal:
    """The proposal for the classes in `names`, which match the pattern of `keys` or the one that is given."""
    read = NamePattern(pattern or keys["pattern"])
    cells = [found for name in names if (found := read.cells(name)) is not None]
    labels = Counter(person(found[read.fields.index(LABEL)]) for found in cells)
    classes, values = one_case(labels)
    told = list(notes)
    if values:
        told.append(f"`{LABEL}`: {one_case_told(values)}")
    if empty := _without_images(lying, keys["images"]):
        told.append(f"{count(len(empty), 'folder')} without images left out: {listed(empty)}")
    group = next((field for field in read.fields if Column(field, ()).names_a_group), NO_GROUP)
    if group != NO_GROUP:
        told.append(f"folders give `{group}` and `{LABEL}`: `pattern`; `--pattern` reads them otherwise")
    attribute = {"name": LABEL, "classes": classes, "column": LABEL, **({"values": values} if values else {})}
    alone = [] if group != NO_GROUP else [_NO_GROUP]
    return MadeProposal("a folder a class", "names", {**keys, "group": group}, [attribute], notes=(*told, *alone))


def _without_images(lying: Lying, base: str) -> list[str]:
    """The folders in `base` that hold no image."""
    holding = {path.removeprefix(below(base, "")).split("/")[0] for path in lying.images}
    there = (name for name in names_in(lying.root / base) if not is_hidden(name))
    return [name for name in there if name not in holding and is_folder(lying.root / base / name)]


def _deeper(names: Iterable[str]) -> list[str]:
    """A note on images further below the folder of their class."""
    deep = [name for name in names if name.count("/") > 1]
    told = f"{count(len(deep), 'image')} in folders below a class, and of that class: {listed(deep)}"
    return [f"{told}; `--pattern` reads more of their names"] if deep else []


def _with_parts(
    lying: Lying, base: str, names: Sequence[str], parts: Mapping[str, str], ask: Ask
) -> MadeProposal | None:
    """Folders `train`, `val` and `test` above the classes; `parts`: folder -> part. One to validate on without classes,
    or one called `test`, is the test side."""
    inside = {part: [n.split("/", 1)[1] for n in names if n.startswith(f"{part}/")] for part in parts}
    classed = {part: [name for name in found if "/" in name] for part, found in inside.items()}
    (train, *_) = [folder for folder, part in parts.items() if part == "train"]
    folds = [f for f, part in parts.items() if part == "val" and classed[f]]
    testing = sorted((f for f in parts if f not in (train, *folds)), key=lambda f: parts[f] != "test")[:1]
    kept, inner = [train, *folds], [name for part in (train, *folds) for name in classed[part]]
    if len({name.split("/")[0] for name in classed[train]}) < 2 and not any(n.count("/") > 1 for n in classed[train]):
        return None
    left = sorted({name.split("/")[0] for name in names} - {*kept, *testing})
    notes = [f"left out, beside the parts of the split: {listed(left, 8)}"] if left else []
    for test in testing:
        never = ": the folders in it are no labels to this, and never read" if classed[test] else ""
        notes.append(f"the folder `{test}` is the test side{never}")
    pattern = pattern_of_folders(inner, below(base, "{split}/"), ask)
    if UPPER in NamePattern(pattern).fields:
        return recognise_names(lying, TableChoices(pattern=below(base, f"{{split}}/{pattern}"), leave_out=True), ask)
    notes += _deeper(inner) if pattern == CLASS_FOLDERS else []
    keys: dict[str, Any] = {"images": below(base, train), "pattern": pattern}
    if folds:
        notes.append(f"the folders {listed(kept)} give the folds; without `split` images are dealt into folds")
        keys = {"images": base, "pattern": f"{{{PART}}}/{pattern}", "where": {PART: kept}, "split": PART}
    made = _classes(lying, keys, inner, [*notes, *_untrained(classed, train, folds, pattern)], pattern)
    return replace(made, test={"images": below(base, testing[0])}) if testing else made


def _untrained(classed: Mapping[str, Sequence[str]], train: str, folds: Sequence[str], pattern: str) -> Iterable[str]:
    """A note on classes that only a part to validate on has."""
    read = NamePattern(pattern)

    def classes(part: str) -> dict[str, str]:
        found = (cells[read.fields.index(LABEL)] for name in classed[part] if (cells := read.cells(name)) is not None)
        return {folded(person(label)): label for label in found}

    for fold in folds:
        if alone := [label for one, label in classes(fold).items() if one not in classes(train)]:
            yield f"only `{fold}` has images of {listed(alone, 8)}: what trains without it never saw one"
