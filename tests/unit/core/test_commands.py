"""Commands that texts name: with the `--project` of the one who reads them, wherever a person reads them."""

import io
import re
from pathlib import Path

import pytest

from facetwise.core.text.commands import as_typed, speak_for, typed
from facetwise.screens.kit import Printer, Text, table_of

TEXT = "`facetwise check`, `facetwise init DIR --dataset PATH`, `facetwise --project x runs`, facetwise"


def test_in_the_current_folder_nothing_is_added() -> None:
    assert as_typed(TEXT) == TEXT
    assert typed("show", "a b") == "facetwise show 'a b'"


@pytest.mark.parametrize(("folder", "given"), [("p", "--project p"), ("my faces", "--project 'my faces'")])
def test_elsewhere_each_command_is_one_that_can_be_typed(folder: str, given: str) -> None:
    speak_for(Path(folder))
    assert as_typed(TEXT) == TEXT.replace("`facetwise check", f"`facetwise {given} check")
    assert as_typed(as_typed(TEXT)) == as_typed(TEXT)
    assert typed("show", "2") == f"facetwise {given} show 2"
    table = table_of("what", "how")
    table.add_row("plain", "see `facetwise runs`")
    table.add_row("text", Text("go: ").append("`facetwise fit --resume 2`"))
    shown = io.StringIO()
    Printer(shown).print(table)
    assert re.findall(r"`.*?`", shown.getvalue()) == [
        f"`facetwise {given} runs`",
        f"`facetwise {given} fit --resume 2`",
    ]
