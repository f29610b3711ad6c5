"""The provenance of a submission: its source, the underlying runs, and how probabilities became answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.records.blend import BlendRecord
from facetwise.core.records.submission import Filled, MadeFrom, PartMadeFrom
from facetwise.core.runs import RunFolder
from facetwise.core.workspace import Workspace, file_hash
from facetwise.data.manifest import Manifest
from facetwise.predictors.blend_folder import BlendFolder
from facetwise.predictors.sources import Source


def describe(
    project: Project, manifest: Manifest, source: Source, *, template_sha256: str, filled: Filled | None
) -> MadeFrom:
    """The provenance of a submission made from `source`, a run or blend."""
    return MadeFrom(
        kind=source.kind,
        id=source.id,
        tta=source.tta,
        parts=list(_parts(project.workspace, source)),
        test_sha256=file_hash(predictions_file(project.workspace, source)),
        manifest=manifest.hash,
        label_space=project.space_hash,
        template_sha256=template_sha256,
        decision=source.decision,
        filled=filled,
    )


def predictions_file(workspace: Workspace, source: Source) -> Path:
    """The test predictions of a run or blend."""
    if source.kind == "run":
        return RunFolder(workspace.runs / source.id).table_file("test", source.tta)
    return workspace.blends / source.id / "test.parquet"


def _parts(workspace: Workspace, source: Source) -> Iterator[PartMadeFrom]:
    if isinstance(source.record, BlendRecord):
        yield from _members(workspace, source.record)
        return
    run = RunFolder(workspace.runs / source.id)
    yield PartMadeFrom(
        kind="run",
        id=run.id,
        tta=source.tta,
        fingerprint=source.fingerprint,
        test_sha256=file_hash(run.table_file("test", source.tta)),
        models=_models(run),
    )


def _members(workspace: Workspace, blend: BlendRecord) -> Iterator[PartMadeFrom]:
    """Members of a blend that weigh something; of a blend among them its own, since only those have weights."""
    for member in blend.made_from.members:
        if not any(member.weights.values()):
            continue
        if member.kind == "blend":
            yield from _members(workspace, BlendFolder(workspace.blends / member.id).record())
            continue
        yield PartMadeFrom(
            kind=member.kind,
            id=member.id,
            tta=member.tta,
            fingerprint=member.fingerprint,
            test_sha256=member.test_sha256,
            models=_models(RunFolder(workspace.runs / member.id)) if member.kind == "run" else {},
        )


def _models(run: RunFolder) -> dict[str, str]:
    """Hashes of a run's weights; empty for an imported run without weights."""
    with suppress(ArtefactError):
        return run.weights_hashes()
    return {}
