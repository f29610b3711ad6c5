"""One step: gradients added up, clipped and checked, weights of images, partners, and relabelled classes."""

import copy
import dataclasses

import made_training
import numpy as np
import pytest
import torch

from facetwise.core.errors import TrainingError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.inference.setup import Setup
from facetwise.train.fold.finite import FiniteCheck
from facetwise.train.fold.loop import FoldTask, new_state, new_stepper, train_epoch, train_fold
from facetwise.train.fold.step import Batch

SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))
PLAIN = {
    "input": {"height": 32, "width": 16},
    "model": {"backbone": "test_vit"},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.0, "nesterov": False},
    "schedule": {"name": "constant"},
}
"""Without batch norms, whose means belong to a batch."""


def made(num_images: int = 16, **sections: object) -> tuple[Setup, FoldTask]:
    train = {"length": "1ep", "batch_size": 8, "device": "cpu", **sections.pop("train", {})}
    return made_training.make_setup({**PLAIN, **sections, "train": train}, SPACE, num_images)


def weights_after(setup: Setup, task: FoldTask, folder) -> dict[str, torch.Tensor]:
    return train_fold(setup, task, folder, lambda _: None).network.state_dict()


def one_step(setup: Setup, task: FoldTask, batch: Batch):
    state = new_state(setup, 0)
    stepper = new_stepper(setup, task, state.optimizer, 4, 4)
    loss = stepper(state, batch, 0)
    return loss, state, stepper


def whole_batch(setup: Setup, task: FoldTask, **more: object) -> Batch:
    return Batch(setup.source.batch(task.train_rows), torch.from_numpy(task.train_targets), **more)


@pytest.mark.parametrize(
    "augment", [[], [{"name": "flip"}, {"name": "affine"}, {"name": "mixup"}]], ids=["plain", "mixed"]
)
def test_batches_added_up_are_one_large_batch(tmp_path, augment):
    (tmp_path / "one").mkdir(), (tmp_path / "four").mkdir()
    one = weights_after(*made(train={"batch_size": 8, "accumulate": 1}, augment=augment), tmp_path / "one")
    four = weights_after(*made(train={"batch_size": 2, "accumulate": 4}, augment=augment), tmp_path / "four")
    for name, tensor in one.items():
        torch.testing.assert_close(four[name], tensor, atol=1e-6, rtol=1e-5)


def test_a_weight_of_two_is_the_image_twice():
    setup, task = made(4)
    twice = Batch(
        setup.source.batch(task.train_rows[[0, 1, 2, 3, 0]]), torch.from_numpy(task.train_targets[[0, 1, 2, 3, 0]])
    )
    weighted = whole_batch(setup, task, weights=torch.tensor([2.0, 1.0, 1.0, 1.0]))
    loss_twice, _, _ = one_step(setup, task, twice)
    loss_weighted, _, _ = one_step(setup, task, weighted)
    assert loss_weighted.item() * 4 == pytest.approx(loss_twice.item() * 5, rel=1e-5)


def test_an_image_that_weighs_nothing_moves_nothing():
    setup, task = made(4)
    batch = whole_batch(setup, task, weights=torch.tensor([1.0, 1.0, 1.0, 0.0]))
    other = dataclasses.replace(batch, images=batch.images.clone())
    other.images[3] = 255 - other.images[3]
    _, first, _ = one_step(setup, task, batch)
    _, second, _ = one_step(setup, task, other)
    for one, two in zip(first.network.parameters(), second.network.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-7, rtol=1e-6)


def test_a_doubtful_label_stays_as_doubtful_when_it_is_mixed():
    """Image 0 of weight 0.1 and image 1 of weight 1, blended half and half: 0.05 of the one label, 0.5 of the other."""
    setup, task = made(2, augment=[{"name": "mixup", "alpha": 1000.0}])
    _, _, stepper = one_step(setup, task, whole_batch(setup, task))
    targets = torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 1.0]])
    batch = dataclasses.replace(whole_batch(setup, task), targets=targets, weights=torch.tensor([0.1, 1.0]))
    for step in range(20):  # until the partners are each other
        _, mixed, weights = stepper._augmented(batch, torch.zeros(1, 3, 1, 1), step)
        if 0 < mixed[0, 0] < 1:
            break
    torch.testing.assert_close(mixed.sum(dim=1), torch.full((2,), 2.0))
    torch.testing.assert_close(mixed[0, 0] * weights[0], torch.tensor(0.05), atol=0.01, rtol=0)
    torch.testing.assert_close(mixed[0, 1] * weights[0], torch.tensor(0.5), atol=0.05, rtol=0)


def test_a_gradient_that_is_not_finite_stops_before_the_update(monkeypatch):
    setup, task = made(4, optimizer={**PLAIN["optimizer"], "clip": 1.0})
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(float("inf")))
    with pytest.raises(TrainingError, match=r"step 0: the loss is .*, its gradient not finite,"):
        one_step(setup, task, whole_batch(setup, task))


