"""The manifest: one row per image with its content, its person and its faults. Everything later refers to it.

Rows: training rows in the order of the training table, and within a group's folder in the order of the project's
`files`; then the test rows in the order of the test table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facetwise.core.errors import ArtefactError, InputError, MismatchError
from facetwise.core.files.outside import files_below, is_folder, is_regular, printable, require_folder
from facetwise.core.labels import MISSING, FloatArray, IntArray, LabelSpace
from facetwise.core.people import person, person_hash
from facetwise.core.progress import Progress
from facetwise.core.project import Project
from facetwise.core.records.data import ManifestMadeFrom
from facetwise.core.records.done import read_done, verify_files
from facetwise.core.records.project_file import ALL, SEEN
from facetwise.core.records.provenance import provenance
from facetwise.core.tables import MANIFEST, TEST, TRAIN, WRITTEN, read_table, write_table
from facetwise.core.text.counting import count, listed
from facetwise.core.text.subject import PEOPLE, PERSON
from facetwise.core.workspace import content_hash, file_hash, is_done, lock, new_artefact, read_json, write_json
from facetwise.data.combinations import find_combinations, impossible_labels
from facetwise.data.findings import Finding, Findings, errors, raise_errors
from facetwise.data.images.images import IMAGE_ENDINGS
from facetwise.data.images.scan import depth_findings, read_cache, scan, scan_findings, write_cache
from facetwise.data.reading.readers import Listing, read_dataset

TABLE, FINDINGS, FAILED, CACHE = "manifest.parquet", "findings.json", "FAILED.json", "scan-4.parquet"
_CHECK = "run `facetwise check`"
MAX_OTHERS = 10_000
"""Files without an image's ending that a folder of photos may hold, unless most files have one."""


@dataclass(frozen=True)
class Manifest:
    """The rows and their hashes: columns as in `core.tables.MANIFEST`, then `label:`, `value:` and `meta:` ones, and
    `written` if names of people are spelt differently in the dataset's table."""

    table: pl.DataFrame
    hash: str
    """Hash of paths, contents, groups and sides, in order; correcting a label does not change it."""
    labels_hash: str
    """Hash of the dataset's own labels and values."""
    findings: tuple[Finding, ...] = ()
    """Findings from when it was made."""
    depth: int | None = None
    """Bit depth with which all files of more than 8 bits per channel are read (see `images.depth`); None without such
    files."""

    @classmethod
    def of(cls, table: pl.DataFrame, findings: Iterable[Finding] = (), depth: int | None = None) -> Manifest:
        """The manifest with these rows; computes both hashes."""
        return cls(table, _rows_hash(table), _labels_hash(table), tuple(findings), depth)

    @cached_property
    def train(self) -> pl.DataFrame:
        """The images to train and score on, in manifest order: training side, status `ok`."""
        return self.table.filter((pl.col("split") == TRAIN) & (pl.col("status") == "ok"))

    @cached_property
    def test(self) -> pl.DataFrame:
        """Every row of the test table in its order, with missing and damaged images."""
        return self.table.filter(pl.col("split") == TEST)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that prevent its use; a saved manifest has none."""
        return errors(self.findings)

    @cached_property
    def each_its_own(self) -> bool:
        """Whether each training image is taken as its own group (`group = "none"`)."""
        return not self.train.is_empty() and bool((self.train["group"] == self.train["image"]).all())

    @cached_property
    def spellings(self) -> dict[str, frozenset[str]]:
        """Every spelling of each person of the training side, that of `group` included."""
        columns = [c for c in ("group", WRITTEN) if c in self.table.columns]
        rows = self.table.filter(pl.col("split") == TRAIN).select("group", pl.concat_list(columns).alias("all"))
        found: dict[str, set[str]] = {}
        for name, written in rows.unique().iter_rows():
            found.setdefault(name, set()).update(written)
        return {name: frozenset(written) for name, written in found.items()}

    def person(self, name: str) -> str:
        """The name in `group` of the person whom a table or a user calls `name`."""
        return self._people.get(person(name), person(name))

    @cached_property
    def people_hashes(self) -> dict[str, frozenset[str]]:
        """The hashes under which weights may have recorded each person of the training side: one per spelling."""
        return {name: frozenset(map(person_hash, written)) for name, written in self.spellings.items()}

    @cached_property
    def _people(self) -> dict[str, str]:
        return {person(written): name for name, several in self.spellings.items() for written in several}

    def codes(self, space: LabelSpace) -> IntArray:
        """The dataset's own class numbers of `train`, shape (n_train, num_attributes); -1 where one is not known."""
        columns = [f"label:{name}" for name in space.names]
        if lacking := [c for c in columns if c not in self.table.columns]:
            raise MismatchError(f"the manifest lacks {', '.join(f'`{c}`' for c in lacking)}", hint=_CHECK)
        known = self.train.select(pl.col(columns).fill_null(MISSING))
        return known.to_numpy().astype(np.int64).reshape(-1, len(columns))

    def values(self, attribute: str) -> FloatArray:
        """The numbers an ordinal attribute was read from, for `train`, shape (n_train,); NaN where there is none."""
        column = f"value:{attribute}"
        if column not in self.table.columns:
            raise MismatchError(f"the manifest lacks `{column}`: `{attribute}` is not ordinal, or new", hint=_CHECK)
        return self.train[column].fill_null(float("nan")).to_numpy().astype(np.float64)


