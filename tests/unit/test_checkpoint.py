"""Checkpoints: saved, loaded and trained on is the same as never stopped, bit for bit."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from facetwise.core.errors import ArtefactError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.model.heads import head_layout
from facetwise.recipe import Recipe
from facetwise.train.checkpoint import load_state, load_tensors, save_state, save_tensors
from facetwise.train.choices import make_choices
from facetwise.train.loop import FoldTask, new_state, train_fold
from facetwise.train.setup import Setup
from facetwise.train.source import ImageSource

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
SMALL = {"backbone": "small_resnet", "args": {"stem": 4, "widths": [4, 8], "depths": [1, 1]}, "dropout": 0.3}
AUGMENT = [{"name": "flip"}, {"name": "affine"}, {"name": "light", "colour": 0.1}, {"name": "cutout"}]


def make_setup(model: dict[str, object], epochs: int = 2, **train: object) -> tuple[Setup, FoldTask]:
    """32 images of noise whose mean tells the class; fold 0 holds out 8."""
    recipe = Recipe.model_validate(
        {
            "input": {"height": 32, "width": 32},
            "model": model,
            "augment": AUGMENT,
            "train": {"length": f"{epochs}ep", "batch_size": 8, "ema": 0.9, "device": "cpu", **train},
            "schedule": {"name": "step", "every": "3st", "warmup": "2st"},
        }
    )
    random = np.random.default_rng(0)
    codes = np.stack([random.integers(0, n, 32) for n in SPACE.sizes], axis=1)
    images = random.integers(0, 128, (32, 32, 32, 3)) + 60 * codes[:, :1, None, None]
    layout = head_layout(recipe.model.head, SPACE)
    choices = make_choices(recipe.train)
    setup = Setup(
        recipe, layout, ImageSource(images.astype(np.uint8), torch.device("cpu")), torch.device("cpu"), choices
    )
    targets = layout.soft_targets([np.eye(n, dtype=np.float32)[codes[:, i]] for i, n in enumerate(SPACE.sizes)])
    rows = np.arange(32)
    return setup, FoldTask(0, rows[:24], targets[:24], rows[24:], codes[24:])


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "checkpoint.safetensors")[0]


class KilledError(Exception):
    """Stands for a kill, at an event."""


def train_until(setup: Setup, task: FoldTask, folder: Path, stop: tuple[int, int]) -> None:
    """Train and stop dead after this (epoch, step)."""

    def listen(event: dict[str, object]) -> None:
        if event["event"] == "step" and (event["epoch"], event["step"]) == stop:
            raise KilledError

    with pytest.raises(KilledError):
        train_fold(setup, task, folder, listen)


@pytest.mark.parametrize(
    ("model", "stop"), [(SMALL, (1, 2)), (SMALL, (2, 3)), ({"backbone": "test_resnet", "dropout": 0.3}, (2, 2))]
)
def test_stopped_and_resumed_is_uninterrupted_bit_for_bit(tmp_path, model, stop):
    setup, task = make_setup(model)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    events: list[dict[str, object]] = []
    train_fold(setup, task, whole, events.append)
    train_until(setup, task, broken, stop)
    assert (broken / "checkpoint.safetensors").is_file() == (stop[0] == 2)
    torch.rand(7)  # what else was drawn in this process must not matter
    again: list[dict[str, object]] = []
    train_fold(setup, task, broken, again.append)
    expected, got = tensors_of(whole), tensors_of(broken)
    assert expected.keys() == got.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, got[name]), name
    assert np.load(whole / "epochs" / "2.npy").tobytes() == np.load(broken / "epochs" / "2.npy").tobytes()
    one, other = (
        {k: v for k, v in e[-1].items() if k not in ("seconds", "images_per_second")} for e in (events, again)
    )
    assert one == other


def test_what_is_saved_is_what_is_loaded(tmp_path):
    setup, task = make_setup(SMALL, epochs=1)
    state = train_fold(setup, task, tmp_path, lambda _: None)
    assert state.average is not None
    other = new_state(setup, fold=5)
    load_state(other, tmp_path / "checkpoint.safetensors")
    assert other.epoch == 1
    for ours, theirs in ((state.network, other.network), (state.average, other.average)):
        theirs_state = theirs.state_dict()
        for name, tensor in ours.state_dict().items():
            assert torch.equal(tensor, theirs_state[name]), name
    one, two = state.optimizer.state_dict()["state"], other.optimizer.state_dict()["state"]
    assert one.keys() == two.keys()
    assert all(torch.equal(torch.as_tensor(v), torch.as_tensor(two[i][k])) for i in one for k, v in one[i].items())


def test_a_damaged_checkpoint_is_noticed(tmp_path):
    setup, task = make_setup(SMALL, epochs=1)
    state = train_fold(setup, task, tmp_path, lambda _: None)
    path = tmp_path / "checkpoint.safetensors"
    good = path.read_bytes()
    for bad in (b"", b"\0" * 100, good[: len(good) // 2], good[:-1], b"\xff" * 8 + good[8:]):
        path.write_bytes(bad)
        with pytest.raises(ArtefactError, match=r"checkpoint\.safetensors: not readable"):
            load_state(state, path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    setup, task = make_setup(SMALL, epochs=1)
    train_fold(setup, task, tmp_path, lambda _: None)
    wider = copy.deepcopy(SMALL) | {"args": {"stem": 4, "widths": [4, 16], "depths": [1, 1]}}
    with pytest.raises(ArtefactError, match="not a checkpoint of this run"):
        load_state(new_state(make_setup(wider)[0], 0), tmp_path / "checkpoint.safetensors")
    save_tensors({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ArtefactError, match="not a checkpoint of this run"):
        load_state(new_state(setup, 0), tmp_path / "other.safetensors")


def test_a_kill_while_writing_leaves_the_file_before(tmp_path, monkeypatch):
    setup, _ = make_setup(SMALL)
    state = new_state(setup, 0)
    path = tmp_path / "checkpoint.safetensors"
    save_state(state, path)
    good = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="no space"):
            save_state(state, path)
    assert path.read_bytes() == good
    (tmp_path / ".checkpoint.safetensors.tmp-0badc0de").write_bytes(good[:99])  # what a kill leaves behind
    load_state(state, path)


def test_a_missing_file_is_an_artefact_error(tmp_path):
    with pytest.raises(ArtefactError, match="not readable"):
        load_tensors(tmp_path / "none.safetensors")