@pytest.mark.parametrize("num_valid", [0, 4], ids=["all", "fold"])
def test_weights_that_ran_away_in_the_last_step_are_not_saved(tmp_path, num_valid):
    recipe = {**PLAIN, "train": {"length": "1ep", "batch_size": 8, "device": "cpu"}}
    recipe["optimizer"] = {**PLAIN["optimizer"], "lr": 1e30}
    setup, task = made_training.make_setup(recipe, SPACE, 8, num_valid)
    if not num_valid:
        task = dataclasses.replace(task, valid_rows=task.valid_rows[:0], valid_codes=task.valid_codes[:0])
    with pytest.raises(TrainingError, match=r"after epoch 1 .*: the predictions of .* are not numbers"):
        train_fold(setup, task, tmp_path, lambda _: None)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_the_gradient_is_clipped_before_the_step():
    setup, task = made(4, optimizer={**PLAIN["optimizer"], "clip": 1e-3, "weight_decay": 0.0})
    before = [p.detach().clone() for p in new_state(setup, 0).network.parameters()]
    _, state, _ = one_step(setup, task, whole_batch(setup, task))
    moved = torch.cat([(p - b).flatten() for p, b in zip(state.network.parameters(), before, strict=True)])
    assert moved.detach().norm().item() == pytest.approx(0.05 * 1e-3, rel=1e-3)


def test_rare_partners_come_from_the_training_side_alone(tmp_path, monkeypatch):
    from facetwise.train.fold import step as step_module

    setup, task = made_training.make_setup(
        {
            **PLAIN,
            "augment": [{"name": "half-cutmix", "p": 1.0, "partner": "rare"}],
            "train": {"length": "1ep", "batch_size": 8, "device": "cpu"},
        },
        SPACE,
        24,
        8,
    )
    seen: list[Batch] = []
    step = step_module.Stepper.__call__
    monkeypatch.setattr(
        step_module.Stepper, "__call__", lambda self, state, batch, n: seen.append(batch) or step(self, state, batch, n)
    )
    weights_after(setup, task, tmp_path)
    train_side = {image.numpy().tobytes() for image in setup.source.batch(task.train_rows)}
    partners = [image for batch in seen for image in batch.partners.images]
    assert len(partners) == 24
    assert all(image.numpy().tobytes() in train_side for image in partners)


class TestFiniteCheck:
    """As on a GPU, but forced on the CPU, whose fused optimizers skip steps alike."""

    def state(self):
        setup, task = made(8, optimizer={"name": "adamw"})
        state = new_state(setup, 0)
        stepper = new_stepper(setup, task, state.optimizer, 4, 4)
        return setup, task, state, stepper

    def test_by_default_the_cpu_stops_at_once(self):
        setup, task, state, stepper = self.state()
        before = copy.deepcopy(state.network.state_dict())
        bad = whole_batch(setup, task)
        bad = dataclasses.replace(bad, targets=bad.targets * float("nan"))
        with pytest.raises(TrainingError, match="step 2: the loss is nan with learning rate"):
            stepper(state, bad, 2)
        assert all(torch.equal(before[k], v) for k, v in state.network.state_dict().items() if "num_batches" not in k)

    def test_deferred_it_skips_the_update_and_tells_of_the_first_bad_step(self):
        setup, task, state, stepper = self.state()
        stepper = dataclasses.replace(stepper, finite=FiniteCheck(deferred=True, device=made_training.CPU))
        good = whole_batch(setup, task)
        bad = dataclasses.replace(good, targets=good.targets * float("nan"))
        stepper(state, good, 0)
        stepper.finite.settle(stepper.rate)
        moved = copy.deepcopy(dict(state.network.named_parameters()))
        stepper(state, bad, 1)
        stepper(state, good, 2)  # nothing moves after a bad step either
        for name, parameter in state.network.named_parameters():
            assert torch.equal(parameter, moved[name])
        with pytest.raises(TrainingError, match="step 1: the loss is not finite"):
            stepper.finite.settle(stepper.rate)

    def test_deferred_and_at_once_train_alike(self):
        results = []
        for deferred in (False, True):
            setup, task, state, stepper = self.state()
            check = FiniteCheck(deferred=deferred, device=made_training.CPU)
            train_epoch(setup, task, state, dataclasses.replace(stepper, finite=check), 1, lambda _: None)
            results.append(state.network.state_dict())
        assert all(torch.equal(results[0][k], v) for k, v in results[1].items())


def test_training_weights_of_the_view_reach_the_loss(tmp_path):
    setup, task = made(8)
    halved = dataclasses.replace(task, train_weights=np.full(8, 0.5, np.float32))
    full, half = (train_loss(setup, t, tmp_path / name) for t, name in ((task, "full"), (halved, "half")))
    assert half == pytest.approx(full / 2, rel=1e-5)


def train_loss(setup: Setup, task: FoldTask, folder) -> float:
    folder.mkdir()
    events: list[dict[str, object]] = []
    train_fold(setup, task, folder, events.append)
    return next(e["train_loss"] for e in events if e["event"] == "epoch")
