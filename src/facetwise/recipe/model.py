"""The network: backbone and head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from facetwise.core.errors import SettingError
from facetwise.core.files.settings import Spec, parse
from facetwise.core.records.shelf import SHELF, find_shelf_entry
from facetwise.recipe.head import Head, MultiLabelHead

NO_FILE = ("none", "hub")
"""Values of `weights` that are not paths."""
FOLD = "{fold}"
"""Placeholder for the fold number in the path of a weights file."""

MAX_STAGES = 64
MAX_SMALL_WEIGHTS = 2**28
"""Largest number of weights of a `small_resnet`: one gigabyte."""

Share = Annotated[float, Field(ge=0, lt=1)]
Whole = Annotated[int, Field(ge=-(2**16), le=2**16)]
Number = Annotated[float, Field(ge=-(2**16), le=2**16)]
Arg = (
    bool
    | Whole
    | Number
    | str
    | Annotated[list[Whole], Field(max_length=MAX_STAGES)]
    | Annotated[list[Number], Field(max_length=MAX_STAGES)]
)
"""A keyword argument; numbers are bounded, so that building a network cannot take days."""

SMALL = "small_resnet"
"""The only backbone of facetwise; every other name is a timm model."""

_WEIGHTS = "pretrained weights are `model.weights`, which checks for leaks and opens no pickles"
_SIZE = "the size is `input.height` and `input.width`"
_HEAD = "the head is `model.head`"
_FEATURES = "a backbone gives one feature vector for each image"
_NAME = "the network is `model.backbone`"
_EXPORT = "it concerns exporting the network, not training"
_INSTEAD = {
    **dict.fromkeys(("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict"), _WEIGHTS),
    **dict.fromkeys(("pretrained_filter_fn", "pretrained_model_args", "checkpoint_path", "cache_dir"), _WEIGHTS),
    **dict.fromkeys(("img_size", "input_size"), _SIZE),
    "in_chans": "images have three channels",
    "num_classes": _HEAD,
    **dict.fromkeys(("features_only", "feature_cfg", "feature_cls", "out_indices"), _FEATURES),
    **dict.fromkeys(("model_name", "model_cls", "model_cfg", "variant", "kwargs_filter", "pruned"), _NAME),
    **dict.fromkeys(("scriptable", "exportable", "no_jit"), _EXPORT),
    "device": "the device is `train.device`",
    "dtype": "the arithmetic is `train.precision`",
}
"""Keyword arguments of timm that do not concern the backbone itself -> what to use instead."""


Channels = Annotated[int, Field(ge=1, le=4096)]
Blocks = Annotated[int, Field(ge=1, le=256)]


class SmallArgs(Spec):
    """`args` of `small_resnet`."""

    stem: Channels = 16
    """Channels before the first stage."""
    widths: Annotated[list[Channels], Field(min_length=1, max_length=8)] = Field(default=[32, 64, 128, 256])
    """Channels of each stage."""
    depths: Annotated[list[Blocks], Field(min_length=1, max_length=8)] = Field(default=[1, 1, 1, 1])
    """Blocks of each stage."""

    @model_validator(mode="after")
    def _buildable(self) -> SmallArgs:
        if len(self.widths) != len(self.depths):
            raise ValueError(f"as many `widths` as `depths` are needed, got {len(self.widths)} and {len(self.depths)}")
        stages = zip([self.stem, *self.widths[:-1]], self.widths, self.depths, strict=True)
        weights = sum(9 * width * (inputs + (2 * depth - 1) * width) for inputs, width, depth in stages)
        if weights > MAX_SMALL_WEIGHTS:
            raise ValueError(f"{weights:,} weights, at most {MAX_SMALL_WEIGHTS:,} are built")
        return self


class ModelSpec(Spec):
    """The network."""

    backbone: str
    """A timm model name, such as `resnet18` or, with a pretrained tag, `resnet18.a1_in1k`; or `small_resnet` for
    training from scratch on small machines (`args`: `stem`, `widths`, `depths`)."""
    weights: str = "none"
    """`none` (from scratch), `hub` (timm's pretrained weights for this name), `shelf:NAME` (weights that `facetwise
    weights add` put on the shelf) or the path of a `.safetensors` file,
    relative to the project: timm's for this backbone, or a `model.safetensors` of a run, whose backbone is taken.
    `{fold}` in the path is replaced by the fold's number; a fold that validates people that the weights were trained
    on is refused."""
    args: dict[str, Arg] = Field(default_factory=dict)
    """Further keyword arguments of the backbone, as named by timm (`global_pool = "max"`). Those that load weights, or
    that other keys set, are refused."""
    dropout: Share = 0.0
    """Dropout between the pooled features and the head."""
    drop_path: Share = 0.0
    """Stochastic depth: the share of images for which the last residual block is skipped in training; it rises linearly
    over the blocks (Huang et al. 2016, eq. 4). Not every backbone supports it."""
    freeze: Annotated[int, Field(ge=-MAX_STAGES)] | Literal["backbone"] = 0
    """How much of the backbone is frozen: 1 is the stem, 2 the stem and the first stage, and so on; -1 is all but the
    last stage, -2 all but the last two; `backbone` is all of it, so that only the head trains. Frozen norms and dropout
    are in evaluation mode. Stages are those of timm's `group_matcher(coarse=True)`; in a ViT each block is one."""
    freeze_norms: bool | None = None
    """Batch norms of the backbone keep the statistics, scales and shifts of its pretrained weights, whatever else
    trains: batches of few images do not spoil them, and a step takes some 6 % less."""
    head_first: Annotated[int, Field(ge=1)] | None = None
    """Epochs, at the beginning, in which the head trains alone and the backbone rests, its norms and dropout in
    evaluation mode: so that the first gradients, of a head that knows nothing, do not spoil pretrained weights (Kumar
    et al. 2022)."""
    activation_checkpointing: bool | None = None
    """Compute what the gradients of a layer need anew in the backward pass instead of keeping it (Chen et al. 2016), so
    that larger images or batches fit into the memory: a step takes about a third longer, the numbers stay the same. Not
    every backbone can."""
    head: Head = MultiLabelHead()
    """The head."""

    @field_validator("activation_checkpointing", "freeze_norms")
    @classmethod
    def _asked_or_not(cls, asked: bool | None) -> bool | None:
        return asked or None  # left out of the recipe's data, whose hash is that of before there was such a key

    @field_validator("args")
    @classmethod
    def _of_the_backbone(cls, args: dict[str, Arg]) -> dict[str, Arg]:
        if refused := [f"`{name}` is not for `args`: {_INSTEAD[name]}" for name in args if name in _INSTEAD]:
            raise ValueError("; ".join(refused))
        return args

    @model_validator(mode="after")
    def _small_as_asked(self) -> ModelSpec:
        if self.backbone == SMALL:
            try:
                parse(SmallArgs, self.args, "`args`")
            except SettingError as error:
                raise ValueError("; ".join(line.strip(" -") for line in str(error).splitlines()[1:])) from None
        return self

    @model_validator(mode="after")
    def _said_once(self) -> ModelSpec:
        if self.drop_path and "drop_path_rate" in self.args:
            raise ValueError("give `drop_path` or `args.drop_path_rate`, not both")
        return self

    def located(self, root: Path, fold: int | None = None) -> ModelSpec:
        """Make the path of a weights file absolute, for one fold if `fold` is given.

        `root` is the project's folder. Without `fold`, `{fold}` in a path is not replaced. Raises InputError for a name
        that is not on the shelf.
        """
        if self.weights in NO_FILE:
            return self
        shelved = self.weights.startswith(SHELF)
        path = find_shelf_entry(self.weights).weights_file if shelved else root / self.weights
        return self.model_copy(update={"weights": str(path if fold is None else weights_of_fold(path, fold))})


def weights_of_fold(weights: Path, fold: int) -> Path:
    """The file for one fold: `{fold}` in the path is replaced by its number."""
    return Path(str(weights).replace(FOLD, str(fold)))
