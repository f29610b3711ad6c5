"""Which commit an artefact was made with: that of facetwise's own repository, and of no other around it."""

import shutil
import subprocess
from pathlib import Path

import pytest

import facetwise
from facetwise.core.records import provenance


def git(folder: Path, *words: str) -> str:
    """What a git command says; the identity is given, so that none needs to be set up."""
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip()


@pytest.mark.parametrize(("inside", "is_own"), [("", True), ("vendor/facetwise", False), (".venv/lib", False)])
def test_the_commit_is_that_of_its_own_repository(
    inside: str, is_own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs_program: object
) -> None:
    needs_program("git")  # type: ignore[operator]
    source = tmp_path / inside / "src" / "facetwise" / "core" / "records" / "provenance.py"
    source.parent.mkdir(parents=True)
    shutil.copy(Path(facetwise.__file__).parent / "core" / "records" / "provenance.py", source)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    monkeypatch.setattr(provenance, "__file__", str(source))
    head = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert provenance.commit() == (head if is_own else None)
    source.write_text("changed", encoding="utf-8")
    assert provenance.commit() == (f"{head}+changed" if is_own else None)
