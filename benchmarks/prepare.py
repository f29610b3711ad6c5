"""How fast images become a store: decode alone, decode and resize, and the whole of `prepare_store`.

    python benchmarks/prepare.py                                   # draws 384x512 JPEGs, to 128x96
    python benchmarks/prepare.py --dataset DIR --size 256x192      # the images below DIR

Files are in the page cache when the clock runs. Every figure is the best of `--repeat` passes, in images a second.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import simplejpeg
from PIL import Image
from printed import size

from facetwise.core.project import Project
from facetwise.core.records.project_file import ProjectFile
from facetwise.core.records.provenance import machine, versions
from facetwise.core.workspace import Workspace
from facetwise.data.images.crops import crop_resize
from facetwise.data.images.images import read_image
from facetwise.data.images.store import StoreSpec, prepare_store
from facetwise.data.manifest import Manifest, list_images

DRAWN_HEIGHT, DRAWN_WIDTH, QUALITY = 512, 384, 85


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one table, or JSON."""
    options = _parser().parse_args(arguments)
    with TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        dataset = options.dataset or draw_images(Path(scratch) / "drawn", options.images)
        manifest = first_images(list_images(dataset), options.images)
        spec = StoreSpec(*options.size)
        rows = [
            {"workers": n, **measure(dataset, manifest, spec, Path(scratch), n, options.repeat)}
            for n in options.workers
        ]
    result = {"machine": machine(), "versions": versions(), "images": describe(manifest), "to": options.size}
    print(json.dumps({**result, "rows": rows}, indent=2) if options.json else table(result, rows))
    return 0


def measure(
    dataset: Path, manifest: Manifest, spec: StoreSpec, scratch: Path, workers: int, repeat: int
) -> dict[str, float]:
    """Images a second of each step with `workers` threads."""
    paths = [dataset / image for image in manifest.table["image"]]
    project = scratch_project(scratch / "project", dataset)

    def resized(path: Path) -> None:
        pixels = read_image(path).pixels
        crop_resize(pixels, (0, 0, pixels.shape[1], pixels.shape[0]), spec.height, spec.width)

    def whole() -> None:
        shutil.rmtree(project.workspace.stores, ignore_errors=True)
        prepare_store(project, manifest, spec, workers=workers)

    steps: dict[str, Callable[[], object]] = {
        "decode": lambda: _in_threads(read_image, paths, workers),
        "decode and resize": lambda: _in_threads(resized, paths, workers),
        "prepare": whole,
    }
    return {name: round(len(paths) / min(_seconds(step) for _ in range(repeat)), 1) for name, step in steps.items()}


def draw_images(folder: Path, number: int) -> Path:
    """Draw `number` JPEGs with the detail of a photo: smooth shapes, and a little grain."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(number):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 12, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((DRAWN_WIDTH, DRAWN_HEIGHT), Image.Resampling.BICUBIC), dtype=np.float32)
        pixels = np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
        (folder / f"{i:05d}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels, QUALITY))
    return folder


def describe(manifest: Manifest) -> str:
    """How many images, of what size."""
    sizes = manifest.table.group_by("width", "height").len().sort("len", descending=True)
    width, height, _ = sizes.row(0)
    mean = float(manifest.table.select(pl.col("bytes").mean()).item())
    return f"{len(manifest.table)} files, most {width}x{height}, {mean:,.0f} bytes on average"


def table(result: dict[str, object], rows: Sequence[dict[str, float]]) -> str:
    """A Markdown table under what was measured on what."""
    names = list(rows[0])
    lines = [f"{key}: {json.dumps(value)}" for key, value in result.items()]
    cells: Iterable[list[str]] = [names, ["---:"] * len(names), *([f"{r[n]:,g}" for n in names] for r in rows)]
    return "\n".join([*lines, "", *("| " + " | ".join(c) + " |" for c in cells)])


def _in_threads(work: Callable[[Path], object], paths: Sequence[Path], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(lambda path: work(path) and None, paths):
            pass


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def first_images(manifest: Manifest, number: int) -> Manifest:
    """The first readable images of a manifest."""
    return Manifest.of(manifest.table.filter(pl.col("status") == "ok").head(number))


def scratch_project(root: Path, dataset: Path) -> Project:
    """A project that exists only to hold stores."""
    file = {
        "name": "benchmark",
        "dataset": {
            "path": str(dataset),
            "layout": "images",
            "train": {"table": "none.csv", "images": ".", "group": "group", "image": "image"},
        },
        "attributes": [{"name": "any", "classes": ["a", "b"], "column": "any"}],
    }
    return Project(Workspace(root), ProjectFile.model_validate(file))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="folder of images (default: draw some)")
    parser.add_argument("--images", type=int, default=1000, help="use at most so many")
    parser.add_argument("--size", type=size, default=(128, 96), help="HEIGHTxWIDTH of the store")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, machine()["cores"]], help="numbers of threads")
    parser.add_argument("--repeat", type=int, default=3, help="passes a figure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
