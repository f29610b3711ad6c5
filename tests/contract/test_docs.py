"""The documents are true: generated pages are current, commands and links exist, code runs."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from facetwise.cli.main import app
from facetwise.core import errors, tables
from facetwise.core.files.settings import parse
from facetwise.core.records.project_file import ProjectFile
from facetwise.recipe import Recipe, load_recipe
from facetwise.recipe.load import apply_setting, recipe_path, shipped_recipes
from facetwise.study.changes import apply_changes
from facetwise.study.space import read_space

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
BENCHMARKS = ROOT / "benchmarks"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", BENCHMARKS / "README.md", *DOCS.rglob("*.md")])
BLOCK = re.compile(r"^(?P<mark><!-- run -->\n)?```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
GUIDE = DOCS / "guides" / "python.md"
USAGE: Any = typer.BadParameter.__base__
"""What wrong arguments of a command raise."""
TECHNIQUES, EXPERIMENTS = DOCS / "guides" / "techniques.md", DOCS / "guides" / "experiments.md"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, *kinds: str) -> list[re.Match[str]]:
    """The fenced blocks of these languages."""
    return [m for m in BLOCK.finditer(path.read_text("utf-8")) if m["kind"] in kinds]


# --------------------------------------------------------------------------------------------------- generated pages


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """docs/write_reference.py as a module."""
    spec = importlib.util.spec_from_file_location("write_reference", DOCS / "write_reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cli", "recipe", "project"])
def test_generated_pages_are_what_the_code_says(name: str, writer: ModuleType) -> None:
    page = {"cli": "cli.md", "recipe": "recipe.md", "project": "project-file.md"}[name]
    assert (REFERENCE / page).read_text("utf-8") == getattr(writer, f"{name}_page")(), "run `make docs`"


def all_specs(spec: type[BaseModel], writer: ModuleType) -> Iterator[type[BaseModel]]:
    yield spec
    for field in spec.model_fields.values():
        for part in writer.specs_of(field.annotation):
            yield from all_specs(part, writer)


@pytest.mark.parametrize(("spec", "page"), [(Recipe, "recipe.md"), (ProjectFile, "project-file.md")])
def test_every_key_stands_with_its_docstring(spec: type[BaseModel], page: str, writer: ModuleType) -> None:
    text = (REFERENCE / page).read_text("utf-8")
    missing = []
    for part in all_specs(spec, writer):
        for key, field in part.model_fields.items():
            assert field.description, f"{part.__name__}.{key} has no docstring"
            if key == "name" and f'`name = "{field.default}"`' in text:
                continue  # a kind: its heading says it
            said = " ".join(field.description.split())
            row = f"| `{key}` |"
            place = text.find(said) if writer.specs_of(field.annotation) else text.find(f" {said} |")
            if place < 0 or (row not in text and f"{key}]" not in text):
                missing.append(f"{part.__name__}.{key}")
    assert missing == [], "run `make docs`"


# --------------------------------------------------------------------------------------------- pages written by hand


# ---------------------------------------------------------------------------------------------- settings and recipes


def test_every_kind_of_every_family_is_a_technique(writer: ModuleType) -> None:
    text = TECHNIQUES.read_text("utf-8") + (DOCS / "concepts" / "training.md").read_text("utf-8")
    names = {name for _, kinds in writer.families(Recipe) for name in kinds}
    assert len(names) > 30
    assert sorted(name for name in names if f'"{name}"' not in text and f"`{name}`" not in text) == []


def technique_rows() -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """Technique, settings, and the lines of the recipe file, of each row that has both."""
    for row in re.findall(r"^\| (.*) \|$", TECHNIQUES.read_text("utf-8"), flags=re.MULTILINE):
        name, *cells = row.split(" | ")
        if len(cells) == 2 and cells[0].startswith("`--set"):
            words = shlex.split(" ".join(re.findall(r"`([^`]*)`", cells[0])))
            toml = "\n".join(re.findall(r"`([^`]*)`", cells[1]))
            yield name, [w for w in words if w != "--set"], tomllib.loads(toml)


def written_in(base: dict[str, Any], lines: dict[str, Any]) -> dict[str, Any]:
    """The recipe when these lines stand in it: kinds replace, keys are set, items are added."""
    merged = dict(base)
    for key, value in lines.items():
        if isinstance(value, dict) and "name" not in value:
            merged[key] = written_in(base.get(key, {}), value)
        else:
            merged[key] = [*base.get(key, []), *value] if key == "augment" else value
    return merged


@pytest.mark.parametrize("technique", list(technique_rows()), ids=lambda row: row[0])
def test_a_technique_is_the_same_by_setting_and_in_the_file(technique: tuple[str, list[str], dict[str, Any]]) -> None:
    _, settings, lines = technique
    base = {**tomllib.loads(recipe_path("cpu-tiny").read_text("utf-8")), "augment": []}
    base["loss"], base["optimizer"] = {"name": "cross-entropy"}, {"name": "adamw"}
    written = parse(Recipe, written_in(base, lines), "the file")
    for setting in settings:
        apply_setting(base, setting)
    assert parse(Recipe, base, "the settings") == written


def test_the_backbones_named_are_those_of_the_shipped_recipes() -> None:
    rows = [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", TECHNIQUES.read_text("utf-8"), flags=re.MULTILINE)]
    named = {
        r: toml for _, recipes, *toml in rows for r in re.findall(r"`([\w-]+)`", recipes) if r in shipped_recipes()
    }
    assert set(shipped_recipes()) - set(named) == {"demo", "diary-age"}
    assert [r for r, toml in named.items() if load_recipe(r).model.backbone not in str(toml)] == []


def test_the_experiments_can_be_asked_for() -> None:
    """Their recipe, their search space and their changes are usable, without training them."""
    recipe_toml, space = (tomllib.loads(block["code"]) for block in blocks(EXPERIMENTS, "toml"))
    recipe = parse(Recipe, recipe_toml, "the guide")
    assert set(read_space(space, recipe).parts) == set(space)
    ablate = next(b["code"] for b in blocks(EXPERIMENTS, "sh") if "ablate" in b["code"])
    words = shlex.split(ablate.replace("\\\n", " "))
    tries = [words[i + 1] for i, word in enumerate(words) if word == "--try"]
    assert len(apply_changes(recipe, tries)) == len(tries) == 5


# ------------------------------------------------------------------------------------------- tables, errors and pages


@pytest.mark.parametrize("schema", ["MANIFEST", "FOLDS", "PREDICTIONS"])
def test_every_column_of_every_table_is_documented(schema: str) -> None:
    text = (REFERENCE / "artefacts.md").read_text("utf-8")
    assert [column for column in getattr(tables, schema) if f"`{column}`" not in text] == []


def test_every_exception_is_documented() -> None:
    text = (REFERENCE / "errors.md").read_text("utf-8")
    kinds = [
        n for n, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.FacetwiseError)
    ]
    assert len(kinds) > 5
    assert [name for name in kinds if f"`{name}`" not in text] == []


def test_every_finding_is_documented() -> None:
    """Codes as they stand in the source; those put together from parts are left to the eye."""
    text = (REFERENCE / "errors.md").read_text("utf-8")
    collected = re.compile(r"(?:findings|found)\.(?:error|warning|info)\(\s*\"([a-z0-9-]+)\"")
    gate = re.compile(r"GateFinding\(\s*\"\w+\",\s*\"([a-z-]+)\"")
    sources = [(collected, ROOT / "src/facetwise/data"), (gate, ROOT / "src/facetwise/submission")]
    codes = {c for rule, folder in sources for p in folder.rglob("*.py") for c in rule.findall(p.read_text("utf-8"))}
    assert len(codes) > 20
    assert sorted(code for code in codes if f"`{code}`" not in text) == []


def test_every_page_is_reached_from_the_index() -> None:
    seen, todo = set[Path](), [DOCS / "index.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.is_relative_to(DOCS):
            continue
        seen.add(page)
        todo += [target for target, _ in links(page) if target.is_file()]
    unreached = set(DOCS.rglob("*.md")) - seen
    assert sorted(name_of(p) for p in unreached if "decisions" not in p.parts) == []


# ------------------------------------------------------------------------------------------------------------- links


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """File and heading that each link of a page leads to, other sites left out."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        yield ((page.parent / file).resolve() if file else page), heading


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text("utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    found = list(links(page))
    assert [name_of(f) for f, _ in found if not f.exists()] == []
    assert [f"{name_of(f)}#{h}" for f, h in found if h and h not in anchors(f)] == []


# ---------------------------------------------------------------------------------------------------------- commands


def shell_lines(page: Path) -> Iterator[str]:
    """Lines of shell blocks, parts joined by `&&` apart, and code in a line that is a `facetwise` or `make` command."""
    for block in blocks(page, "sh", "console"):
        for line in block["code"].replace("\\\n", " ").splitlines():
            yield from line.removeprefix("$ ").split("&&")
    yield from re.findall(r"`((?:facetwise|make) [^`]+)`", BLOCK.sub("", page.read_text("utf-8")))


def unknown_words(line: str) -> list[str]:
    """What a `facetwise` line asks for that there is not: the command, or options of it."""
    words = shlex.split(line.replace("'", " "), comments=True)[1:]  # quoted: for another machine
    root: Any = typer.main.get_command(app)
    if words and words[0].startswith("-"):  # global options first; of those only the flags are used in documents
        words = [w for w in words if w not in ("--debug", "--version", "--help")]
    if not words or not re.fullmatch(r"[a-z]+", words[0]):
        return []  # `facetwise COMMAND --help`
    if words[0] not in root.commands:
        return [words[0]]
    command, words = root.commands[words[0]], words[1:]
    if hasattr(command, "commands") and words and re.fullmatch(r"[a-z]+", words[0]):  # a group: `labels suspects`
        if words[0] not in command.commands:
            return [words[0]]
        command, words = command.commands[words[0]], words[1:]
    known = {o for p in [*command.params, *root.params] for o in p.opts} | {"--help"}
    return [w for w in words if re.match(r"--?[a-z]", w) and w not in known]


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "cli.md"], ids=name_of)
def test_commands_in_documents_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    wrong = []
    for line in map(str.strip, shell_lines(page)):
        if line.startswith("facetwise "):
            wrong += [f"{line}: {word}" for word in unknown_words(line)]
        elif line.startswith("make ") and line.split()[1] not in targets:
            wrong.append(line)
    assert wrong == []


