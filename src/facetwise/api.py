"""The Python verbs: every step of the job as a function. `import facetwise as fw` gives all of them.

    project = fw.init("my-contest", dataset="path/to/dataset")
    fw.check(project)
    fw.folds(project)
    run = fw.fit(project, "cpu-tiny", settings=["optimizer.lr=1e-3"])
    print(fw.show(project, run.id).scorecard.macro_f1)
    fw.submit(project, run.id).folder.csv_file

Every verb takes an opened `Project` or a folder in one. Errors are `facetwise.core.errors.FacetwiseError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from facetwise.core.progress import Progress
from facetwise.core.project import Project

if TYPE_CHECKING:
    from facetwise.core.runs import RunFolder
    from facetwise.data.audit import Audit
    from facetwise.data.folds import Folds
    from facetwise.data.store import Store
    from facetwise.data.synth import Contest
    from facetwise.evaluate.scorecard import Scorecard
    from facetwise.recipe import Recipe
    from facetwise.report.doctor import Doctor
    from facetwise.report.views import RunsView, RunView
    from facetwise.submission.make import Submission

AnyProject = Project | str | Path
Listener = Callable[[dict[str, Any]], None]
Tta = Literal["none", "flip"]


def open_project(folder: str | Path = ".") -> Project:
    """The project that `folder` is in (it or a folder above holds `facetwise.toml`).

    Raises InputError when there is none, SettingError naming every key of the file that is not usable.
    """
    return Project.open(Path(folder))


def init(folder: str | Path, dataset: str | Path, *, name: str | None = None) -> Project:
    """Make a project in `folder` for a dataset in a known layout: `facetwise.toml`, and the shipped recipes to edit.

    Raises InputError when the layout is not known (the message shows how to write the file by hand) or when there is
    a project already.
    """
    import shutil

    from facetwise.data.presets import write_project_file
    from facetwise.recipe.load import SHIPPED, shipped_recipes

    path = write_project_file(Path(folder), Path(dataset), name=name)
    recipes = path.parent / "recipes"
    recipes.mkdir(exist_ok=True)
    for recipe in shipped_recipes():
        if not (recipes / f"{recipe}.toml").exists():
            shutil.copyfile(SHIPPED / f"{recipe}.toml", recipes / f"{recipe}.toml")
    return Project.open(path.parent)


def check(project: AnyProject = ".", *, workers: int | None = None, progress: Progress | None = None) -> Audit:
    """Look into every image and row of the dataset, save the manifest, and report all that was found at once.

    When the dataset has errors the report says so (`Audit.has_errors`) and no manifest is saved (`Audit.usable`). Wrong
    lines of the overlay are errors as well, and the manifest is saved all the same. A second call reads only what
    changed.
    """
    from facetwise.data.audit import audit
    from facetwise.data.manifest import build_manifest
    from facetwise.data.overlay import look_at_overlay

    opened = _project(project)
    manifest = build_manifest(opened, workers=workers, progress=progress)
    overlay, findings = look_at_overlay(opened.workspace.overlay_file, opened.space, manifest)
    return audit(opened, manifest, overlay, findings)


def folds(
    project: AnyProject = ".",
    *,
    name: str | None = None,
    num_folds: int = 5,
    seed: int = 0,
    split: Literal["group", "image"] = "group",
    new: bool = False,
) -> Folds:
    """Deal people into folds, stratified by joint class, and save them under `name` (`default`, or `unsafe-image`).

    Raises ArtefactError when folds of that name exist, unless `new`. `split="image"` is for teaching only: a person
    stands on both sides, the estimate is too high, and no submission is made from such a run.
    """
    from facetwise.data.folds import make_folds
    from facetwise.data.manifest import load_manifest

    opened = _project(project)
    manifest = load_manifest(opened)
    chosen = name or ("default" if split == "group" else "unsafe-image")
    return make_folds(
        opened.workspace, manifest, opened.space, name=chosen, num_folds=num_folds, seed=seed, split=split, new=new
    )


def prepare(
    project: AnyProject = ".",
    recipe: str | Path | None = None,
    *,
    settings: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress | None = None,
) -> Store:
    """Decode, crop and resize every image once: the store that `recipe` reads, or without one the store for pages.

    A store that is there is verified and reused; an interrupted one is continued, a damaged one repaired.
    """
    from facetwise.core.errors import SettingError
    from facetwise.data.manifest import load_manifest
    from facetwise.data.store import VIEW, prepare_store, recipe_store
    from facetwise.recipe import load_recipe

    opened = _project(project)
    if recipe is None and settings:
        raise SettingError("settings change a recipe: give one")
    spec = VIEW if recipe is None else recipe_store(load_recipe(_found(opened, recipe), settings).input)
    return prepare_store(opened, load_manifest(opened), spec, workers=workers, progress=progress)


def fit(
    project: AnyProject = ".",
    recipe: str | Path | Recipe | None = None,
    *,
    settings: Sequence[str] = (),
    resume: str | None = None,
    again: bool = False,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Train a recipe (a path, a shipped name or a `Recipe`) on every fold, or continue the run called `resume`.

    A run with the same fingerprint is not trained twice: a finished one is returned, an interrupted one continued,
    unless `again`. `listener` gets every event (dicts with an `event` key), `progress` that of preparing the store.
    """
    from facetwise.core.errors import SettingError
    from facetwise.recipe import load_recipe

    _need_training()
    from facetwise.train import crossval

    opened = _project(project)
    if (recipe is None) == (resume is None):
        raise SettingError("give a recipe to train, or a run to resume")
    if resume is not None:
        if settings or again:
            raise SettingError("a resumed run keeps its recipe: give `resume` alone")
        return crossval.resume(opened, resume, listener=listener, progress=progress)
    assert recipe is not None
    chosen = load_recipe(_found(opened, recipe), settings) if isinstance(recipe, str | Path) else recipe
    return crossval.fit(opened, chosen, again=again, listener=listener, progress=progress)


