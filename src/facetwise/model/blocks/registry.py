"""The class of each kind of block."""

from __future__ import annotations

from typing import assert_never

from facetwise.model.blocks.bins import Bins
from facetwise.model.blocks.block import Block
from facetwise.model.blocks.ordinal import Ordinal
from facetwise.model.blocks.softmax import Softmax
from facetwise.recipe.head import BlockKind


def block_class(kind: BlockKind) -> type[Block]:
    """The class of a kind in recipes; a kind without a line here is a type error."""
    match kind:
        case "softmax":
            return Softmax
        case "ordinal":
            return Ordinal
        case "bins" | "years":
            return Bins
        case _:
            assert_never(kind)
