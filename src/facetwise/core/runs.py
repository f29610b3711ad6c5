"""Run folders: their contents and how to find one. Reading needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, ClassVar, Literal

import polars as pl
from pydantic import ValidationError

from facetwise.core.errors import ArtefactError, DamagedError, InputError, MismatchError
from facetwise.core.files.outside import read_bounded
from facetwise.core.files.parsing import parse_json
from facetwise.core.records.artefact import Artefact, ArtefactKind, list_artefacts
from facetwise.core.records.base import checked, read_record
from facetwise.core.records.done import Anything, RunMadeFrom, read_done, verify_file, verify_files
from facetwise.core.records.run import EpochEvent, ImportRecord, RunRecord
from facetwise.core.references import AnyReference, number_of, parse_reference, pick
from facetwise.core.tables import PREDICTIONS, read_table
from facetwise.core.text.subject import PEOPLE
from facetwise.core.workspace import DONE, Workspace, file_hash, is_done, lock

Side = Literal["oof", "test"]
SIDES: tuple[Side, ...] = ("oof", "test")
IMPORTED = "imported.json"
WEIGHTS = "model.safetensors"
"""File in a fold's folder."""

BACKBONE = "backbone.safetensors"
"""For heads on a frozen backbone: the part of the network that all folds share."""

ARRIVING = ".arriving-"
"""Prefix of the temporary names of runs that are being imported, during which no lock is held."""


