"""The folder of a study: `studies/<name>/study.json` holds its settings, its data and its results."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from facetwise.core.errors import ArtefactError, FacetwiseError, MismatchError, SettingError
from facetwise.core.files.settings import parse
from facetwise.core.project import Project
from facetwise.core.records.artefact import Artefact, ArtefactKind, list_artefacts
from facetwise.core.records.base import checked, read_record, write_record
from facetwise.core.records.provenance import now
from facetwise.core.records.study import PrunedRecord, StudyIdentity, StudyKind, StudyRecord
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import Workspace, content_hash
from facetwise.evaluate.metrics import MAIN
from facetwise.recipe import Recipe
from facetwise.recipe.load import set_value
from facetwise.study.changes import apply_change, recipe_changes

PRUNED = "pruned.json"
"""File in a run's folder: the search that pruned it, and after how many epochs."""
_DATA = ("label space", "manifest", "labels", "overlay", "folds", "weights", "store")
_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class StudyFolder(Artefact):
    """One study: `study.json` and, for a search, `journal.jsonl` and `best.toml`."""

    kind: ClassVar[ArtefactKind] = "study"
    record_name: ClassVar[str] = "study.json"

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.path.name

    @property
    def way_out(self) -> str:
        """What to do when it is damaged; its runs are not affected."""
        return f"put the file back from a copy; or move {self.path} out of the project and ask again: runs are reused"

    @property
    def trials_file(self) -> Path:
        """The trials of a search, in optuna's journal format."""
        return self.path / "journal.jsonl"

    @property
    def best_file(self) -> Path:
        """The recipe of the best trial of a search."""
        return self.path / "best.toml"

    @property
    def lock_file(self) -> Path:
        """Lock held while the record or the list of trials is changed."""
        return self.path / ".lock"

    def record(self) -> StudyRecord:
        """`study.json`; raises DamagedError when it is missing or damaged, ArtefactError for another version."""
        return read_record(self.record_file, StudyRecord, "a study", way_out=self.way_out)

    def recipes(self, *, whole: bool = False) -> Iterator[Recipe]:
        """The base, its changes, and each choice of a search by itself.

        Those that cannot be read any more are left out, or with `whole` raise what is wrong with them.
        """
        passed_over = () if whole else (FacetwiseError,)
        record = self.record()
        base = record.identity.recipe
        settings = [(key, c) for key, part in record.identity.space.items() for c in part.get("choices", ())]
        with suppress(*passed_over):
            yield parse(Recipe, base, str(self.record_file))
        for entry in record.changes:
            with suppress(*passed_over):
                yield apply_change(parse(Recipe, base, str(self.record_file)), entry.change)
        for key, choice in settings:
            with suppress(*passed_over):
                data = copy.deepcopy(base)
                set_value(data, key, choice)
                yield parse(Recipe, data, str(self.record_file))

    def save(self, record: StudyRecord) -> None:
        """Write `study.json` atomically."""
        write_record(self.record_file, record)


def list_studies(workspace: Workspace) -> list[StudyFolder]:
    """Every study of the project, by name, including damaged ones, whose `record` raises DamagedError."""
    return list_artefacts(workspace.studies, StudyFolder)


@dataclass(frozen=True)
class StudyBase:
    """The recipe that a study starts from, and what the study is called."""

    recipe: Recipe
    name: str | None = None
    """Without one it is `<label>-<kind>-<hash of what is asked>`."""
    label: str = "recipe"
    """What the recipe is called."""


def study_folder(project: Project, kind: StudyKind, base: StudyBase, identity: Mapping[str, Any]) -> StudyFolder:
    """The folder of the study.

    Raises SettingError for a name that cannot be used as a folder name.
    """
    asked = {part: value for part, value in identity.items() if (part, value) != ("metric", MAIN)}  # as named before
    chosen = base.name or f"{base.label}-{kind}-{content_hash(asked)[:8]}"
    if not _NAME.fullmatch(chosen):
        raise SettingError(f"`{chosen}` cannot name a study", hint="use letters, digits, `-`, `_` and `.` only")
    return StudyFolder(project.workspace.studies / chosen)


def identity_of(recipe: Recipe, fields: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """The identity of a study: its recipe, its settings, and the data (from the fields of a fingerprint).

    Pretrained weights and boxes are only named in a recipe, so their content hashes (`weights`, `store`) are included.
    """
    data = {name: fields.get(name) for name in _DATA}
    return {"recipe": recipe.as_dict(), **settings, "data": data}


def open_record(folder: StudyFolder, kind: StudyKind, identity: Mapping[str, Any]) -> StudyRecord:
    """The record of the study, created if missing; the caller holds its lock.

    Raises MismatchError naming the difference when an existing study of that name has another identity.
    """
    if not folder.record_file.is_file():
        return StudyRecord(kind=kind, made=now(), identity=checked(StudyIdentity, identity))
    record = folder.record()
    if differ := _differs(record, kind, identity):
        raise MismatchError(
            f"study `{folder.name}` exists with other settings: {', '.join(f'`{d}`' for d in differ)} changed",
            hint="put it back as it was, or give another `--name`",
        )
    return record


def note_pruned(run: RunFolder, study: str, trial: int) -> None:
    """Record in a run that a search pruned it; the search never resumes it by itself."""
    write_record(run.path / PRUNED, PrunedRecord(study=study, trial=trial, epochs=len(run.epochs())))


def pruned_by(run: RunFolder) -> str | None:
    """The search that pruned an unfinished run; None if none did, or if the run was trained further since."""
    with suppress(ArtefactError):
        if not run.finished and (run.path / PRUNED).is_file():
            noted = read_record(run.path / PRUNED, PrunedRecord, "a run that was stopped", way_out=run.way_out)
            return noted.study if noted.epochs == len(run.epochs()) else None
    return None


def _differs(record: StudyRecord, kind: StudyKind, identity: Mapping[str, Any]) -> list[str]:
    if record.kind != kind:
        return [record.kind]
    was = record.identity.as_dict()
    found = [change.key for change in recipe_changes(was["recipe"], identity["recipe"])]
    for part in (k for k in identity if k != "recipe"):
        old, new = was.get(part), identity[part]
        if part == "data" and isinstance(old, Mapping):
            found += [k for k in new if old.get(k) != new[k]]
        elif old != new:
            found.append("score.metric" if part == "metric" else part)
    return found
