"""Names that may be one person, as a page with the photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facetwise.core.files.writing import write_output
from facetwise.data.features.same_subject import SameSubject
from facetwise.screens.pages.html import page
from facetwise.screens.text.same_person import heading, notes, sureness


def write_same_person_page(found: SameSubject, project: str, pictures: Mapping[str, str], out: Path) -> None:
    """Write the page of the list, whole or not at all. `pictures`: image -> `data:image/...` address."""
    told = {"heading": heading(found), "notes": list(notes(found)), "sureness": sureness}
    write_output(out, page("same_person.html.j2", found, {}, pictures, project=project, **told))