def build_manifest(
    project: Project, *, anew: bool = False, workers: int | None = None, progress: Progress | None = None
) -> Manifest:
    """Read the project's dataset, look into every image and save the manifest.

    Unless `anew`, images with the same size and times as at the last check are not read again. If the dataset has
    errors, the manifest is returned with them (see `Manifest.errors`) but not saved, and a manifest saved before
    becomes invalid. `workers` defaults to the number of cores. Raises InputError when there is no such dataset.
    """
    folder = project.workspace.manifest
    with lock(project.root / ".manifest.lock", str(folder)):
        listing = read_dataset(project)
        cache = None if anew else read_cache(folder / CACHE)
        scanned = scan(
            project.dataset_root, listing.table["image"].to_list(), cache, workers, progress, project.links_into()
        )
        manifest = _joined(listing, scanned)
        found = find_combinations(project, manifest.table)
        manifest = replace(manifest, findings=(*manifest.findings, *found.findings))
        if manifest.errors:
            write_json(folder / FAILED, [str(e) for e in manifest.errors])
        else:
            manifest = _with_former_hash(manifest, folder)
            sources = listing.sources | dict(found.sources)
            _save(folder, manifest, _made_from(project, sources, manifest, found.space.combinations))
        project.forget_combinations()
        write_cache(scanned, folder / CACHE)
    return manifest


def load_manifest(project: Project) -> Manifest:
    """The saved manifest; ArtefactError when there is none, MismatchError when the project or its tables changed."""
    folder = project.workspace.manifest
    if (folder / FAILED).is_file():
        found = read_json(folder / FAILED)
        raise ArtefactError(
            f"{folder}: the last check found {count(len(found), 'error')}, first: {found[0]}", hint=_CHECK
        )
    try:
        made_from = read_done(folder, ManifestMadeFrom).made_from
        verify_files(folder)
        table = read_table(folder / TABLE, MANIFEST)
    except ArtefactError as error:
        raise ArtefactError(str(error), hint=_CHECK) from None
    _compare(project, made_from)
    project.forget_combinations()  # another process may have checked since
    table = _in_one_spelling(table, folder)
    findings = tuple(Finding(**f) for f in read_json(folder / FINDINGS))
    return Manifest(table, made_from.hash, made_from.labels_hash, findings, made_from.depth)


def is_checked(project: Project) -> bool:
    """Whether there is a manifest, made by a check that found no errors; it may be of another state of the dataset."""
    folder = project.workspace.manifest
    return is_done(folder) and not (folder / FAILED).is_file()


