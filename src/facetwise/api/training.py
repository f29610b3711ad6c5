"""Training, predicting, experiments that train many runs, and the pretrained weights that they start from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from facetwise.api.arguments import (
    AnyProject,
    Listener,
    checked_output,
    chosen_recipe,
    height_and_width,
    local_executor,
    need_training,
    opened_project,
    study_base,
)
from facetwise.api.data import make_ready
from facetwise.api.options import Jobs, Option, RecipeFile, Run, Settings, StudyName, Views, verb
from facetwise.core.choices import Pruner, WeightsTask
from facetwise.core.progress import Progress

if TYPE_CHECKING:
    from facetwise.core.runs import RunFolder
    from facetwise.results.shelf import AddedWeights, ShelfView
    from facetwise.study.ablation import Ablation, Zoo
    from facetwise.study.search import Search


@verb
def fit(
    project: AnyProject = ".",
    recipe: RecipeFile | None = None,
    *,
    settings: Settings = (),
    resume: Annotated[str | None, Option("Continue an interrupted run.", metavar="RUN")] = None,
    again: Annotated[bool, Option("Train even if the same recipe was already trained.")] = False,
    jobs: Jobs = 1,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> "RunFolder":
    """Train a recipe (a path, a shipped name or a `Recipe`) on every fold, or continue the run called `resume`.

    A dataset that was never checked is checked first, and folds `default` are dealt when there are none; InputError for
    what the check refuses.

    Unless `again`, a run with the same fingerprint is not trained twice: a finished one is returned, an interrupted one
    continued. `jobs` folds are trained at a time, each in its own process with its share of the cores. `listener` is
    called with every event (a dict with an `event` key), `progress` while the store is prepared.
    """
    from facetwise.core.errors import SettingError

    opened = opened_project(project)
    executor = local_executor(jobs)
    if (recipe is None) == (resume is None):
        raise SettingError("give a recipe to train, or a run to resume")
    if resume is not None and (settings or again):
        raise SettingError("a resumed run keeps its recipe: give `resume` alone")
    chosen = None if recipe is None else chosen_recipe(opened, recipe, settings)
    need_training()  # loads torch, which takes seconds: what was typed wrongly is told before
    from facetwise.train import crossval

    if chosen is None:
        return crossval.resume(opened, str(resume), executor=executor, listener=listener, progress=progress)
    make_ready(opened, chosen, listener or (lambda _: None), progress)
    return crossval.fit(opened, chosen, again=again, executor=executor, listener=listener, progress=progress)


@verb
def predict(
    project: AnyProject = ".",
    run: Run = "last",
    *,
    images: Annotated[str | Path | None, Option("A folder of photos to predict.")] = None,
    dataset: Annotated[str | Path | None, Option("Another dataset in the project's layout.")] = None,
    boxes: Annotated[
        str | Path | None,
        Option("The boxes of these photos, a csv, for a run that crops by boxes.", metavar="FILE", kind=str),
    ] = None,
    tta: Views = "none",
    progress: Progress | None = None,
) -> Path:
    """Predict with every fold model of a run; returns the folder of the predictions, in the run's folder.

    By default predicts the project's own data with `tta`, into `oof.parquet` and `test.parquet`. With `images` (any
    folder of photos) or `dataset` (another dataset in the project's layout) writes `images.parquet`, a row for each
    image and fold model, and `classes.csv`, the decision for each image; a run that crops by boxes needs the csv
    `boxes` of these photos, as `facetwise.boxes` writes one.
    """
    from facetwise.core.errors import SettingError
    from facetwise.core.runs import find_run

    opened = opened_project(project)
    found = find_run(opened.workspace, run)
    if images is not None and dataset is not None:
        raise SettingError("give a folder of images or a dataset, not both")
    if images is None and dataset is None and boxes is not None:
        raise SettingError("`boxes` are of other photos: give `images` or `dataset` too")
    if images is None and dataset is None and tta == "none":
        raise SettingError(
            f"nothing to predict: run `{found.id}` has the predictions of its own images",
            hint="give a kind of `tta`, or other photos with `images` or `dataset`",
        )
    need_training("facetwise.inference.own_images")
    from facetwise.inference.other_images import predict_other_images
    from facetwise.inference.own_images import predict_own_images

    if images is None and dataset is None:
        return predict_own_images(opened, found, tta=tta, progress=progress)
    return predict_other_images(opened, found, images=images, dataset=dataset, boxes=boxes, tta=tta, progress=progress)


@verb
def embed(
    project: AnyProject,
    recipe: RecipeFile,
    *,
    out: Annotated[str | Path, Option("The Parquet file to write.")],
    settings: Settings = (),
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the features that a recipe's backbone gives, untrained here, to the Parquet file `out`.

    A row an image of the manifest: `image`, `group`, `split` (`train` or `test`), `sha256` of the file, and `features`,
    an array of float32, null where an image cannot be read. They are the features that heads on a frozen backbone are
    trained on, and kept in the project with them; `check`, `folds`, `same_person` and `suspects` read the table. Raises
    InputError when `out` is no Parquet file in a folder that exists.
    """
    from io import BytesIO

    from facetwise.core.files.writing import write_output

    opened = opened_project(project)
    path = checked_output(opened, out, suffix=".parquet")
    chosen = chosen_recipe(opened, recipe, settings)
    need_training("facetwise.train.frozen.embedding")
    from facetwise.train.frozen.embedding import embed as embedded

    table, data = embedded(opened, chosen, listener or (lambda _: None), progress), BytesIO()
    table.write_parquet(data)
    write_output(path, data.getvalue())
    return path


@verb
def augment(
    project: AnyProject,
    recipe: RecipeFile,
    *,
    out: Annotated[str | Path, Option("The PNG to write.")],
    rows: Annotated[int, Option("Training images to show.", min=1, max=64)] = 8,
    columns: Annotated[int, Option("Pictures of each: as stored, then augmented.", min=2, max=64)] = 8,
    seed: Annotated[int, Option("Seed of the choice of images and of their augmentation.", min=0)] = 0,
    settings: Settings = (),
    progress: Progress | None = None,
) -> Path:
    """Draw a contact sheet of some training images as a recipe augments them, to the PNG `out`.

    `rows` images, each as stored and then augmented `columns` - 1 times, mixing included. Makes the image store if
    needed. Raises InputError when `out` is not a PNG in an existing folder, or when there is nothing to show.
    """
    from facetwise.core.files.writing import write_output

    need_training("facetwise.train.augment.contact")
    from facetwise.train.augment.contact import contact_sheet
    from facetwise.train.augment.contact_picture import sheet_png

    opened = opened_project(project)
    path = checked_output(opened, out, suffix=".png")
    chosen = chosen_recipe(opened, recipe, settings)
    sheet = contact_sheet(opened, chosen, rows=rows, columns=columns, seed=seed, progress=progress)
    write_output(path, sheet_png(sheet))
    return path


@verb
def ablate(
    project: AnyProject,
    recipe: RecipeFile,
    *,
    tries: Annotated[
        Sequence[str],
        Option(
            "A change: `--try loss=focal`; separate several settings by `;`. May be repeated.",
            ("--try",),  # a keyword of Python
        ),
    ],
    settings: Settings = (),
    name: StudyName = None,
    jobs: Jobs = 1,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> "Ablation":
    """Train a base recipe and one run for each change of it on the same folds, and compare each run with the base.

    `tries`: the changes, each such as `"loss=focal"`, or several settings separated by `;`. Finished runs are not
    trained again, so the same call continues after an interruption. All recipes are checked before anything is trained.
    `jobs` folds are trained at a time, as by `fit`.
    """
    from facetwise.study.ablate import ablate as run_ablation

    need_training()
    opened = opened_project(project)
    base = study_base(opened, recipe, settings, name)
    return run_ablation(opened, base, tries, executor=local_executor(jobs), listener=listener, progress=progress)


@verb
def zoo(
    project: AnyProject = ".",
    recipe: RecipeFile = "frozen-zoo",
    *,
    weights: Annotated[
        Sequence[str],
        Option("Weights on the shelf, or `hub:BACKBONE`. May be repeated; default: all of the shelf."),
    ] = (),
    tries: Annotated[
        Sequence[str],
        Option("A change to train beside the recipe, with all weights. May be repeated; `''`: none.", ("--try",)),
    ] = ("model.head=flat",),
    settings: Settings = (),
    name: StudyName = None,
    jobs: Jobs = 1,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> "Zoo":
    """Train a recipe from each of several pretrained weights, and with each change, then blend all of the runs.

    A dataset is checked and dealt into folds first, as by `fit`. With a frozen backbone its features are computed once
    for all heads. Runs and comparisons are those of `ablate`, and the same call continues; the blend is that of
    `fw.blend` over these runs, chosen on their out-of-fold predictions. Raises SettingError for a single run.
    """
    from facetwise.study.zoo import train_zoo

    need_training()
    opened = opened_project(project)
    base = study_base(opened, recipe, settings, name)
    make_ready(opened, base.recipe, listener or (lambda _: None), progress)
    return train_zoo(opened, base, weights, tries, executor=local_executor(jobs), listener=listener, progress=progress)


@verb
def tune(
    project: AnyProject,
    recipe: RecipeFile,
    *,
    space: Annotated[
        str | Path | Mapping[str, Any],
        Option("A TOML file with a table for each recipe key: `low` and `high`, or `choices`."),
    ],
    trials: Annotated[int, Option("Total number of trials of the study.", min=1)],
    settings: Settings = (),
    name: StudyName = None,
    pruner: Annotated[
        Pruner, Option("Stop a trial after a fold if it is below the median of the others so far, or never.")
    ] = "median",
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> "Search":
    """Search a space of settings around a recipe until the study has `trials` trials in all.

    `space`: a TOML file, or the same as a dict: `{"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}}`. The same
    call continues after an interruption, and several processes may work on one study. Needs the extra `search`.
    """
    from facetwise.study.tune import tune as run_search

    need_training()
    opened = opened_project(project)
    base = study_base(opened, recipe, settings, name)
    return run_search(opened, base, space, trials, pruner=pruner, listener=listener, progress=progress)


# ------------------------------------------------------------------------------------------------ pretrained weights


@verb
def list_weights(
    *,
    for_memory: Annotated[
        float | None, Option("Also pretrained backbones of timm to try first, for so many GiB.", min=0, metavar="GIB")
    ] = None,
    task: Annotated[WeightsTask, Option("What they are for: all weights train, or the head alone.")] = "finetune",
    size: Annotated[
        str | None, Option("Images to come; the default is what each was made for.", metavar="HEIGHTxWIDTH")
    ] = None,
    measure: Annotated[bool, Option("Measure their speed here where it is not known yet.")] = False,
    progress: Progress | None = None,
) -> "ShelfView":
    """The weights on the shelf, `FACETWISE_WEIGHTS` or `facetwise/weights` in the user's cache.

    With `for_memory` also some of timm's pretrained backbones, with size and licence as timm knows them, whose weights
    (to be trained with gradients and averages) take at most so many GiB; activations are not in it. Their speed is
    what was measured on this machine, once.
    """
    from dataclasses import replace

    from facetwise.results.shelf import build_shelf_view

    view = build_shelf_view()
    if for_memory is None:
        return view
    need_training("facetwise.inference.speed")
    from facetwise.inference.speed import with_speeds
    from facetwise.model.to_try import backbones_to_try

    found = backbones_to_try(for_memory, task, None if size is None else height_and_width(size))
    return replace(view, to_try=tuple(with_speeds(found, measure=measure, progress=progress)))


@verb
def add_weights(
    file: Annotated[str | Path, Option("A .pth, .pt, .bin or .safetensors file.", kind=Path)],
    *,
    backbone: Annotated[str, Option("timm's name of the network.", ("--as",))],
    name: Annotated[str | None, Option("Its name on the shelf; the default is the backbone's.")] = None,
    licence: Annotated[str | None, Option("The licence of the weights; runs keep it.")] = None,
    source: Annotated[str | None, Option("Where they come from; the default is the file's name.")] = None,
    mean: Annotated[
        "str | Sequence[float] | None", Option("What is subtracted, a channel each: `0.485,0.456,0.406`.", kind=str)
    ] = None,
    std: Annotated["str | Sequence[float] | None", Option("What it is then divided by.", kind=str)] = None,
) -> "AddedWeights":
    """Put the weights of a file on the shelf, as first weights of a timm backbone.

    Tensors by name, plain or as training programs keep them; a pickle is read in a process of its own. They are matched
    by name, by timm's conversion, or by order and shape, one to one; the head is left out. `mean` and `std` are shares
    of 255; without them they are what the file or the family is known by. Raises InputError that names the first
    tensors that differ; nothing is half written.
    """
    need_training("facetwise.model.shelving")
    from facetwise.model.shelving import add_to_shelf, given_statistics
    from facetwise.results.shelf import AddedWeights

    given = given_statistics(*(None if values is None else _numbers(values) for values in (mean, std)))
    entry, new = add_to_shelf(Path(file), backbone, name=name, source=source, licence=licence, statistics=given)
    return AddedWeights(entry.record(), entry.weights_file, new)


@verb
def verify_weights(
    name: Annotated[str | None, Option("A name on the shelf; the default is all.")] = None,
) -> "ShelfView":
    """Compare weights on the shelf with the hashes that were written with them."""
    from facetwise.results.shelf import build_shelf_view

    return build_shelf_view(name, verify=True)


def _numbers(values: str | Sequence[float]) -> tuple[float, ...]:
    from facetwise.core.errors import SettingError

    try:
        parts = values.replace(",", " ").split() if isinstance(values, str) else values
        return tuple(float(part) for part in parts)
    except ValueError:
        raise SettingError(f"{values!r} are no numbers", hint="such as `0.485,0.456,0.406`") from None
