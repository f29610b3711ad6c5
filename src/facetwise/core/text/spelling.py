"""Canonical spelling of names that differ in Unicode normal form, white space or invisible characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""Soft hyphen, blanks without width and marks of direction: they come with what is copied, and belong to no name."""


def normal(name: str) -> str:
    """The canonical spelling of a name: Unicode NFC, stripped, runs of white space as one space; case is kept.

    White space is as Unicode defines it, so it includes the no-break space. Idempotent.
    """
    if name.isascii():  # then nothing is composed or unseen, and names are many
        return " ".join(name.split())
    return unicodedata.normalize("NFC", " ".join(_UNSEEN.sub("", name).split()))


def class_order(name: str) -> tuple[bool, int, str]:
    """The key by which names of classes are in order: whole numbers as numbers, before all others by name."""
    whole = re.fullmatch(r"-?[0-9]{1,18}", name, re.ASCII) is not None
    return not whole, int(name) if whole else 0, name


def folded(name: str) -> str:
    """The canonical spelling of a name without case."""
    return normal(name).lower() if name.isascii() else normal(normal(name).casefold())


def loosely(name: str) -> str:
    """A name without case, zeros in front of its numbers, and all that is no letter or digit: `P-07` is `p7`."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"[\W_]+", "", folded(name)))


def spelt_as(header: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """A table's header in which the only column spelt like one of `names` is renamed to it."""
    columns = Spellings(header)
    meant = {columns.find(name): name for name in names if name not in columns}
    return tuple(meant.get(column, column) for column in header)


class Spellings:
    """Looks up names that may be spelt differently."""

    def __init__(self, names: Iterable[str], form: Callable[[str], str] = normal) -> None:
        """`form` makes one of all spellings of a name."""
        self._names, self._form = frozenset(names), form
        self._by_form: dict[str, list[str]] = {}
        for name in sorted(self._names):
            self._by_form.setdefault(form(name), []).append(name)

    def __contains__(self, name: str) -> bool:
        """Whether it is one of the names, spelt as there."""
        return name in self._names

    def find(self, name: str) -> str:
        """`name` itself if it is one of the names, else the only one with the same canonical spelling; `name` if there
        is none."""
        if name in self._names:
            return name
        meant = self._by_form.get(self._form(name), [])
        return meant[0] if len(meant) == 1 else name
