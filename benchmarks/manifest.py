"""How long the first and the second manifest of a dataset take, and the most memory used.

    python benchmarks/manifest.py                      # draws 18,900 JPEGs of 384x512 in a temporary folder
    python benchmarks/manifest.py --dataset PATH       # a dataset of a shipped layout

The drawn set holds 300 different pictures; each file has its own comment segment, so that no two files are the same.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from facetwise.core.project import Project
from facetwise.data.audit import audit
from facetwise.data.labels.overlay import read_overlay
from facetwise.data.manifest import build_manifest
from facetwise.data.reading.recognising.newproject import write_project_file

STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")


def picture(rng: np.random.Generator) -> bytes:
    """A JPEG of 384x512 with soft large shapes and fine noise, about as hard to decode as a photo."""
    coarse = rng.integers(0, 256, (16, 12, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((384, 512), Image.Resampling.BICUBIC)).astype(np.int16)
    pixels += rng.integers(-12, 13, pixels.shape, dtype=np.int16)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def with_comment(jpeg: bytes, comment: bytes) -> bytes:
    """The same picture as another file: a comment segment after the start marker."""
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + jpeg[2:]


def draw(root: Path, people: int, different: int = 300) -> None:
    """A training side of `people` people with seven images each."""
    rng = np.random.default_rng(0)
    pictures = [picture(rng) for _ in range(different)]
    rows = ["id,gender,race,age,path"]
    for person in range(people):
        folder = root / "train" / "images" / f"{person:06d}"
        folder.mkdir(parents=True)
        for k, stem in enumerate(STEMS):
            jpeg = pictures[(person * len(STEMS) + k) % different]
            (folder / f"{stem}.jpg").write_bytes(with_comment(jpeg, f"{person}/{stem}".encode()))
        rows.append(f"{person:06d},{('male', 'female')[person % 2]},Asian,{18 + person % 43},{folder.name}")
    (root / "train" / "train.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def measure(dataset: Path, workspace: Path) -> None:
    """Print a row a step."""
    project = Project.open(write_project_file(workspace / "project", dataset).parent)
    print(f"{'step':<22}{'images':>8}{'seconds':>9}{'images/s':>10}{'peak MiB':>10}")
    manifest = None
    for step in ("first manifest", "second manifest"):
        start = time.perf_counter()
        manifest = build_manifest(project)
        report(step, manifest.table.height, start)
    assert manifest is not None
    start = time.perf_counter()
    audit(project, manifest, read_overlay(project.workspace.overlay_file, project.space, manifest))
    report("audit", manifest.table.height, start)


def report(step: str, images: int, start: float) -> None:
    """Print one row; the peak is of the whole process so far."""
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{step:<22}{images:>8,}{seconds:>9.2f}{images / seconds:>10,.0f}{peak:>10.0f}")


def main() -> None:
    """Draw or take a dataset and measure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--dataset", type=Path)
    arguments.add_argument("--people", type=int, default=2700)
    chosen = arguments.parse_args()
    print(f"cores: {len(os.sched_getaffinity(0))}")
    with tempfile.TemporaryDirectory() as temporary:
        if chosen.dataset is None:
            draw(Path(temporary) / "drawn", chosen.people)
        measure(chosen.dataset or Path(temporary) / "drawn", Path(temporary))


if __name__ == "__main__":
    main()
