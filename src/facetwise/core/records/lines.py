"""The one way to check a store of JSON lines: every line is an object of a pydantic type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from facetwise.core.files.jsonlines import parsed_object, text_lines
from facetwise.core.records.base import explained

T = TypeVar("T")


def read_lines(
    path: Path, kind: TypeAdapter[T], store: str, tags: Sequence[str] = ()
) -> tuple[dict[int, T], list[str]]:
    """The objects by line number, from 1, and the problems of all other lines, such as `line 3: ...`.

    A last line that was cut off is in neither. `store`: its name in messages; `tags`: the tags of a union.
    """
    found, problems = dict[int, T](), list[str]()
    for line in text_lines(path, store):
        try:
            found[line.number] = kind.validate_python(parsed_object(line.text))
        except ValidationError as error:
            problems += [f"line {line.number}: {problem}" for problem in explained(error, tags)]
        except ValueError as error:
            problems += [f"line {line.number}: {error}"] if line.ended else []
    return found, problems
