"""The repository's own promises: it runs anywhere, and what it says of itself is true."""

import ast
import fnmatch
import importlib
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
CLI_REFERENCE = ROOT / "docs" / "reference" / "cli.md"

HOME_FOLDERS = ("root", "work", "home/\\w+", "Users/\\w+", "opt/ml")
MACHINE_PATH = re.compile(rf"(?<![\w.~*)}}-])/(?:{'|'.join(HOME_FOLDERS)})(?![\w-])")
HOST = re.compile(
    r"[a-z][a-z+]*://(?:[^\s/@\"'`]*@)?([\w.-]+)|((?:[\w-]+\.)+(?:com|org|net|io|dev|ai|cn|kr))\b(?!\()", re.IGNORECASE
)
"""The host of an address, or what looks like one without an address."""
STAND_INS = re.compile(r"(?:.*\.)?example(?:\.(?:com|org|net))?|127\.0\.0\.1|a\.b|[^.]*")
"""Names that are kept for documents (RFC 2606), this machine, and words that are no host's name."""
HOSTS = {
    "arxiv.org", "git-lfs.github.com", "github.com", "keepachangelog.com", "ns.adobe.com", "semver.org",
    "www.apache.org", "www.w3.org",
    # In the vendored plotly alone:
    "2Fwww.w3.org", "cdn.plot.ly", "cloud.plotly.com", "feross.org", "getify.mit-license.org", "plotly.com",
    "syntheti.cc",
}  # fmt: skip
"""The only hosts that the repository names: where a package comes from is the installer's own setting."""


