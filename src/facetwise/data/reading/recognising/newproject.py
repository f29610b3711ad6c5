"""A new project for a dataset: recognised, written as `facetwise.toml`, and told."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import tomli_w

from facetwise.core.errors import InputError, SettingError
from facetwise.core.files.outside import exists, is_regular, is_text, printable, read_bounded, require_folder, resolved
from facetwise.core.files.settings import parse
from facetwise.core.files.writing import write_atomic
from facetwise.core.namepattern import NamePattern
from facetwise.core.project import Project
from facetwise.core.records.project_file import ProjectFile
from facetwise.core.text.counting import count, listed
from facetwise.core.workspace import PROJECT_FILE, Workspace, inside
from facetwise.data.reading.on_disk.imagefiles import linked_folders
from facetwise.data.reading.recognising.columns import part_of
from facetwise.data.reading.recognising.folders import recognise_folders, recognise_names
from facetwise.data.reading.recognising.keyed import recognise_keyed
from facetwise.data.reading.recognising.levels import LABEL
from facetwise.data.reading.recognising.lying import Lying
from facetwise.data.reading.recognising.prefixes import labels_in_names
from facetwise.data.reading.recognising.presets import described, presets, recognise_preset
from facetwise.data.reading.recognising.proposal import Ask, Proposal, TableChoices, nobody
from facetwise.data.reading.recognising.tables import recognise_table
from facetwise.data.reading.recognising.understood import Understood, understand

EXAMPLE = """\
name = "my photos"

[dataset]
path = "/where/the/photos/are"
layout = "images"             # the table has a row an image

[dataset.train]
table = "labels.csv"          # relative to the dataset
images = "photos"             # folder of the images
group = "person"              # column: whose photo it is
image = "file"                # column: path of the image below `images`

