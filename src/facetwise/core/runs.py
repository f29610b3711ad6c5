"""The run folder: what is in it and how to find one. Reading needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from facetwise.core.errors import ArtefactError, InputError, MismatchError
from facetwise.core.files.outside import read_bounded
from facetwise.core.imported import IMPORTED, Imported, read_imported
from facetwise.core.parsing import parse_json
from facetwise.core.references import AnyReference, number_of, parse_reference, pick
from facetwise.core.tables import PREDICTIONS, read_table
from facetwise.core.workspace import Workspace, file_hash, is_done, lock, read_done, read_json, verify_files

Side = Literal["oof", "test"]
WEIGHTS = "model.safetensors"
"""File in a fold's folder."""

BACKBONE = "backbone.safetensors"
"""Of a run of heads on a frozen backbone: everything of the network that its folds share."""

ARRIVING = ".arriving-"
"""What the temporary names of runs begin with that are being imported; whoever imports holds no lock meanwhile."""
_TABLES = ("fingerprint_fields", "recipe")

_TABLES = ("fingerprint_fields", "recipe")


@dataclass(frozen=True)
class RunFolder:
    """One run: `recipe.toml`, `run.json`, `events.jsonl`, `fold-<k>/`, `oof.parquet`, `test.parquet`, `DONE.json`."""

    path: Path

    @property
    def id(self) -> str:
        """Name of the run, such as `01-AdamW-StepLR-CE-v0-multilabel_5fold`."""
        return self.path.name

    @property
    def recipe_file(self) -> Path:
        """The effective recipe."""
        return self.path / "recipe.toml"

    @property
    def events_file(self) -> Path:
        """One JSON object a line, appended while it trains."""
        return self.path / "events.jsonl"

    @property
    def lock_file(self) -> Path:
        """Held by the process that trains the run."""
        return self.path / ".lock"

    @property
    def finished(self) -> bool:
        """Whether every fold was trained and the tables were written."""
        return is_done(self.path)

    def fold(self, fold: int) -> Path:
        """Folder of one fold's model and predictions."""
        return self.path / f"fold-{fold}"

    def weights_file(self, fold: int) -> Path:
        """Weights of one fold's model; `facetwise clean` may have deleted them, then `cleaned_file` is there."""
        return self.fold(fold) / WEIGHTS

    @property
    def cleaned_file(self) -> Path:
        """Written before weights are deleted to free the disk: when, and their hashes. The tables always stay."""
        return self.path / "cleaned.json"

    @property
    def backbone_file(self) -> Path:
        """What the networks of all folds share, of a run of heads on a frozen backbone; other runs have none."""
        return self.path / BACKBONE

    @property
    def record_file(self) -> Path:
        """What the run was made from and with."""
        return self.path / "run.json"

    @property
    def imported_file(self) -> Path:
        """Of a run that was trained in another project: where it came from."""
        return self.path / IMPORTED

    def imported(self) -> Imported | None:
        """Where the run came from; None when it was trained here. Raises ArtefactError when the note is damaged."""
        if not self.imported_file.is_file() and self.finished and "imported_file" in read_done(self.path)["made_from"]:
            raise ArtefactError(f"{self.imported_file}: missing", hint="put it back, or import the run again")
        return read_imported(self.path)

    def why_no_oof(self) -> str | None:
        """Why a finished run has no out-of-fold table to use here, to follow its name; None when it has one."""
        came = self.imported()
        if came is not None and came.other_folds:
            return (
                "was imported and validated on other folds than this project has: it can be used for the test side only"
            )
        if self.table_file("oof").is_file():
            return None
        return "was trained on all people: nobody was held out, so it has no score"

    def hashes(self) -> dict[str, Any]:
        """sha256 of tables, recipe, record and, where there are such, backbone and origin: for the mark of its end."""
        tables = {p.stem: file_hash(p) for p in sorted(self.path.glob("*.parquet"))}
        kept = {"recipe_file": self.recipe_file, "record_file": self.record_file}
        if self.backbone_file.is_file():
            kept["backbone_file"] = self.backbone_file
        if self.imported_file.is_file():
            kept["imported_file"] = self.imported_file
        return {"tables": tables, **{key: file_hash(path) for key, path in kept.items()}}

    def verify(self) -> None:
        """Compare recipe and record of a finished run with the hashes that were noted; raises ArtefactError."""
        if not self.finished:
            return
        noted = read_done(self.path)["made_from"]
        files = {"recipe_file": self.recipe_file, "record_file": self.record_file}
        if "imported_file" in noted or self.imported_file.is_file():
            files["imported_file"] = self.imported_file
        for key, path in files.items():
            if not path.is_file() or file_hash(path) != noted.get(key):
                hint = "put it back, or train the run again"
                raise ArtefactError(f"{path}: changed since the run was finished", hint=hint)

    def missing_weights(self) -> list[Path]:
        """Files of a finished run's weights that are not there (any more): of its folds, and what they share."""
        files = [self.weights_file(fold) for fold in self.record().get("folds", ())]
        if self._backbone_hash() is not None:
            files.append(self.backbone_file)
        return [path for path in files if not path.is_file()]

    def check_weights(self) -> None:
        """Raise ArtefactError when weights of the finished run are not there, saying how to get them again."""
        if not (missing := self.missing_weights()):
            return
        again = (
            f"`facetwise fit {self.recipe_file} --again` trains it again: from the same data, on the same kind of "
            "machine, the same numbers"
        )
        came = self.imported()
        if self.cleaned_file.is_file():
            what = "cannot predict any more: its weights were cleaned away, only its tables are kept"
        elif came is not None and came.content == "tables":
            what = "cannot predict: it was imported with its tables only, its weights are not here"
            again = f"ask for it as a whole (`facetwise run export` without `--tables-only`), or {again}"
        else:
            raise ArtefactError(f"{missing[0]}: missing", hint="the run is damaged: train it again")
        raise ArtefactError(f"run `{self.id}` {what}", hint=again)

    def verify_backbone(self) -> None:
        """Compare what the folds of a finished run share with the hash that was noted; raises ArtefactError."""
        noted = self._backbone_hash()
        if noted is not None and (not self.backbone_file.is_file() or file_hash(self.backbone_file) != noted):
            hint = "the run is damaged: train it again"
            raise ArtefactError(f"{self.backbone_file}: changed since the run was finished", hint=hint)

    def weights_hashes(self) -> dict[str, str]:
        """Fold -> sha256 of its model's weights, as noted when it was finished; `backbone` -> of what they share."""
        folds, shared = self.record()["folds"], self._backbone_hash()
        found = {str(fold): str(read_done(self.fold(fold))["files"][WEIGHTS]) for fold in folds}
        return found if shared is None else {**found, "backbone": shared}

    def _backbone_hash(self) -> str | None:
        """As noted when the run was finished; None for a run of whole networks."""
        return read_done(self.path)["made_from"].get("backbone_file") if self.finished else None

    def record(self) -> dict[str, Any]:
        """`run.json`: fingerprint, fingerprint fields, choices, provenance, folds."""
        record = read_json(self.record_file)
        if not isinstance(record, dict) or not {"fingerprint", *_TABLES} <= record.keys() or not _has_kinds(record):
            raise ArtefactError(f"{self.record_file}: damaged (not the record of a run)")
        return record

    def events(self) -> list[dict[str, Any]]:
        """All events so far; a last line that was cut off by a kill is left out."""
        return list(_read_events(self.events_file))

    def epochs(self) -> list[dict[str, Any]]:
        """The `epoch` events, the last one of each fold and epoch, in that order."""
        latest = {(e["fold"], e["epoch"]): e for e in self.events() if e.get("event") == "epoch"}
        return [latest[key] for key in sorted(latest)]

    def oof(self, tta: str = "none") -> pl.DataFrame | None:
        """The out-of-fold table in manifest order, or None where nothing is known (`why_no_oof`); see `table`."""
        return self.table("oof", tta)

    def test(self, tta: str = "none") -> pl.DataFrame | None:
        """The test table (each image once a fold model), or None when the dataset has no test side; see `table`."""
        return self.table("test", tta)

    def table_file(self, side: Side, tta: str = "none") -> Path:
        """Where a table is: the run's own, or the one that `facetwise predict --tta` made."""
        folder = self.path if tta == "none" else self.path / "predictions" / f"tta-{tta}"
        return folder / f"{side}.parquet"

    def table(self, side: Side, tta: str = "none") -> pl.DataFrame | None:
        """A table of predictions, compared with the hash that was noted when it was made; None when there is none.

        The out-of-fold table of a run that was imported with other folds is kept, but never given out: what it was
        validated on is not known here. Raises ArtefactError when a table changed since, or was never made.
        """
        came = self.imported()
        if side == "oof" and came is not None and came.other_folds:
            return None
        self.verify_table(side, tta)
        path = self.table_file(side, tta)
        return read_table(path, PREDICTIONS) if path.is_file() else None

    def verify_table(self, side: Side, tta: str = "none") -> None:
        """Compare a table with the hash that was noted when it was made.

        Raises ArtefactError when it changed since or, with test-time augmentation, was never made.
        """
        path = self.table_file(side, tta)
        if tta != "none":
            if not is_done(path.parent):
                hint = f"make it with `facetwise predict {self.id} --tta {tta}`"
                raise ArtefactError(f"run `{self.id}` has no predictions with `--tta {tta}`", hint=hint)
            verify_files(path.parent)
        elif self.finished:
            noted = read_done(self.path)["made_from"].get("tables", {}).get(side)
            hint = "the run is damaged: put the file back, or train it again"
            if noted is not None and not path.is_file():
                raise ArtefactError(f"{path}: missing", hint=hint)
            if path.is_file() and noted != file_hash(path):
                raise ArtefactError(f"{path}: changed since it was made", hint=hint)

    def check_labels(self, space_hash: str) -> None:
        """Raise MismatchError unless the run predicts the classes of the label space with this hash.

        Also raises ArtefactError when the run's recipe or record changed since it was finished.
        """
        self.verify()
        if self.record()["fingerprint_fields"].get("label space") != space_hash:
            raise MismatchError(
                f"run `{self.id}` was trained for other attributes, classes or cuts than facetwise.toml has now",
                hint="put facetwise.toml back as it was, or train again",
            )


