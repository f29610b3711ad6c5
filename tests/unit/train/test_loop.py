"""The training loop: seeds, order, the moving average, validation, and stopping."""

import dataclasses
import math

import made_training
import numpy as np
import pytest
import torch
from torch import nn

from facetwise.core.errors import SettingError, TrainingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.records.run import EpochEvent
from facetwise.evaluate.metrics import macro_f1
from facetwise.inference.predict import predict_rows
from facetwise.inference.setup import Setup
from facetwise.model.tensors import load_tensors
from facetwise.train.augment import Augmenter
from facetwise.train.fold import step as step_module
from facetwise.train.fold.average import Average
from facetwise.train.fold.loop import EpochFiles, FoldTask, steps_per_epoch, train_fold, valid_scores
from facetwise.train.sampling import epoch_rows
from facetwise.train.seeds import derive_seed

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))


def make_setup(**train: object) -> tuple[Setup, FoldTask]:
    """24 images of noise to train on, 7 to validate."""
    recipe = {
        "input": {"height": 16, "width": 12},
        "model": {"backbone": "small_resnet", "args": {"stem": 4, "widths": [4], "depths": [1]}},
        "augment": [{"name": "flip"}, {"name": "light"}],
        "train": {"length": "2ep", "batch_size": 8, "device": "cpu", **train},
    }
    return made_training.make_setup(recipe, SPACE, 24, 7)


def train(setup: Setup, task: FoldTask, folder) -> list[dict[str, object]]:
    events: list[dict[str, object]] = []
    train_fold(setup, task, folder, events.append)
    return events


def test_an_epoch_is_told_when_its_state_is_saved_and_recorded_before(tmp_path):
    setup, task = make_setup()
    saved: list[tuple[str, int]] = []

    def note(who: str):
        def listen(event: dict[str, object]) -> None:
            if event["event"] == "epoch":
                file = tmp_path / "checkpoint.safetensors"
                saved.append((who, int(load_tensors(file)[1]["epoch"]) if file.is_file() else 0))

        return listen

    train_fold(setup, task, tmp_path, note("tell"), note("record"))
    assert saved == [("record", 0), ("tell", 1), ("record", 1), ("tell", 2)]


@pytest.mark.parametrize("ema", [None, 0.5])
def test_the_head_trains_first_and_then_all(tmp_path, ema):
    setup, task = make_setup(length="3ep", select="best", ema=ema)
    recipe = setup.recipe.model_copy(
        update={"model": setup.recipe.model.model_copy(update={"head_first": 2})}, deep=False
    )
    train(dataclasses.replace(setup, recipe=recipe), task, tmp_path)
    first, second, third = (EpochFiles(tmp_path / "epochs").load(epoch)[0] for epoch in (1, 2, 3))
    assert not torch.equal(first["head.weight"], second["head.weight"])
    backbone = [name for name in first if name.startswith("backbone.")]
    assert all(torch.equal(first[name], second[name]) for name in backbone)
    assert not any(torch.equal(second[name], third[name]) for name in backbone)


def test_seeds_depend_on_all_their_parts():
    seeds = {derive_seed(*p) for p in ((0, 0, "a"), (0, 0, "b"), (0, 1, "a"), (1, 0, "a"), (0, 0, "a", 1))}
    assert len(seeds) == 5
    assert all(0 <= s < 2**63 for s in seeds)


def test_the_moving_average_warms_up():
    decay, network = 0.9, nn.Linear(1, 1, bias=False)
    average = Average(decay)
    copy = average.start(network)
    expected = None
    for step in range(30):
        nn.init.constant_(network.weight, float(step**2 % 7))
        average.update(copy, network, step)
        value = network.weight.item()
        share = 1 - min(decay, (1 + step) / (10 + step))
        expected = value if expected is None else expected + share * (value - expected)
        assert copy.weight.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert not copy.weight.requires_grad


def test_the_moving_average_takes_whole_numbers_as_they_are():
    network, average = nn.BatchNorm1d(2), Average(0.99)
    copy = average.start(network)
    for step in range(5):
        network(torch.randn(4, 2))
        average.update(copy, network, step)
    assert int(copy.num_batches_tracked) == 5


def test_with_an_average_it_is_what_is_kept(tmp_path):
    setup, task = make_setup(ema=0.9)
    state = train_fold(setup, task, tmp_path, lambda _: None)
    kept, _ = load_tensors(EpochFiles(tmp_path / "epochs").weights(2))
    assert all(torch.equal(kept[k], v) for k, v in state.average.state_dict().items())
    assert any(not torch.equal(kept[k], v) for k, v in state.network.state_dict().items())


def test_validation_is_never_augmented(tmp_path, monkeypatch):
    setup, task = make_setup()
    calls: list[int] = []
    augment = Augmenter.__call__

    def spy(self, x_BCHW, mean_1C11, generator):
        calls.append(len(x_BCHW))
        return augment(self, x_BCHW, mean_1C11, generator)

    monkeypatch.setattr(Augmenter, "__call__", spy)
    events = train(setup, task, tmp_path)
    assert calls == [8] * 6  # two epochs of three batches, and nothing more
    network = setup.load_network(load_tensors(EpochFiles(tmp_path / "epochs").weights(2))[0])
    logs = predict_rows(network, setup.layout, setup.source, task.valid_rows, batch_size=8)
    kept = np.load(EpochFiles(tmp_path / "epochs").logs(2))
    assert len(kept) == 7  # the whole validation side
    np.testing.assert_array_equal(logs, kept)
    assert events[-1]["val_macro_f1"] == valid_scores(setup.layout, kept, task)["val_macro_f1"]


