"""Augmentation of whole batches on the training device, and contact sheets of the result."""

from facetwise.train.augment.augmenter import Augmenter

__all__ = ["Augmenter"]
