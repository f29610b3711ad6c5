"""How long a batch takes to augment, CPU: ours against kornia, kinds as alike as the two have them.

    python benchmarks/augment_batch.py
    python benchmarks/augment_batch.py --quick      # only to see it run

kornia is no dependency: put it somewhere of its own. Without it only our times are printed.

    .tools/bin/uv pip install --python .venv/bin/python --target build/kornia --no-deps kornia==0.9.0 kornia-rs==0.2.0
    PYTHONPATH=build/kornia .venv/bin/python benchmarks/augment_batch.py

Both get the same float batch in their own range (ours 0 to 255, kornia's 0 to 1), with the same ranges and shares.
kornia's kinds stand one after the other in an `nn.Sequential` (an `AugmentationSequential` would also keep the
transformations) and run in `torch.inference_mode`; ours runs as in training. The rounds go by turns; a ratio is the
median of the rounds' own.

What is not alike is in the table's last column:

- noise: ours takes a stretch of a fixed table, kornia draws every value anew, so ours does less; hence a row of all
  kinds without it.
- perspective: outside the image ours repeats the edge, kornia paints zeros.
- blur: at the edges ours repeats the outermost pixel in its reflection, kornia does not.
- cutout: ours draws two sides and paints the mean colour, kornia draws an area and its shape and paints zeros.

Several kinds of geometry are one warp of ours and one warp each of kornia's: that difference is what is measured.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from printed import size
from torch import Tensor, nn

from facetwise.core.records.provenance import machine, versions
from facetwise.recipe.augment import Affine, Augment, Blur, Cutout, Flip, Grey, Light, Noise, Perspective
from facetwise.train.augment import Augmenter

MEAN = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
CASES: dict[str, tuple[Augment, ...]] = {
    "flip": (Flip(),),
    "affine": (Affine(),),
    "perspective": (Perspective(),),
    "light": (Light(),),
    "grey": (Grey(),),
    "blur": (Blur(),),
    "noise": (Noise(),),
    "cutout": (Cutout(),),
    "flip, affine, light, cutout": (Flip(), Affine(), Light(), Cutout()),
    "flip, affine, light, noise, cutout": (Flip(), Affine(), Light(), Noise(), Cutout()),
    "all without noise": (Flip(), Affine(), Perspective(), Light(), Grey(), Blur(), Cutout()),
    "all": (Flip(), Affine(), Perspective(), Light(), Grey(), Blur(), Noise(), Cutout()),
}
UNLIKE = {"noise": "a table, drawn anew", "perspective": "edges", "blur": "edges", "cutout": "shape, colour"}
"""By kind: what ours and kornia's do not have in common."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one table, or JSON."""
    options = _parser().parse_args(arguments)
    if options.quick:
        options.batch, options.size, options.rounds = 8, (64, 48), 3
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    x_BCHW = torch.rand(options.batch, 3, *options.size, generator=generator) * 255
    has_kornia = importlib.util.find_spec("kornia") is not None
    rows = [measure(name, specs, x_BCHW, options.rounds, has_kornia) for name, specs in CASES.items()]
    result: dict[str, Any] = {
        "machine": machine(),
        "versions": versions() | _kornia_version(has_kornia),
        "batch": list(x_BCHW.shape),
        "threads": options.threads,
    }
    print(json.dumps({**result, "rows": rows}, indent=2) if options.json else table(result, rows))
    return 0


def measure(
    name: str, specs: Sequence[Augment], x_BCHW: Tensor, rounds: int, has_kornia: bool
) -> dict[str, str | float]:
    """Medians of one case, milliseconds a batch."""
    augmenter, generator = Augmenter(specs), torch.Generator().manual_seed(0)
    steps: dict[str, Callable[[], object]] = {"facetwise": lambda: augmenter(x_BCHW, MEAN, generator)}
    if has_kornia:
        theirs, scaled = kornia_of(specs), x_BCHW / 255
        steps["kornia"] = torch.inference_mode()(lambda: theirs(scaled))
    for step in steps.values():
        step()
    times = [{key: _milliseconds(step) for key, step in steps.items()} for _ in range(rounds)]
    row: dict[str, str | float] = {"augmentation": name}
    for key in steps:
        row[f"{key}, ms"] = round(statistics.median(t[key] for t in times), 1)
    if has_kornia:
        row["ours is faster by"] = round(statistics.median(t["kornia"] / t["facetwise"] for t in times), 2)
        row["not alike"] = "; ".join(f"{spec.name}: {UNLIKE[spec.name]}" for spec in specs if spec.name in UNLIKE)
    return row


def kornia_of(specs: Sequence[Augment]) -> nn.Module:
    """As alike as kornia has it; every image draws its own there as well."""
    k: Any = importlib.import_module("kornia.augmentation")

    def one(spec: Augment) -> Any:
        match spec:
            case Flip():
                return k.RandomHorizontalFlip(p=spec.p)
            case Affine():
                zoom = (1 - spec.scale, 1 + spec.scale)
                return k.RandomAffine(spec.rotate, (spec.shift, spec.shift), zoom, padding_mode="border", p=1.0)
            case Perspective():
                return k.RandomPerspective(2 * spec.strength, p=spec.p)
            case Light():
                return k.ColorJiggle(spec.brightness, spec.contrast, p=1.0)
            case Grey():
                return k.RandomGrayscale(p=spec.p)
            case Blur():
                side = 2 * -int(-3 * spec.sigma[1] // 1) + 1
                return k.RandomGaussianBlur((side, side), spec.sigma, p=spec.p)
            case Noise():
                return k.RandomGaussianNoise(std=spec.std / 255, p=spec.p)
            case Cutout():
                return k.RandomErasing((spec.size[0] ** 2, spec.size[1] ** 2), p=spec.p)
        raise ValueError(f"kornia has no `{spec.name}`")

    return nn.Sequential(*map(one, specs))


def table(result: dict[str, Any], rows: Sequence[dict[str, str | float]]) -> str:
    """A Markdown table under what was measured on what."""
    lines = [f"{key}: {json.dumps(value)}" for key, value in result.items()]
    cells = [list(rows[0]), ["---"] * len(rows[0]), *([str(v) for v in row.values()] for row in rows)]
    return "\n".join([*lines, "", *("| " + " | ".join(c) + " |" for c in cells)])


def _milliseconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - started)


def _kornia_version(has_kornia: bool) -> dict[str, str]:
    if not has_kornia:
        return {"kornia": "not here"}
    return {"kornia": str(importlib.import_module("kornia").__version__)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="images")
    parser.add_argument("--size", type=size, default=(224, 168), help="HEIGHTxWIDTH")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--rounds", type=int, default=15, help="batches a case, by turns")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