@dataclass(frozen=True)
class RunFolder(Artefact):
    """One run, such as `01-AdamW-StepLR-CE-v0-multilabel_5fold`: `recipe.toml`, `run.json`, `events.jsonl`,
    `fold-<k>/`, `oof.parquet`, `test.parquet`, `DONE.json`."""

    kind: ClassVar[ArtefactKind] = "run"
    record_name: ClassVar[str] = "run.json"

    @property
    def way_out(self) -> str:
        """What to do when it is damaged: train or import it again."""
        back = f"put the file back from a copy; or move {self.path} out of the project and"
        if self.imported_file.is_file() or self._was_imported:
            return f"{back} import its pack again: `facetwise run import FILE`"
        return f"{back} train it again: `facetwise fit RECIPE` with its recipe"

    @property
    def recipe_file(self) -> Path:
        """The effective recipe."""
        return self.path / "recipe.toml"

    @property
    def events_file(self) -> Path:
        """One JSON object per line, appended during training."""
        return self.path / "events.jsonl"

    @property
    def lock_file(self) -> Path:
        """Lock file held by the process that trains the run."""
        return self.path / ".lock"

    @property
    def finished(self) -> bool:
        """Whether every fold is trained and the tables are written."""
        return is_done(self.path)

    def fold(self, fold: int) -> Path:
        """The folder of one fold's model and predictions."""
        return self.path / f"fold-{fold}"

    def weights_file(self, fold: int) -> Path:
        """Weights of one fold's model; `facetwise clean` may have deleted them, then `cleaned_file` exists."""
        return self.fold(fold) / WEIGHTS

    @property
    def cleaned_file(self) -> Path:
        """Written before weights are deleted to free disk space: the time, and their hashes. The tables always stay."""
        return self.path / "cleaned.json"

    @property
    def backbone_file(self) -> Path:
        """The shared backbone of a run of heads on a frozen backbone; other runs have none."""
        return self.path / BACKBONE

    @property
    def imported_file(self) -> Path:
        """The origin of a run that was trained in another project."""
        return self.path / IMPORTED

    def imported(self) -> ImportRecord | None:
        """The origin of the run; None when it was trained here. Raises DamagedError when the file is damaged."""
        if not self.imported_file.is_file() and not self._was_imported:
            return None
        return read_record(self.imported_file, ImportRecord, "an imported run", way_out=self.way_out)

    @property
    def _was_imported(self) -> bool:
        """Whether the DONE mark says so; False without a readable one."""
        with suppress(ArtefactError):
            return self.finished and self._made_from().imported_file is not None
        return False

    def _made_from(self) -> RunMadeFrom:
        """The hashes in the DONE mark of a finished run."""
        hint = "put the file back from a copy"
        if not self.imported_file.is_file():
            hint += f"; or delete it: `facetwise fit --resume {self.id}` finishes the run again"
        return read_done(self.path, RunMadeFrom, way_out=hint).made_from

    def why_no_oof(self) -> str | None:
        """Why a finished run has no usable out-of-fold table, worded to follow its name; None when it has one."""
        came = self.imported()
        if came is not None and came.other_folds:
            return (
                "was imported and validated on other folds than this project has: it can be used for the test side only"
            )
        if self.table_file("oof").is_file():
            return None
        return f"was trained on all {PEOPLE}: nobody was held out, so it has no score"

    def hashes(self) -> dict[str, Any]:
        """sha256 of tables, recipe, record and, if present, backbone and origin, for the DONE mark."""
        tables = {p.stem: file_hash(p) for p in sorted(self.path.glob("*.parquet"))}
        kept = {"recipe_file": self.recipe_file, "record_file": self.record_file}
        if self.backbone_file.is_file():
            kept["backbone_file"] = self.backbone_file
        if self.imported_file.is_file():
            kept["imported_file"] = self.imported_file
        return {"tables": tables, **{key: file_hash(path) for key, path in kept.items()}}

    def verify(self) -> None:
        """Compare recipe and record of a finished run with their recorded hashes; raises DamagedError."""
        if not self.finished:
            return
        made_from = self._made_from()
        files = {self.recipe_file: made_from.recipe_file, self.record_file: made_from.record_file}
        if made_from.imported_file is not None or self.imported_file.is_file():
            files[self.imported_file] = made_from.imported_file
        for path, expected in files.items():
            verify_file(path, expected, self.way_out)

    def missing_weights(self) -> list[Path]:
        """Missing weight files of a finished run: those of its folds, and the shared backbone."""
        files = [self.weights_file(fold) for fold in self.record().folds]
        if self._backbone_hash() is not None:
            files.append(self.backbone_file)
        return [path for path in files if not path.is_file()]

    def _missing_marks(self) -> list[Path]:
        return [self.fold(k) / DONE for k in self.record().folds if not is_done(self.fold(k))]

    def check_weights(self) -> None:
        """Raise ArtefactError when weights of the finished run are missing, saying how to get them again."""
        if not (missing := self.missing_weights()):
            return
        again = (
            f"`facetwise fit {quote(str(self.recipe_file))} --again` trains it again: from the same data, on the same "
        )
        again += "kind of machine, the same numbers"
        came = self.imported()
        if self.cleaned_file.is_file():
            what = "cannot predict any more: its weights were cleaned away, only its tables are kept"
        elif came is not None and came.content == "tables":
            what = "cannot predict: it was imported with its tables only, its weights are not here"
            again = f"ask for it as a whole (`facetwise run export RUN --out FILE`), or {again}"
        else:
            raise DamagedError(f"{missing[0]}: missing", hint=self.way_out)
        raise ArtefactError(f"run `{self.id}` {what}", hint=again)

    def verify_backbone(self) -> None:
        """Compare the shared backbone of a finished run with its recorded hash; raises ArtefactError."""
        noted = self._backbone_hash()
        if noted is not None:
            verify_file(self.backbone_file, noted, self.way_out)

    def weights_hashes(self) -> dict[str, str]:
        """Fold -> sha256 of its weights, as recorded when it was finished; `backbone` -> that of the shared one."""
        found, shared = {str(fold): self._weights_hash(fold) for fold in self.record().folds}, self._backbone_hash()
        return found if shared is None else {**found, "backbone": shared}

    def _weights_hash(self, fold: int) -> str:
        if (found := read_done(self.fold(fold), Anything, way_out=self.way_out).files.get(WEIGHTS)) is None:
            raise DamagedError(f"{self.fold(fold)}: its mark does not tell its weights", hint=self.way_out)
        return found

    def _backbone_hash(self) -> str | None:
        """As recorded when the run was finished; None without a shared backbone."""
        return self._made_from().backbone_file if self.finished else None

    def record(self) -> RunRecord:
        """`run.json`; raises DamagedError when it is missing or damaged, and for the folder of a copied run."""
        record = read_record(self.record_file, RunRecord, "a run", way_out=self.way_out)
        self.check_no_copy(record.id)
        return record

    def events(self) -> list[dict[str, Any]]:
        """All events so far, without lines that were cut off by a kill."""
        return list(_read_events(self.events_file))

    def epochs(self) -> list[EpochEvent]:
        """The last `epoch` event of each fold and epoch, in that order; invalid ones are left out."""
        latest: dict[tuple[int, int], EpochEvent] = {}
        for event in self.events():
            with suppress(ValidationError):
                if event.get("event") == "epoch":
                    epoch = checked(EpochEvent, event)
                    latest[epoch.fold, epoch.epoch] = epoch
        return [latest[key] for key in sorted(latest)]

    def check(self) -> None:
        """Raise DamagedError unless all small files of the run, and the marks of its folds, exist as they were written.

        Weights must exist unless they were deleted on purpose; `check_all` reads them as well.
        """
        self.record()
        if not self.finished:
            return
        self.verify()
        for side in SIDES:
            self.verify_table(side)
        came = self.imported()
        if not self.cleaned_file.is_file() and (came is None or came.content == "whole"):
            for path in (*self.missing_weights(), *self._missing_marks()):
                raise DamagedError(f"{path}: missing", hint=self.way_out)
            self.weights_hashes()  # reads the marks of the folds
        if {"done"}.isdisjoint(str(event.get("event")) for event in self.events()):
            what = "missing" if not self.events_file.is_file() else "cut off (the end of the run is not in it)"
            hint = "put the file back from a copy; curves and times go by it, what the run predicts does not"
            raise DamagedError(f"{self.events_file}: {what}", hint=hint)

    def check_all(self) -> None:
        """`check`, and the existing weights against their recorded hashes."""
        self.check()
        if self.finished:
            for fold in self.record().folds:
                if self.weights_file(fold).is_file():
                    verify_file(self.weights_file(fold), self._weights_hash(fold), self.way_out)
            if self.backbone_file.is_file():
                self.verify_backbone()

    def oof(self, tta: str = "none") -> pl.DataFrame | None:
        """The out-of-fold table in manifest order, or None without one (`why_no_oof`); see `table`."""
        return self.table("oof", tta)

    def test(self, tta: str = "none") -> pl.DataFrame | None:
        """The test table (one row per image and fold model), or None when the dataset has no test side; see `table`."""
        return self.table("test", tta)

    def kept_ttas(self) -> list[str]:
        """Test-time augmentations with predictions: `none`, and those of `facetwise predict --tta`."""
        folders = sorted((self.path / "predictions").glob("tta-*"))
        return ["none", *(f.name.removeprefix("tta-") for f in folders if is_done(f))]

    def table_file(self, side: Side, tta: str = "none") -> Path:
        """The file of a table: the run's own, or one that `facetwise predict --tta` made."""
        folder = self.path if tta == "none" else self.path / "predictions" / f"tta-{tta}"
        return folder / f"{side}.parquet"

    def table(self, side: Side, tta: str = "none") -> pl.DataFrame | None:
        """A table of predictions, compared with its recorded hash; None when there is none.

        The out-of-fold table of a run imported with other folds is stored but never returned, as its validation people
        are unknown here. Raises ArtefactError when a table has changed, or was never made.
        """
        came = self.imported()
        if side == "oof" and came is not None and came.other_folds:
            return None
        self.verify_table(side, tta)
        path = self.table_file(side, tta)
        return read_table(path, PREDICTIONS) if path.is_file() else None

    def table_hash(self, side: Side) -> str | None:
        """sha256 of a table of a finished run, as recorded when it was finished; None without one."""
        return self._made_from().tables.get(side)

    def verify_table(self, side: Side, tta: str = "none") -> None:
        """Compare a table with its recorded hash.

        Raises ArtefactError when it has changed or, with test-time augmentation, was never made.
        """
        path = self.table_file(side, tta)
        if tta != "none":
            if not is_done(path.parent):
                hint = f"make it with `facetwise predict {self.id} --tta {tta}`"
                raise ArtefactError(f"run `{self.id}` has no predictions with `--tta {tta}`", hint=hint)
            verify_files(path.parent)
        elif self.finished:
            expected = self.table_hash(side)
            if expected is not None or path.is_file():
                verify_file(path, expected, self.way_out)

    def require_finished(self) -> None:
        """Raise ArtefactError unless the run is finished."""
        if not self.finished:
            hint = f"continue it: `facetwise fit --resume {self.id}`"
            raise ArtefactError(f"run `{self.id}` is not finished", hint=hint)

    def check_manifest(self, manifest_hash: str) -> None:
        """Raise MismatchError unless the run was made from the manifest with this hash."""
        if self.record().fingerprint_fields.manifest != manifest_hash:
            raise MismatchError(
                f"run `{self.id}` was made from another manifest: images, {PEOPLE} or the test side changed since",
                hint="put the dataset back, or train again (`facetwise check` says what is odd now)",
            )

    def check_labels(self, space_hash: str) -> None:
        """Raise MismatchError unless the run predicts the classes of the label space with this hash.

        Also raises ArtefactError when the run's recipe or record has changed.
        """
        self.verify()
        if self.record().fingerprint_fields.space != space_hash:
            raise MismatchError(
                f"run `{self.id}` was trained for other attributes, classes or cuts than facetwise.toml has now, "
                "or for other combinations of them",
                hint="put facetwise.toml and the labels back as they were, or train again; a table of "
                "`labels.combinations` stays when labels change",
            )


