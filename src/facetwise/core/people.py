"""Identity of people: the canonical spelling of a name, and the hashes of their training people that weights carry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from facetwise.core.arrays import each, takes, text
from facetwise.core.files.parsing import parse_json
from facetwise.core.text.spelling import normal
from facetwise.core.workspace import content_hash

PEOPLE_KEY = "people"
"""The key of the metadata of weights: a sorted JSON list of hashes, one a spelling of each person."""
_HASH = re.compile(r"[0-9a-f]{16}")
_WHOLE = re.compile(r"(-?[0-9]+)\.0*")


def person(name: str) -> str:
    """The canonical spelling of a person's name, or of a class in a table: `normal`, and a whole number without `.0`.

    Tables of numbers gain and lose that `.0` (a column with one empty cell is read as decimal fractions). Zeros at the
    beginning stay, since `000600` is an identifier and `600` may be another one; so does case. Idempotent.
    """
    plain = normal(name)
    whole = _WHOLE.fullmatch(plain) if "." in plain else None
    return whole[1] if whole else plain


@takes(same_person=each(each(text())))
def called(same_person: Iterable[Sequence[str]]) -> dict[str, str]:
    """The display name of each person, by `person`: the first name of their list."""
    return {person(name): person(names[0]) for names in same_person for name in names}


@takes(name=text())
def person_hash(name: str) -> str:
    """The hash of a person that weights carry: 16 hex digits."""
    return content_hash(name)[:16]


@takes(hashes=each(text()))
def people_text(hashes: Iterable[str]) -> str:
    """The hashes as text for the metadata."""
    return json.dumps(sorted(hashes))


def people_in(text: str) -> frozenset[str]:
    """The hashes that `people_text` wrote; raises ValueError for any other text."""
    listed = parse_json(text)
    if not isinstance(listed, list) or not all(isinstance(h, str) and _HASH.fullmatch(h) for h in listed):
        raise ValueError("not a list of hashes")
    return frozenset(listed)
