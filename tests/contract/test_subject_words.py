"""No text calls the groups of a project people by itself: it asks `core.text.subject` what the project calls them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import facetwise

SOURCE = Path(facetwise.__file__).parent
WORDS = re.compile(r"\b(person|people)\b", re.IGNORECASE)
MADE_BEFORE = {
    "api/data.py", "api/labels.py", "cli/training.py",  # help of commands
    "cli/demo.py", "data/made/contest.py",  # the made contest of faces
    "core/text/subject.py", "data/reading/recognising/newproject.py", "data/reading/recognising/proposal.py",
}  # fmt: skip
"""Texts that are written where no project is open."""
NAMES = {
    "person", "people", "unused-same-person",  # keys, columns, codes
    "person ", "person:", "` or `person:",  # as the option `--person`, and as a word of a selection of ranks
    "group person people subject patient participant individual donor owner user identity player driver volunteer",
}  # fmt: skip


COMMAND = "same-person"


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module but docstrings, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def test_texts_ask_what_people_are_called():
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).as_posix() not in MADE_BEFORE
        for line, text in texts(path)
        if WORDS.search(text.replace(COMMAND, "")) and text not in NAMES
    ]
    assert not found


def test_pages_ask_what_people_are_called():
    code = re.compile(r"\{[{%].*?[%}]\}|#people|id=\"people\"", re.DOTALL)
    found = [
        f"{path.name}: {line}"
        for path in sorted((SOURCE / "screens" / "pages" / "templates").glob("*.j2"))
        for line in code.sub("", path.read_text(encoding="utf-8")).splitlines()
        if WORDS.search(line)
    ]
    assert not found
