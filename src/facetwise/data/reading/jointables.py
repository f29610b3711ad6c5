"""Tables joined by a key: each row of one gets the columns of the one row of another that has its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from facetwise.core.files.csvtable import CsvTable
from facetwise.core.people import person
from facetwise.core.records.dataset import Join
from facetwise.core.text.counting import count, listed
from facetwise.core.text.spelling import Spellings, loosely, spelt_as
from facetwise.data.findings import Findings
from facetwise.data.reading.csvfile import read_any_table


@dataclass(frozen=True)
class JoinedTable:
    """A table to be joined, read: its columns but the key, by key in one spelling."""

    join: Join
    names: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]

    @property
    def may_be_called(self) -> tuple[str, ...]:
        """What its columns may be called where it is joined."""
        return (*self.names, *self.columns_beside(self.names))

    def columns_beside(self, taken: Sequence[str]) -> tuple[str, ...]:
        """What its columns are called beside others: `patients.age` where there is an `age` already."""
        stem = PurePosixPath(self.join.table).stem
        return tuple(f"{stem}.{name}" if name in taken else name for name in self.names)


def read_joined(join: Join, path: Path, findings: Findings) -> JoinedTable | None:
    """The table to be joined that lies at `path`; None, and errors, when it is unusable or has two rows of one key."""
    form = {"delimiter": join.delimiter, "encoding": join.encoding}
    table = read_any_table(path, join.table, [join.there], findings, **form)
    if table is None:
        return None
    place, first, known = table.names.index(join.there), dict[str, int](), len(findings)
    kept = [k for k, name in enumerate(table.names) if name and k != place]
    rows: dict[str, tuple[str, ...]] = {}
    for line, cells in table.records:
        key, others = _one_key(join, cells[place]), tuple(cells[k] for k in kept)
        if rows.setdefault(key, others) != others and key:
            message = f"`{cells[place]}` stands on line {first[key]} as well, with other cells"
            way = f"a joined table has one row of each `{join.there}`; the table with a row an image is `table`"
            findings.error("repeated-key", f"{join.table}:{line}", message, way)
        first.setdefault(key, line)
    rows.pop("", None)
    return JoinedTable(join, tuple(table.names[k] for k in kept), rows) if len(findings) == known else None


def _one_key(join: Join, cell: str) -> str:
    """A key in the spelling in which keys are compared."""
    return loosely(person(cell)) if join.loosely else person(cell)


def with_joined(table: CsvTable, joined: JoinedTable, needed: Sequence[str], findings: Findings) -> CsvTable | None:
    """`table` with the columns of another, `needed` ones in that spelling, empty in rows whose key the other does not
    have; None, and an error, where no row has one that it has."""
    join = joined.join
    on = Spellings(table.columns).find(join.on)
    if on not in table.columns:
        message = f"no column `{join.on}`, on which `{join.table}` is joined; columns: {listed(table.columns, 12)}"
        findings.error("missing-column", f"{table.name}:1", message)
        return None
    place, empty = table.names.index(on), ("",) * len(joined.names)
    keys = [_one_key(join, cells[place]) for _, cells in table.records]
    records = [
        (line, (*cells, *joined.rows.get(key, empty))) for key, (line, cells) in zip(keys, table.records, strict=True)
    ]
    used, added = {*keys} & joined.rows.keys(), joined.columns_beside(table.columns)
    if lost := [row for key, row in zip(keys, table.rows, strict=True) if key not in joined.rows]:
        which = f"{len(lost):,} of {count(len(keys), 'row')}, such as `{lost[0].cells[on]}` ({table.at(lost[0])})"
        message = f"`{on}` not in `{join.there}` of `{join.table}`: {which}"
        if not used:
            findings.error(
                "no-joined-row",
                table.name,
                message,
                "write the keys alike, or mend `join` of the side: `loosely = true` passes over case, zeros and signs",
            )
            return None
        findings.warning("no-joined-row", table.name, f"{message}; not known there: {listed(added, 8)}", "add the rows")
    told = f"joined by `{on}`, {len(used):,} of {count(len(joined.rows), 'row')} used; columns: {listed(added, 8)}"
    findings.info("joined-table", join.table, told)
    names = spelt_as((*table.names, *added), needed)
    return replace(table, header=(*table.header, *added), names=names, records=tuple(records))
