"""A table with one column of joint classes, where the project expects a column for each attribute."""

from __future__ import annotations

from collections.abc import Sequence

from facetwise.core.files.csvtable import CsvTable
from facetwise.core.labels import MAX_LISTED_JOINT, LabelSpace
from facetwise.core.project import Project


def joint_class_column(table: CsvTable, needed: Sequence[str], project: Project) -> tuple[str, str] | None:
    """A message on such a column, and how to read the attributes from it; None if the table has none.

    The table then has none of the attributes' columns, and only one column besides the `needed` ones may be the joint
    class.
    """
    wanted = {spec.column for spec in project.file.attributes if spec.column is not None}
    if not wanted or wanted & {*table.columns}:
        return None
    limit = max(project.file.space.num_joint, MAX_LISTED_JOINT)
    numbers = {column: _whole_numbers(table, column) for column in table.others(needed)}
    alike = [column for column, found in numbers.items() if found and max(found) < limit]
    if len(alike) != 1:
        return None
    lowest, highest = min(numbers[alike[0]]), max(numbers[alike[0]])
    lacking = ", ".join(f"`{column}`" for column in sorted(wanted))
    message = (
        f"no column {lacking}, but `{alike[0]}` holds whole numbers from {lowest} to {highest}, as a joint class does"
    )
    return message, _way_on(alike[0], highest, project.file.space)


def _whole_numbers(table: CsvTable, column: str) -> set[int]:
    cells = {row.cells[column].strip() for row in table.rows}
    plain = all(cell.isascii() and cell.isdecimal() and len(cell) < 6 for cell in cells)
    return {int(cell) for cell in cells} if plain else set()


def _way_on(column: str, highest: int, space: LabelSpace) -> str:
    """The `values` of the first attribute, as an example."""
    first = space.attributes[0]
    if highest < space.num_joint:
        codes = space.decode(list(range(highest + 1)))[:, 0].tolist()
        pairs = [f'"{joint}" = "{first.classes[code]}"' for joint, code in enumerate(codes)]
    else:  # of other attributes than those of the project
        pairs = [f'"{joint}" = "..."' for joint in range(3)]
    shown = ", ".join(pairs if len(pairs) <= MAX_LISTED_JOINT else [*pairs[:3], "..."])
    return (
        f'every attribute can be read from it: give each `column = "{column}"` and `values`, which name its class by '
        f"number; `{first.name}`: `values = {{ {shown} }}`"
    )
