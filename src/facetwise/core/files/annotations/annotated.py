"""What annotation tools say of images, whatever the tool: labels with their author and reason, and predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from facetwise.core.errors import InputError
from facetwise.core.labels import Attribute
from facetwise.core.text.counting import count

SEVERAL = "|"
"""Between several classes of one attribute in a cell."""


@dataclass(frozen=True)
class Said:
    """What somebody says that an attribute of an image is."""

    value: str
    author: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Guess:
    """What a predictor says that an attribute of an image is."""

    value: str
    """A class."""
    probability: float
    number: float | None = None
    """Of an attribute with cuts: a number of that class."""


@dataclass(frozen=True)
class Guesses:
    """A predictor's guesses on one image."""

    predictor: str
    score: float
    """Probability of all guesses together."""
    labels: Mapping[str, Guess]


@dataclass(frozen=True)
class AnnotatedImage:
    """What one record of a file says of an image."""

    where: str
    """The record, for messages: `task 12`."""
    image: str
    """The image's name."""
    labels: Mapping[str, Said]
    others: Mapping[str, str] = field(default_factory=dict)
    """What else stands beside the image: whose it is."""
    guesses: Guesses | None = None
    """Only for writing: what predictors say is never read as a label."""
    size: tuple[int, int] | None = None
    """Width and height in pixels; only for writing."""


@dataclass(frozen=True)
class Annotated:
    """The content of a file."""

    images: tuple[AnnotatedImage, ...]
    """Of one image several, where annotators contradict each other."""
    left_out: tuple[str, ...]
    """What the file has besides, and what is not read."""


@dataclass(frozen=True)
class AnnotationFormat:
    """How one tool writes annotations."""

    title: str
    """The tool."""
    fits: Callable[[Any], bool]
    """Whether JSON data looks like it."""
    read: Callable[[Any], Annotated]
    """The content of JSON data; raises InputError for what is not as the tool writes it."""
    write: Callable[[Sequence[AnnotatedImage], Mapping[str, Attribute]], Any]
    """JSON data; the attributes are those of the labels, by name."""
    absolute: bool = False
    """Whether images are named by absolute paths, without which the tool does not find them."""


class Part(BaseModel):
    """A part of a file of another tool, which may hold more than is read of it."""

    model_config = ConfigDict(extra="ignore", frozen=True)


P = TypeVar("P")


def parsed(kind: type[P], data: Any, what: str) -> P:
    """The data as parts; raises InputError that says where it is not as `what` writes it."""
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"] if step not in ("int", "str"))
        more = f", and {count(len(error.errors()) - 1, 'more fault')}" if len(error.errors()) > 1 else ""
        raise InputError(f"`{place}` is not as {what} writes it ({first['msg']}){more}") from None


def merged(images: Iterable[AnnotatedImage]) -> tuple[AnnotatedImage, ...]:
    """One record an image where its records agree, all of them where they contradict each other; in order."""
    by_image: dict[str, list[AnnotatedImage]] = {}
    for one in images:
        by_image.setdefault(one.image, []).append(one)
    return tuple(one for records in by_image.values() for one in _agreed(records))


def _agreed(records: list[AnnotatedImage]) -> list[AnnotatedImage]:
    if len(records) == 1:
        return records
    found: dict[str, Said] = {}
    for record in records:
        for name, said in record.labels.items():
            other = found.setdefault(name, said)
            if other is said:
                continue
            if other.value != said.value:
                return [one for one in records if one.labels]
            found[name] = Said(said.value, _both(other.author, said.author), _both(other.reason, said.reason))
    return [replace(records[0], labels=found)]


def _both(one: str, two: str) -> str:
    return one if two in ("", one, *one.split(", ")) else two if not one else f"{one}, {two}"


def number_or_text(value: str) -> float | int | str:
    """A number as JSON has it, a whole one without a fraction; other text as it is."""
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if number.is_integer() else number
