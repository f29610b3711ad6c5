"""Importing is cheap and silent: who only reads results never waits for torch."""

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import facetwise

LIGHT = (
    "core", "recipe", "data", "evaluate", "predictors", "sharing", "jobs", "blending", "results",
    "study", "submission", "label_issues", "upkeep", "journals", "screens", "api", "cli", "__main__",
)  # fmt: skip
"""Parts that load no heavy library when imported; functions in them may."""
HEAVY = {"torch", "torchvision", "timm", "sklearn", "scipy", "optuna"}
SLOW_TO_HELP = HEAVY | {"polars", "pydantic", "rich"}


def modules(*parts: str) -> list[str]:
    """Names of all modules of the given parts of facetwise (of all parts when none is given), in order."""
    found = (m.name for m in pkgutil.walk_packages(facetwise.__path__, "facetwise."))
    return sorted(n for n in found if not parts or n.split(".")[1] in parts)


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter, where warnings are errors too."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=False)


def loaded_by(code: str, names: set[str], out: Path, *arguments: str) -> dict[str, list[str]]:
    """Which of the libraries `names` were loaded in each step of `code`, which calls `note(step)`; it says nothing."""
    prelude = f"""
import json, sys
notes = {{}}
def note(step):
    notes[step] = sorted({names!r} & sys.modules.keys())
    with open({str(out)!r}, "w") as file:
        json.dump(notes, file)
"""
    done = run(prelude + code, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    result: dict[str, list[str]] = json.loads(out.read_text(encoding="utf-8"))
    return result


def test_help_loads_nothing_slow(tmp_path: Path) -> None:
    code = """
import contextlib, io
import facetwise
note("import facetwise")
from facetwise.cli.main import main
sys.argv = ["facetwise", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as page, contextlib.suppress(SystemExit):
    main()
assert "fit" in page.getvalue(), page.getvalue()
note("facetwise --help")
"""
    loaded = loaded_by(code, SLOW_TO_HELP, tmp_path / "notes.json")
    assert loaded == {"import facetwise": [], "facetwise --help": []}


def test_light_packages_load_nothing_heavy_and_say_nothing(tmp_path: Path) -> None:
    code = """
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
    note(name)
    if notes[name]:
        break  # who comes later is not to blame
"""
    loaded = loaded_by(code, HEAVY, tmp_path / "notes.json", *modules(*LIGHT))
    assert {name: heavy for name, heavy in loaded.items() if heavy} == {}
    assert len(loaded) == len(modules(*LIGHT)) > len(LIGHT)


def test_predicting_loads_nothing_that_trains(tmp_path: Path) -> None:
    """Not by way of timm either, whose optimizers come with a module of their own."""
    names = {*modules("train"), "timm.optim"}
    code = """
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
note("inference")
"""
    assert loaded_by(code, names, tmp_path / "notes.json", *modules("inference")) == {"inference": []}
    assert "facetwise.train.fold.optim" in names


def test_every_module_imports(capfd: pytest.CaptureFixture[str]) -> None:
    for name in modules():
        importlib.import_module(name)
    assert capfd.readouterr() == ("", "")


def test_every_verb_of_the_package_is_there() -> None:
    for name in facetwise.__all__:
        assert getattr(facetwise, name).__doc__ or name == "__version__", name
    with pytest.raises(AttributeError, match="no attribute 'no_such_verb'"):
        getattr(facetwise, "no_such_" + "verb")


def test_every_package_is_light_or_allowed_not_to_be() -> None:
    assert {n.split(".")[1] for n in modules()} == {*LIGHT, "inference", "model", "train"}


def test_no_package_hides_a_verb() -> None:
    assert {n.split(".")[1] for n in modules()} & set(facetwise.__all__) == set()
