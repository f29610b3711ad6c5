"""Augmentation of whole batches on the training device, and a sheet that shows what comes of it."""

from facetwise.train.augment.augmenter import Augmenter

__all__ = ["Augmenter"]