[[attributes]]
name = "glasses"
classes = ["no", "yes"]
column = "glasses"            # column with the class
"""
"""A project file by hand, for the message that no shipped layout fits."""


def propose(dataset: Path, choices: TableChoices, ask: Ask = nobody) -> Proposal:
    """The project file for a dataset: of a shipped layout, a table with a row an image, or labels in names.

    Raises InputError when nothing is recognised, or what cannot be decided; SettingError for choices that do not fit.
    """
    require_folder(dataset, "give the folder of the dataset")
    if (
        replace(choices, links_root=None, encoding=None) == TableChoices()
        and (preset := recognise_preset(dataset)) is not None
    ):
        return preset
    lying = Lying.below(dataset, _links_into(dataset, choices), choices.encoding)
    if choices.pattern is not None:
        return recognise_names(lying, choices, ask)
    found = (
        recognise_table(lying, choices, ask)
        or recognise_keyed(lying, choices, ask)
        or recognise_folders(lying, choices, ask)
        or recognise_table(lying, choices, ask, labelled=False)  # says what its columns lack
    )
    if found is None and choices.of_columns and not lying.tables and lying.images:
        raise SettingError(
            f"{lying.root}: no table in it, and `--image`, `--group` and `--attribute` name columns of one",
            hint="leave them out where each folder is a class; labels in names are read by "
            '`--pattern "{label}/{plant}_{n}.jpg"`',
        )
    if found is None:
        raise _unknown(lying)
    if choices.table is None:
        return replace(found, notes=(*found.notes, *_unreadable(lying)))
    return found


def _links_into(dataset: Path, choices: TableChoices) -> tuple[Path, ...]:
    """The folders that links to folders are followed into."""
    if choices.links_root is None:
        return ()
    root = resolved(Path(choices.links_root))
    require_folder(root, "give the folder that links may lead into")
    return resolved(dataset), root


def _unknown(lying: Lying) -> InputError:
    """What was looked for, and what lies there."""
    known = "; ".join(f"{preset.name}: {described(preset)}" for preset in presets())
    images = f"{len(lying.images):,} images, such as {lying.images[0]}" if lying.images else "no images"
    if links := [] if lying.into else linked_folders(lying.root):
        images += f" beside {count(len(links), 'link')} to folders ({listed(links)}), which `--links-root DIR` follows"
    tables = f"the tables {', '.join(map(partial(_called, lying), lying.tables[:4]))}" if lying.tables else "no table"
    ways: dict[str, list[str]] = {}
    for name, way in lying.unread:
        ways.setdefault(way, []).append(f"`{name}`")
    first = "".join(f"{way.format(listed(names))}; or " for way, names in ways.items())
    trained = [name for name in lying.images if part_of(name.split("/")[0]) == "train"]
    if (pattern := labels_in_names(trained or lying.images)) is not None:
        rest = " --leave-out" if trained and len(trained) < len(lying.images) else ""
        fields = [field for field in NamePattern(pattern).fields if field.startswith(LABEL)]
        words = ["--pattern", pattern, *(word for field in fields for word in ("--attribute", field))]
        first += f"names seem to tell labels, `{shlex.join(words)}{rest}` reads them; or "
    return InputError(
        f"{lying.root}: none of the known layouts; it has {images}, and {tables}. "
        f"Looked for {known}; a table with a column of image paths and one of labels; a folder a class",
        hint=f"{first}say where the labels are: `--table PATH --image COLUMN --attribute COLUMN`, or in the names: "
        f'`--pattern "{{label}}_{{n}}.jpg"`; or write {PROJECT_FILE} by hand, for example:\n\n{EXAMPLE}',
    )


def _unreadable(lying: Lying) -> Iterable[str]:
    """A note on each table that cannot be read, and may be the one that counts."""
    return (f"`{path}` is not read: {why}" for path, why in lying.unreadable(lying.tables))


def _called(lying: Lying, table: str) -> str:
    """A table, and why it cannot be read where it cannot."""
    for _, why in lying.unreadable([table]):
        return f"{table} (unreadable: {why})"
    found = lying.read(table)
    column, number = lying.most_named(found)
    rows = count(len(found.table.records), "row")
    return (
        f"{table} (no column names images)"
        if not number
        else f"{table} (`{column}` names images in {number:,} of {rows})"
    )


def _with_links(text: str, root: Path) -> str:
    """A project file with the lines that follow links into `root`."""
    lines = tomli_w.dumps({"follow_links": True, "links_root": str(root)}).strip()
    return re.sub(r"^layout = .*$", lambda line: f"{line[0]}\n{lines}", text, count=1, flags=re.MULTILINE)


def _with_place_of_table(choices: TableChoices, project: Path, dataset: Path) -> TableChoices:
    """The choices, with where the table lies if that is not in the dataset: `table` is then its path in the project, in
    which it lies already or is brought to."""
    if choices.table is None or inside(dataset, choices.table) is not None:
        return choices
    place = next((p for p in (dataset / choices.table, Path(choices.table)) if is_regular(p)), None)
    if place is None:
        return choices
    place = resolved(place)
    if place.is_relative_to(dataset):
        return replace(choices, table=place.relative_to(dataset).as_posix())
    own = project / (place.relative_to(project) if place.is_relative_to(project) else place.name)
    name = own.relative_to(project).as_posix()
    if exists(dataset / name):  # which would be read
        name = os.path.relpath(own, dataset)
    return replace(choices, table=name, table_file=str(place))


def _bring(choices: TableChoices, project: Path) -> None:
    """Copy the table that lies elsewhere into the project."""
    if choices.table is None or choices.table_file is None or Path(choices.table_file).is_relative_to(project):
        return
    target, content = project / Path(choices.table_file).name, read_bounded(Path(choices.table_file))
    if exists(target) and read_bounded(target) != content:
        raise InputError(f"{target}: another table of that name lies in the project", hint="rename one of them")
    write_atomic(target, content)


def write_project_file(
    project: Path,
    dataset: Path,
    *,
    name: str | None = None,
    beside: Mapping[str, bytes] | None = None,
    choices: TableChoices | None = None,
    ask: Ask = nobody,
    tell: Callable[[Understood], None] | None = None,
) -> Path:
    """Make the folder `project` with a `facetwise.toml` for `dataset`; returns the file's path.

    A table that was chosen and lies in neither of the two is copied into the project first.

    Files in `beside` (relative path -> content) are written first, unless they exist; `facetwise.toml` is written last,
    so that calling it again completes an interrupted call. The dataset's path is relative to the project if it is in it
    or beside it. `tell` receives what was understood before anything is written. Raises InputError when there is
    already a project here or in a folder above, when the project would be inside the dataset, and as `propose` does.
    """
    project, dataset = resolved(project), resolved(dataset)
    target = project / PROJECT_FILE
    if exists(target):
        raise InputError(f"{target}: exists already", hint="edit it, or choose another folder")
    if above := [folder for folder in project.parents if exists(folder / PROJECT_FILE)]:
        raise InputError(f"{project}: lies in the project {above[0]}", hint="choose a folder outside of it")
    require_folder(dataset, "give the folder of the dataset")
    if project.is_relative_to(dataset):
        raise InputError(f"{project}: lies in the dataset, which is only ever read", hint="choose another folder")
    choices = _with_place_of_table(choices or TableChoices(), project, dataset)
    proposal = propose(dataset, choices, ask)
    near = dataset.is_relative_to(project.parent)
    path = os.path.relpath(dataset, project) if near else str(dataset)
    if not is_text(path):
        raise InputError(f"{printable(path)}: its name is not UTF-8, and {PROJECT_FILE} is", hint="rename the folder")
    text = proposal.fill(printable(name or project.name), path)
    if choices.links_root is not None:
        text = _with_links(text, resolved(Path(choices.links_root)))
    file = parse(ProjectFile, tomllib.loads(text), PROJECT_FILE)
    _bring(choices, project)
    if tell is not None:
        tell(understand(Project(Workspace(project), file).at_work(), proposal))
    try:
        for relative, content in (beside or {}).items():
            if not exists(project / relative):
                write_atomic(project / relative, content)
        write_atomic(target, text)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    return target
