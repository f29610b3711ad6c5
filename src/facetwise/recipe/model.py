"""What the network is: backbone and head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from facetwise.core.settings import Spec

NO_FILE = ("none", "hub")
"""Values of `weights` that are no path."""


class FlatHead(Spec):
    """One softmax over the joint classes: as many outputs as the product of the attributes' sizes."""

    name: Literal["flat"] = "flat"
    """The kind of head."""


class MultiLabelHead(Spec):
    """A softmax a block of outputs, one block an attribute: as many outputs as the sum of the attributes' sizes."""

    name: Literal["multilabel"] = "multilabel"
    """The kind of head."""


class SingleHead(Spec):
    """A specialist: one softmax over the classes of one attribute."""

    name: Literal["single"] = "single"
    """The kind of head."""
    attribute: str
    """The attribute that it predicts."""


Head = Annotated[FlatHead | MultiLabelHead | SingleHead, Field(discriminator="name")]


class ModelSpec(Spec):
    """The network."""

    backbone: str
    """A timm model name, such as `resnet18` or, with a pretrained tag, `resnet18.a1_in1k`; or `small_resnet`, ours, for
    training from scratch on small machines (`args`: `stem`, `widths`, `depths`)."""
    weights: str = "none"
    """`none` (from scratch), `hub` (timm's pretrained weights for this name) or the path of a `.safetensors` file,
    relative to the project."""
    args: dict[str, bool | int | float | str | list[int] | list[float]] = Field(default_factory=dict)
    """More keyword arguments for the backbone, as timm names them (`drop_path_rate = 0.1`)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout between the pooled features and the head."""
    head: Head = MultiLabelHead()
    """What the outputs are."""

    def located(self, root: Path) -> ModelSpec:
        """The same with the path of a weights file made absolute; `root` is the project's folder."""
        return self if self.weights in NO_FILE else self.model_copy(update={"weights": str(root / self.weights)})
