"""The reader of each layout."""

from __future__ import annotations

from typing import assert_never

from facetwise.core.records.dataset import Layout
from facetwise.data.reading.layouts.folders import FolderReader
from facetwise.data.reading.layouts.images import ImageReader
from facetwise.data.reading.layouts.layout import Reader
from facetwise.data.reading.layouts.names import NameReader


def reader_class(layout: Layout) -> type[Reader]:
    """The reader of a layout in project files; a layout without a line here is a type error."""
    match layout:
        case "folders":
            return FolderReader
        case "images":
            return ImageReader
        case "names":
            return NameReader
        case _:
            assert_never(layout)
