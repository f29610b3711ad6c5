"""What the network is: backbone and head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from facetwise.core.settings import Spec
from facetwise.recipe.head import Head, MultiLabelHead

NO_FILE = ("none", "hub")
"""Values of `weights` that are no path."""
FOLD = "{fold}"
"""Stands in the path of a weights file for the number of the fold that is trained."""

Share = Annotated[float, Field(ge=0, lt=1)]


class ModelSpec(Spec):
    """The network."""

    backbone: str
    """A timm model name, such as `resnet18` or, with a pretrained tag, `resnet18.a1_in1k`; or `small_resnet`, ours, for
    training from scratch on small machines (`args`: `stem`, `widths`, `depths`)."""
    weights: str = "none"
    """`none` (from scratch), `hub` (timm's pretrained weights for this name) or the path of a `.safetensors` file,
    relative to the project: timm's for this backbone, or a `model.safetensors` of a run, whose backbone is taken.
    `{fold}` in the path is the number of the fold; folds that validate people whom the weights were trained on are
    refused."""
    args: dict[str, bool | int | float | str | list[int] | list[float]] = Field(default_factory=dict)
    """More keyword arguments for the backbone, as timm names them (`global_pool = "max"`)."""
    dropout: Share = 0.0
    """Dropout between the pooled features and the head."""
    drop_path: Share = 0.0
    """Stochastic depth: the share of images for which the last residual block is skipped while training; it rises
    linearly over the blocks (Huang et al. 2016, eq. 4). Not every backbone has it."""
    freeze: Annotated[int, Field(ge=0, strict=True)] | Literal["backbone"] = 0
    """How much of the backbone does not train: 1 is the stem, 2 the stem and the first stage, and so on; `backbone` is
    all of it, so that only the head trains. Norms and dropout of what is frozen behave as in predicting. Stages are
    those of timm's `group_matcher(coarse=True)`; in a ViT each block is one."""
    head: Head = MultiLabelHead()
    """What the outputs are."""

    @model_validator(mode="after")
    def _said_once(self) -> ModelSpec:
        if self.drop_path and "drop_path_rate" in self.args:
            raise ValueError("give `drop_path` or `args.drop_path_rate`, not both")
        return self

    def located(self, root: Path, fold: int | None = None) -> ModelSpec:
        """The same with the path of a weights file made absolute, and of one fold when `fold` is given.

        `root` is the project's folder. Without `fold` a path with `{fold}` stays one, which is no file.
        """
        if self.weights in NO_FILE:
            return self
        path = str(root / self.weights)
        return self.model_copy(update={"weights": path if fold is None else path.replace(FOLD, str(fold))})