def predict(
    project: AnyProject = ".",
    run: str = "last",
    *,
    images: str | Path | None = None,
    dataset: str | Path | None = None,
    tta: Tta = "none",
    progress: Progress | None = None,
) -> Path:
    """Predict with every fold model of a run; returns the folder of the predictions, kept beside the run.

    Without `images` or `dataset` it is the project's own data: `oof.parquet` and `test.parquet` with `tta`. With
    `images` (any folder of photos) or `dataset` (another dataset in the project's layout) it is `images.parquet`, a
    row an image and fold model, and `classes.csv`, the decision for each image.
    """
    from facetwise.core.errors import SettingError
    from facetwise.core.runs import find_run

    _need_training()
    from facetwise.train import apply

    opened = _project(project)
    found = find_run(opened.workspace, run)
    if images is not None and dataset is not None:
        raise SettingError("give a folder of images or a dataset, not both")
    if images is None and dataset is None:
        return apply.predict_own(opened, found, tta=tta, progress=progress)
    return apply.predict_elsewhere(opened, found, images=images, dataset=dataset, tta=tta, progress=progress)


def runs(project: AnyProject = ".") -> RunsView:
    """Every run of the project with its score; the object that `facetwise runs` prints."""
    from facetwise.report.views import build_runs_view

    return build_runs_view(_project(project))


def show(project: AnyProject = ".", run: str = "last", *, html: str | Path | None = None) -> RunView:
    """Everything about one run; with `html` also written as one self-contained page."""
    from facetwise.core.errors import InputError
    from facetwise.core.runs import find_run
    from facetwise.data.manifest import load_manifest
    from facetwise.report.html import write_run_page
    from facetwise.report.pictures import thumbnails
    from facetwise.report.views import build_run_view

    opened = _project(project)
    if html is not None and not Path(html).parent.is_dir():
        raise InputError(f"{Path(html).parent}: no such folder to write the page to")
    manifest = load_manifest(opened)
    view = build_run_view(opened, find_run(opened.workspace, run), manifest)
    if html is not None:
        pictures = thumbnails(opened, manifest, [m.image for m in view.mistakes])
        write_run_page(view, pictures, Path(html))
    return view


def submit(
    project: AnyProject = ".", run: str = "last", *, tta: Tta = "none", yes: bool = False, fill_missing: bool = False
) -> Submission:
    """Make a submission from a run and record it; nothing is written when the gate refuses (GateError).

    `yes` confirms the gate's warnings; `fill_missing` answers images that cannot be read with the commonest class.
    """
    from facetwise.core.runs import find_run
    from facetwise.submission.make import make_submission

    opened = _project(project)
    found = find_run(opened.workspace, run)
    return make_submission(opened, found, tta=tta, confirmed=yes, fill_missing=fill_missing)


def score(project: AnyProject = ".", submission: str | Path = "last", *, labels: str | Path) -> Scorecard:
    """Score a submission (its id, number, `last`, or a csv file) against a csv of true joint classes."""
    from facetwise.core.errors import InputError
    from facetwise.submission.ledger import find_submission, score_submission

    opened = _project(project)
    side = opened.file.dataset.test
    if side is None:
        raise InputError("the dataset has no test side: there is nothing to score")
    given = Path(submission)
    if not given.is_file():
        recorded = find_submission(opened.workspace, str(submission))
        recorded.read_csv_bytes()  # raises when it is not the csv that was recorded
        given = recorded.csv_file
    return score_submission(given, Path(labels), side.image, side.answer, opened.space)


def draw_contest(
    root: str | Path,
    *,
    train_people: int = 200,
    eval_people: int = 60,
    seed: int = 0,
    wrong_labels: float = 0.0,
    workers: int | None = None,
) -> Contest:
    """Draw a made contest (procedural faces, hidden labels) into the new folder `root`; same seed, same bytes.

    More than one of `workers` are processes, so a script needs its `if __name__ == "__main__"` then.
    """
    from facetwise.data import synth

    spec = synth.SynthSpec(train_people=train_people, eval_people=eval_people, seed=seed, wrong_labels=wrong_labels)
    return synth.draw_contest(Path(root), spec, workers=workers)


def doctor(folder: str | Path = ".") -> Doctor:
    """What this machine and the project around `folder` have and lack, and what to do about it."""
    from facetwise.report.doctor import examine_folder

    return examine_folder(Path(folder))


def _found(project: Project, recipe: str | Path) -> str | Path:
    """A recipe's path as given, or else in the project; a shipped recipe's name stays as it is."""
    in_project = project.root / recipe
    return in_project if not Path(recipe).is_file() and in_project.is_file() else recipe


def _need_training() -> None:
    """Raise an error that says what to install when the extra `train` is missing."""
    from facetwise.core.errors import FacetwiseError

    try:
        import torch  # noqa: F401

        import facetwise.train.crossval  # noqa: F401
    except ModuleNotFoundError as error:
        raise FacetwiseError(
            f"training and predicting need `{error.name}`, which is not installed",
            hint="install the extra: `pip install 'facetwise[train]'`",
        ) from None


def _project(project: AnyProject) -> Project:
    return project if isinstance(project, Project) else open_project(project)