def wrong_scripts(text: str) -> list[str]:
    """What a page's `python benchmarks/SCRIPT` lines ask for that there is not: the script, or options of it."""
    wrong = []
    for name, arguments in re.findall(r"`python benchmarks/([\w.]+)([^`]*)`", text):
        script = BENCHMARKS / name
        known = re.findall(r'add_argument\("(--[\w-]+)"', script.read_text("utf-8")) if script.is_file() else []
        words = re.findall(r"--[\w-]+", arguments)
        wrong += [f"{name} {w}".strip() for w in ([] if script.is_file() else [""]) + words if w not in known]
    return wrong


def test_every_benchmark_has_a_section_and_its_command_exists() -> None:
    assert [problem for page in PAGES for problem in wrong_scripts(page.read_text("utf-8"))] == []
    text = (BENCHMARKS / "README.md").read_text("utf-8")
    scripts = [p.name for p in sorted(BENCHMARKS.glob("*.py")) if "\ndef main(" in p.read_text("utf-8")]
    assert len(scripts) > 10
    headings = re.findall(r"^## .*`python benchmarks/([\w.]+)", text, flags=re.MULTILINE)
    assert [name for name in scripts if name not in headings] == []


def test_wrong_scripts_are_noticed() -> None:
    assert wrong_scripts("`python benchmarks/epoch.py --quick`") == []
    assert wrong_scripts("`python benchmarks/epoch.py --quik`, `python benchmarks/epok.py`") == [
        "epoch.py --quik",
        "epok.py",
    ]


