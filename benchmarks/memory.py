"""Memory of the whole job at 1x, 4x and 16x images: it should not grow, but for the mapped image store.

    python benchmarks/memory.py              # 1,995, 7,980 and 31,920 JPEGs of 96x72, drawn
    python benchmarks/memory.py --quick      # 245 and 980

Each step is a process of its own: check the dataset, deal folds, make the image store, train one epoch on four of five
folds' people and predict the fifth (`facetwise fit` with `folds.plan = "holdout"`). "Own" is the peak of anonymous
memory (`RssAnon` in `/proc/self/status`, sampled every 10 ms): what the process allocated. The mapped store and other
files are `RssFile`; their pages are the system's to take back. The last column says how many bytes the own memory grows
an image, from the smallest to the largest dataset; an image of the store has 20,736. Target: flat.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import simplejpeg

STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
HEIGHT, WIDTH = 96, 72
MIB = 2**20
SETTINGS = (
    f"input={{height={HEIGHT}, width={WIDTH}}}",
    "model.args={stem=8, widths=[8, 16], depths=[1, 1]}",
    "train.length=1ep",
    "schedule.warmup=1st",
    "folds.plan=holdout",
    "train.device=cpu",
)
"""A network so small that 32,000 images do not take long; all else as in `cpu-small`."""


def main() -> None:
    """Measure every step at every size, or (called by itself) do one step."""
    options = parse()
    if options.step:
        print(json.dumps(measured(lambda: STEPS[options.step](options.folder))))
        return
    from printed import machine_line, table

    found: dict[str, list[dict[str, int]]] = {step: [] for step in STEPS}
    for people in options.people:
        with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
            draw(Path(scratch) / "contest", people)
            for step in STEPS:
                found[step].append(in_a_process(step, Path(scratch)))
    images = [people * len(STEMS) for people in options.people]
    print(machine_line(), end="\n\n")
    header = ["peak of own memory (and of mapped files), MiB", *(f"{n:,} images" for n in images), "bytes an image"]
    print(table(header, [row(step, peaks, images) for step, peaks in found.items()]))


def parse() -> argparse.Namespace:
    """Options; `--step` and `--folder` are for the script's own processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[285, 1140, 4560], help="of seven images each")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.people = [35, 140]
    return options


def row(step: str, peaks: Sequence[dict[str, int]], images: Sequence[int]) -> list[str]:
    """A line of the table."""
    cells = [f"{p['own'] / MIB:.0f} ({p['mapped'] / MIB:.0f})" for p in peaks]
    growth = (peaks[-1]["own"] - peaks[0]["own"]) / max(1, images[-1] - images[0])
    return [step, *cells, f"{growth:,.0f}"]


def in_a_process(step: str, folder: Path) -> dict[str, int]:
    """Do one step in a process of its own; its peaks in bytes."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    peaks: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return peaks


# ------------------------------------------------------------------------------------------- what the processes do


def check(folder: Path) -> None:
    """Read every file and row."""
    from facetwise import api

    api.check(api.init(folder / "project", folder / "contest"))


def deal(folder: Path) -> None:
    """Deal people into five folds."""
    from facetwise import api

    api.folds(folder / "project")


def prepare(folder: Path) -> None:
    """Make the image store."""
    from facetwise import api

    api.prepare(folder / "project", "cpu-small", settings=SETTINGS)


def fit(folder: Path) -> None:
    """Train an epoch and predict the held-out people."""
    from facetwise import api

    api.fit(folder / "project", "cpu-small", settings=SETTINGS)


STEPS: dict[str, Callable[[Path], None]] = {
    "check": check,
    "deal folds": deal,
    "prepare": prepare,
    "train and predict": fit,
}


def measured(work: Callable[[], None]) -> dict[str, int]:
    """Do it, and the peaks of anonymous and of mapped memory meanwhile, in bytes."""
    peaks, done = {"own": 0, "mapped": 0}, threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            status = Path("/proc/self/status").read_text(encoding="utf-8")
            for name, key in (("own", "RssAnon"), ("mapped", "RssFile")):
                now = int(re.findall(rf"{key}:\s+(\d+) kB", status)[0]) * 1024
                peaks[name] = max(peaks[name], now)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return peaks


def draw(root: Path, people: int) -> None:
    """A contest of `people` people with seven different images each, and nothing to predict."""
    random = np.random.default_rng(0)
    lines = ["id,gender,race,age,path"]
    for person in range(people):
        folder = root / "train" / "images" / f"{person:06d}"
        folder.mkdir(parents=True)
        for stem in STEMS:
            coarse = random.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
            pixels = np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1))
            (folder / f"{stem}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels, 85))
        lines.append(f"{person:06d},{('male', 'female')[person % 2]},Asian,{18 + person % 50},{folder.name}")
    (root / "train" / "train.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
