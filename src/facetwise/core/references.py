"""References to a run, a blend, a submission or imported predictions: one grammar for every command.

| kind | by number | the newest | by id |
| --- | --- | --- | --- |
| run | `3`, `run:3` | `last`, `run:last` | `03-AdamW`, the beginning of one, `run:03-AdamW` |
| blend | `b3`, `blend:3` | `blend:last` | `b03-soft-5`, `blend:b03-soft-5` |
| submission | `s1`, `submission:1` | `submission:last` | `01-03-AdamW`, `submission:01-03-AdamW` |
| imported predictions | | | `foreign:NAME` |

Where only one kind is allowed, a bare number and `last` mean that kind.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from facetwise.core.errors import InputError, did_you_mean
from facetwise.core.text.spelling import Spellings, normal

ReferenceKind = Literal["run", "blend", "submission", "foreign"]
KINDS: tuple[ReferenceKind, ...] = get_args(ReferenceKind)
LAST = "last"
MAX_LENGTH = 255
"""Characters of a reference: no folder has a longer name."""

_LETTERS: dict[ReferenceKind, str] = {"run": "", "blend": "b", "submission": "s"}
"""Letters that mark the numbers of a kind; imported predictions have no numbers."""
_WORDS: dict[ReferenceKind, str] = {
    "run": "a run",
    "blend": "a blend",
    "submission": "a submission",
    "foreign": "imported predictions",
}
_FORMS: dict[ReferenceKind, str] = {
    "run": "a run is `3`, `last` or its id",
    "blend": "a blend `b3`, `blend:last` or its id",
    "submission": "a submission `s1`, `submission:last` or its id",
    "foreign": "imported predictions `foreign:NAME`",
}
_DIGITS = r"\d{1,9}"
"""Of a number; a longer row of digits is a name."""


@dataclass(frozen=True)
class Reference:
    """A parsed reference: the kind, and which one."""

    kind: ReferenceKind
    key: int | str
    """Its number, 1 or more; or `last`, an id, the beginning of an id. Of imported predictions their name."""
    text: str = field(default="", compare=False)
    """As it was written, without a prefix such as `blend:`."""

    def __str__(self) -> str:
        """The full form, with the same meaning everywhere: `3`, `b3`, `run:last`, `submission:01-03-AdamW`."""
        return f"{_LETTERS[self.kind]}{self.key}" if isinstance(self.key, int) else f"{self.kind}:{self.key}"

    def means(self, name: str) -> bool:
        """Whether it refers to this id of its kind, by number or in full."""
        return number_of(self.kind, name) == self.key if isinstance(self.key, int) else name == self.key


AnyReference = str | int | Reference
"""A reference as people write it, the number of one, or one that was read already."""


def parse_reference(
    reference: AnyReference, allowed: Sequence[ReferenceKind] = KINDS, *, submissions: Collection[str] = ()
) -> Reference:
    """Parse a reference; `pick` checks that its target exists.

    `allowed`: the kinds allowed here; a bare number, `last` or name means the first of them. `submissions`: ids of
    submissions, which look like those of runs: a text equal to one of them names the submission. Raises InputError for
    an invalid reference, and for another kind.
    """
    if isinstance(reference, bool) or not isinstance(reference, str | int | Reference):
        raise InputError(f"a reference is text or a number, got {reference!r:.60}", hint=_hint(allowed))
    parsed = reference if isinstance(reference, Reference) else _read(str(reference).strip(), allowed, submissions)
    if parsed.kind not in allowed:
        *others, final = (_WORDS[kind] for kind in allowed)
        expected = f"{', '.join(others)} or {final}" if others else final
        raise InputError(f"`{reference}` is {_WORDS[parsed.kind]}, expected {expected}", hint=_hint(allowed))
    return parsed


def pick(reference: Reference, ids: Sequence[str]) -> str:
    """The one of `ids`, the newest last, that a reference means; raises InputError for none or several."""
    if reference.key == LAST and reference.kind != "foreign" and ids:
        return ids[-1]
    key = reference.key
    if isinstance(key, str):
        reference = replace(reference, key=Spellings(ids).find(key))
    begun = [i for i in ids if isinstance(key, str) and normal(key) and normal(i).startswith(normal(key))]
    found = [i for i in ids if reference.means(i)] or begun
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{reference.kind} `{reference.text}` is ambiguous: {', '.join(found)}")
    raise InputError(f"no {reference.kind} is called `{reference.text}`", hint=did_you_mean(reference.text, ids))


def has_prefix(text: str) -> bool:
    """Whether a text states its kind by a prefix, such as `foreign:`."""
    return text.partition(":")[0] in KINDS and ":" in text


def number_of(kind: ReferenceKind, name: str) -> int:
    """The number at the start of an id; 0 if it has none."""
    match = re.match(rf"{'b' if kind == 'blend' else ''}(\d+)", name)
    return int(match.group(1)) if match else 0


def short_name(kind: ReferenceKind, name: str) -> str:
    """The short reference for an id: `3`, `b2`, `s1`; the id itself if it has no number."""
    number = number_of(kind, name) if kind in _LETTERS else 0
    return str(Reference(kind, number or name))


def _read(text: str, allowed: Sequence[ReferenceKind], submissions: Collection[str]) -> Reference:
    if not text:
        raise InputError("a reference is empty: it names nothing", hint=_hint(allowed))
    if len(text) > MAX_LENGTH:
        raise InputError(f"a reference has {len(text):,} characters: no name is that long", hint=_hint(allowed))
    if has_prefix(text):
        prefix, _, rest = text.partition(":")
        kind: ReferenceKind = next(k for k in KINDS if k == prefix)
        return _of_kind(kind, rest.strip(), text)
    return _of_kind(_kind_by_look(text) or ("submission" if text in submissions else allowed[0]), text, text)


def _kind_by_look(text: str) -> ReferenceKind | None:
    """The kind that a text without a prefix can only mean."""
    if re.match(r"b\d+(-|$)", text):
        return "blend"
    return "submission" if re.fullmatch(r"s\d+", text) else None


def _of_kind(kind: ReferenceKind, name: str, text: str) -> Reference:
    if not name:
        raise InputError(f"`{text}` names nothing", hint=_hint([kind]))
    if kind == "foreign":
        return Reference(kind, name, name)
    match = re.fullmatch(rf"{_LETTERS[kind] and _LETTERS[kind] + '?'}({_DIGITS})", name)
    if match and not int(match.group(1)):
        raise InputError(f"`{text}` names nothing: numbers begin with 1", hint=_hint([kind]))
    return Reference(kind, int(match.group(1)) if match else name, name)


def _hint(allowed: Sequence[ReferenceKind]) -> str:
    return ", ".join(_FORMS[kind] for kind in allowed)