def ignored(path: Path) -> bool:
    """Whether .gitignore (plain names and globs) leaves out `path`, relative to the root."""
    rules = [
        line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    parts = (path.as_posix(), *path.parts)
    return any(fnmatch.fnmatch(part, rule) for part in parts for rule in [*rules, ".git"])


def repository_files() -> list[Path]:
    """Files that git tracks; without git or a commit, all that .gitignore does not leave out."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, encoding="utf-8", check=False
        )
        tracked = [ROOT / name for name in done.stdout.split("\0") if name]
    except FileNotFoundError:
        tracked = []
    return [p for p in tracked or walk(ROOT) if p.is_file()]


def walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if ignored(path.relative_to(ROOT)):
            continue
        if path.is_dir():
            yield from walk(path)
        else:
            yield path


def texts() -> Iterator[tuple[str, str]]:
    """Name and text of each text file of the repository."""
    for path in repository_files():
        data = path.read_bytes()
        if b"\0" not in data:
            yield path.relative_to(ROOT).as_posix(), data.decode("utf-8")


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [f"{name}: {m.group()}" for name, text in texts() for m in MACHINE_PATH.finditer(text)]
    assert found == []


def test_machine_paths_are_recognised() -> None:
    for path in ("/ro" + "ot/x", '"/wo' + 'rk/main"', "/ho" + "me/ann"):
        assert MACHINE_PATH.search(path), path
    for path in ("/usr/bin/env", "a/work/b", "~/work", "https://example.org/home/", "network/root/x"):
        assert not MACHINE_PATH.search(path), path


def hosts(text: str) -> list[str]:
    """Every host that `text` names."""
    return [address or bare for address, bare in HOST.findall(text)]


def test_every_host_that_a_file_names_is_one_of_those_allowed() -> None:
    named = {f"{name}: {host}" for name, text in texts() for host in hosts(text) if not allowed(host)}
    assert named == set()


def allowed(host: str) -> bool:
    return host in HOSTS or STAND_INS.fullmatch(host) is not None


def test_hosts_are_recognised() -> None:
    assert hosts("--index-url=https://me:word@packages.example.org:80/simple") == ["packages.example.org"]
    assert hosts("pip install -i mirror.example.com/simple x") == ["mirror.example.com"]
    assert hosts("self.net(x), torch.nn.functional, a.py") == []
    assert allowed("box.example.org")
    assert not allowed("github.com.x")
    assert not allowed("packages.example.org.x")


def in_text_of_the_locale(call: ast.Call) -> bool:
    """Whether a call reads or writes text without saying in which encoding: another machine has another one."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given: dict[str | None, ast.expr] = {k.arg: k.value for k in call.keywords}
    if "encoding" in given or None in given:
        return False
    if name in ("read_text", "write_text"):
        return len(call.args) < (1 if name == "read_text" else 2)
    if name == "open" and not call.args:
        return "mode" not in given or "b" not in ast.unparse(given["mode"])
    if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
        of_a_path = name == "open" and isinstance(call.func, ast.Attribute)
        place, usual = (0, None) if of_a_path or name.endswith("File") else (1, ast.Constant("r"))
        mode = given.get("mode") or next(iter(call.args[place:]), usual)
        return isinstance(mode, ast.Constant) and re.fullmatch("[rwxat+]+", str(mode.value)) is not None
    return any(ast.unparse(v) == "True" for k, v in given.items() if k in ("text", "universal_newlines"))


def test_text_is_read_and_written_in_utf_8() -> None:
    """ruff's PLW1514 sees the calls whose object it knows; this sees the others."""
    found = [
        f"{name}:{node.lineno}"
        for name, text in texts()
        if name.endswith(".py")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and in_text_of_the_locale(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("p.read_text()", True), ('p.read_text("utf-8")', False), ('p.write_text("a")', True), ('p.open("a")', True),
        ('p.open("rb")', False), ("p.open()", True), ("open(p)", True), ('open(p, "wb")', False),
        ("Image.open(p)", False), ("os.open(p, flags)", False), ('os.fdopen(1, "w")', True), ("run(text=True)", True),
        ("NamedTemporaryFile()", False), ('NamedTemporaryFile("w")', True), ('run(a, encoding="utf-8")', False),
    ],
)  # fmt: skip
def test_text_of_the_locale_is_noticed(code: str, wrong: bool) -> None:
    assert in_text_of_the_locale(ast.parse(code, mode="eval").body) is wrong  # type: ignore[arg-type]


def test_the_lock_that_names_hosts_stays_out() -> None:
    assert ignored(Path("uv.lock"))
    assert ROOT / "uv.lock" not in repository_files()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-uv.lock"])
def test_locks_pin_every_package_by_hash(name: str) -> None:
    entries = (ROOT / name).read_text("utf-8").replace("\\\n", " ").splitlines()
    assert entries
    assert [e for e in entries if not re.fullmatch(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}\s*", e)] == []


def test_the_lock_serves_every_dependency() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = pyproject["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *pyproject["dependency-groups"].values(),
    ]
    wanted = {re.split(r"[><=\[]", name)[0] for names in lists for name in names} - {"facetwise"}
    locked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), flags=re.MULTILINE))
    assert wanted
    assert wanted - locked == set(), "run `make lock`"


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony
    shown = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, encoding="utf-8", check=True).stdout
    for target in set(phony.group(1).split()) - {"FORCE"}:
        assert re.search(rf"^make {target} +\S", shown, flags=re.MULTILINE), f"`make help` has no line for {target}"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(p.name[:4]) for p in sorted(DECISIONS.glob("[0-9]*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", sorted(DECISIONS.glob("*.md")), ids=lambda p: p.stem)
def test_decisions_have_their_four_parts(path: Path) -> None:
    parts = re.findall(r"^## (.*)$", path.read_text("utf-8"), flags=re.MULTILINE)
    assert parts == ["Status", "Context", "Decision", "Consequences"]


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{name}: {target}"
        for name, text in texts()
        if name.endswith(".md")
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)\s#]+)", text)
        if not (ROOT / name).parent.joinpath(target).exists()
    ]
    assert broken == []


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every visible command below `command`, with its full name."""
    children: dict[str, Any] | None = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for word, child in children.items():
        if not child.hidden:
            yield from commands(child, f"{name} {word}")


def test_every_command_and_option_is_documented() -> None:
    root = typer.main.get_command(importlib.import_module("facetwise.cli.main").app)
    reference = CLI_REFERENCE.read_text("utf-8") if CLI_REFERENCE.is_file() else ""
    missing, found = [], []
    for name, command in commands(root, "facetwise"):
        found.append(name)
        section = re.search(rf"^##+ `{re.escape(name)}`$(.*?)(?=^##+ `|\Z)", reference, flags=re.MULTILINE | re.DOTALL)
        words = [p.opts[0] for p in command.params if p.opts and p.opts[0].startswith("--") and not p.hidden]
        missing += [f"{name} {w}".rstrip() for w in ("", *words) if section is None or w not in section.group(1)]
    assert found
    assert missing == [], "run `make docs`"


def test_a_missing_program_skips_here_and_fails_in_ci(
    needs_program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert needs_program("sh").name == "sh"
    monkeypatch.delenv("FACETWISE_NO_SKIP", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install no-such-program"):
        needs_program("no-such-program")
    monkeypatch.setenv("FACETWISE_NO_SKIP", "1")
    with pytest.raises(pytest.fail.Exception, match="needs the program `no-such-program`"):
        needs_program("no-such-program")
