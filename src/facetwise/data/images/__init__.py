"""Image files: checking them, decoding and cropping them once, finding copies."""

from facetwise.data.images.images import read_image as read_image
