"""Small pictures for pages, as `data:` addresses, so that a page carries them itself."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.project import Project
from facetwise.core.workspace import inside
from facetwise.data.images.images import Pixels, read_image
from facetwise.data.images.store import VIEW, Store, open_store
from facetwise.data.manifest import Manifest

QUALITY = 82


def thumbnails(
    project: Project, manifest: Manifest, images: Iterable[str], *, side: int = 160, root: Path | None = None
) -> dict[str, str]:
    """JPEG pictures as `data:` addresses by image, long side at most `side` pixels, never enlarged.

    From the view store when there is one, else decoded from the folder `root`, by default the dataset. An image that
    neither can give is left out.
    """
    names = list(dict.fromkeys(images))
    pixels_of = _pixels(project, manifest, names, root or project.dataset_root)
    return {name: data_address(shrink(pixels, side)) for name, pixels in pixels_of}


def shrink(pixels: Pixels, side: int) -> Pixels:
    """`pixels` (h, w, 3) with its long side brought down to `side`; smaller ones stay as they are."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return pixels
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), dtype=np.uint8)


def data_address(pixels: Pixels) -> str:
    """RGB pixels (h, w, 3) as a `data:image/jpeg` address."""
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _pixels(project: Project, manifest: Manifest, names: list[str], root: Path) -> Iterator[tuple[str, Pixels]]:
    store = _view_store(project, manifest)
    for name in names:
        found = (
            _from_files(project, manifest, name, root) if store is None else store.picture(int(store.index([name])[0]))
        )
        if found is not None and found.size:
            yield name, found


def _view_store(project: Project, manifest: Manifest) -> Store | None:
    try:
        return open_store(project, manifest, VIEW, verify=False)
    except ArtefactError:
        return None


def _from_files(project: Project, manifest: Manifest, name: str, root: Path) -> Pixels | None:
    path = inside(root, name, project.links_into(root))
    try:
        return None if path is None else read_image(path, manifest.depth).pixels
    except InputError:
        return None
