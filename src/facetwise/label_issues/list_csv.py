"""The list of suspects as a csv to fill in, and the corrections accepted in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path

from facetwise.core.errors import InputError, ProblemsError
from facetwise.core.files.csvrecords import csv_row
from facetwise.core.files.csvtable import CsvRow
from facetwise.core.files.writing import write_output
from facetwise.core.labels import MISSING, LabelSpace
from facetwise.core.text.printable import from_list_cell, list_cell
from facetwise.core.text.subject import PERSON
from facetwise.data.findings import Findings, raise_errors
from facetwise.data.labels.corrections import ProposedCorrection
from facetwise.data.manifest import Manifest
from facetwise.data.reading.csvfile import read_table_csv
from facetwise.label_issues.list_file import AGAIN, Listed, correction_of
from facetwise.label_issues.suspects import SuspectsView

ACCEPT = "accept"
YES, NO = ("y", "yes"), ("", "n", "no")
COLUMNS = tuple(f.name for f in fields(Listed))
_NEEDED = ("attribute", "group", "image", "given", "value", ACCEPT)
_HOW = (
    f"`facetwise labels suspects --csv FILE` writes one, with the columns {', '.join((ACCEPT, *COLUMNS))}; "
    f"write y into `{ACCEPT}` where you are sure (needed are {', '.join(_NEEDED)})"
)


def write_list_csv(view: SuspectsView, out: Path) -> None:
    """Write the list as a csv with an empty column `accept`, to be filled in with y or n; see `read_list_csv`."""
    listed = (asdict(Listed.of(row)) for row in view.rows)
    rows = ([ACCEPT, *COLUMNS], *(["", *(list_cell(str(one[column])) for column in COLUMNS)] for one in listed))
    write_output(out, "".join(map(csv_row, rows)))


def read_list_csv(
    path: Path, space: LabelSpace, manifest: Manifest, reason: str, author: str, weight: float
) -> list[ProposedCorrection]:
    """The corrections accepted in a csv from `write_list_csv`; `value` may be edited and rows may be deleted.

    Raises ProblemsError with every row whose `accept` is neither y nor n, whose label is not recorded in the dataset
    (any more), or which is accepted without a value.
    """
    findings = Findings()
    table = read_table_csv(path, path.name, _NEEDED, findings)
    if any(f.code == "missing-column" for f in findings):
        raise ProblemsError(f"{path}: not a list of suspects", map(str, findings), hint=_HOW)
    labels = _recorded(manifest, space)
    accepted = []
    for listed in table.rows if table else ():
        row = replace(listed, cells={name: from_list_cell(cell) for name, cell in listed.cells.items()})
        answer = row.cells[ACCEPT].strip().lower()
        if answer not in YES + NO:
            findings.error("not-yes-or-no", f"{path.name}:{row.line}", f"`{ACCEPT}` is `{answer}`, expected y or n")
        elif answer in YES and _fits(row, f"{path.name}:{row.line}", labels, manifest, findings):
            accepted.append(
                ProposedCorrection(f"{path.name}:{row.line}", correction_of(row.cells, reason, author, weight))
            )
    raise_errors(findings, f"{path}: nothing was accepted")
    if not accepted:
        raise InputError(f"{path}: no row is accepted", hint=f"write y into the column `{ACCEPT}`")
    return accepted


def _fits(
    row: CsvRow, where: str, labels: Mapping[tuple[str, str], set[str]], manifest: Manifest, findings: Findings
) -> bool:
    """Whether the dataset still has the label in the row; adds a finding otherwise."""
    image, attribute, recorded = (row.cells[c].strip() for c in ("image", "attribute", "given"))
    target = image or manifest.person(row.cells["group"])
    now_recorded = labels.get((attribute, f"image:{target}" if image else f"person:{target}"))
    if now_recorded is None:
        hint = "a spreadsheet may have dropped zeros at the beginning: read the column as text" if not image else None
        what = f"the training side has no `{attribute}` of {'image' if image else PERSON} `{target}`"
        findings.error("unknown-label", where, what, hint)
    elif now_recorded != {recorded}:
        current = ", ".join(f"`{c}`" for c in sorted(now_recorded))
        findings.error(
            "stale-row", where, f"`{attribute}` of `{target}` is {current} in the dataset, not `{recorded}`", AGAIN
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
            for key in (f"image:{image}", f"person:{group}") if code != MISSING else ():
                found.setdefault((attribute.name, key), set()).add(attribute.classes[code])
    return found