def _has_kinds(record: dict[str, Any]) -> bool:
    """Whether tables and lists of a record are that."""
    tables = all(isinstance(record.get(key, {}), dict) for key in (*_TABLES, "provenance", "choices"))
    return tables and all(isinstance(record.get(key, []), list) for key in ("folds", "attributes"))


def _read_events(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for line in read_bounded(path).splitlines():
        with suppress(ValueError):
            if isinstance(event := parse_json(line.decode(errors="replace")), dict):
                yield event


def list_runs(workspace: Workspace) -> list[RunFolder]:
    """Every run of the project, by number."""
    folders = workspace.runs.glob("*/run.json") if workspace.runs.is_dir() else ()
    found = [RunFolder(f.parent) for f in folders if not f.parent.name.startswith(".")]
    return sorted(found, key=lambda r: (run_number(r.id), r.id))


def runs_lock(workspace: Workspace) -> AbstractContextManager[None]:
    """The lock on the list of runs: whoever adds a run holds it from choosing its number until it has its name.

    Raises LockedError, as `lock`, when another process holds it.
    """
    return lock(workspace.runs / ".lock", "the list of runs")


def next_number(runs: Iterable[RunFolder]) -> int:
    """The number of a new run, one above all others; the list of runs is locked by the caller (`runs_lock`)."""
    return max((run_number(run.id) for run in runs), default=0) + 1


def run_number(run_id: str) -> int:
    """The number a run id begins with; 0 when it has none."""
    return number_of("run", run_id)


def find_run(workspace: Workspace, reference: AnyReference) -> RunFolder:
    """The run that `reference` means: a run id, its number, an unambiguous beginning of it, or `last`.

    Raises InputError when there is none, and when a run cannot be meant.
    """
    wanted, runs = parse_reference(reference, ["run"]), {run.id: run for run in list_runs(workspace)}
    if not runs:
        raise InputError(f"{workspace.runs}: no runs yet", hint="train one with `facetwise fit RECIPE`")
    return runs[pick(wanted, list(runs))]
