"""Arguments that verbs share: a project or a folder in one, a recipe by path or name, a file to write."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.features.table import Features
    from facetwise.data.manifest import Manifest
    from facetwise.jobs.executor import Executor
    from facetwise.recipe import Recipe
    from facetwise.study.record import StudyBase

AnyProject: TypeAlias = "Project | str | Path"
"""A project, or a folder in one."""
Listener = Callable[[dict[str, Any]], None]
"""Gets every event of a run as it happens."""


def found_recipe(project: "Project", recipe: str | Path) -> "str | Path":
    """The recipe's file: at the path itself if there is one, else at that path in the project. The name of a shipped
    recipe is returned as it is."""
    in_project = project.root / recipe
    return in_project if not Path(recipe).is_file() and in_project.is_file() else recipe


def chosen_recipe(project: "Project", recipe: "str | Path | Recipe", settings: Sequence[str]) -> "Recipe":
    """The recipe itself, or that of a file with some settings changed; raises SettingError for settings of a recipe."""
    from facetwise.core.errors import SettingError
    from facetwise.recipe import load_recipe

    if isinstance(recipe, str | Path):
        return load_recipe(found_recipe(project, recipe), settings)
    if settings:
        raise SettingError("settings change a recipe file: change the recipe itself, or give a path")
    return recipe


def study_base(
    project: "Project", recipe: "str | Path | Recipe", settings: Sequence[str], name: str | None
) -> "StudyBase":
    """The recipe that a study starts from, and what the study is called."""
    from facetwise.study.record import StudyBase

    base = chosen_recipe(project, recipe, settings)
    return StudyBase(base, name, Path(recipe).stem) if isinstance(recipe, str | Path) else StudyBase(base, name)


def checked_output(project: "Project", path: str | Path, *, stdout: bool = True, suffix: str | None = None) -> Path:
    """The output path that a user gave; raises InputError when it may not be written.

    `-` means standard output and is accepted if `stdout`. The folder has to exist. Files of the dataset, and the
    project's records and artefacts, are refused, and names that do not end in `suffix`, but for devices and pipes.
    """
    from facetwise.core.errors import InputError
    from facetwise.core.files.writing import STDOUT, check_target

    out = Path(path)
    if out == STDOUT and stdout:
        return out
    if out == STDOUT:
        raise InputError("this cannot be written to standard output", hint="give the name of a file")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder to write to")
    check_target(out)
    space, real = project.workspace, out.resolve()
    files = (space.project_file, space.ledger_file, space.notes_file, space.overlay_file)
    folders = (
        project.dataset_root, space.manifest, space.folds, space.stores, space.features, space.runs, space.external,
        space.studies, space.blends, space.submissions,
    )  # fmt: skip
    if real in {f.resolve() for f in files} or any(real.is_relative_to(f.resolve()) for f in folders):
        raise InputError(
            f"{out}: what the dataset and the project keep is not written over", hint="give a file somewhere else"
        )
    if suffix is not None and out.suffix.lower() != suffix and (out.is_file() or not out.exists()):
        raise InputError(f"{out}: expected a file name that ends in `{suffix}`", hint=f"give `{out.stem}{suffix}`")
    return out


def need_training(module: str = "facetwise.train.crossval") -> None:
    """Raise an error that says what to install when `module` cannot be imported without the extra `train`."""
    import importlib

    from facetwise.core.errors import FacetwiseError

    try:
        importlib.import_module("torch")
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "facetwise":  # a fault of ours, which no extra mends
            raise
        raise FacetwiseError(
            f"training and predicting need `{error.name}`, which is not installed",
            hint="install the extra: `pip install 'facetwise[train]'`",
        ) from None


def features_of(manifest: "Manifest", features: str | Path | None) -> "Features | None":
    """The features in a file for this manifest; None without a file."""
    from facetwise.data.features.table import read_features

    return None if features is None else read_features(Path(features), manifest)


def local_executor(jobs: int) -> "Executor | None":
    """An executor that trains `jobs` folds at a time; None for one fold after the other in this process."""
    from facetwise.jobs.local import LocalProcesses

    return LocalProcesses(jobs) if jobs > 1 else None


def opened_project(project: AnyProject) -> "Project":
    """The project itself, or the project that a folder belongs to."""
    from facetwise.core.project import Project

    return project.at_work() if isinstance(project, Project) else Project.open(Path(project))


def height_and_width(text: str) -> tuple[int, int]:
    """`224x168` as numbers of pixels; raises SettingError."""
    from facetwise.core.errors import SettingError

    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and 1 <= int(height) <= 4096 and 1 <= int(width) <= 4096):
        raise SettingError(f"`size` is `{text}`, expected HEIGHTxWIDTH in pixels, such as 224x168")
    return int(height), int(width)