def saved_depth(project: Project) -> int | None:
    """`Manifest.depth` of the saved manifest, with which the project's networks were trained; None without one."""
    try:
        return read_done(project.workspace.manifest, ManifestMadeFrom).made_from.depth
    except ArtefactError:
        return None


def describe_other(project: Project, dataset: Path, *, progress: Progress | None = None) -> Manifest:
    """An unsaved manifest of another dataset in the project's layout; raises ProblemsError when it has errors."""
    require_folder(dataset)
    listing = read_dataset(project, dataset)
    raise_errors(listing.findings, str(dataset))
    scanned = scan(dataset, listing.table["image"].to_list(), progress=progress, into=project.links_into(dataset))
    manifest = _joined(listing, scanned)
    impossible = impossible_labels(manifest.table, project.space, "that can occur")
    raise_errors((*manifest.findings, *impossible), str(dataset))
    return manifest


def list_images(folder: Path, *, progress: Progress | None = None) -> Manifest:
    """An unsaved manifest of every image below `folder`, by path; all rows are test rows.

    Hidden files and links are skipped. A file that is not a readable image, or whose name is not UTF-8 (then escaped),
    is a row with status `damaged` if it has an image's file ending, and is left out otherwise. Raises InputError when
    no image can be read, with what was left out, and for a folder with more than `MAX_OTHERS` other files that are also
    the majority.
    """
    require_folder(folder)
    found = _photos_below(folder)
    relative = (p.relative_to(folder) for p in found if is_regular(p) and not p.is_symlink())
    names = [p.as_posix() for p in relative if not any(part.startswith(".") for part in p.parts)]
    scanned = scan(folder, names, progress=progress)
    named = [Path(name).suffix.lower() in IMAGE_ENDINGS for name in names]
    kept = scanned.filter((pl.col("status") == "ok") | pl.Series(named, dtype=pl.Boolean))
    kept = kept.unique("image", keep="first", maintain_order=True)  # an escaped name may be another file's real one
    if not (kept["status"] == "ok").any():
        raise InputError(f"{folder}: no images in it that can be read{_left_out(folder, found, scanned)}")
    table = kept.select("image", split=pl.lit(TEST), group=pl.lit(None, pl.String), name=pl.col("image"))
    return _joined(Listing(table, (), {}), kept)


def _with_former_hash(manifest: Manifest, folder: Path) -> Manifest:
    """The manifest with the hash of the one in `folder`, if the two differ only in the spelling of names.

    Older versions took names as they were written. If that split no person in two, folds, runs and submissions of such
    a manifest stay valid.
    """
    try:
        former, table = read_done(folder, ManifestMadeFrom).made_from.hash, read_table(folder / TABLE, MANIFEST)
        table = _in_one_spelling(table, folder)
    except ArtefactError:
        return manifest
    return replace(manifest, hash=former) if _rows_hash(table) == manifest.hash else manifest


