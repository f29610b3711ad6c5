"""Checkpoints: saved, loaded and trained on is the same as never stopped, bit for bit."""

import copy
from pathlib import Path

import made_training
import numpy as np
import pytest
import timm.optim
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from facetwise.core.errors import ArtefactError, DamagedError, SettingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.inference.setup import Setup
from facetwise.model.tensors import load_tensors, save_tensors
from facetwise.recipe.optim import SGD, Adam, AdamP, AdamW, OptimizerSpec, TimmOptimizer
from facetwise.train.fold.checkpoint import TrainState, load_state, save_state
from facetwise.train.fold.loop import EpochFiles, FoldTask, new_state, train_fold
from facetwise.train.fold.optim import build_optimizer

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
SMALL = {"backbone": "small_resnet", "args": {"stem": 4, "widths": [4, 8], "depths": [1, 1]}, "dropout": 0.3}
AUGMENT = [{"name": "flip"}, {"name": "affine"}, {"name": "light", "colour": 0.1}, {"name": "cutout"}]


def make_setup(model: dict[str, object], epochs: int = 2, **train: object) -> tuple[Setup, FoldTask]:
    """24 images of noise to train on, 8 to validate."""
    recipe = {
        "input": {"height": 32, "width": 32},
        "model": model,
        "augment": AUGMENT,
        "train": {"length": f"{epochs}ep", "batch_size": 8, "ema": 0.9, "device": "cpu", **train},
        "schedule": {"name": "step", "every": "3st", "warmup": "2st"},
    }
    return made_training.make_setup(recipe, SPACE, 24, 8)


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
    ("model", "stop"),
    [
        (SMALL, (1, 2)),
        (SMALL | {"drop_path": 0.3}, (2, 3)),
        ({"backbone": "test_resnet", "dropout": 0.3, "freeze": 2}, (2, 2)),
    ],
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


@pytest.mark.parametrize("count", [1, 2, 9])
def test_the_same_tensors_and_metadata_are_the_same_bytes(tmp_path, count):
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 1, dtype=torch.int64)}
    metadata = {f"키 {i}": f'"{i}"\n\\' * i for i in range(count)}
    for path, order in ((tmp_path / "one", sorted(metadata)), (tmp_path / "two", sorted(metadata, reverse=True))):
        save_tensors(tensors, path, {key: metadata[key] for key in order})
        found, told = load_tensors(path)
        assert told == metadata
        assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_damaged_checkpoint_is_noticed(tmp_path):
    setup, task = make_setup(SMALL, epochs=1)
    state = train_fold(setup, task, tmp_path, lambda _: None)
    path = tmp_path / "checkpoint.safetensors"
    good = path.read_bytes()
    for bad in (b"", b"\0" * 100, good[: len(good) // 2], good[:-1], b"\xff" * 8 + good[8:]):
        path.write_bytes(bad)
        with pytest.raises(ArtefactError, match=r"checkpoint\.safetensors: not readable"):
            load_state(state, path)


def test_one_bit_of_a_checkpoint_or_of_what_is_kept_is_noticed(tmp_path):
    setup, task = make_setup(SMALL, epochs=1)
    train_fold(setup, task, tmp_path, lambda _: None)
    kept = EpochFiles(tmp_path / "epochs")
    last = max(int(path.stem) for path in kept.folder.glob("*.npy"))
    reads = {
        tmp_path / "checkpoint.safetensors": lambda path: load_state(new_state(setup, 0), path),
        kept.weights(last): lambda _path: kept.load(last),
        kept.logs(last): lambda _path: kept.load(last),
    }
    for path, read in reads.items():
        good = path.read_bytes()
        read(path)
        path.write_bytes(good[:-3] + bytes([good[-3] ^ 1]) + good[-2:])
        with pytest.raises(DamagedError, match="changed since") as error:
            read(path)
        assert "trains this fold anew" in str(error.value.hint)
        path.write_bytes(good)


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


# ---------------------------------------------------------------------------------------------------------- optimizers


def trainable(name: str) -> bool:
    """Whether one of timm's optimizers can be made here."""
    try:
        build_optimizer(TimmOptimizer(optimizer=name), nn.Linear(2, 2))
    except SettingError:
        return False
    return True


OURS = [
    AdamW(layer_decay=0.7),
    Adam(weight_decay=0.01),
    AdamP(),
    AdamP(nesterov=True),
    SGD(),
    SGD(momentum=0, nesterov=False),
]
OF_TIMM = [TimmOptimizer(optimizer=name, weight_decay=0.01) for name in timm.optim.list_optimizers() if trainable(name)]


def fresh(spec: OptimizerSpec) -> TrainState:
    """A network with convolutions, norms and biases, its pixels' channels together as in training."""
    torch.manual_seed(0)
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), *pooled)
    network = network.to(memory_format=torch.channels_last)
    return TrainState(network, None, build_optimizer(spec, network))


