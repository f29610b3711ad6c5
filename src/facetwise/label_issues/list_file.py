"""The list of suspects that was shown last, from which corrections are accepted by rank.

It is stored under `.cache/`, so that a rank means what it meant on the screen. When the dataset's labels, the images or
the classes have changed since, its ranks are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from shlex import quote
from typing import Any

from facetwise.core.errors import FacetwiseError, InputError, MismatchError, ProblemsError
from facetwise.core.people import person
from facetwise.core.project import Project
from facetwise.core.records.provenance import now
from facetwise.core.text.counting import count
from facetwise.core.text.subject import A_PERSON, PEOPLE, PERSON
from facetwise.core.workspace import read_json, write_json
from facetwise.data.labels.corrections import ProposedCorrection
from facetwise.data.labels.overlay import Correction
from facetwise.data.manifest import Manifest
from facetwise.label_issues.suspects import Row, SuspectsView

FILE = "suspects.json"
AGAIN = "list them again: `facetwise labels suspects`"


@dataclass(frozen=True)
class Listed:
    """A row of the list; the csv has the same columns."""

    rank: int
    attribute: str
    group: str
    image: str
    """Empty where the label is the person's."""
    given: str
    """The class that the dataset records."""
    given_value: str
    """The recorded number of an ordinal attribute."""
    proposed: str
    value: str
    """The value that accepting writes; empty where no number is known."""
    given_probability: float
    probability: float
    images: int
    agreeing: int

    @classmethod
    def of(cls, row: Row) -> Listed:
        """A row of the view."""
        s = row.suspect
        return cls(
            rank=row.rank,
            attribute=s.attribute,
            group=s.group,
            image=s.image or "",
            given=s.given,
            given_value="" if s.value is None else f"{s.value:.15g}",
            proposed=s.proposed,
            value=row.value or "",
            given_probability=round(s.given_probability, 6),
            probability=round(s.probability, 6),
            images=len(s.images),
            agreeing=s.num_agreeing,
        )


@dataclass(frozen=True)
class StoredList:
    """The list that was shown last."""

    made: str
    """UTC, ISO 8601."""
    source: str
    """Whose predictions it is from."""
    rows: tuple[Listed, ...]

    @property
    def description(self) -> str:
        """For messages: `the list of 12 suspects by 03-AdamW, made 2026-11-25 16:03 UTC`."""
        made = self.made.replace("T", " ")[:16]
        return f"the list of {count(len(self.rows), 'suspect')} by {self.source}, made {made} UTC"


def store_list(project: Project, manifest: Manifest, view: SuspectsView) -> bool:
    """Store a list for `load_list`; False when the project is not writable."""
    rows = [asdict(Listed.of(row)) for row in view.rows]
    made_from = _made_from(project, manifest)
    with suppress(OSError, FacetwiseError):
        data = {"schema_version": 1, "made": now(), "made_from": made_from, "source": view.source, "rows": rows}
        write_json(project.workspace.cache / FILE, data)
        return True
    return False


def load_list(project: Project, manifest: Manifest) -> StoredList:
    """The list that was shown last. Raises InputError when there is none, MismatchError when the data have changed."""
    path = project.workspace.cache / FILE
    if not path.is_file():
        raise InputError("there is no list of suspects to accept from", hint="list them: `facetwise labels suspects`")
    try:
        stored = read_json(path)
        made_from, rows = stored["made_from"], tuple(Listed(**row) for row in stored["rows"])
        found = StoredList(str(stored["made"]), str(stored["source"]), rows)
    except (TypeError, KeyError):
        raise InputError(f"{path}: damaged", hint=AGAIN) from None
    changed = [what for what, value in _made_from(project, manifest).items() if made_from.get(what) != value]
    if changed:
        raise MismatchError(
            f"the list of suspects is stale: {', '.join(changed)} changed since it was made", hint=AGAIN
        )
    return found


def chosen(stored: StoredList, selection: str) -> list[Listed]:
    """The rows that `selection` names, in the order of the list: ranks (`1,3,5-9`) and person ids, separated by commas.

    A word that is both a rank and a person is refused; write `rank:12` or `person:12`. Raises ProblemsError with every
    word that is neither.
    """
    problems, ranks = list[str](), set[int]()
    for word in filter(None, (w.strip() for w in selection.split(","))):
        try:
            ranks |= _ranks_named(word, stored.rows)
        except InputError as error:
            problems.append(str(error))
    if problems or not ranks:
        raise ProblemsError(
            f"nothing was accepted from {stored.description}",
            problems or [f"no rank or {PERSON} was given"],
            hint=AGAIN,
        )
    return [row for row in stored.rows if row.rank in ranks]


def accepted_corrections(rows: Iterable[Listed], reason: str, author: str, weight: float) -> list[ProposedCorrection]:
    """The corrections for accepted rows; raises ProblemsError for rows without a known value."""
    rows = list(rows)
    if lacking := [row for row in rows if not row.value]:
        problems = [f"rank {row.rank}: no number is known for `{row.attribute}` = `{row.proposed}`" for row in lacking]
        raise ProblemsError(
            "nothing was accepted", problems, hint=f"look, and give the number: `{_by_hand(lacking[0])}`"
        )
    return [ProposedCorrection(f"rank {row.rank}", correction_of(asdict(row), reason, author, weight)) for row in rows]


def _by_hand(row: Listed) -> str:
    whose = f"image {quote(row.image)}" if row.image else f"person {quote(row.group)}"
    rest = "--value NUMBER --reason TEXT --author YOU"
    return f"facetwise labels correct --{whose} --attribute {quote(row.attribute)} {rest}"


def correction_of(cells: Mapping[str, Any], reason: str, author: str, weight: float) -> Correction:
    """The correction that a row of the list proposes."""
    image = str(cells["image"]).strip()
    return Correction(
        image=image,
        group="" if image else str(cells["group"]).strip(),
        attribute=str(cells["attribute"]).strip(),
        value=str(cells["value"]).strip(),
        reason=reason,
        author=author,
        weight=weight,
    )


def _ranks_named(word: str, rows: Sequence[Listed]) -> set[int]:
    """The ranks that one word of a selection names."""
    kind, _, name = word.rpartition(":") if word.startswith(("rank:", "person:")) else ("", "", word)
    by_rank = set(_ranks(name, len(rows))) if kind != "person" else set[int]()
    by_person = {row.rank for row in rows if row.group == person(name)} if kind != "rank" else set[int]()
    if by_rank and by_person and by_rank != by_person:
        raise InputError(f"`{word}` is both a rank and {A_PERSON}: write `rank:{word}` or `person:{word}`")
    if not by_rank and not by_person:
        raise InputError(f"`{word}` is neither a rank from 1 to {len(rows)} nor {A_PERSON} of the list")
    return by_rank or by_person


def _ranks(word: str, most: int) -> Iterator[int]:
    """The ranks in `3` or `5-9`; none when the word is something else or goes beyond the list."""
    match = re.fullmatch(r"([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?", word)
    if match:
        first, last = int(match[1]), int(match[2] or match[1])
        yield from range(first, last + 1) if last <= most else ()


def _made_from(project: Project, manifest: Manifest) -> dict[str, str]:
    """Hashes of the data that a list refers to, keyed by the words used when they have changed."""
    return {
        f"images or {PEOPLE}": manifest.hash,
        "the dataset's labels": manifest.labels_hash,
        "classes or cuts": project.space_hash,
    }
