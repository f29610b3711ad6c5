"""Loading the fold models of a finished run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import ArtefactError
from facetwise.core.project import Project
from facetwise.core.records.done import verify_files
from facetwise.core.runs import RunFolder
from facetwise.inference.choices import apply_choices, make_choices, predicting
from facetwise.inference.setup import Setup, recipe_layout
from facetwise.inference.source import ImageSource
from facetwise.model.backbone import Network
from facetwise.model.tensors import load_tensors
from facetwise.recipe import Recipe, load_recipe


def recipe_of(run: RunFolder) -> Recipe:
    """The recipe of a finished run; raises ArtefactError when it is not finished or its weights are missing."""
    run.require_finished()
    run.check_weights()
    return load_recipe(run.recipe_file)


def prediction_setup(project: Project, run: RunFolder, images: npt.NDArray[np.uint8]) -> Setup:
    """The setup for predicting; device and precision are chosen for this machine, which may not be the run's."""
    recipe = recipe_of(run)
    choices = make_choices(predicting(recipe.train), recipe.model)
    device = apply_choices(choices)
    layout = recipe_layout(recipe, project.space, {name: tuple(values) for name, values in run.record().grids.items()})
    return Setup(recipe, layout, ImageSource(images, device), device, choices, run=run.id)


def fold_model(setup: Setup, run: RunFolder, fold: int) -> Network:
    """The network of one fold; raises ArtefactError when its weights are damaged or belong to another network."""
    verify_files(run.fold(fold), way_out=run.way_out)
    tensors, _ = load_tensors(run.weights_file(fold), way_out=run.way_out)
    run.verify_backbone()
    if run.backbone_file.is_file():  # the file has the head only: folds share one frozen backbone
        tensors |= load_tensors(run.backbone_file, way_out=run.way_out)[0]
    try:
        return setup.load_network(tensors)
    except RuntimeError as error:  # in an imported run, names and shapes of weights can be anything
        raise ArtefactError(
            f"{run.weights_file(fold)}: not weights of the run's network ({error})", hint=run.way_out
        ) from None
