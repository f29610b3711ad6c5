"""A made contest whose runs are simulated: finished run folders with tables, without any training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import tomli_w
from made_project import open_project, write_contest
from made_records import write_events, write_run_record

from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.workspace import mark_done
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.evaluate.compose import log_normalised

NUM_FOLDS = 5
AGES = (22, 25, 28, 31, 35, 44, 52, 57, 61, 66)


def made_contest(root: Path, num_people: int = 30) -> tuple[Project, Manifest]:
    """A project with a manifest and no run; people's genders and ages go round."""
    people = tuple(
        f"{i:06d},{('male', 'female')[i % 2]},Asian,{AGES[i % 10]},{i:06d}_x_Asian_{AGES[i % 10]}"
        for i in range(num_people)
    )
    tests = tuple(f"t{i:03d}.jpg" for i in range(20))
    project = open_project(root / "project", write_contest(root / "contest", people, tests=tests))
    return project, build_manifest(project, workers=1)


def add_run(
    project: Project,
    manifest: Manifest,
    number: int,
    *,
    skill: float = 2.0,
    names: tuple[str, ...] | None = None,
    joint: bool = False,
    plan: int | str = NUM_FOLDS,
    split: str = "group",
    **more: Any,
) -> RunFolder:
    """A finished run whose log-probabilities are noise plus `skill` for the true class (on the test side: for a class
    that goes by the image)."""
    run, space = RunFolder(project.workspace.runs / f"{number:02d}-made"), project.space
    names = names or space.names
    run.path.mkdir(parents=True)
    folds = list(range(plan)) if isinstance(plan, int) else [0]
    recipe = {"model": {"backbone": f"net{more.pop('backbone', number)}"}, "folds": {"plan": plan}}
    fields = {"manifest": manifest.hash, "labels": manifest.labels_hash, "label space": project.space_hash}
    known = {"fingerprint": f"f{number}", "recipe": recipe, "attributes": list(names), "folds": folds, "split": split}
    record = write_run_record(run.path, **{**known, "fingerprint_fields": fields, **more})
    run.recipe_file.write_text(tomli_w.dumps(recipe), encoding="utf-8")
    events = [{"event": "epoch", "fold": k, "epoch": 1, "images_per_second": 100.0 * number} for k in folds]
    write_events(run.path, *events)
    _write_tables(project, manifest, run, names, joint, plan, np.random.default_rng(number), skill)
    for k in folds:
        run.fold(k).mkdir()
        run.weights_file(k).write_bytes(b"")
        mark_done(run.fold(k), {})
    mark_done(run.path, {"fingerprint": record.fingerprint, **run.hashes()}, hash_files=False)
    return run


def _write_tables(
    project: Project,
    manifest: Manifest,
    run: RunFolder,
    names: tuple[str, ...],
    joint: bool,
    plan: int | str,
    rng: np.random.Generator,
    skill: float,
) -> None:
    space, codes = project.space, manifest.codes(project.space)
    person = manifest.train["group"].rank("dense").to_numpy().astype(np.int64) - 1
    fold = pl.Series("fold", person % NUM_FOLDS, dtype=pl.Int32())
    repeat = pl.lit(0, dtype=pl.Int32()).alias("repeat")
    if plan != "none":
        table = manifest.train.select("image", "group").with_columns(fold, repeat)
        table = table.hstack(_said(space, codes, names, joint, rng, skill))
        if plan == "holdout":
            columns = [c for c in table.columns if "=" in c]
            nothing = pl.lit(float("nan"), dtype=pl.Float32())
            table = table.with_columns(pl.when(pl.col("fold") == 0).then(pl.col(columns)).otherwise(nothing))
        write_table(table, run.path / "oof.parquet", PREDICTIONS)
    size = manifest.test.height
    answers = space.decode(np.arange(size) % space.num_joint)
    parts = [
        manifest.test.select("image", "group")
        .with_columns(pl.lit(k, dtype=pl.Int32()).alias("fold"), repeat)
        .hstack(_said(space, answers, names, joint, rng, skill))
        for k in (range(plan) if isinstance(plan, int) else [0])
    ]
    write_table(pl.concat(parts), run.path / "test.parquet", PREDICTIONS)


def _said(
    space: Any, codes: np.ndarray, names: tuple[str, ...], joint: bool, rng: np.random.Generator, skill: float
) -> pl.DataFrame:
    """Columns of log-probabilities."""
    blocks = [(space.columns(n), codes[:, space.index(n)]) for n in names]
    if joint:
        blocks = [(space.joint_columns, space.encode(codes))]
    frames = []
    for columns, truth in blocks:
        logits = rng.normal(0, 1, (len(truth), len(columns))) + skill * np.eye(len(columns))[truth]
        frames.append(pl.DataFrame(log_normalised(logits).astype(np.float32), schema=list(columns), orient="row"))
    return pl.concat(frames, how="horizontal")
