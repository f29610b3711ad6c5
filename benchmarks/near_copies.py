"""How many planted copies `facetwise check` finds, by kind, and how many pairs it tells that are none.

    python benchmarks/near_copies.py --dataset PATH            # 32 copies in a temporary copy of the dataset
    python benchmarks/near_copies.py --dataset PATH --seeds 5  # five times as many, other images each time
    python benchmarks/near_copies.py --dataset PATH --seeds 0  # the dataset as it is
    python benchmarks/near_copies.py --dataset PATH --further --recipe lite0-frozen  # kinds beyond, with features too
    python benchmarks/near_copies.py --pictures 20000 40000    # only the search, among as many drawn pictures

Each of the 16 kinds is planted twice: over an image of another person, and over an image of the test side. Sources and
places are drawn among all images, no person twice. `false` counts pairs between people and between the sides that are
neither planted nor in the dataset as it is; of `other photo` both images show the person whose photo was planted. With
a `--recipe`, its backbone's features of all images are computed, and copies counted without and with them.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import polars as pl
from made_project import cropped, encoded, exif_turned, open_project, picture
from PIL import Image, ImageEnhance, ImageOps
from printed import machine_line, table

import facetwise as fw
from facetwise.core.project import Project
from facetwise.core.tables import TEST, TRAIN
from facetwise.data.audit import audit
from facetwise.data.features.table import Features, read_features
from facetwise.data.images.copies import Copies
from facetwise.data.images.nearcopies import near_pairs
from facetwise.data.images.thumbnails import thumbnail
from facetwise.data.manifest import Manifest, build_manifest, load_manifest


def saved(image: Image.Image, quality: int = 90) -> bytes:
    """The bytes of a JPEG."""
    return encoded(image, quality=quality)


def resized(image: Image.Image, factor: float) -> Image.Image:
    """Both sides times `factor`."""
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG quality 90": saved,
    "JPEG quality 40": lambda image: saved(image, quality=40),
    "PNG": lambda image: encoded(image, "PNG"),
    "resized to 75 %": lambda image: saved(resized(image, 0.75)),
    "resized to 200 %": lambda image: saved(resized(image, 2)),
    "grey": lambda image: saved(image.convert("L")),
    "EXIF-turned": exif_turned,
    "15 % brighter": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.15)),
    "mirrored": lambda image: saved(ImageOps.mirror(image)),
    "mirrored, quality 60": lambda image: saved(ImageOps.mirror(image), quality=60),
    "cropped by 2 %": lambda image: saved(cropped(image, 0.02)),
    "cropped by 5 %": lambda image: saved(cropped(image, 0.05)),
    "cropped by 10 %": lambda image: saved(cropped(image, 0.10)),
    "turned by 3 degrees": lambda image: saved(image.rotate(3, Image.Resampling.BICUBIC)),
    "a frame of 4 pixels": lambda image: saved(ImageOps.expand(image, 4, "white")),
}
"""From the upright picture to a copy's bytes; `exact`, the sixteenth kind, is the file itself."""


def part_of(image: Image.Image, share: float, x: float, y: float) -> Image.Image:
    """A `share` of both sides, at `x` and `y` of the room that is left, each 0..1."""
    width, height = round(image.width * share), round(image.height * share)
    left, top = round((image.width - width) * x), round((image.height - height) * y)
    return image.crop((left, top, left + width, top + height))


FURTHER: dict[str, Callable[[Image.Image], bytes]] = {
    "80 % of the middle": lambda image: saved(part_of(image, 0.8, 0.5, 0.5)),
    "70 % of the middle": lambda image: saved(part_of(image, 0.7, 0.5, 0.5)),
    "60 % of the middle": lambda image: saved(part_of(image, 0.6, 0.5, 0.5)),
    "80 % to a corner": lambda image: saved(part_of(image, 0.8, 0, 0)),
    "70 % to a corner": lambda image: saved(part_of(image, 0.7, 1, 0)),
    "75 % to an edge": lambda image: saved(part_of(image, 0.75, 0.5, 0)),
    "turned by 6 degrees": lambda image: saved(image.rotate(6, Image.Resampling.BICUBIC)),
    "turned by 10 degrees": lambda image: saved(image.rotate(-10, Image.Resampling.BICUBIC)),
    "turned by 14 degrees": lambda image: saved(image.rotate(14, Image.Resampling.BICUBIC)),
    "mirrored, turned by 8": lambda image: saved(ImageOps.mirror(image).rotate(8, Image.Resampling.BICUBIC)),
    "mirrored, 75 % of the middle": lambda image: saved(part_of(ImageOps.mirror(image), 0.75, 0.5, 0.5)),
    "a frame of 24 pixels": lambda image: saved(ImageOps.expand(image, 24, "white")),
}
"""Copies of kinds that `check` does not claim to look for without features."""
EXACT = "exact"


@dataclass(frozen=True)
class Planted:
    """A copy that was written over another image."""

    kind: str
    source: str
    place: str
    between: str


@dataclass(frozen=True)
class Counts:
    """What was found."""

    hits: Counter[tuple[str, str]]
    """By kind and by what it is planted between."""
    told: Counter[str]


