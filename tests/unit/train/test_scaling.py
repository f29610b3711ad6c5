"""fp16: the scaled loss, steps that overflow, resuming, and what is chosen where. Without a GPU: arithmetic is fp32."""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import made_training
import pytest
import torch

from facetwise.cli.display import overflow_line
from facetwise.core.errors import DamagedError, SettingError, TrainingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.inference import predict as predict_module
from facetwise.inference.choices import Choice, make_choices, predicting
from facetwise.inference.setup import Setup
from facetwise.recipe.duration import Duration
from facetwise.recipe.model import ModelSpec
from facetwise.recipe.train import TrainSpec
from facetwise.train.fold import scaling
from facetwise.train.fold import step as step_module
from facetwise.train.fold.checkpoint import load_state, save_state
from facetwise.train.fold.finite import FiniteCheck
from facetwise.train.fold.loop import FoldTask, new_state, new_stepper, train_fold
from facetwise.train.fold.scaling import LossScale
from facetwise.train.fold.step import Batch

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
RECIPE = {
    "input": {"height": 32, "width": 16},
    "model": {"backbone": "test_vit"},
    "optimizer": {"name": "adamw", "lr": 1e-3, "clip": 1.0},
}


@pytest.fixture(autouse=True)
def arithmetic_of_the_processor(monkeypatch):
    """Not every processor has fp16; what is tested is around it."""
    for module in (step_module, predict_module):
        monkeypatch.setattr(module, "autocast", lambda *_: nullcontext())


def made(length: str = "2ep", precision: str = "fp16", **optimizer: object) -> tuple[Setup, FoldTask]:
    recipe = {**RECIPE, "train": {"length": length, "batch_size": 8, "device": "cpu", "ema": 0.9}}
    recipe["optimizer"] = {**RECIPE["optimizer"], **optimizer}
    setup, task = made_training.make_setup(recipe, SPACE, 24, 8)
    choices = dataclasses.replace(setup.choices, precision=Choice(precision, "the test says so"))
    return dataclasses.replace(setup, choices=choices), task


def trained(folder, *setup_and_task) -> tuple[dict[str, torch.Tensor], list[dict[str, object]], LossScale | None]:
    folder.mkdir(exist_ok=True)
    events: list[dict[str, object]] = []
    state = train_fold(*setup_and_task, folder, lambda _: None, events.append)
    return state.network.state_dict(), events, state.scale


@pytest.mark.parametrize(
    "optimizer", [{"name": "adamw"}, {"name": "sgd", "clip": None}, {"name": "adamp"}], ids=lambda o: o["name"]
)
def test_without_overflow_a_scaled_loss_gives_the_bits_of_a_plain_one(tmp_path, optimizer):
    """A power of two changes no digit."""
    plain, _, none = trained(tmp_path / "plain", *made(precision="fp32", **optimizer))
    scaled, events, scale = trained(tmp_path / "scaled", *made(**optimizer))
    assert none is None
    assert (float(scale.scale), int(scale.good_steps)) == (scaling.START, 6)
    assert not [e for e in events if e["event"] == "overflow"]
    assert all(torch.equal(plain[name], scaled[name]) for name in plain)


@contextmanager
def overflowing(at: set[int]) -> Iterator[None]:
    """Gradients of the steps `at`, counted from 0 over all calls, are infinite."""
    unscale, calls = LossScale.unscale, iter(range(10**6))

    def spy(self, parameters):
        if next(calls) in at:
            next(p for p in parameters if p.grad is not None).grad[...] = math.inf
        return unscale(self, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LossScale, "unscale", spy)
        yield


def stepped(optimizer: str, *, deferred: bool, steps: int = 3):
    """The state after each of some steps on one batch."""
    setup, task = made(name=optimizer)
    state = new_state(setup, 0)
    stepper = new_stepper(setup, task, state.optimizer, 10, 5)
    stepper = dataclasses.replace(stepper, finite=FiniteCheck(deferred=deferred, device=made_training.CPU))
    batch = Batch(setup.source.batch(task.train_rows[:8]), torch.from_numpy(task.train_targets[:8]))
    for step in range(steps):
        stepper(state, batch, step)
        yield [p.detach().clone() for p in state.network.parameters()], state.scale
    stepper.finite.settle(stepper.rate)


@pytest.mark.parametrize(("optimizer", "deferred"), [("adamw", False), ("adamw", True), ("adamp", False)])
def test_a_step_that_overflows_is_left_out_and_halves_the_scale(optimizer, deferred):
    with overflowing({1}):
        (first, _), (second, scale), (third, _) = [
            (weights, float(scale.scale)) for weights, scale in stepped(optimizer, deferred=deferred)
        ]
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
    assert not all(torch.equal(two, three) for two, three in zip(second, third, strict=True))
    assert scale == scaling.START / 2


