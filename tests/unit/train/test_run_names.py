"""What runs are called: what their labels changed is told apart, and the version counts what is otherwise the same."""

from __future__ import annotations

import pytest
from made_heads import FLAT, layout_of

from facetwise.recipe import load_recipe
from facetwise.recipe.labels import LONGEST_SHORT, LabelsSpec
from facetwise.train.planning.plan import run_name

LAYOUT = layout_of(FLAT)


def named(number: int, taken: list[str], *settings: str) -> str:
    return run_name(number, load_recipe("cpu-tiny", ["model.head=flat", *settings]), LAYOUT, taken)


@pytest.mark.parametrize(
    ("labels", "short"),
    [
        ({}, ""),
        ({"overlay": False}, ""),
        ({"cuts": {"age": [29, 59]}}, "cuts-age29-59"),
        ({"drop": {"age": [[57, 60]]}}, "drop-age57-60"),
        ({"soften": {"age": 2.5}}, "soft-age2.5"),
        ({"cuts": {"age": [30]}, "soften": {"age": 5}}, "cuts-age30-soft-age5"),
        ({"cuts": {"temp °C/a": [-5, 1e9]}}, "cuts-temp__C_am5-1e_09"),
        ({"cuts": {"age": [1, 2, 3, 4, 5, 6]}}, "cuts-age1-6x6"),
        ({"cuts": {"나이" * 10: [1], "b": [2]}}, "labels2"),
    ],
)
def test_changed_labels(labels: dict[str, object], short: str) -> None:
    found = LabelsSpec.model_validate(labels).short
    assert found == short
    assert len(found.encode()) <= LONGEST_SHORT


def test_moved_dropped_and_softened_runs_are_told_apart() -> None:
    taken: list[str] = []
    for settings in ((), ("labels.cuts.age=[29, 59]",), ("labels.soften.age=5",), ("labels.soften.age=5",), ()):
        taken.append(named(len(taken) + 1, taken, *settings))
    how = taken[0].removeprefix("01-").split("-v0-")[0]
    rest = taken[0].split("-v0-")[1]
    assert taken[1:] == [
        f"02-{how}-cuts-age29-59-v0-{rest}",
        f"03-{how}-soft-age5-v0-{rest}",
        f"04-{how}-soft-age5-v1-{rest}",
        f"05-{how}-v1-{rest}",
    ]


def test_names_of_older_runs_are_counted_on() -> None:
    how, rest = named(1, []).removeprefix("01-").split("-v0-")
    assert named(4, [f"0{n}-{how}-v{n - 1}-{rest}" for n in (1, 2, 3)]) == f"04-{how}-v3-{rest}"
