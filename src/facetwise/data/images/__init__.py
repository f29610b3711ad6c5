"""Image files: looking into them, decoding and cropping them once, copies among them."""

from facetwise.data.images.images import read_image as read_image