def test_left_out_at_once_or_by_the_optimizer_is_the_same():
    found = []
    for deferred in (False, True):
        with overflowing({0, 2}):
            found.append([weights for weights, _ in stepped("adamw", deferred=deferred, steps=4)][-1])
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_a_scale_grows_after_many_good_steps(monkeypatch):
    monkeypatch.setattr(scaling, "GROWTH_INTERVAL", 2)
    scales = [float(scale.scale) / scaling.START for _, scale in stepped("adamw", deferred=False, steps=5)]
    assert scales == [1, 2, 2, 4, 4]


def test_a_resumed_training_is_the_uninterrupted_one_and_counts_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "GROWTH_INTERVAL", 4)
    with overflowing({1, 2}):
        whole, events, scale = trained(tmp_path / "whole", *made("3ep"))
    told = [e for e in events if e["event"] == "overflow"]
    assert told == [{"event": "overflow", "fold": 0, "epoch": 1, "steps": 2, "of": 3}]
    assert overflow_line(told[0]).endswith("2 of 3 steps left out, their gradients overflowed in fp16")

    def kill(event: dict[str, object]) -> None:
        if event["event"] == "epoch":
            raise KeyboardInterrupt

    (tmp_path / "broken").mkdir()
    with overflowing({1, 2}):
        with pytest.raises(KeyboardInterrupt):
            train_fold(*made("3ep"), tmp_path / "broken", kill)
        resumed, _, other = trained(tmp_path / "broken", *made("3ep"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert other.tensors() == scale.tensors()
    assert float(scale.scale) == scaling.START / 2  # 65536, halved twice, doubled once


def test_a_checkpoint_without_the_scale_is_not_of_this_run(tmp_path):
    plain, scaled = (new_state(made(precision=precision)[0], 0) for precision in ("fp32", "fp16"))
    save_state(plain, tmp_path / "state.safetensors")
    with pytest.raises(DamagedError, match="not a checkpoint of this run"):
        load_state(scaled, tmp_path / "state.safetensors")


def test_what_overflows_always_ends_the_training_and_saves_nothing(tmp_path):
    always, refused = overflowing(set(range(100))), "overflow in fp16 with the loss times"
    with always, pytest.raises(TrainingError, match=refused) as error:
        trained(tmp_path, *made("10ep"))
    assert "train.precision=fp32" in error.value.hint


def test_a_loss_that_is_not_finite_is_no_overflow():
    setup, task = made()
    state = new_state(setup, 0)
    targets = torch.from_numpy(task.train_targets[:8]) * math.nan
    stepper = new_stepper(setup, task, state.optimizer, 10, 5)
    with pytest.raises(TrainingError, match="step 0: the loss is nan"):
        stepper(state, Batch(setup.source.batch(task.train_rows[:8]), targets), 0)


SMALL_NET = ModelSpec(backbone="small_resnet")


@pytest.mark.parametrize("setting", ["auto", "fast"])
@pytest.mark.parametrize(
    ("has_bf16", "capability", "chosen"),
    [(True, (8, 0), "bf16"), (False, (7, 5), "fp16"), (False, (7, 0), "fp16"), (False, (6, 1), "fp32")],
)
def test_a_gpu_gets_what_it_multiplies_fastest(monkeypatch, has_bf16, capability, chosen, setting):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16 or including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert make_choices(TrainSpec(length=Duration(1, "ep"), precision=setting), SMALL_NET).precision.value == chosen


def test_fp16_is_for_gpus_and_what_it_trained_predicts_anywhere():
    spec = TrainSpec(length=Duration(1, "ep"), device="cpu", precision="fp16")
    with pytest.raises(SettingError, match="`fp16` is for GPUs"):
        make_choices(spec, SMALL_NET)
    assert make_choices(predicting(spec), SMALL_NET).precision.value == "fp32"


@pytest.mark.parametrize(
    ("setting", "backbone", "has_amx", "chosen"),
    [
        ("auto", "small_resnet", True, "fp32"),
        ("fast", "small_resnet", True, "bf16"),
        ("fast", "resnet18", True, "bf16"),
        ("fast", "small_resnet", False, "fp32"),
        ("fast", "tf_efficientnet_lite0", True, "fp32"),
    ],
)
def test_a_processor_gets_bf16_where_that_is_asked_for_and_pays(monkeypatch, setting, backbone, has_amx, chosen):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx)
    spec = TrainSpec(length=Duration(1, "ep"), device="cpu", precision=setting)
    assert make_choices(spec, ModelSpec(backbone=backbone)).precision.value == chosen
