"""How fast augmented batches come, from the second epoch on: our store against decoding every epoch anew.

    python benchmarks/input_pipeline.py                          # draws 384x512 JPEGs
    python benchmarks/input_pipeline.py --dataset DIR            # the images below DIR

Augmentations of all but timm: flip, rotation/scale/shift, brightness and contrast, Gaussian noise, cutout, with the
same ranges and shares; batches of float images, one process for training and `--workers` of them for a DataLoader.

- `facetwise`: the mapped uint8 store and `Augmenter`, on as many threads as there are workers
- `torchvision`: PIL, `torchvision.transforms` and a DataLoader, as the organisers' baseline has them
- `timm`: `timm.data.create_loader` with what it has of these: its random crop instead of the rotation, no noise

The rounds go by turns; a ratio is the median of the rounds' own. Files are in the page cache, workers stay alive, and
the first epoch (decoding into the store; starting workers) is not counted but printed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from prepare import describe, draw_images, first_images, scratch_project
from printed import size
from timm.data.loader import create_loader
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms  # type: ignore[import-untyped]

from facetwise.core.records.provenance import machine, versions
from facetwise.data.images.store import StoreSpec, prepare_store
from facetwise.data.manifest import list_images
from facetwise.inference.source import ImageSource
from facetwise.recipe.augment import Affine, Cutout, Flip, Light, Noise
from facetwise.train.augment import Augmenter

BATCH = 64
MEAN = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
Epoch = Callable[[], Iterator[Tensor]]
"""Gives the batches of one epoch."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one table, or JSON."""
    options = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(options.workers)
    with TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        dataset = options.dataset or draw_images(Path(scratch) / "drawn", options.images)
        manifest = first_images(list_images(dataset), options.images)
        paths = [dataset / image for image in manifest.table["image"]]
        height, width = options.size
        started = time.perf_counter()
        store = prepare_store(scratch_project(Path(scratch) / "project", dataset), manifest, StoreSpec(height, width))
        decoding = time.perf_counter() - started
        pipelines = {
            "facetwise": ours(store.images),
            "torchvision": torchvision_loader(paths, options.size, options.workers),
            "timm": timm_loader(paths, options.size, options.workers),
        }
        first = {name: images_per_second(epoch) for name, epoch in pipelines.items()}
        peak = peak_mib()
        rounds = [{name: images_per_second(e) for name, e in pipelines.items()} for _ in range(options.rounds)]
    result = {
        "machine": machine(),
        "versions": versions(),
        "images": describe(manifest),
        "to": options.size,
        "seconds to fill the store": round(decoding, 1),
        "images/s of the first epoch": {name: round(rate) for name, rate in first.items()},
        "peak memory of this process, MiB": {"after one epoch": peak, "at the end": peak_mib()},
    }
    rows = summary(rounds)
    print(json.dumps({**result, "rows": rows}, indent=2) if options.json else table(result, rows))
    return 0


def ours(images: np.ndarray) -> Epoch:
    """Batches of the mapped store, augmented as the training loop does it."""
    source = ImageSource(images, torch.device("cpu"))
    augmenter = Augmenter([Flip(), Affine(), Light(), Noise(), Cutout()])
    generator = torch.Generator().manual_seed(0)

    def epoch() -> Iterator[Tensor]:
        order = torch.randperm(len(images), generator=generator).numpy()
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield augmenter(source.batch(order[start : start + BATCH]), MEAN, generator)

    return epoch


class Photos(Dataset[Tensor]):
    """Images decoded by PIL when they are asked for."""

    def __init__(self, paths: Sequence[Path], transform: Callable[[Image.Image], Tensor]) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.open(self.paths[index]).convert("RGB"))


class GaussianNoise:
    """Noise on a share of tensors of 0 to 1, as the organisers' baseline adds it."""

    def __call__(self, image: Tensor) -> Tensor:
        spec = Noise()
        noisy = image + torch.randn(image.shape) * (spec.std / 255)
        return noisy.clamp_(0, 1) if torch.rand(()) < spec.p else image


def torchvision_loader(paths: Sequence[Path], size: tuple[int, int], workers: int) -> Epoch:
    """The way of the organisers' baseline."""
    affine, light, cutout = Affine(), Light(), Cutout()
    transform = transforms.Compose(
        [
            transforms.Resize(size, transforms.InterpolationMode.BILINEAR),
            transforms.RandomHorizontalFlip(),
            transforms.RandomAffine(
                affine.rotate,
                (affine.shift, affine.shift),
                (1 - affine.scale, 1 + affine.scale),
                interpolation=transforms.InterpolationMode.BILINEAR,
            ),
            transforms.ColorJitter(light.brightness, light.contrast),
            transforms.ToTensor(),
            GaussianNoise(),
            transforms.RandomErasing(cutout.p, (cutout.size[0] ** 2, cutout.size[1] ** 2), (0.3, 3.3)),
        ]
    )
    loader = DataLoader(
        Photos(paths, transform), BATCH, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True
    )
    return lambda: iter(loader)


def timm_loader(paths: Sequence[Path], size: tuple[int, int], workers: int) -> Epoch:
    """timm's own loader and transforms: random resized crop, flip, colour jitter, random erasing."""
    photos: Any = _OneClass(paths)
    loader: Any = create_loader(
        photos,
        (3, *size),
        BATCH,
        is_training=True,
        scale=(0.8, 1.0),
        re_prob=Cutout().p,
        color_jitter=0.2,
        num_workers=workers,
        device=torch.device("cpu"),
        persistent_workers=True,
    )
    return lambda: (images for images, _ in loader)


class _OneClass(Dataset[tuple[Any, int]]):
    """The images for timm, which sets `transform`; all of one class."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.transform: Callable[[Image.Image], Any] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        assert self.transform is not None
        return self.transform(Image.open(self.paths[index]).convert("RGB")), 0


def images_per_second(epoch: Epoch) -> float:
    """Rate of one epoch, from asking for it to its last batch."""
    started, count = time.perf_counter(), 0
    for batch in epoch():
        count += len(batch)
    return count / (time.perf_counter() - started)


def peak_mib() -> int:
    """The most memory that this process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def summary(rounds: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
    """A row a pipeline: median images a second, and how many times ours that is."""
    return [
        {
            "pipeline": name,
            "images/s": round(statistics.median(r[name] for r in rounds)),
            "ours is faster by": round(statistics.median(r["facetwise"] / r[name] for r in rounds), 2),
            "from": round(min(r["facetwise"] / r[name] for r in rounds), 2),
            "to": round(max(r["facetwise"] / r[name] for r in rounds), 2),
        }
        for name in rounds[0]
    ]


def table(result: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table under what was measured on what."""
    lines = [f"{key}: {json.dumps(value)}" for key, value in result.items()]
    cells = [
        list(rows[0]),
        ["---"] * len(rows[0]),
        *([v if isinstance(v, str) else f"{v:,}" for v in r.values()] for r in rows),
    ]
    return "\n".join([*lines, "", *("| " + " | ".join(c) + " |" for c in cells)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="folder of images (default: draw some)")
    parser.add_argument("--images", type=int, default=1280, help="use at most so many")
    parser.add_argument("--size", type=size, default=(224, 168), help="HEIGHTxWIDTH of the batches")
    parser.add_argument("--workers", type=int, default=2, help="processes of a DataLoader, threads of ours")
    parser.add_argument("--rounds", type=int, default=5, help="epochs a pipeline, by turns")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