def not_usable(line: str) -> str | None:
    """Why a `facetwise` line, whole as one would type it, is refused before it does anything."""
    name, *words = shlex.split(line, comments=True)[1:]
    root: Any = typer.main.get_command(app)
    try:
        root.commands[name].make_context(name, words)
    except (KeyError, USAGE) as error:
        return f"{line}: {error}"
    return None


@pytest.mark.parametrize("page", [TECHNIQUES, EXPERIMENTS, DOCS / "concepts" / "training.md"], ids=name_of)
def test_commands_in_blocks_are_accepted(page: Path) -> None:
    code = [block["code"].replace("\\\n", " ") for block in blocks(page, "sh")]
    lines = [line for text in code for line in text.splitlines() if line.startswith("facetwise ")]
    assert lines
    assert [problem for line in lines if (problem := not_usable(line))] == []


def test_unusable_commands_are_noticed() -> None:
    assert not_usable("facetwise tune demo --space s.toml --trials 3") is None
    assert "trials" in str(not_usable("facetwise tune demo --space s.toml"))
    assert "many" in str(not_usable("facetwise tune demo --space s.toml --trials many"))


def test_unknown_words_are_noticed() -> None:
    assert unknown_words("facetwise fit demo --set a=1 # text") == []
    assert unknown_words("facetwise fit demo --sett a=1") == ["--sett"]
    assert unknown_words("facetwise serve 1 2") == ["serve"]


# -------------------------------------------------------------------------------------------------------------- code


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_blocks_can_be_read(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block["code"], name_of(page), "exec")
    for block in blocks(page, "toml"):
        data = tomllib.loads(block["code"])
        if "dataset" in data:
            ProjectFile.model_validate(data)


@pytest.mark.slow
def test_the_python_guide_runs(tmp_path: Path) -> None:
    """Its marked blocks, in order, as one script in an empty folder."""
    script = "\n".join(block["code"] for block in blocks(GUIDE, "python") if block["mark"])
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "('mask', 'gender', 'age') 18" in done.stdout
    assert "did you mean `lr`?" in done.stdout
