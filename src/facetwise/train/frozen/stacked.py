"""Many heads on the same features as one batched problem.

H heads of one shape (folds, losses, label views, seeds) share one tensor for each kind of weight, with a leading H.
Each step gathers the batches of all heads, (H, B, F), and computes them with one product, one backward pass and one
update. A head's numbers do not depend on the others: every sum runs within one head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from facetwise.core.errors import SettingError
from facetwise.model.blocks.block import Block
from facetwise.model.blocks.layer import block_logits, output_layer
from facetwise.recipe import Recipe
from facetwise.recipe.model import FOLD
from facetwise.recipe.optim import SGD, Adam, AdamP, AdamW, Optimizer
from facetwise.train.seeds import derive_seed

Parameters = dict[str, Tensor]
"""Name of a weight in a head's `state_dict` -> (H, ...)."""


def trains_on_features(recipe: Recipe) -> bool:
    """Whether features are the same in every epoch: a frozen backbone shared by all folds, without augmentation."""
    return recipe.model.freeze == "backbone" and not recipe.augment and FOLD not in recipe.model.weights


def check_stackable(optimizer: Optimizer) -> None:
    """Raise SettingError for an optimizer that cannot update several heads at once."""
    if isinstance(optimizer, AdamW | Adam | AdamP | SGD):
        return
    name = optimizer.optimizer
    raise SettingError(
        f'`optimizer.name`: with `model.freeze="backbone"` and no augmentation many heads train in one tensor, which '
        f"`{name}` of timm may take for one layer and so mix them",
        hint="use `adamw`, `adam`, `adamp` or `sgd`; or add an augmentation (`--set augment+=flip`): the head is then "
        "trained on images, by any optimizer, in far more time",
    )


def new_heads(blocks: Sequence[Block], num_features: int, seeds: Sequence[tuple[int, int]]) -> Parameters:
    """Initial weights of H heads, each from its own (run seed, fold).

    They differ from those of a network that trains on images with this seed, which initialises the backbone first.
    """
    states = []
    for seed, fold in seeds:
        torch.manual_seed(derive_seed(seed, fold, "weights"))
        states.append(output_layer(blocks, num_features).state_dict())
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def one_head(parameters: Parameters, index: int) -> dict[str, Tensor]:
    """The `state_dict` of one head."""
    return {name: tensor[index].detach().clone() for name, tensor in parameters.items()}


def logits_of(parameters: Parameters, blocks: Sequence[Block], features_HBF: Tensor) -> Tensor:
    """Logits, (H, B, d), of features, (H, B, F)."""
    prefix = "" if "weight" in parameters else "linear."
    weight, bias = parameters[f"{prefix}weight"], parameters[f"{prefix}bias"]
    # Weights first: the gradient is then a product with the features in their memory order, five times as fast.
    outputs = torch.bmm(weight, features_HBF.transpose(1, 2)).transpose(1, 2) + bias[:, None]
    gaps = {name.removeprefix("gaps."): t[:, None] for name, t in parameters.items() if name.startswith("gaps.")}
    return block_logits(outputs, blocks, gaps) if prefix else outputs


