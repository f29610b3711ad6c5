"""The list of suspects between looking and accepting: as it was shown last, and as a csv to fill in.

The list that was shown is kept under `.cache/`, so that a rank means what it meant on the screen. It speaks of the
dataset's own labels; once these, the images or the classes are others, its ranks are refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from facetwise.core.errors import FacetwiseError, InputError, MismatchError, ProblemsError
from facetwise.core.labels import LabelSpace
from facetwise.core.project import Project
from facetwise.core.provenance import now
from facetwise.core.workspace import read_json, write_atomic, write_json
from facetwise.data.corrections import Wanted
from facetwise.data.csvfile import CsvRow, read_table_csv
from facetwise.data.findings import Findings, raise_errors
from facetwise.data.manifest import Manifest
from facetwise.data.overlay import Correction
from facetwise.report.suspects import Row, SuspectsView

FILE = "suspects.json"
ACCEPT = "accept"
YES, NO = ("y", "yes"), ("", "n", "no")
_LIST = "list them again: `facetwise labels suspects`"


@dataclass(frozen=True)
class Listed:
    """A suspect as the list has it; the same columns stand in the csv."""

    rank: int
    attribute: str
    group: str
    image: str
    """Empty where the label is the person's."""
    given: str
    """The class that the dataset records."""
    given_value: str
    """The number that it records, of an ordinal attribute."""
    proposed: str
    value: str
    """What accepting writes; empty where no number is known."""
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


COLUMNS = tuple(f.name for f in fields(Listed))
_NEEDED = ("attribute", "group", "image", "given", "value", ACCEPT)


@dataclass(frozen=True)
class KeptList:
    """The list that was shown last."""

    made: str
    """UTC, ISO 8601."""
    source: str
    """Whose predictions it is from."""
    rows: tuple[Listed, ...]


def keep_list(project: Project, manifest: Manifest, view: SuspectsView) -> bool:
    """Keep a list for `kept_list`; False when the project cannot be written to."""
    rows = [asdict(Listed.of(row)) for row in view.rows]
    made_from = _made_from(project, manifest)
    with suppress(OSError, FacetwiseError):
        kept = {"schema_version": 1, "made": now(), "made_from": made_from, "source": view.source, "rows": rows}
        write_json(project.workspace.cache / FILE, kept)
        return True
    return False


def kept_list(project: Project, manifest: Manifest) -> KeptList:
    """The list that was shown last; InputError when there is none, MismatchError when the data changed since."""
    path = project.workspace.cache / FILE
    if not path.is_file():
        raise InputError("there is no list of suspects to accept from", hint="list them: `facetwise labels suspects`")
    try:
        kept = read_json(path)
        made_from, rows = kept["made_from"], tuple(Listed(**row) for row in kept["rows"])
        found = KeptList(str(kept["made"]), str(kept["source"]), rows)
    except (TypeError, KeyError):
        raise InputError(f"{path}: damaged", hint=_LIST) from None
    changed = [what for what, value in _made_from(project, manifest).items() if made_from.get(what) != value]
    if changed:
        raise MismatchError(
            f"the list of suspects is stale: {', '.join(changed)} changed since it was made", hint=_LIST
        )
    return found


def chosen(kept: KeptList, selection: str) -> list[Listed]:
    """The rows that `selection` means, in the order of the list: `1,3,5-9`, person ids, or both, commas between.

    A word that could be either is refused; `rank:12` and `person:12` say which. Raises ProblemsError with every word
    that means nothing.
    """
    problems, ranks = list[str](), set[int]()
    for word in filter(None, (w.strip() for w in selection.split(","))):
        try:
            ranks |= _meant(word, kept.rows)
        except InputError as error:
            problems.append(str(error))
    if problems or not ranks:
        what = f"nothing was accepted from the list of {len(kept.rows)} suspects made {kept.made}"
        raise ProblemsError(what, problems or ["no rank or person was given"], hint=_LIST)
    return [row for row in kept.rows if row.rank in ranks]


def wanted_rows(rows: Iterable[Listed], reason: str, author: str, weight: float) -> list[Wanted]:
    """The corrections that accepting rows of the list means; raises ProblemsError where no value is known."""
    rows = list(rows)
    if lacking := [row for row in rows if not row.value]:
        problems = [f"rank {row.rank}: no number is known for `{row.attribute}` = `{row.proposed}`" for row in lacking]
        raise ProblemsError("nothing was accepted", problems, hint="use `facetwise labels correct --value NUMBER`")
    return [Wanted(f"rank {row.rank}", _correction(asdict(row), reason, author, weight)) for row in rows]


