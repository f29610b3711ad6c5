"""How long the frozen zoo takes: features of 7,000 photos by three backbones, 60 heads on them, and their blend.

    python benchmarks/zoo.py                             # 800 people to train, 200 to predict, seven photos each
    python benchmarks/zoo.py --dataset masked-utk        # real photos in the mask contest's layout
    python benchmarks/zoo.py --quick                     # only to see it run

`facetwise zoo` as anybody gives it: recipe `frozen-zoo` (224x168), a head an attribute and three others, five folds.
The backbones are those that weights could be had of (MobileNetV2, EfficientNet-Lite0 and Lite2); here they are drawn,
which takes the same time and learns nothing. The dataset is checked and dealt before. Target: under 10 minutes on two
cores.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import timm
from printed import machine_line, table
from safetensors.torch import save_file

import facetwise as fw
from facetwise.data.made.contest import SynthSpec, draw_contest

BACKBONES = ("mobilenetv2_100", "tf_efficientnet_lite0", "tf_efficientnet_lite2")
TRIES = ("model.head=flat", "loss=focal", "train.seed=1")
"""Beside the recipe's own head; times five folds and three backbones they are 60 heads."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    print(machine_line(), end="\n\n")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.dataset, quick=options.quick)


def measure(folder: Path, dataset: Path | None, *, quick: bool) -> None:
    """Print how long each part takes."""
    os.environ["FACETWISE_WEIGHTS"] = str(folder / "shelf")
    for backbone in BACKBONES:
        save_file(timm.create_model(backbone, num_classes=2).state_dict(), folder / f"{backbone}.safetensors")
        fw.add_weights(folder / f"{backbone}.safetensors", backbone=backbone)
    if dataset is None:
        people = (40, 10) if quick else (800, 200)
        dataset = draw_contest(folder / "contest", SynthSpec(*people, height=256, width=192)).root
    project = fw.init(folder / "project", dataset)
    fw.check(project)
    fw.folds(project)
    fw.prepare(project, "frozen-zoo")
    clock = Clock()
    zoo = fw.zoo(project, tries=TRIES, listener=clock.event)
    clock.stop()
    runs = 1 + len(zoo.study.rows)
    print(table(["part", "seconds", "processor seconds"], clock.rows), end="\n\n")
    print(f"{runs} runs of 5 folds: {5 * runs} heads")


class Clock:
    """When which part of a zoo began, by its events."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.part, self.began, self.all = "planning", self._now(), self._now()

    def event(self, event: dict[str, Any]) -> None:
        """The features of a backbone begin, then its heads; the comparisons and the blend follow the last change."""
        part = {"features": "features", "fold": "heads", "change": "comparisons and blend"}.get(event["event"])
        if part is not None and part != self.part:
            self._end(part)

    def stop(self) -> None:
        """The last part ends, and with it all."""
        self._end("")
        self._add("all", self.all)

    def _end(self, next_part: str) -> None:
        self._add(self.part, self.began)
        self.part, self.began = next_part, self._now()

    def _add(self, part: str, began: tuple[float, float]) -> None:
        self.rows.append([part, *(f"{now - then:.1f}" for now, then in zip(self._now(), began, strict=True))])

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    main()
