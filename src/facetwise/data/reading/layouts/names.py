"""The layout `names`: no table, labels are in the names of folders and files."""

from __future__ import annotations

from facetwise.core.records.dataset import TrainSide
from facetwise.data.reading.layouts.images import ImageReader
from facetwise.data.reading.sidetable import IMAGE_NAME


class NameReader(ImageReader):
    """Takes images by the rows that their names make (`sidetable.names_table`)."""

    @staticmethod
    def column(side: TrainSide) -> str:  # noqa: ARG004
        """Of the image's own path."""
        return IMAGE_NAME
