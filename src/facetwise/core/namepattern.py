"""Labels in the names of folders and files: `{mask}_{gender}_{age:int}/{person}_{n}.jpg`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from facetwise.core.errors import SettingError

MAX_WAYS = 100_000
"""Ways to read a name, one after the other tried by a regular expression, beyond which it is not read."""
_FIELD = re.compile(r"\{([^{}]*)\}")
_KINDS = {"": "[^/]+", "int": "[0-9]+", "word": r"[^\W_]+", "path": ".+"}
"""What a field stands for, by what is behind its colon."""


@dataclass(frozen=True)
class NamePattern:
    """A pattern of paths: each `{name}` is a part of the path, everything else stands there as it is.

    Raises SettingError for a field without a name, a name twice, a kind that there is not, a single brace,
    and two fields of which nobody can tell where the first ends.
    """

    text: str
    fields: tuple[str, ...] = field(init=False)
    """Names in the order in which they stand."""
    _between: tuple[str, ...] = field(init=False)
    """What stands between two fields."""
    _most: re.Pattern[str] = field(init=False)
    _least: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        literals, names, kinds = _parts(self.text)
        object.__setattr__(self, "fields", tuple(names))
        object.__setattr__(self, "_between", tuple(literals[1:-1]))
        for attribute, lazy in (("_most", ""), ("_least", "?")):
            groups = [f"({_KINDS[kind]}{lazy})" for kind in kinds]
            together = [part for pair in zip(map(re.escape, literals), [*groups, ""], strict=True) for part in pair]
            object.__setattr__(self, attribute, re.compile("".join(together), re.DOTALL))

    def cells(self, path: str) -> tuple[str, ...] | None:
        """What the fields stand for in `path`, the first one for as much as can be; None when it does not match,
        or could be read in so many ways that nobody means it."""
        if math.prod(map(path.count, self._between)) > MAX_WAYS:
            return None
        found = self._most.fullmatch(path)
        return found.groups() if found else None

    def filled(self, cells: Mapping[str, str]) -> str:
        """The path in which the fields stand for these `cells`."""
        return _FIELD.sub(lambda field: cells[field[1].partition(":")[0].strip()], self.text)

    def is_ambiguous(self, path: str) -> bool:
        """Whether a path that matches could be read in another way as well."""
        found = self._least.fullmatch(path)
        return found is not None and found.groups() != self.cells(path)


def _parts(text: str) -> tuple[list[str], list[str], list[str]]:
    """The pieces around the fields, one more than there are fields, and of each field its name and kind."""
    *pairs, last = _FIELD.split(text)
    literals, inner = [*pairs[::2], last], pairs[1::2]
    if not inner:
        raise SettingError(f"pattern `{text}` has no field such as `{{label}}`")
    if any(brace in literal for literal in literals for brace in "{}"):
        raise SettingError(f"pattern `{text}` has a brace without its other half")
    named = [part.partition(":") for part in inner]
    names, kinds = [name.strip() for name, _, _ in named], [kind for _, _, kind in named]
    if unknown := [kind for kind in kinds if kind not in _KINDS]:
        raise SettingError(
            f"pattern `{text}`: `:{unknown[0]}` is no kind; `:int` is digits, `:word` letters and digits, `:path` may "
            "hold `/`"
        )
    if "" in names or len(set(names)) < len(names):
        raise SettingError(f"pattern `{text}`: each field needs a name of its own")
    if "" in literals[1:-1]:
        place = literals.index("", 1)
        raise SettingError(f"pattern `{text}`: nothing stands between `{names[place - 1]}` and `{names[place]}`")
    return literals, names, kinds
