"""What one of those behind the images is called: a person, a patient, a plant. The project says, every text asks here.

A text writes `f"{PEOPLE} are in one fold"`, or `count_people(5)`, when it is made, never when its module is imported.
The words are those of the project that was opened, or given to a verb, last: a process works for one project, and most
texts are made where none is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_IRREGULAR = {"person": "people", "child": "children", "mouse": "mice", "leaf": "leaves", "fish": "fish"}
"""Of what is photographed often; a project gives any other by itself."""


@dataclass(frozen=True)
class Subject:
    """A noun for one of those behind the images, and its plural."""

    one: str = "person"
    many: str = "people"

    @property
    def a(self) -> str:
        """`a person`, `an animal`."""
        return f"{'an' if self.one[:1].lower() in 'aeiou' else 'a'} {self.one}"


class Word:
    """A form of the word in use, read each time that it is written into a text."""

    def __init__(self, form: Callable[[Subject], str]) -> None:
        self._form = form

    def __str__(self) -> str:
        return self._form(_in_use)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


PERSON, PEOPLE, A_PERSON = Word(lambda s: s.one), Word(lambda s: s.many), Word(lambda s: s.a)
PEOPLE_FIRST = Word(lambda s: s.many[:1].upper() + s.many[1:])
"""Where a sentence or a heading begins with it."""
WORDS = {"PERSON": PERSON, "PEOPLE": PEOPLE, "A_PERSON": A_PERSON, "PEOPLE_FIRST": PEOPLE_FIRST}
"""By their names, for the templates of pages."""
_in_use = Subject()


def call_them(words: Subject) -> None:
    """Use the words of a project from now on."""
    global _in_use  # noqa: PLW0603
    _in_use = words


def count_people(number: int) -> str:
    """`1 person`, `2,700 people`."""
    return f"{number:,} {PERSON if number == 1 else PEOPLE}"


def plural(word: str) -> str:
    """The plural of an English noun, where several words stand that of the last: `patients`, `bodies`, `boxes`."""
    *before, last = re.split(r"(?<=[\s-])", word)
    if last in _IRREGULAR:
        return "".join([*before, _IRREGULAR[last]])
    if re.search(r"[^aeiou]y$", last):
        return f"{word[:-1]}ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh)$", last) else "s")
