"""Runs and blends that can become a submission, and their answers."""

from __future__ import annotations

from collections.abc import Sequence

from facetwise.core.errors import GateError, InputError
from facetwise.core.labels import IntArray
from facetwise.core.project import Project
from facetwise.core.references import AnyReference, parse_reference
from facetwise.data.manifest import Manifest
from facetwise.predictors.sources import PREDICTORS, Source, read_source


class PartialError(InputError):
    """A run or blend does not predict all attributes; `lacks` are the missing ones."""

    def __init__(self, source: Source, lacks: Sequence[str]) -> None:
        self.lacks = tuple(lacks)
        names = ", ".join(f"`{name}`" for name in lacks)
        super().__init__(
            f"{source.kind} `{source.id}` lacks {names}: a submission needs every attribute",
            hint="blend it with runs that have them: `facetwise blend`",
        )


def eligible_source(project: Project, manifest: Manifest, reference: AnyReference, tta: str) -> Source:
    """The run or blend named by `reference`, which must predict every attribute of the test images.

    Raises GateError for imported predictions, PartialError when an attribute is missing, and as `read_source`.
    """
    named = parse_reference(reference, PREDICTORS)
    if named.kind == "foreign":
        raise GateError(
            f"`{named}` alone cannot be submitted: it is imported, and has no out-of-fold predictions to check it by",
            hint="check that file with `facetwise gate FILE` and send it as it is; or blend it with runs",
        )
    if named.kind == "blend" and tta != "none":
        raise InputError(
            f"`{named.text}` is a blend: its members bring their own test-time augmentation",
            hint=f"leave `--tta {tta}` out",
        )
    source = read_source(project, manifest, named, tta=tta)
    if lacking := [name for name in project.space.names if name not in source.attributes]:
        raise PartialError(source, lacking)
    if source.test is None:
        raise InputError(f"{source.kind} `{source.id}` has no predictions of the test side", hint="make it again")
    return source


def joint_classes(source: Source) -> IntArray:
    """Joint class of each test image, in the organisers' order; -1 for unreadable images."""
    assert source.test is not None
    return source.test.classes
