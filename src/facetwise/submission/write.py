"""Filling in the organisers' csv. (Reading one is in `core.files.csvtable`.)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from facetwise.core.files.answers_csv import repeats, set_problems
from facetwise.core.files.csvrecords import csv_row
from facetwise.core.files.csvtable import CsvTable, raise_problems, read_csv
from facetwise.core.labels import IntArray


def submission_csv(
    names: Sequence[str], answers: IntArray, template: bytes, image_column: str, answer_column: str
) -> bytes:
    """The organisers' csv `template` with `answer_column` filled in (added when absent): UTF-8, `\\n`.

    `answers`: the joint class of each of `names` (as spelt in the template's `image_column`), in any order, as
    `LabelSpace.answer_of` numbers it; -1 leaves the answer empty, which the gate refuses. Row order and all other
    columns are preserved. Raises ProblemsError when the template's names repeat or differ from `names`.
    """
    file = read_csv(template, "the organisers' csv")
    listed = file.column(image_column)
    written = dict(zip(names, np.asarray(answers).tolist(), strict=True))
    if len(written) != len(names):
        raise ValueError(f"predictions name image {_repeated(names)[0]!r} twice")
    raise_problems(file.name, [*repeats(file, listed), *set_problems(listed, names, "predictions")])
    filled = [str(written[name]) if written[name] >= 0 else "" for name in listed]
    return _written(file, answer_column, filled)


def _written(file: CsvTable, column: str, values: Sequence[str]) -> bytes:
    header = file.header if column in file.names else (*file.header, column)
    place = file.names.index(column) if column in file.names else len(file.header)
    filled = ([*row[:place], value, *row[place + 1 :]] for (_, row), value in zip(file.records, values, strict=True))
    return "".join(csv_row(row) for row in (header, *filled)).encode()


def _repeated(items: Iterable[str]) -> list[str]:
    return [item for item, count in Counter(items).items() if count > 1]
