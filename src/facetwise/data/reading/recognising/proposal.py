"""What a recogniser proposes, what a person chose beforehand, and what is asked where neither decides."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from facetwise.core.choices import Encoding
from facetwise.core.errors import InputError
from facetwise.core.records.dataset import NO_GROUP
from facetwise.core.text.spelling import folded
from facetwise.data.reading.recognising.columns import subject_by

NO_GROUP_TOLD = (
    "no group: each image is taken as its own. Where several are of one person, plant or thing, every estimate is too "
    "high"
)
"""What a note says first where a dataset has no group."""


@dataclass(frozen=True)
class TableChoices:
    """What a person says of a dataset instead of leaving it to be recognised."""

    table: str | None = None
    """Path of the table of labels in the dataset."""
    image: str | None = None
    """Its column of image paths."""
    group: str | None = None
    """Its column of the group, or `none`."""
    attributes: tuple[str, ...] = ()
    """Its columns that are attributes, each with the cuts of its numbers behind `=`: `age=30,60`, or
    `age=each`, or with what stands between findings: `finding=/`."""
    pattern: str | None = None
    """What the names of folders and files mean, in place of a table."""
    leave_out: bool = False
    """Leave images out whose names do not match the pattern."""
    images: str | None = None
    """The folder in the dataset that the table's images lie in."""
    table_file: str | None = None
    """Where the table lies, if that is not in the dataset; it is then read in the project, by the path `table`."""
    links_root: str | None = None
    """Follow links to folders that lead into this folder."""
    encoding: Encoding | None = None
    """What tables are written in that are neither UTF-8 nor UTF-16."""

    @property
    def of_a_table(self) -> bool:
        """Whether something was said that only a table has."""
        return any(said is not None for said in (self.table, self.image, self.images))

    @property
    def of_columns(self) -> bool:
        """Whether something was said of columns, which a table has, or a pattern makes."""
        group = self.group is not None and folded(self.group) != NO_GROUP
        return self.of_a_table or group or bool(self.attributes)


@dataclass(frozen=True)
class OpenQuestion:
    """What cannot be decided: what to say of it, what there is to choose from, and the option that decides."""

    text: str
    answers: tuple[str, ...]
    flag: str
    several: bool = False
    """Whether more than one may be chosen."""


Ask = Callable[[OpenQuestion], Sequence[str]]
"""Answers a question; with nothing when nobody is there to ask."""


def nobody(question: OpenQuestion) -> Sequence[str]:  # noqa: ARG001
    """There is nobody to ask."""
    return ()


def decided(question: OpenQuestion, ask: Ask) -> list[str]:
    """The answers to a question; raises InputError, which names the option, when there are none that can be used."""
    chosen = list(ask(question))
    if not chosen or not set(chosen) <= set(question.answers) or (len(chosen) > 1 and not question.several):
        listed = ", ".join(f"`{answer}`" for answer in question.answers)
        again = " (may be repeated)" if question.several else ""
        raise InputError(
            f"{question.text}: {listed}",
            hint=f"say which: `{question.flag} {shlex.quote(question.answers[0])}`{again}",
        )
    return chosen


class Proposal(Protocol):
    """A project file for a dataset, and what a person should know of how it came about."""

    @property
    def title(self) -> str:
        """What was recognised."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided or left out, each with the line of the project file or the option that changes it."""
        ...

    def fill(self, name: str, path: str) -> str:
        """The text of the project file, with its `name` and the dataset's `path`."""
        ...


@dataclass(frozen=True)
class MadeProposal:
    """A proposal of settings."""

    title: str
    layout: str
    train: Mapping[str, Any]
    attributes: Sequence[Mapping[str, Any]]
    test: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def fill(self, name: str, path: str) -> str:
        """As of `Proposal`; each key on a line of its own, with a comment where it can be misread."""
        sections: list[tuple[str, Mapping[str, Any]]] = [
            ("", {"schema_version": 1, "name": name}),
            ("[dataset]", {"path": path, "layout": self.layout, "subject": subject_by(self.train["group"])}),
            ("[dataset.train]", self.train),
            *([("[dataset.test]", self.test)] if self.test is not None else []),
            *(("[[attributes]]", attribute) for attribute in self.attributes),
        ]
        return _HEAD + "\n\n".join("\n".join(_lines(title, keys)) for title, keys in sections) + "\n"


_HEAD = "# Written by facetwise; every line may be edited: docs/reference/project-file.md says what there is.\n"
_COMMENTS = {
    "subject": "what one of those behind the images is called on every screen",
    "group": "whose images they are: no group ever stands on both sides of a split",
    "where": "only these rows are of this side",
    "split": "a given split, which the folds keep",
    "pattern": "what the parts of a path below `images` mean",
}


def _lines(title: str, keys: Mapping[str, Any]) -> Iterable[str]:
    yield from [title] if title else []
    for key, value in keys.items():
        comment = "each image is taken as its own group" if (key, value) == ("group", NO_GROUP) else _COMMENTS.get(key)
        yield f"{key} = {toml_value(value)}" + (f"  # {comment}" if comment else "")


def toml_value(value: Any) -> str:
    """A value of a project file on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json_text(key)} = {toml_value(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json_text(value) if isinstance(value, str) else json.dumps(value)


def json_text(text: str) -> str:
    """A text as TOML has it; JSON's, but for U+007F, which TOML escapes."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
