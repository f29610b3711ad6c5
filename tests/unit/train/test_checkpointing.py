"""Activation checkpointing: less memory, and every number as without, running statistics and dropout included."""

import made_training
import pytest
import torch

from facetwise.core.errors import SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.model.backbone import build_network
from facetwise.recipe import Recipe
from facetwise.train.fold.loop import new_state, new_stepper, train_fold
from facetwise.train.fold.step import Batch

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
SMALL = {"backbone": "small_resnet", "args": {"stem": 4, "widths": [4, 8], "depths": [1, 2]}}


def recipe(model: dict[str, object], **train: object) -> dict[str, object]:
    """Two epochs of three steps, with dropout, an average and parts of a batch."""
    return {
        "input": {"height": 32, "width": 32},
        "model": {"dropout": 0.3, **model},
        "optimizer": {"name": "adamw", "lr": 1e-2},
        "train": {"length": "2ep", "batch_size": 4, "accumulate": 2, "ema": 0.9, "device": "cpu", **train},
    }


def trained(folder, model: dict[str, object]) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses of every epoch, and the weights and statistics of network and average."""
    folder.mkdir()
    events = []
    setup, task = made_training.make_setup(recipe(model), SPACE, 24, 8)
    state = train_fold(setup, task, folder, events.append)
    losses = [event[key] for event in events if event["event"] == "epoch" for key in ("train_loss", "val_loss")]
    average = {f"average.{name}": tensor for name, tensor in state.average.state_dict().items()}
    return losses, state.network.state_dict() | average


@pytest.mark.parametrize(
    "model",
    [
        {**SMALL, "drop_path": 0.4},
        {**SMALL, "freeze": 2},
        {**SMALL, "head_first": 1},
        {"backbone": "test_efficientnet"},
        {"backbone": "test_vit"},
    ],
    ids=lambda model: "-".join(str(value) for key, value in model.items() if key != "args"),
)
def test_every_number_is_as_without(tmp_path, model):
    losses, tensors = trained(tmp_path / "kept", model)
    same, others = trained(tmp_path / "anew", {**model, "activation_checkpointing": True})
    assert same == losses
    assert tensors.keys() == others.keys()
    assert [name for name in tensors if not torch.equal(tensors[name], others[name])] == []


@pytest.mark.parametrize("backbone", [SMALL, {"backbone": "test_efficientnet"}], ids=["small", "timm"])
def test_less_is_kept_for_the_backward_pass(backbone):
    kept = {}
    for asked in (None, True):
        setup, task = made_training.make_setup(recipe({**backbone, "activation_checkpointing": asked}), SPACE, 8)
        network = new_state(setup, 0).network.train()
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: (s.append(t.numel()), t)[1], lambda t: t):
            network(setup.source.batch(task.train_rows).float())
        kept[asked] = sum(sizes)
    assert kept[True] < 0.7 * kept[None]


def test_a_backbone_that_cannot_is_refused_by_the_key():
    setup, _ = made_training.make_setup(recipe({"backbone": "pit_ti_224"}), SPACE, 8)
    model = setup.recipe.model.model_copy(update={"activation_checkpointing": True})
    with pytest.raises(SettingError, match=r"`model.activation_checkpointing`: `pit_ti_224` cannot"):
        build_network(model, setup.layout, 224, 224)


def test_not_asking_is_no_part_of_a_recipes_data():
    """The fingerprints of runs from before there was such a key stay what they were."""
    plain = Recipe.model_validate(recipe(SMALL)).as_dict()
    assert Recipe.model_validate(recipe({**SMALL, "activation_checkpointing": False})).as_dict() == plain
    assert "activation_checkpointing" not in plain["model"]


def test_a_norm_counts_a_batch_once():
    setup, task = made_training.make_setup(recipe({**SMALL, "activation_checkpointing": True}), SPACE, 8)
    state = new_state(setup, 0)
    stepper = new_stepper(setup, task, state.optimizer, 4, 4)
    batch = Batch(setup.source.batch(task.train_rows), torch.from_numpy(task.train_targets))
    state.network.train()
    stepper(state, batch, 0)
    counters = {int(t) for name, t in state.network.state_dict().items() if name.endswith("num_batches_tracked")}
    assert counters == {2}  # parts of the batch
    assert {part.momentum for part in state.network.modules() if hasattr(part, "momentum")} == {0.1}