def _read_events(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for line in read_bounded(path).splitlines():
        with suppress(ValueError):
            if isinstance(event := parse_json(line.decode(errors="replace")), dict):
                yield event


def list_runs(workspace: Workspace) -> list[RunFolder]:
    """Every run of the project, by number, including damaged ones, whose `RunFolder.record` raises DamagedError."""
    return list_artefacts(workspace.runs, RunFolder)


def runs_lock(workspace: Workspace) -> AbstractContextManager[None]:
    """The lock on the list of runs, held while a run is added, from choosing its number until the folder has its name.

    Raises LockedError, as `lock`, when another process holds it.
    """
    return lock(workspace.runs / ".lock", "the list of runs")


def run_number(run_id: str) -> int:
    """The number at the start of a run id; 0 if it has none."""
    return number_of("run", run_id)


def find_run(workspace: Workspace, reference: AnyReference) -> RunFolder:
    """The run that `reference` means: a run id, its number, an unambiguous beginning of it, or `last`.

    Raises InputError when there is none, and for a reference that cannot mean a run.
    """
    wanted, runs = parse_reference(reference, ["run"]), {run.id: run for run in list_runs(workspace)}
    if not runs:
        raise InputError(f"{workspace.runs}: no runs yet", hint="train one with `facetwise fit RECIPE`")
    return runs[pick(wanted, list(runs))]