def draw_plan(manifest: Manifest, rng: np.random.Generator, kinds: Sequence[str]) -> list[Planted]:
    """Which image is copied to which place; a person gives or takes at most one."""
    readable = manifest.table.filter(pl.col("status") == "ok")
    train, test = (readable.filter(pl.col("split") == side) for side in (TRAIN, TEST))
    by_person = [sorted(images) for images in train.group_by("group", maintain_order=True).agg("image")["image"]]
    people = iter(rng.permutation(len(by_person)))
    others = iter(rng.permutation(sorted(test["image"])))

    def somebodys() -> str:
        return str(rng.choice(by_person[next(people)]))

    plan = [Planted(kind, somebodys(), somebodys(), "people") for kind in kinds]
    if len(test) >= len(plan):
        plan += [Planted(kind, somebodys(), str(next(others)), "sides") for kind in kinds]
    return plan


def plant(root: Path, copy: Planted) -> None:
    """Write a copy over its place."""
    data = (root / copy.source).read_bytes()
    if copy.kind != EXACT:
        with Image.open(io.BytesIO(data)) as opened:
            data = (KINDS | FURTHER)[copy.kind](ImageOps.exif_transpose(opened).convert("RGB"))
    (root / copy.place).unlink()
    (root / copy.place).write_bytes(data)


def found_copies(project: Project, features: Features | None = None) -> tuple[Manifest, Copies, float]:
    """The copies that `check` tells, and the seconds of its search."""
    manifest = build_manifest(project)
    start = time.perf_counter()
    return manifest, audit(project, manifest, features=features).copies, time.perf_counter() - start


def features_by(project: Project, recipe: str | None) -> Features | None:
    """The features that a recipe's backbone gives of all images."""
    if recipe is None:
        return None
    out = fw.embed(project, recipe, out=project.root / "features.parquet")
    return read_features(out, load_manifest(project))


def search(num: int) -> tuple[str, str, str]:
    """How long the pairs that are worth comparing are looked for, among `num` different pictures."""
    drawn = (np.asarray(picture(seed).convert("L")) for seed in range(num))
    thumbnails = np.stack([thumbnail(grey) for grey in drawn])
    start = time.process_time()
    pairs = near_pairs(thumbnails, np.arange(num))
    return f"{num:,}", f"{pairs.height:,}", f"{time.process_time() - start:.1f}"


def main() -> None:
    """Plant, check, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", type=Path)
    what.add_argument("--pictures", type=int, nargs="+")
    parser.add_argument("--further", action="store_true", help="plant the kinds beyond those that are claimed")
    parser.add_argument("--recipe", help="whose backbone gives features, to be used too")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    print(machine_line(), flush=True)
    if options.pictures:
        print(table(("pictures", "pairs to compare", "CPU seconds"), map(search, options.pictures)))
        return
    kinds = tuple(FURTHER) if options.further else (EXACT, *KINDS)
    counts = {"": Counts(Counter(), Counter())} | (
        {"with features": Counts(Counter(), Counter())} if options.recipe else {}
    )
    with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        project = open_project(Path(scratch) / "project", options.dataset.resolve())
        clean, before, seconds = found_copies(project)
        known = {pair(p.first, p.second) for p in before.pairs}
        print(f"as it is: {clean.table.height:,} images, {len(known)} pairs, audit {seconds:.2f} s", flush=True)
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            root = Path(scratch) / f"planted-{seed}"
            shutil.copytree(options.dataset, root)
            project = open_project(Path(scratch) / f"project-{seed}", root)
            plan = draw_plan(clean, np.random.default_rng(seed), kinds)
            plant_all(project, plan)
            count_planted(project, plan, known, None, counts[""])
            if options.recipe:
                count_planted(project, plan, known, features_by(project, options.recipe), counts["with features"])
            shutil.rmtree(root)
    for how, found in counts.items() if options.seeds else ():
        report(how, found, kinds, options.seeds)


def pair(first: str, second: str) -> frozenset[str]:
    """Two images without an order."""
    return frozenset((first, second))


def plant_all(project: Project, plan: list[Planted]) -> None:
    """Write every copy over its place."""
    root = project.dataset_root
    for copy in plan:
        (root / copy.place).chmod(0o600)
        (root / copy.place).parent.chmod(0o700)
        plant(root, copy)


def count_planted(
    project: Project, plan: list[Planted], known: set[frozenset[str]], features: Features | None, counts: Counts
) -> None:
    """Search, and add to the counts."""
    manifest, copies, seconds = found_copies(project, features)
    print(f"search of {manifest.table.height:,} images: {seconds:.1f} s", flush=True)
    group = dict(manifest.table.select("image", "group").iter_rows())
    giver = {copy.place: group[copy.source] for copy in plan}
    planted = {pair(copy.source, copy.place): copy for copy in plan}
    for found in copies.pairs:
        key = pair(found.first, found.second)
        if key in planted:
            counts.hits[planted[key].kind, planted[key].between] += 1
            counts.told["right"] += 1
        elif key not in known:
            shown = {giver.get(image, group[image]) for image in key}
            counts.told["other photo" if len(shown) == 1 else "false"] += 1
            print(f"not planted: {found}", flush=True)


def report(how: str, counts: Counts, kinds: Sequence[str], seeds: int) -> None:
    """Print the table."""
    hits, told = counts.hits, counts.told
    rows = [(kind, *(f"{hits[kind, side]} of {seeds}" for side in ("people", "sides"))) for kind in kinds]
    print(table((how or "kind", "between people", "between train and test"), rows))
    num = 2 * len(kinds) * seeds
    print(f"found {told['right']} of {num}; false {told['false']}; other photo {told['other photo']}\n")


if __name__ == "__main__":
    main()
