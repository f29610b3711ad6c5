"""Many heads on the same features as one batched problem.

H heads of one shape (folds, losses, label views, seeds) hold their weights in one tensor a kind, with a leading H. Each
step gathers each head's own batch, (H, B, F), and does all of them in one product, one backward pass and one update.
A head's numbers do not depend on which others train beside it: every sum runs inside one head.
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
"""Name of a head's weight, as in its own `state_dict` -> (H, ...)."""


def trains_on_features(recipe: Recipe) -> bool:
    """Whether every epoch would see the same features: a frozen backbone, the same for all folds, no augmentation."""
    return recipe.model.freeze == "backbone" and not recipe.augment and FOLD not in recipe.model.weights


def check_stackable(optimizer: Optimizer) -> None:
    """Raise SettingError for an optimizer that has no update of many heads at once."""
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
    """First weights of H heads, each drawn from its own (run seed, fold).

    They are not those of a network that trains on images with this seed: there the backbone is drawn first.
    """
    states = []
    for seed, fold in seeds:
        torch.manual_seed(derive_seed(seed, fold, "weights"))
        states.append(output_layer(blocks, num_features).state_dict())
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def one_head(parameters: Parameters, index: int) -> dict[str, Tensor]:
    """The weights of one head, by the names of its `state_dict`."""
    return {name: tensor[index].detach().clone() for name, tensor in parameters.items()}


def logits_of(parameters: Parameters, blocks: Sequence[Block], features_HBF: Tensor) -> Tensor:
    """Logits, (H, B, d), of features, (H, B, F)."""
    prefix = "" if "weight" in parameters else "linear."
    weight, bias = parameters[f"{prefix}weight"], parameters[f"{prefix}bias"]
    # The weights first: the gradient then is a product of short rows with the features as they lie, five times as fast.
    outputs = torch.bmm(weight, features_HBF.transpose(1, 2)).transpose(1, 2) + bias[:, None]
    gaps = {name.removeprefix("gaps."): t[:, None] for name, t in parameters.items() if name.startswith("gaps.")}
    return block_logits(outputs, blocks, gaps) if prefix else outputs


@dataclass
class StackedOptimizer:
    """Updates of H heads at once, each with its own learning rate and decay; the formulas of torch's and timm's
    optimizers.

    torch's own take one learning rate for a whole tensor, and here a tensor holds many heads.
    """

    spec: Optimizer
    """Kind, betas and momentum, which all heads share."""
    decay_H: Tensor
    """Weight decay of each head; vectors are not decayed."""
    slots: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Running means of gradient and squared gradient."""

    @torch.no_grad()
    def update(self, parameters: Parameters, gradients: Parameters, rate_H: Tensor, step: int) -> None:
        """Move the first len(rate_H) heads in place; `step` from 0."""
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
    """The direction of Adam (Kingma & Ba 2015, algorithm 1); Nesterov's as timm's AdamP has it."""
    mean = slots[0].lerp_(gradient, 1 - betas[0])
    square = slots[1].mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    root = (square / (1 - betas[1] ** (step + 1))).sqrt_().add_(_EPSILON)
    if nesterov:
        mean = torch.lerp(mean, gradient, 1 - betas[0])
    return mean / (1 - betas[0] ** (step + 1)) / root


_DELTA, _DECAY_SHARE = 0.1, 0.01
"""`delta` and `wd_ratio` of AdamP as timm makes it by name, which trains networks; the paper has 0.1 and 0.1."""


def _across(weights_HDF: Tensor, gradient_HDF: Tensor, move_HDF: Tensor) -> tuple[Tensor, Tensor]:
    """What each head's move is across its weights, and its share of the decay, (H, 1, 1).

    Heo et al. 2021, algorithm 2. A head whose gradient stands about upright on its weights, as on those before a norm,
    loses the part of its move that only makes them longer: of each output alone, else of the whole layer. Others move
    as they would.
    """
    pairs = (
        (weights_HDF, gradient_HDF),
        (weights_HDF, weights_HDF),
        (gradient_HDF, gradient_HDF),
        (weights_HDF, move_HDF),
    )
    # Sums of an output first: long ones would be split among threads where there is a single head, and not where
    # there are more.
    of_output = [(a * b).sum(dim=2, keepdim=True) for a, b in pairs]
    num_outputs, num_features = weights_HDF.shape[1:]
    upright, part = _lengthening(of_output, num_features)
    upright_whole, part_whole = _lengthening(
        [s.sum(dim=1, keepdim=True) for s in of_output], num_outputs * num_features
    )
    part = torch.where(upright, part, part_whole * upright_whole)
    return move_HDF - part * weights_HDF, torch.where(upright | upright_whole, _DECAY_SHARE, 1.0)


def _lengthening(sums: list[Tensor], size: int) -> tuple[Tensor, Tensor]:
    """Whether all gradients of a head stand upright, (H, 1, 1), and the multiple of the weights that is in each move,
    (H, parts, 1), from the `sums` of weights by gradient, by themselves, of gradients by themselves, and of weights by
    move, each (H, parts, 1) over `size` numbers."""
    dot, weights, gradients, along = sums
    length = weights.sqrt()
    cosine = dot.abs() / (length.clamp_min(_EPSILON) * gradients.sqrt().clamp_min(_EPSILON))
    return (cosine < _DELTA / size**0.5).all(dim=1, keepdim=True), along / (length + _EPSILON) ** 2


def clip_heads(gradients: Parameters, limits_H: Tensor) -> Parameters:
    """Scale each head's gradient down to its largest norm; infinite for any."""
    squares = torch.stack([g.flatten(1).square().sum(dim=1) for g in gradients.values()])
    norm = squares.sum(dim=0).sqrt()
    factor = (limits_H / (norm + 1e-6)).clamp(max=1.0)
    return {name: g * factor.view(-1, *[1] * (g.ndim - 1)) for name, g in gradients.items()}


@torch.no_grad()
def move_averages(averages: Parameters, parameters: Parameters, share_H: Tensor) -> None:
    """Move the averages of the first len(share_H) heads towards their weights by each head's share."""
    active = len(share_H)
    for name, average in averages.items():
        column = share_H.view(active, *[1] * (average.ndim - 1))
        average[:active].lerp_(parameters[name][:active], column)