def test_an_epoch_hands_every_row_and_its_target_to_the_step_once(tmp_path, monkeypatch):
    setup, task = make_setup(length="1ep")
    seen: list[step_module.Batch] = []
    step = step_module.Stepper.__call__

    def spy(self, state, batch, number):
        before = batch.targets.clone()
        result = step(self, state, batch, number)
        assert torch.equal(before, batch.targets)
        seen.append(batch)
        return result

    monkeypatch.setattr(step_module.Stepper, "__call__", spy)
    train(setup, task, tmp_path)
    order = epoch_rows(setup.recipe.sampling, task.pool, (0, 0), 0)
    assert sorted(order) == list(range(24))
    np.testing.assert_array_equal(torch.cat([b.targets for b in seen]).numpy(), task.train_targets[order])
    expected = setup.source.batch(task.train_rows[order])
    assert torch.equal(torch.cat([b.images for b in seen]), expected)
    assert all(b.weights is None and b.partners is None for b in seen)


def test_scores_of_an_epoch():
    setup, task = make_setup()
    codes = task.valid_codes
    sure = setup.layout.soft_targets(made_training.make_view(codes, SPACE))
    even = 0.02 / np.repeat(SPACE.sizes, SPACE.sizes)
    scores = valid_scores(setup.layout, np.log(0.98 * sure + even).astype(np.float32), task)
    assert scores["val_macro_f1"] == macro_f1(SPACE.encode(codes), SPACE.encode(codes), 6)
    assert 0 < scores["val_loss"] < 0.1
    nothing = valid_scores(setup.layout, np.empty((0, 5), np.float32), task)
    assert nothing == {"val_loss": None, "val_macro_f1": None}
    by_accuracy = dataclasses.replace(task, metric="accuracy")
    classes = SPACE.encode(codes)
    said = np.full(len(codes), int(np.argmax(classes == classes[0])))  # all are taken for the first
    found = valid_scores(setup.layout, np.log(0.98 * sure + even).astype(np.float32)[said], by_accuracy)
    assert found["val_score"] == pytest.approx(np.mean(classes == classes[0]))
    event = EpochEvent(fold=0, epoch=1, val_macro_f1=found["val_macro_f1"], val_score=found["val_score"])
    assert event.score == found["val_score"] != found["val_macro_f1"]
    assert EpochEvent(fold=0, epoch=1, val_macro_f1=0.25).score == 0.25


def test_events_tell_the_story(tmp_path):
    setup, task = make_setup()
    events = train(setup, task, tmp_path)
    assert [e["event"] for e in events] == ["fold", "content", *(["step"] * 3 + ["epoch"]) * 2]
    assert events[0] == {"event": "fold", "fold": 0, "from_epoch": 0, "epochs": 2, "steps": 3}
    assert all(math.isfinite(e["train_loss"]) for e in events if e["event"] == "epoch")
    again = train(setup, task, tmp_path)  # nothing is left to do
    assert [e["event"] for e in again] == ["fold", "content"]
    assert events[1]["images"] == events[1]["people"] == 24


def test_only_the_epochs_that_may_be_used_are_kept(tmp_path):
    for select, kept in (("last", {"2"}), ("best", {"1", "2"})):
        setup, task = make_setup(select=select)
        (tmp_path / select).mkdir()
        train(setup, task, tmp_path / select)
        assert {p.stem for p in (tmp_path / select / "epochs").iterdir()} == kept


def test_a_loss_that_is_not_finite_stops_before_the_update(tmp_path):
    setup, task = make_setup()
    train(setup, task, tmp_path)
    saved = (tmp_path / "checkpoint.safetensors").read_bytes()
    longer = setup.recipe.model_copy(update={"train": make_setup(length="3ep")[0].recipe.train})
    broken = dataclasses.replace(task, train_targets=np.full_like(task.train_targets, np.nan))
    with pytest.raises(TrainingError, match="step 6: the loss is nan") as error:
        train(dataclasses.replace(setup, recipe=longer), broken, tmp_path)
    assert "optimizer.lr" in error.value.hint
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == saved


def test_an_epoch_without_a_full_step():
    setup, task = make_setup(batch_size=5, accumulate=5)
    with pytest.raises(SettingError, match=r"a step takes 25 images .* an epoch of a fold has 24"):
        steps_per_epoch(setup.recipe, task.pool)
    assert [steps_per_epoch(make_setup(batch_size=size)[0].recipe, task.pool) for size in (24, 13, 12)] == [1, 1, 2]


def test_predictions_do_not_depend_on_the_batch():
    setup, task = make_setup()
    network = setup.new_network()
    together = predict_rows(network, setup.layout, setup.source, task.valid_rows, batch_size=8)
    by_three = predict_rows(network, setup.layout, setup.source, task.valid_rows, batch_size=3)
    np.testing.assert_allclose(together, by_three, atol=1e-5)
    assert predict_rows(network, setup.layout, setup.source, task.valid_rows[:0], batch_size=8).shape == (0, 5)


def test_flip_averages_the_probabilities_of_both_views():
    setup, task = make_setup()
    network = setup.new_network().eval()
    images = setup.source.batch(task.valid_rows).float()
    with torch.no_grad():
        views = [setup.layout.log_probs(network(x)).exp() for x in (images, images.flip(3))]
    logs = predict_rows(network, setup.layout, setup.source, task.valid_rows, batch_size=8, tta="flip")
    np.testing.assert_allclose(np.exp(logs), ((views[0] + views[1]) / 2).numpy(), atol=1e-6)
