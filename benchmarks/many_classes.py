"""Time and memory of `fit`, `show` and `blend` with 1,000 classes an attribute and 100,000 joint ones, against 18.

    python benchmarks/many_classes.py                  # 20,000 drawn JPEGs of 32x32, minutes on two cores
    python benchmarks/many_classes.py --images 2000

The same images twice: with a label of 3 x 2 x 3 classes, and of 1,000 x 1,000 of whose combinations a table lists
100,000. Pictures are noise, so that a network knows next to nothing and its most probable classes can seldom occur
together: the costly case. Each step is a process; "own" is its peak of anonymous memory, as in `memory.py`. Target:
2 times the seconds, and 2 GiB.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import simplejpeg
from memory import MIB, measured

SIDE = 32
PER_PERSON = 4
SIZES = {"18": (3, 2, 3), "100,000": (1000, 1000)}
NUM_COMBINATIONS = 100_000
SETTINGS = (
    f"input={{height={SIDE}, width={SIDE}}}",
    "model.args={stem=8, widths=[16, 64], depths=[1, 1]}",
    "model.head=multilabel",
    "loss=cross-entropy",
    "train.length=1ep",
    "schedule.warmup=1st",
    "train.device=cpu",
    "folds.plan=2",
)
"""A network so small that what goes with the classes is seen."""


def main() -> None:
    """Measure every step of both labels, or (called by itself) do one."""
    options = parse()
    if options.step:
        start = time.perf_counter()
        peaks = measured(lambda: STEPS[options.step](options.folder))
        print(json.dumps({"seconds": time.perf_counter() - start, **peaks}))
        return
    from printed import machine_line, table

    found: dict[str, list[dict[str, float]]] = {step: [] for step in STEPS}
    for sizes in SIZES.values():
        with tempfile.TemporaryDirectory(prefix="facetwise-bench-", ignore_cleanup_errors=True) as scratch:
            draw(Path(scratch), options.images, sizes)
            for step in STEPS:
                found[step].append(in_a_process(step, Path(scratch)))
                print(step, sizes, found[step][-1], file=sys.stderr)
    print(machine_line(), end="\n\n")
    header = [f"{options.images:,} images", *(f"{name} joint: s, MiB" for name in SIZES), "times as long"]
    print(table(header, [row(step, *peaks) for step, peaks in found.items()]))


def parse() -> argparse.Namespace:
    """Options; `--step` and `--folder` are for the script's own processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def row(step: str, few: dict[str, float], many: dict[str, float]) -> list[str]:
    """A line of the table."""
    cells = [f"{one['seconds']:.1f}, {one['own'] / MIB:.0f}" for one in (few, many)]
    return [step, *cells, f"{many['seconds'] / few['seconds']:.2f}"]


def in_a_process(step: str, folder: Path) -> dict[str, float]:
    """Do one step in a process of its own: seconds, and its peaks in bytes."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# ------------------------------------------------------------------------------------------- what the processes do


def check(folder: Path) -> None:
    """Read every file and row, and which combinations can occur."""
    from facetwise import api

    api.check(folder / "project")
    api.folds(folder / "project", num_folds=2)


def fit(folder: Path) -> None:
    """Train an epoch a fold and predict the held-out people."""
    from facetwise import api

    api.fit(folder / "project", "cpu-tiny", settings=SETTINGS)


def again(folder: Path) -> None:
    """The same with another seed: the second member of the blend."""
    from facetwise import api

    api.fit(folder / "project", "cpu-tiny", settings=(*SETTINGS, "train.seed=1"))


def show(folder: Path) -> None:
    """What `facetwise show` prints, and its page."""
    from facetwise import api

    api.show(folder / "project", "last", html=folder / "page.html")


def blend(folder: Path) -> None:
    """Weights chosen out of fold."""
    from facetwise import api

    api.blend(folder / "project", html=folder / "blend.html")


STEPS: dict[str, Callable[[Path], None]] = {
    "check, folds": check,
    "fit": fit,
    "fit, another seed": again,
    "show": show,
    "blend": blend,
}


def draw(root: Path, num_images: int, sizes: tuple[int, ...]) -> None:
    """A project whose every image is noise, with a label of attributes of these `sizes`."""
    random = np.random.default_rng(0)
    names = [f"a{i}" for i in range(len(sizes))]
    products = int(np.prod(sizes))
    possible = np.sort(random.choice(products, min(NUM_COMBINATIONS, products), replace=False))
    labels = np.stack(np.unravel_index(random.choice(possible, num_images), sizes), axis=1)
    data = root / "data"
    for folder in (root / "project", data / "images"):
        folder.mkdir(parents=True)
    for number in range(num_images):
        coarse = random.integers(0, 256, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
        pixels = np.ascontiguousarray(coarse.repeat(4, axis=0).repeat(4, axis=1))
        (data / "images" / f"{number}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels, 85))
    rows = ([f"images/{i}.jpg", f"p{i // PER_PERSON}", *map(word, own)] for i, own in enumerate(labels.tolist()))
    write(data / "labels.csv", ["image", "person", *names], rows)
    combinations = np.stack(np.unravel_index(possible, sizes), axis=1).tolist()
    write(data / "combinations.csv", names, (map(word, own) for own in combinations))
    attributes = "".join(
        f'[[attributes]]\nname = "{name}"\ncolumn = "{name}"\nclasses = {json.dumps([word(k) for k in range(size)])}\n'
        for name, size in zip(names, sizes, strict=True)
    )
    (root / "project" / "facetwise.toml").write_text(
        'schema_version = 1\nname = "many"\n[dataset]\npath = "../data"\nlayout = "images"\n'
        '[dataset.train]\ntable = "labels.csv"\nimage = "image"\ngroup = "person"\nimages = "."\n'
        '[labels]\ncombinations = "combinations.csv"\n' + attributes,
        encoding="utf-8",
    )


def word(number: int) -> str:
    """The name of a class."""
    return f"c{number}"


def write(path: Path, header: list[str], rows: object) -> None:
    """A csv."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])  # type: ignore[misc]


if __name__ == "__main__":
    main()
