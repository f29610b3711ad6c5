"""Findings of a check: collected, never raised one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from facetwise.core.errors import ProblemsError
from facetwise.core.files.outside import printable
from facetwise.core.plain import Plain
from facetwise.core.text.counting import count

Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding(Plain):
    """One finding: `code` is a short kebab-case id of its kind, `where` a file, `file:line` or an image."""

    level: Level
    code: str
    where: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


BAD_NAME = "its name is not UTF-8"


class Findings(list[Finding]):
    """Findings in the order in which they are collected. Invalid text in them is escaped."""

    def error(self, code: str, where: str, message: str, hint: str | None = None) -> None:
        """Add a fault that makes the dataset unusable until it is fixed."""
        self._add("error", code, where, message, hint)

    def warning(self, code: str, where: str, message: str, hint: str | None = None) -> None:
        """Add something that is handled, but should be known."""
        self._add("warning", code, where, message, hint)

    def info(self, code: str, where: str, message: str) -> None:
        """Add a remark on something that is in order."""
        self._add("info", code, where, message, None)

    def bad_names(self, files: Iterable[str]) -> None:
        """Add a warning for each of these files, whose names are not UTF-8, so that no table can name them."""
        for file in files:
            self.warning("bad-file-name", file, f"{BAD_NAME}; left out", "rename it")

    def _add(self, level: Level, code: str, where: str, message: str, hint: str | None) -> None:
        self.append(Finding(level, code, printable(where), printable(message), hint))


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of level `error`."""
    return tuple(f for f in findings if f.level == "error")


def raise_errors(findings: Iterable[Finding], what: str) -> None:
    """Raise ProblemsError with all errors among `findings`, a line each; return when there are none."""
    if wrong := errors(findings):
        hints = dict.fromkeys(f.hint for f in wrong if f.hint)
        raise ProblemsError(f"{what}: {count(len(wrong), 'error')}", map(str, wrong), hint="; ".join(hints) or None)
