"""Augmentation of whole batches on the training device, with independent draws for each image.

    draw   all numbers for the batch from a CPU generator, so that they are the same on every device
    apply  geometry in one warp -> pixels in the recipe's order -> clipped to 0..255
    mix    images and targets with partners

On the CPU the middle line runs over a few images at a time (`parts.py`), from the warp to the clipping.
What happens to an image does not depend on its company: no pixel of another is read before `mix`. Shapes: B images of
a batch, N of them at once, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from facetwise.recipe.augment import Augment, Mix, Move, Paint, Trivial
from facetwise.train.augment.geometry import Motion, draw_motion, move
from facetwise.train.augment.mixing import Pair, draw_mixture, mix_pairs, needs_rare
from facetwise.train.augment.parts import each_part
from facetwise.train.augment.pixels import Painter, draw_painter
from facetwise.train.augment.trivial import draw_trivial


@dataclass(frozen=True)
class Drawn:
    """Everything that was drawn for a batch, except for mixing."""

    motion: Motion
    painters: tuple[Painter, ...]

    def apply(self, x_NCHW: Tensor, rows: slice) -> Tensor:
        """Augment `x_NCHW`, the images `rows` of the batch; returns new contiguous float32 images, not yet clipped."""
        moved = move(x_NCHW, self.motion.of(rows))
        for paint in self.painters:
            paint(moved, rows)
        return moved


class Augmenter:
    """Applies a recipe's augmentations to batches."""

    def __init__(self, specs: Sequence[Augment]) -> None:
        self.moves = [s for s in specs if isinstance(s, Move)]
        self.paints = [s for s in specs if isinstance(s, Paint | Trivial)]
        self.mixes = [s for s in specs if isinstance(s, Mix)]
        self.needs_rare = needs_rare(self.mixes)
        """Whether `mix` must be given a batch of partners from rare classes."""

    def __call__(self, x_BCHW: Tensor, mean_1C11: Tensor, generator: Generator) -> Tensor:
        """Augment images of 0 to 255, uint8 or float; `mean_1C11` fills what is cut out.

        Returns float32 images in the memory layout of those given, which stay as they are.
        """
        if not self.moves and not self.paints:
            return x_BCHW.float()
        drawn = self.draw(x_BCHW, mean_1C11, generator)
        augmented = torch.empty_like(x_BCHW, dtype=torch.float32)

        def work(rows: slice) -> None:
            augmented[rows] = drawn.apply(x_BCHW[rows], rows).clamp_(0, 255)

        each_part(x_BCHW, work)
        return augmented

    def draw(self, x_BCHW: Tensor, mean_1C11: Tensor, generator: Generator) -> Drawn:
        """Draw for a batch of this shape: flips, then other geometry, then pixels."""
        count, channels, height, width = x_BCHW.shape
        motion = draw_motion(self.moves, count, width / height, generator)
        painters: list[Painter] = []
        for spec in self.paints:
            if isinstance(spec, Trivial):
                one = draw_trivial(spec, count, generator)
                motion = motion.then(one.matrices(width / height), one.moved_B)
                painters.append(one.paint)
            else:
                painters.append(draw_painter(spec, (count, channels, height, width), mean_1C11, generator))
        return Drawn(motion, tuple(painters))

    def mix(self, x_BCHW: Tensor, targets: Tensor, generator: Generator, other: Pair | None = None) -> Pair:
        """Mix images and their target probabilities, (B, d), with partners; all parents are training images.

        The partner of image i is another image of the batch, or, for `rare` partners, row i of `other`: augmented
        images and their targets. An image is mixed at most once, by the first kind that selects it, and always with
        unmixed partners, so that the target matches the visible content.
        """
        own = mixed = x_BCHW, targets
        count, _, height, width = x_BCHW.shape
        done_B = torch.zeros(count, dtype=torch.bool)
        for spec in self.mixes:
            is_rare = spec.partner == "rare"
            if is_rare and other is None:
                raise ValueError(f"`{spec.name}` with rare partners needs `other`: their images and targets")
            index = None if is_rare else torch.randperm(count, generator=generator)
            mixture = draw_mixture(spec, count, height, width, generator).without(done_B)
            mixed = mix_pairs(mixed, other if is_rare and other is not None else own, index, mixture)
            done_B |= mixture.lam_B < 1
        return mixed
