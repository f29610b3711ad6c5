"""How many photos a detector finds a box in, and the processor time a photo, on one thread.

    python benchmarks/boxes.py --dataset PATH                          # `blazeface`
    python benchmarks/boxes.py --dataset PATH --detector yunet.onnx    # an ONNX file

Without a dataset, on drawn faces. Time is that of the process, reading, hashing and decoding the file among it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import polars as pl
from printed import machine_line, table

import facetwise as fw
from facetwise.core.errors import FacetwiseError
from facetwise.data.boxes.choosing import choose
from facetwise.data.boxes.detecting import detect
from facetwise.data.boxes.detectors import open_detector
from facetwise.data.manifest import load_manifest

THRESHOLDS = (0.3, 0.5, 0.7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--detector", default="blazeface")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            measure(Path(folder), options.dataset, options.detector)
        except FacetwiseError as error:
            print(f"not measured: {error} ({error.hint})")


def measure(folder: Path, dataset: Path | None, name: str) -> None:
    """Detect in every photo and print the table."""
    detector = open_detector(name)
    dataset = dataset or fw.draw_contest(folder / "drawn", train_people=60, eval_people=20).root
    project = fw.init(folder / "project", dataset)
    fw.check(project)
    manifest = load_manifest(project)
    started, wall = time.process_time(), time.perf_counter()
    found, looked = detect(project, manifest, detector, workers=1)
    spent, passed = time.process_time() - started, time.perf_counter() - wall
    readable = int((manifest.table["status"] == "ok").sum())
    people = manifest.table.filter(pl.col("group") != "")["group"].n_unique()
    counts = {least: choose(found, manifest, least, None) for least in THRESHOLDS}
    print(machine_line())
    print(f"{detector.name}: {readable:,} photos, {people:,} people with a name\n")
    rows = [
        [f"{least:g}", f"{len(chosen):,}", f"{len(chosen) / readable:.2%}", f"{sum(c.found > 1 for c in chosen):,}"]
        for least, chosen in counts.items()
    ]
    print(table(["score at least", "photos with a box", "share", "with several"], rows))
    print(f"\n{1000 * spent / looked:.1f} ms of processor time a photo, {1000 * passed / looked:.1f} ms by the clock")


if __name__ == "__main__":
    main()
