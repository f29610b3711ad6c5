"""From a `BlendSpec` to a blend on disk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from facetwise.blending.fit import ChosenVariant, blend_votes, choose, chooses_weights, fit
from facetwise.blending.members import read_members, specialists
from facetwise.blending.record import Question, blend_record
from facetwise.blending.spec import BlendSpec
from facetwise.blending.test_only import weights_on_test
from facetwise.blending.votes import By, Votes, collect_votes
from facetwise.core.errors import ArtefactError, InputError, SettingError
from facetwise.core.labels import JOINT, MAX_LISTED_JOINT, IntArray
from facetwise.core.project import Project
from facetwise.core.records.artefact import next_number
from facetwise.core.records.base import write_record
from facetwise.core.records.blend import BlendDone, BlendRecord
from facetwise.core.records.done import read_done
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.workspace import Workspace, lock, new_artefact
from facetwise.data.manifest import load_manifest
from facetwise.evaluate.prediction_columns import DECIDED
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rules.fit import check_kinds
from facetwise.evaluate.rules.kinds import ARGMAX
from facetwise.predictors.blend_folder import SPEC, BlendFolder, list_blends


@dataclass(frozen=True)
class Made:
    """A blend, and whether it was made just now."""

    folder: BlendFolder
    new: bool


def make_blend(project: Project, spec: BlendSpec) -> Made:
    """Fit weights and rule with a nested estimate, predict the training and test sides, and store the result.

    The same spec on the same predictions returns the existing blend. Raises as `read_members`; InputError when the
    members have no covered image in common, or when no member predicts some attribute.
    """
    manifest = load_manifest(project)
    asked = Question(project, manifest, spec, read_members(project, manifest, spec))
    for blend in list_blends(project.workspace):
        if _fingerprint(blend) == asked.fingerprint:
            blend.record()  # raises when it is damaged
            return Made(blend, new=False)
    _check_spec(asked)
    variants = [fit(votes, by, asked.truth, spec, asked.members.scored) for by, votes in _variants(asked)]
    best = choose(variants, asked.truth, spec.seed)
    test = None if manifest.test.is_empty() else _test_table(asked, best)
    record = blend_record(asked, variants, best)
    return Made(_write(project.workspace, record, _oof_table(asked, best), test), new=True)


def _fingerprint(blend: BlendFolder) -> str | None:
    """Fingerprint of an existing blend; None when its `DONE.json` cannot be read."""
    with suppress(ArtefactError):
        return read_done(blend.path, BlendDone).made_from.fingerprint
    return None


def _check_spec(asked: Question) -> None:
    """Raise SettingError for what could not be kept, before anything is chosen."""
    spec = asked.spec
    check_kinds([kind for kind in spec.rules if kind != ARGMAX], asked.project.space)
    if (spec.max_models or spec.max_cost) and not chooses_weights(spec, asked.members.scored):
        raise SettingError(
            "limits on models or cost need weights that are chosen: leave out `--weighting` and `--weights`"
        )


def _variants(asked: Question) -> list[tuple[By, Votes]]:
    """The ways to blend that are asked for and possible, with the votes of the kept rows."""
    spec, members = asked.spec, asked.members
    lacking = specialists(members)
    choices: Sequence[By] = ("whole", "attribute") if spec.by == "auto" else (spec.by,)
    per_attribute = any(g.attribute is not None for g in spec.given)
    can_whole = len(lacking) < len(members.scored) and asked.project.space.num_joint <= MAX_LISTED_JOINT
    selected_only = spec.weigh == "greedy" and not any(m.fixed for m in members.scored)
    if spec.by == "auto" and (not can_whole or per_attribute or (lacking and not selected_only)):
        choices = ("attribute",)
    if spec.by == "whole" and per_attribute:
        raise InputError("weights of single attributes need `--by attribute`")
    own, references = [m.oof.where(asked.common) for m in members.scored], [m.oof for m in members.scored]
    return [(by, collect_votes(own, by=by, method=spec.method, references=references)[0]) for by in choices]


def _oof_table(asked: Question, best: ChosenVariant) -> pl.DataFrame:
    """Nested predictions, a row a training image; nothing where a member lacks it."""
    keys = asked.manifest.train.select("image", "group")
    places = np.flatnonzero(asked.common)
    part = np.full(len(asked.common), -1, np.int64)
    part[places] = asked.truth.parts(asked.spec.seed)
    table = keys.with_columns(
        pl.Series("fold", np.maximum(part, 0), dtype=pl.Int32()), pl.lit(0, dtype=pl.Int32()).alias("repeat")
    )
    return _filled(table, places, best.variant.nested, best.nested)


def _test_table(asked: Question, best: ChosenVariant) -> pl.DataFrame | None:
    """Predictions of the test side by everybody, guests included; None when a member lacks that side."""
    if any(m.source.test is None for m in asked.members.scored):
        return None
    sources, weights = weights_on_test(asked.members, best)
    own, references = [s.test for s in sources if s.test is not None], [s.oof for s in sources]
    votes, common = collect_votes(own, by=best.variant.by, method=asked.spec.method, references=references)
    predicted = blend_votes(votes, weights, own[0].images[common])
    nothing = pl.lit(None, dtype=pl.Int32())
    keys = asked.manifest.test.select("image", "group").with_columns(nothing.alias("fold"), nothing.alias("repeat"))
    return _filled(keys, np.flatnonzero(common), predicted, best.fitted.rule.decide(predicted))


def _filled(keys: pl.DataFrame, places: IntArray, predicted: Predictions, decided: IntArray) -> pl.DataFrame:
    """`keys` with predictions and decided classes in the rows `places`, missing elsewhere."""
    space = predicted.space
    columns = [c for n in predicted.blocks for c in (space.joint_columns if n == JOINT else space.columns(n))]
    numbers = np.full((keys.height, len(columns)), np.nan, np.float32)
    numbers[places] = np.hstack(list(predicted.blocks.values())).astype(np.float32)
    classes = pl.Series(DECIDED, [None] * keys.height, dtype=pl.Int32()).scatter(places, decided.astype(np.int32))
    return keys.hstack(pl.DataFrame(numbers, schema=columns, orient="row")).with_columns(classes)


def _write(workspace: Workspace, record: BlendRecord, oof: pl.DataFrame, test: pl.DataFrame | None) -> BlendFolder:
    with lock(workspace.blends / ".lock", "blends"):
        folder = workspace.blends / f"b{next_number(workspace.blends, BlendFolder):02d}-{record.name}"
        with new_artefact(folder, {**record.made_from.as_dict(), "fingerprint": record.fingerprint}) as temporary:
            _write_tables(temporary, oof, test)
            write_record(temporary / SPEC, record.changed(id=folder.name))
    return BlendFolder(folder)


def _write_tables(folder: Path, oof: pl.DataFrame, test: pl.DataFrame | None) -> None:
    write_table(oof, folder / "oof.parquet", PREDICTIONS)
    if test is not None:
        write_table(test, folder / "test.parquet", PREDICTIONS)
