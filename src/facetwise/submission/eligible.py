"""Which runs and blends can be a submission, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence

from facetwise.core.errors import GateError, InputError
from facetwise.core.labels import IntArray
from facetwise.core.project import Project
from facetwise.core.references import AnyReference, parse_reference
from facetwise.data.manifest import Manifest
from facetwise.predictors.sources import PREDICTORS, Source, read_source


class PartialError(InputError):
    """A run or a blend that predicts only some attributes; `lacks` are the others."""

    def __init__(self, source: Source, lacks: Sequence[str]) -> None:
        self.lacks = tuple(lacks)
        names = ", ".join(f"`{name}`" for name in lacks)
        super().__init__(
            f"{source.kind} `{source.id}` lacks {names}: a submission needs every attribute",
            hint="blend it with runs that have them: `facetwise blend`",
        )


def eligible_source(project: Project, manifest: Manifest, reference: AnyReference, tta: str) -> Source:
    """The run or blend that `reference` means, when it predicts every attribute of every test image.

    Raises GateError for predictions from elsewhere, PartialError when an attribute is missing, and as `read_source`.
    """
    named = parse_reference(reference, PREDICTORS)
    if named.kind == "foreign":
        raise GateError(
            f"`{named}` alone makes no submission: it is a file from elsewhere, and nothing says what it is worth",
            hint="look at that file with `facetwise gate FILE` and send it as it is; or blend it with runs",
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
    """Joint class of each test image, in the organisers' order; -1 where the image cannot be read."""
    assert source.test is not None
    return source.test.classes
