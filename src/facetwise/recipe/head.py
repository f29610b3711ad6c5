"""The head: what the outputs of a network mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from facetwise.core.files.settings import Spec

BlockKind = Literal["softmax", "ordinal", "bins", "years"]
"""How an attribute is predicted: each has a class in `model.blocks`. `years` is an old name of `bins`; a recipe that
says so keeps it, and with it its fingerprint."""
PLAIN: BlockKind = "softmax"
"""The kind where none is named, and of the joint classes."""


class FlatHead(Spec):
    """One softmax over the joint classes: as many outputs as the product of the attributes' sizes."""

    name: Literal["flat"] = "flat"
    """The kind of head."""


class MultiLabelHead(Spec):
    """One block of outputs for each attribute, as many in all as the sum of the attributes' sizes. Every attribute has
    exactly one class, which others call multi-output."""

    name: Literal["multilabel"] = "multilabel"
    """The kind of head."""
    attributes: Annotated[list[str], Field(min_length=1)] | None = None
    """The predicted attributes, for a specialist; default: all."""
    kinds: dict[str, BlockKind] = Field(default_factory=dict)
    """How single attributes are predicted, such as `age = "bins"`: `softmax` (default), `ordinal` or `bins`, as
    `model.head.kind` of a `single` head."""

    @model_validator(mode="after")
    def _predicted(self) -> MultiLabelHead:
        if self.attributes is not None and len(set(self.attributes)) != len(self.attributes):
            raise ValueError("`attributes` names one twice")
        if self.attributes is not None and (others := [n for n in self.kinds if n not in self.attributes]):
            raise ValueError(f"`kinds` names `{others[0]}`, which is not among `attributes`")
        return self


class SingleHead(Spec):
    """A specialist in one attribute."""

    name: Literal["single"] = "single"
    """The kind of head."""
    attribute: str
    """The attribute that it predicts."""
    kind: BlockKind = PLAIN
    """`softmax`: a probability a class. `ordinal`: one score, and ascending thresholds that cut it into classes
    (McCullagh 1980; the loss `binary` makes it the CORAL head of Cao et al. 2020). `bins`: a distribution over the
    numbers themselves, in any unit, summed into classes by the cuts (label distribution learning, Gao et al. 2017), so
    that `facetwise cuts` can move a cut after training and `facetwise show` tells the mean absolute error; one bin a
    whole number, or coarser or finer where that makes too many or too few. The last two are for ordinal attributes.
    `years` is an old name of `bins`."""


Head = Annotated[FlatHead | MultiLabelHead | SingleHead, Field(discriminator="name")]
