"""Datasets of leaves without pixels, and what `init` makes of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_project import write_table

from facetwise.core.errors import FacetwiseError
from facetwise.core.project import Project
from facetwise.data.reading.recognising.newproject import write_project_file
from facetwise.data.reading.recognising.proposal import Ask, TableChoices, nobody
from facetwise.data.reading.recognising.understood import Understood

PHOTOS = [f"p{plant}_{k}.jpg" for plant in range(4) for k in range(3)]
ROWS = [
    (f"img/{name}", f"p{k // 3}", ("rust", "well")[k % 2], ("bean", "maize", "rice")[k % 3])
    for k, name in enumerate(PHOTOS)
]
HEADER = "file,plant,disease,crop"


def photos(root: Path, *names: str) -> Path:
    """A dataset with these images, which nobody looks into."""
    for name in names:
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root / "data"


def leaves(root: Path, header: str = HEADER, rows: Iterable[Sequence[str]] = ROWS) -> Path:
    """A dataset with a table of photos of leaves."""
    data = photos(root, *(f"img/{name}" for name in PHOTOS))
    write_table(data / "labels.csv", header, *map(",".join, rows))
    return data


def init(data: Path, ask: Ask = nobody, **choices: Any) -> tuple[Project, Understood]:
    """The project that is made of a dataset, and what was told."""
    told: list[Understood] = []
    made_of = TableChoices(**choices)
    target = write_project_file(data.parent / "project", data, choices=made_of, ask=ask, tell=told.append)
    (understood,) = told
    return Project.open(target.parent), understood


def refused(data: Path, **choices: Any) -> FacetwiseError:
    """The error with which `init` refuses a dataset, having written nothing."""
    with pytest.raises(FacetwiseError) as error:
        init(data, **choices)
    assert not (data.parent / "project" / "facetwise.toml").exists()
    return error.value


def labels(project: Project) -> dict[str, list[str]]:
    """The classes of each attribute."""
    return {a.name: list(a.classes) for a in project.space.attributes}


def notes(understood: Understood) -> str:
    """All notes, a line each."""
    return "\n".join(understood.notes)
