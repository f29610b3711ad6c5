"""What weights remember of the people that they were trained on: hashes, in the metadata of their file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from facetwise.core.workspace import content_hash

PEOPLE = "people"
"""The key of the metadata: a sorted JSON list of hashes, one a person."""
_HASH = re.compile(r"[0-9a-f]{16}")


def person_hash(group: str) -> str:
    """What weights remember of a person: 16 hex digits."""
    return content_hash(str(group))[:16]


def people_text(hashes: Iterable[str]) -> str:
    """The hashes as they stand in the metadata."""
    return json.dumps(sorted(hashes))


def people_in(text: str) -> frozenset[str]:
    """The hashes that `people_text` wrote; raises ValueError for any other text."""
    try:
        listed = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(listed, list) or not all(isinstance(h, str) and _HASH.fullmatch(h) for h in listed):
        raise ValueError("not a list of hashes")
    return frozenset(listed)
