"""How the networks of a run predict."""

from __future__ import annotations

from facetwise.core.choices import Tta
from facetwise.recipe.strict import RecipeSpec


class PredictSpec(RecipeSpec):
    """Predicting held-out and test images, alike."""

    tta: Tta = "none"
    """Test-time augmentation: the probabilities of several views of an image are averaged. `flip`: the image and its
    mirror image. `crops`: the image and its four corners of 90 %, enlarged. `flip-crops`: those five and their mirror
    images. It costs as many forward passes as there are views; `facetwise predict` adds it to a finished run."""
