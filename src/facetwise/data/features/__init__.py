"""Features of images, as `facetwise embed` writes them, and what those most alike by them say."""