@dataclass
class StackedOptimizer:
    """Updates of H heads at once, each with its own learning rate and decay; the formulas of torch's and timm's
    optimizers.

    torch's optimizers have one learning rate for a tensor, but here a tensor holds many heads.
    """

    spec: Optimizer
    """Kind, betas and momentum, shared by all heads."""
    decay_H: Tensor
    """Weight decay of each head; vectors are not decayed."""
    slots: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Running means of gradient and squared gradient."""

    @torch.no_grad()
    def update(self, parameters: Parameters, gradients: Parameters, rate_H: Tensor, step: int) -> None:
        """Update the first len(rate_H) heads in place; `step` from 0."""
        active = len(rate_H)
        for name, gradient in gradients.items():
            tensor = parameters[name][:active]
            column = (active, *[1] * (tensor.ndim - 1))
            decay = self.decay_H[:active].view(column) * float(tensor.ndim > 2)
            slots = self.slots.setdefault(
                name, (torch.zeros_like(parameters[name]), torch.zeros_like(parameters[name]))
            )
            self._move(tensor, gradient, [s[:active] for s in slots], rate_H.view(column), decay, step)

    def _move(
        self, tensor: Tensor, gradient: Tensor, slots: list[Tensor], rate: Tensor, decay: Tensor, step: int
    ) -> None:
        match self.spec:
            case AdamW(betas=betas):
                tensor.mul_(1 - rate * decay)
                tensor.sub_(rate * _adam(gradient, slots, betas, step))
            case Adam(betas=betas):
                tensor.sub_(rate * _adam(gradient + decay * tensor, slots, betas, step))
            case AdamP(betas=betas, nesterov=nesterov):
                move = _adam(gradient, slots, betas, step, nesterov=nesterov)
                if tensor.ndim > 2:
                    move, share = _across(tensor, gradient, move)
                    decay = decay * share
                tensor.mul_(1 - rate * decay)
                tensor.sub_(rate * move)
            case SGD(momentum=momentum, nesterov=nesterov):
                gradient = gradient + decay * tensor
                mean = slots[0].mul_(momentum).add_(gradient)
                tensor.sub_(rate * (gradient + momentum * mean if nesterov else mean))


_EPSILON = 1e-8


def _adam(
    gradient: Tensor, slots: list[Tensor], betas: tuple[float, float], step: int, *, nesterov: bool = False
) -> Tensor:
    """The update direction of Adam (Kingma & Ba 2015, algorithm 1), with Nesterov momentum as in timm's AdamP."""
    mean = slots[0].lerp_(gradient, 1 - betas[0])
    square = slots[1].mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    root = (square / (1 - betas[1] ** (step + 1))).sqrt_().add_(_EPSILON)
    if nesterov:
        mean = torch.lerp(mean, gradient, 1 - betas[0])
    return mean / (1 - betas[0] ** (step + 1)) / root


_DELTA, _DECAY_SHARE = 0.1, 0.01
"""`delta` and `wd_ratio` of AdamP as timm creates it by name, like for networks; the paper uses 0.1 and 0.1."""


def _across(weights_HDF: Tensor, gradient_HDF: Tensor, move_HDF: Tensor) -> tuple[Tensor, Tensor]:
    """Each head's update projected orthogonally to its weights where needed, and its share of the decay, (H, 1, 1).

    Heo et al. 2021, algorithm 2. If a head's gradient is nearly orthogonal to its weights, as before a normalisation,
    the radial component of the update is removed: for each output separately, else for the whole layer. Other updates
    are unchanged.
    """
    pairs = (
        (weights_HDF, gradient_HDF),
        (weights_HDF, weights_HDF),
        (gradient_HDF, gradient_HDF),
        (weights_HDF, move_HDF),
    )
    # Sums within an output first: a long sum would be split among threads for a single head, but not for several.
    of_output = [(a * b).sum(dim=2, keepdim=True) for a, b in pairs]
    num_outputs, num_features = weights_HDF.shape[1:]
    upright, part = _lengthening(of_output, num_features)
    upright_whole, part_whole = _lengthening(
        [s.sum(dim=1, keepdim=True) for s in of_output], num_outputs * num_features
    )
    part = torch.where(upright, part, part_whole * upright_whole)
    return move_HDF - part * weights_HDF, torch.where(upright | upright_whole, _DECAY_SHARE, 1.0)


def _lengthening(sums: list[Tensor], size: int) -> tuple[Tensor, Tensor]:
    """Whether all gradients of a head are nearly orthogonal to the weights, (H, 1, 1), and the radial component of each
    update, (H, parts, 1), from the inner products `sums` of weights and gradient, of weights, of gradients, and of
    weights and update, each (H, parts, 1) over `size` numbers."""
    dot, weights, gradients, along = sums
    length = weights.sqrt()
    cosine = dot.abs() / (length.clamp_min(_EPSILON) * gradients.sqrt().clamp_min(_EPSILON))
    return (cosine < _DELTA / size**0.5).all(dim=1, keepdim=True), along / (length + _EPSILON) ** 2


def clip_heads(gradients: Parameters, limits_H: Tensor) -> Parameters:
    """Clip the norm of each head's gradient to its limit (infinite for none)."""
    squares = torch.stack([g.flatten(1).square().sum(dim=1) for g in gradients.values()])
    norm = squares.sum(dim=0).sqrt()
    factor = (limits_H / (norm + 1e-6)).clamp(max=1.0)
    return {name: g * factor.view(-1, *[1] * (g.ndim - 1)) for name, g in gradients.items()}


@torch.no_grad()
def move_averages(averages: Parameters, parameters: Parameters, share_H: Tensor) -> None:
    """Update the moving averages of the first len(share_H) heads, each by its own share."""
    active = len(share_H)
    for name, average in averages.items():
        column = share_H.view(active, *[1] * (average.ndim - 1))
        average[:active].lerp_(parameters[name][:active], column)