def train(state: TrainState, first: int, last: int) -> None:
    """Steps `first` to `last` (not included); what a step does depends on its number alone."""
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        images = torch.randn(4, 3, 8, 8, generator=generator)
        for group in state.optimizer.param_groups:
            group["lr"] = 0.01 / (1 + step) * group["scale"]
        state.optimizer.zero_grad(set_to_none=True)
        cross_entropy(state.network(images), torch.arange(4) % 3).backward()
        state.optimizer.step()


def check_resumed(spec: OptimizerSpec, path: Path, before: int, after: int) -> None:
    """`before` steps, saved, loaded elsewhere and `after` more give the bits of all steps at once."""
    whole, broken, resumed = fresh(spec), fresh(spec), fresh(spec)
    train(whole, 0, before + after)
    train(broken, 0, before)
    save_state(broken, path)
    train(resumed, 7, 8)  # what it was before must not matter
    load_state(resumed, path)
    check_same_state(broken.optimizer, resumed.optimizer)
    train(resumed, before, before + after)
    for (name, one), two in zip(whole.network.state_dict().items(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


def check_same_state(one: torch.optim.Optimizer, two: torch.optim.Optimizer) -> None:
    """Not the numbers alone: types, memory layout and what each group counts as well."""
    groups = zip(one.param_groups, two.param_groups, strict=True)
    for a, b in groups:
        assert {k: v for k, v in a.items() if k != "params"} == {k: v for k, v in b.items() if k != "params"}
        for p, q in zip(a["params"], b["params"], strict=True):
            assert one.state[p].keys() == two.state[q].keys()
            for key, value in one.state[p].items():
                other = two.state[q][key]
                assert type(value) is type(other), key
                if isinstance(value, torch.Tensor):
                    assert (value.dtype, value.stride()) == (other.dtype, other.stride()), key
                    assert torch.equal(value, other), key
                else:
                    assert value == other, key


@settings(max_examples=20)
@given(st.sampled_from(OURS + OF_TIMM), st.integers(0, 7), st.integers(1, 4))
def test_optimizers_go_on_bit_for_bit_from_any_step(tmp_path_factory, spec, before, after):
    check_resumed(spec, tmp_path_factory.getbasetemp() / "any.safetensors", before, after)


@pytest.mark.parametrize("spec", OURS + OF_TIMM, ids=lambda s: s.short)
def test_every_optimizer_goes_on_bit_for_bit(tmp_path, spec):
    check_resumed(spec, tmp_path / "checkpoint.safetensors", 2, 1)


def test_only_a_few_of_timm_are_refused():
    refused = set(timm.optim.list_optimizers()) - {spec.optimizer for spec in OF_TIMM}
    other_packages = {name for name in refused if name.startswith(("bnb", "fused"))}
    assert refused - other_packages == {"adahessian", "kron", "kronc", "kronw"}
