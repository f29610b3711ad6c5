"""How the networks of a run predict."""

from __future__ import annotations

from facetwise.core.choices import Tta
from facetwise.core.files.settings import Spec


class PredictSpec(Spec):
    """Settings for predicting held-out and test images."""

    tta: Tta = "none"
    """Test-time augmentation: the probabilities of several views of an image are averaged. `flip`: the image and its
    mirror image. `crops`: the image and its four corners of 90 %, enlarged. `flip-crops`: those five and their mirror
    images. Each view costs a forward pass; `facetwise predict` adds it to a finished run."""