def write_list_csv(view: SuspectsView, out: Path) -> None:
    """The list as a csv with an empty column `accept`, to be filled in with y or n; see `read_list_csv`."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [ACCEPT, *COLUMNS], lineterminator="\n")
    writer.writeheader()
    writer.writerows({ACCEPT: "", **asdict(Listed.of(row))} for row in view.rows)
    write_atomic(out, text.getvalue())


def read_list_csv(
    path: Path, space: LabelSpace, manifest: Manifest, reason: str, author: str, weight: float
) -> list[Wanted]:
    """The corrections that a csv of `write_list_csv` accepts; `value` may have been edited, rows may be gone.

    Raises ProblemsError with every row that says neither y nor n, speaks of a label that the dataset does not record
    (any more), or accepts without a value.
    """
    findings = Findings()
    table = read_table_csv(path, path.name, _NEEDED, findings)
    recorded = _recorded(manifest, space)
    wanted = []
    for row in table.rows if table else ():
        said = row.cells[ACCEPT].strip().lower()
        if said not in YES + NO:
            findings.error("not-yes-or-no", f"{path.name}:{row.line}", f"`{ACCEPT}` is `{said}`, expected y or n")
        elif said in YES and _fits(row, f"{path.name}:{row.line}", recorded, findings):
            wanted.append(Wanted(f"{path.name}:{row.line}", _correction(row.cells, reason, author, weight)))
    raise_errors(findings, f"{path}: nothing was accepted")
    if not wanted:
        raise InputError(f"{path}: no row is accepted", hint=f"write y into the column `{ACCEPT}`")
    return wanted


def _fits(row: CsvRow, where: str, recorded: Mapping[tuple[str, str], set[str]], findings: Findings) -> bool:
    """Whether the dataset still records what the row says is recorded."""
    image, attribute, given = (row.cells[c].strip() for c in ("image", "attribute", "given"))
    target = image or row.cells["group"].strip()
    now_recorded = recorded.get((attribute, f"image:{target}" if image else f"person:{target}"))
    if now_recorded is None:
        hint = "a spreadsheet may have dropped zeros at the beginning: read the column as text" if not image else None
        what = f"the training side has no `{attribute}` of {'image' if image else 'person'} `{target}`"
        findings.error("unknown-label", where, what, hint)
    elif now_recorded != {given}:
        said = ", ".join(f"`{c}`" for c in sorted(now_recorded))
        findings.error(
            "stale-row", where, f"`{attribute}` of `{target}` is {said} in the dataset, not `{given}`", _LIST
        )
    elif not row.cells["value"].strip():
        findings.error("no-value", where, f"accepted, and `value` is empty: what is `{attribute}` of `{target}`?")
    else:
        return True
    return False


def _recorded(manifest: Manifest, space: LabelSpace) -> dict[tuple[str, str], set[str]]:
    """The recorded classes by attribute and `image:PATH` or `person:ID`."""
    found = dict[tuple[str, str], set[str]]()
    codes, train = manifest.codes(space).tolist(), manifest.train
    for image, group, row in zip(train["image"].to_list(), train["group"].to_list(), codes, strict=True):
        for attribute, code in zip(space.attributes, row, strict=True):
            for key in (f"image:{image}", f"person:{group}"):
                found.setdefault((attribute.name, key), set()).add(attribute.classes[code])
    return found


def _correction(cells: Mapping[str, Any], reason: str, author: str, weight: float) -> Correction:
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


def _meant(word: str, rows: Sequence[Listed]) -> set[int]:
    """The ranks that one word of a selection means."""
    kind, _, name = word.rpartition(":") if word.startswith(("rank:", "person:")) else ("", "", word)
    by_rank = set(_ranks(name, len(rows))) if kind != "person" else set[int]()
    by_person = {row.rank for row in rows if row.group == name} if kind != "rank" else set[int]()
    if by_rank and by_person and by_rank != by_person:
        raise InputError(f"`{word}` is a rank and a person: say `rank:{word}` or `person:{word}`")
    if not by_rank and not by_person:
        raise InputError(f"`{word}` is no rank from 1 to {len(rows)} and no person of the list")
    return by_rank or by_person


def _ranks(word: str, most: int) -> Iterator[int]:
    """The ranks of `3` or `5-9`; none when the word is no such thing or goes beyond the list."""
    match = re.fullmatch(r"([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?", word)
    if match:
        first, last = int(match[1]), int(match[2] or match[1])
        yield from range(first, last + 1) if last <= most else ()


def _made_from(project: Project, manifest: Manifest) -> dict[str, str]:
    """What a list speaks of; in the words of the message that it changed."""
    return {
        "images or people": manifest.hash,
        "the dataset's labels": manifest.labels_hash,
        "classes or cuts": project.space_hash,
    }
