"""The people of a training table: names that were joined, names that may be one person, names that are not names."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from facetwise.core.people import called, person
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import folded, normal
from facetwise.core.text.subject import PERSON
from facetwise.data.findings import Findings

NOBODY = frozenset({"nan", "null", "none", "na", "n/a", "#n/a", "<na>", "unknown", "?", "-"})
"""What tables write, in any case, where nobody is known."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?(e[+-]?[0-9]{1,2})?")
_MARKS = r"[\s_.\-\u2010-\u2015\u2212]+"
_UNCOUNTED = re.compile("[\u0300-\u036f\"'`\u2018-\u201f\u00ab\u00bb]")
"""Combining accents and quotes."""
_PART = re.compile(r"(.*\w)(?:[-_ ][0-9]{1,2}| ?\([0-9]{1,2}\)|[-_ ]copy)", re.IGNORECASE)
"""A name with a suffix as people add to duplicates: `000600-1`, `kim_2`, `kim (2)`."""


def check_people(
    table: str, column: str, said: Iterable[tuple[int, str]], same_person: Sequence[Sequence[str]], findings: Findings
) -> None:
    """Report spellings that were joined, names that may be one person, and names that are not names.

    `said` are line and person, as written, of each row of `table`, by a `column` or a pattern; `same_person` is the
    project's.
    """
    names, people, rows = called(same_person), dict[str, dict[str, int]](), dict[str, list[int]]()
    for line, written in said:
        name = person(written)
        people.setdefault(names.get(name, name), {}).setdefault(written, line)
        rows.setdefault(name, []).append(line)
    people.pop("", None)
    for spellings in people.values():
        if len(spellings) > 1:
            message = (
                f"one {PERSON} in {len(spellings)} spellings ({_differences(list(spellings))}): {_lines(spellings)}"
            )
            findings.info("joined-groups", f"{table}:{max(spellings.values())}", message)
    for alike in _alike(list(people)):
        lines = {name: min(people[name].values()) for name in alike}
        message = f"may be one {PERSON}: {_lines(lines)}"
        findings.warning("similar-groups", f"{table}:{max(lines.values())}", message, how_to_join(alike))
    for name, several in rows.items():
        if name.casefold() in NOBODY and len(several) > 1:
            message = f"`{name}` stands on {len(several)} rows, which count as one {PERSON}"
            sure = f"if it stands for nobody, give every {PERSON} among these rows a name"
            findings.warning("nameless-group", f"{table}:{several[0]}", message, sure)
    for name in sorted(names.keys() - rows.keys()):
        findings.warning("unused-same-person", table, f"`same_person` lists `{name}`, `{column}` has no such name")


def how_to_join(names: Sequence[str]) -> str:
    """What to do if these are names of one person."""
    return f"if so, add to `[dataset.train]` in facetwise.toml: {same_person_line([names])}"


def same_person_line(lists: Iterable[Sequence[str]]) -> str:
    """The line of facetwise.toml that makes one person of the names of each list."""
    return f"same_person = {json.dumps([list(names) for names in lists], ensure_ascii=False)}"


def _differences(spellings: Sequence[str]) -> str:
    """How spellings that were joined differ."""
    composed = [unicodedata.normalize("NFC", name) for name in spellings]
    plain, people = [normal(name) for name in spellings], [person(name) for name in spellings]
    steps = {
        "Unicode normal form": composed != list(spellings),
        "blanks": plain != composed,
        "`.0`": people != plain,
        "`same_person`": len(set(people)) > 1,
    }
    return ", ".join(what for what, happened in steps.items() if happened)


def _lines(spellings: Mapping[str, int]) -> str:
    return listed((f"`{name}` (line {line})" for name, line in spellings.items()), 4)


def _alike(people: Sequence[str]) -> Iterator[list[str]]:
    """People who may be one: names that differ only in case, marks and zeros, or by a number at the end."""
    alike: dict[str, list[str]] = {}
    for name in people:
        alike.setdefault(_loosely(name), []).append(name)
    keys = set(alike)
    for name in people:
        part = _PART.fullmatch(name)
        if part and (whole := _loosely(part[1])) in keys and whole != _loosely(name):
            alike[whole].append(name)
    yield from (names for names in alike.values() if len(names) > 1)


def _loosely(name: str) -> str:
    """A key that is equal for names that may be one person: the number, or letters and digits without leading zeros.

    Digits of all scripts are equal; accents, quotes and invisible characters are ignored.
    """
    parts = unicodedata.normalize("NFKD", folded(name))
    seen = "".join(str(unicodedata.digit(c, c)) for c in parts if unicodedata.category(c) != "Cf")
    plain = folded(unicodedata.normalize("NFKC", _UNCOUNTED.sub("", seen)))
    if len(plain) < 25 and _NUMBER.fullmatch(plain):
        return f"{Decimal(plain).normalize():f}"
    between_digits = rf"(?<=[0-9]){_MARKS}(?=[0-9])"
    joined = re.sub(_MARKS, "", re.sub(between_digits, "/", plain))
    return joined.lstrip("0") or plain