def _in_one_spelling(table: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The rows of a manifest that an older version may have saved; MismatchError where it took one person for two."""
    spelt = {name: person(name) for name in table["group"].drop_nulls().unique()}
    if all(name == written for written, name in spelt.items()):
        return table
    if joined := len(spelt) - len(set(spelt.values())):
        raise MismatchError(
            f"{folder}: it counts {joined} {PEOPLE} twice, whose names are spelt in two ways "
            f"(Unicode normal form, blanks, `1` and `1.0`): they are one {PERSON} each now",
            hint=_CHECK,
        )
    return table.with_columns(pl.col("group").replace(spelt), pl.col("group").alias(WRITTEN))


def _photos_below(folder: Path) -> list[Path]:
    """Every file below `folder`, sorted; raises InputError as soon as it is clear that it is no folder of photos."""
    found, others = [], 0
    for path in files_below(folder):
        found.append(path)
        others += path.suffix.lower() not in IMAGE_ENDINGS
        if others > MAX_OTHERS and 2 * others > len(found):
            raise InputError(
                f"{folder}: no folder of photos, of its first {len(found):,} files {others:,} have no image's ending",
                hint="give the folder that the photos are in",
            )
    return sorted(found)


def _left_out(folder: Path, found: Iterable[Path], scanned: pl.DataFrame) -> str:
    """The end of a message on a folder without images: the first few files, each with the reason."""
    notes = dict(scanned.select("image", "note").iter_rows())
    reasons = []
    for path in found:
        name = path.relative_to(folder).as_posix()
        other = "a link" if path.is_symlink() else "hidden" if f"/{name}".count("/.") else "not a regular file"
        reasons.append(f"{printable(name)} ({notes.get(printable(name)) or other})")
    return f"; left out: {listed(reasons, 5)}" if reasons else ""


def _joined(listing: Listing, scanned: pl.DataFrame) -> Manifest:
    facts = scanned.select(c for c in MANIFEST if c in scanned.columns)
    table = listing.table.join(facts, on="image", how="left", maintain_order="left")
    extra = [c for c in table.columns if c not in MANIFEST]
    findings = Findings(listing.findings)
    findings += scan_findings(table)
    findings += depth_findings(scanned)
    depth = scanned["depth"].max()
    return Manifest.of(table.select(*MANIFEST, *extra), findings, depth if isinstance(depth, int) else None)


def _save(folder: Path, manifest: Manifest, made_from: dict[str, Any]) -> None:
    with new_artefact(folder, made_from) as temporary:
        write_table(manifest.table, temporary / TABLE, MANIFEST)
        write_json(temporary / FINDINGS, [f.as_dict() for f in manifest.findings])


def _made_from(
    project: Project, sources: dict[str, str], manifest: Manifest, combinations: tuple[int, ...] | None
) -> dict[str, Any]:
    return {
        "project": project.file.data_hash,
        "tables": sources,
        "hash": manifest.hash,
        "labels_hash": manifest.labels_hash,
        "depth": manifest.depth,
        "combinations": combinations,
        "provenance": provenance(),
    }


def _compare(project: Project, made_from: ManifestMadeFrom) -> None:
    """A missing dataset (on another machine) is not a mismatch: blends and submissions need no images."""
    folder = project.workspace.manifest
    if made_from.project != project.file.data_hash:
        raise MismatchError(
            f"{folder}: `dataset`, `attributes` or `labels` in {project.workspace.project_file.name} changed since",
            hint=_CHECK,
        )
    if not is_folder(project.dataset_root):
        return
    now = {t: file_hash(p) for t, p in _tables(project).items() if is_regular(p)}
    changed = [t for t in sorted({*now, *made_from.tables}) if now.get(t) != made_from.tables.get(t)]
    if changed:
        raise MismatchError(f"{folder}: {', '.join(changed)} changed since the last check", hint=_CHECK)


def _tables(project: Project) -> dict[str, Path]:
    """The tables and lists as the project file calls them, and where they lie."""
    found: dict[str, Path] = {}
    for side in filter(None, (project.file.dataset.train, project.file.dataset.test)):
        found |= {table: path for table, path in project.tables_of(side).items() if path is not None}
        found |= {name: project.dataset_root / name for name in side.listed}
    how = project.file.combinations
    if how not in (ALL, SEEN) and (path := project.table_path(how)) is not None:
        found[how] = path
    return found


def _rows_hash(table: pl.DataFrame) -> str:
    name = pl.when(pl.col("split") == TEST).then(pl.col("name"))
    rows = table.select("image", "sha256", "group", "split", name.alias("name"))
    return content_hash(rows.to_dict(as_series=False))


def _labels_hash(table: pl.DataFrame) -> str:
    columns = [c for c in table.columns if c.startswith(("label:", "value:"))]
    return content_hash(table.select("image", *columns).to_dict(as_series=False))
