"""What is minimised: losses of images and of batches, laid over the parts of a head."""

from facetwise.train.losses.losses import LossFunction, build_loss, log_loss

__all__ = ["LossFunction", "build_loss", "log_loss"]
