"""Commands that texts name, as one types them where the user is: with the `--project` of the command that speaks.

A text writes `` `facetwise check` ``; what shows it to a person (`cli.context.say`, `screens.kit.Text`) asks here.
Pages and JSON, which are read elsewhere, keep what was written.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

_NAMED = re.compile("`facetwise (?!init |demo |--project )")
_in_use = "facetwise"


def speak_for(folder: Path) -> None:
    """From now on commands get this `--project`; none for the current folder."""
    global _in_use  # noqa: PLW0603
    _in_use = "facetwise" if folder == Path() else shlex.join(["facetwise", "--project", str(folder)])


def typed(*words: str) -> str:
    """A command as one types it, of its words."""
    return f"{_in_use} {shlex.join(words)}"


def as_typed(text: str) -> str:
    """The text with its commands, between back quotes, as one types them."""
    return _NAMED.sub(lambda _: f"`{_in_use} ", text) if "`facetwise " in text else text
