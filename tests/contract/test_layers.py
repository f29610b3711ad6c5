"""The house: imports go down, the trees in the documents are the folders, and no folder is a flat bag."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "facetwise"
TREES = ("README.md", "CONTRIBUTING.md", "docs/concepts/architecture.md")
MAX_ENTRIES = 16
"""Of a folder; 5 to 12 read best."""


def test_imports_go_down(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


def rooms(document: str) -> list[tuple[str, str]]:
    """Folder and what stands beside it, of each line below `src/facetwise/` in a document's tree."""
    _, tree = (ROOT / document).read_text("utf-8").split("    src/facetwise/\n", 1)
    lines = re.match(r"(?:      \w+/ .*\n)+", tree)
    assert lines, f"{document}: no tree"
    return [(name, text) for name, text in re.findall(r"^      (\w+)/ +(.*)$", lines[0], flags=re.MULTILINE)]


def test_the_three_trees_are_one_and_are_the_folders() -> None:
    first, *others = (rooms(document) for document in TREES)
    assert all(other == first for other in others)
    assert {name for name, _ in first} == {path.name for path in SOURCE.iterdir() if (path / ".").is_dir()} - {
        "__pycache__"
    }


def test_the_trees_are_in_the_order_of_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [name.strip() for row in contracts[0]["layers"] for name in row.split("|") if name != "__main__"]
    assert [name for name, _ in rooms(TREES[0]) if name != "recipes"] == layers


def test_no_folder_is_a_flat_bag() -> None:
    found = {}
    for folder in {path.parent for path in SOURCE.rglob("*.py")}:
        entries = [p for p in folder.iterdir() if p.name not in ("__pycache__", "__init__.py", "py.typed")]
        name = folder.relative_to(SOURCE).as_posix()
        if folder != SOURCE and len(entries) > MAX_ENTRIES:
            found[name] = len(entries)
    assert found == {}


def test_a_name_that_begins_with_a_line_stays_in_its_module() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {node.module}.{alias.name}"
        for folder in ("src", "tests", "benchmarks", "docs")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert found == []
