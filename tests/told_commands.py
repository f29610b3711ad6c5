"""Every command that the source tells somebody to give: found in its strings, without running it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import facetwise

SOURCE = Path(facetwise.__file__).parent
_COMMAND = re.compile(r"`facetwise (?!\{typed|\{command|\(\?)([^`]*)`|(?:^|: |&& )facetwise (?!\{)([^`]*)")
_OPTION = re.compile(r"`(--[^`]*)`")

STAND_INS = {
    "RECIPE": "cpu-tiny", "FILE": "x.csv", "RUN": "1", "NAME": "mine", "TEXT": "text", "SCORE": "0.5", "DIR": "there",
    "SUBMISSION": "1", "TIME": "2026-01-01T00:00Z", "PATH": "there", "YOU": "me", "ID": "1", "NUMBER": "30",
    "ATTRIBUTE": "age", "SPACE": "space.toml", "SETTING": "loss=focal", "RANKS": "1,3", "REF": "1", "KIND": "flip",
    "COMMAND": "runs", "FEATURES": "features.parquet",
}  # fmt: skip
"""Words in capitals, which whoever types a command puts in the place of, and what a test puts there."""
FILLED = {
    r"tta": "flip", r"folds|plan|seed|people": "3", r"recipe|file\b": "cpu-tiny", r"whose": "person 1",
    r"head": "model.head={name='single',attribute='age',kind='years'}", r"key": "warmup", r"shorter": "3",
    r"rest": "--value 30 --reason x --author me", r"attribute\.name": "age", r"getattr|spelt": "x", r"": "1",
}  # fmt: skip
"""Patterns of an expression in an f-string, and what a test takes for its value; the first that fits."""


class Told(NamedTuple):
    """A command as it stands in the source: `where` is the file below `src/facetwise`."""

    where: str
    template: str

    def __str__(self) -> str:
        return f"{self.where}: {blank(self.template)}"

    def words(self, *, comments: bool = False) -> list[str]:
        """Words of a command that it may be, without `facetwise`."""
        split = shlex.split(filled(self.template), comments=comments)
        return [STAND_INS.get(word, word) for word in split if word != "..."]

    def pattern(self) -> re.Pattern[str]:
        """What it looks like when it is told, in a group of its own."""
        text = re.sub(r"\\\{.*?\\\}", ".+?", re.escape(blank(self.template)))
        return re.compile(rf"facetwise (?P<words>(?:--project \S+ )?{text})(?=[`\n,;]|$| ->)", re.MULTILINE)


def blank(template: str) -> str:
    """A template whose expressions are left out: what they are called may change."""
    return re.sub(r"\{[^{}]*\}", "{}", template)


def filled(template: str) -> str:
    """A template with likely values in place of its expressions."""
    return re.sub(r"\{([^{}]+)\}", lambda m: next(v for k, v in FILLED.items() if re.search(k, m[1])), template)


@cache
def strings() -> list[tuple[str, str]]:
    """File and text of every string and f-string (expressions in braces) that is neither a docstring nor help."""
    return [
        (path.relative_to(SOURCE).as_posix(), text)
        for path in sorted(SOURCE.rglob("*.py"))
        for text in _strings(ast.parse(path.read_text(encoding="utf-8")))
    ]


def _strings(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        text = _text(child)
        if text is not None:
            yield text
        elif not _is_help(child) and not _is_docstring(child):
            yield from _strings(child)


def _is_help(node: ast.AST) -> bool:
    """Whether it is what `--help` says of an option: it names commands without giving them."""
    option = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Option"
    return option or (isinstance(node, ast.keyword) and node.arg == "help")


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and _text(node.value) is not None


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts: list[Any] = node.values
        return "".join(p.value if isinstance(p, ast.Constant) else f"{{{ast.unparse(p.value)}}}" for p in parts)
    return None


def told_commands() -> list[Told]:
    """Every `facetwise ...` in the source's strings, and every one that is put together from words."""
    written = [Told(where, " ".join((m[1] or m[2]).split())) for where, s in strings() for m in _COMMAND.finditer(s)]
    return list(dict.fromkeys([*written, *_joined()]))


def _joined() -> Iterator[Told]:
    """The words that `typed` and `say_next` are called with."""
    for path in sorted((SOURCE / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            lists = [node.args] if node.func.id == "typed" else [a.elts for a in node.args if isinstance(a, ast.List)]
            for words in lists if node.func.id in ("typed", "say_next") else []:
                told = [_text(w) or f"{{quote({ast.unparse(w)})}}" for w in words]
                if told and not told[0].startswith("{"):
                    yield Told(path.relative_to(SOURCE).as_posix(), " ".join(told))


def told_options() -> list[Told]:
    """Every `--option ...` in the source's strings that stands there without its command."""
    return list(dict.fromkeys(Told(where, m[1]) for where, text in strings() for m in _OPTION.finditer(text)))


def told_settings() -> list[Told]:
    """Every `--set key=value` in them."""
    found = re.compile(r"`[^`]*?--set ('?)(?!section\.key)([^`]*?)\1`")
    return list(dict.fromkeys(Told(where, m[2]) for where, text in strings() for m in found.finditer(text)))
