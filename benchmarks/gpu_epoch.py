"""An epoch of EfficientNet-B7 at 384x512 on a GPU: ours against plain timm loops, in one run.

    python benchmarks/gpu_epoch.py                              # 18,900 images, about 30 s a side
    python benchmarks/gpu_epoch.py --device cpu --quick         # a tiny network, only to see it run

    ours                     `train_epoch` as `facetwise fit` runs it: a uint8 store on the device, the augmentations of
                             `--recipe`, bf16, channels-last, moving average
    plain fp32               timm's model, AdamW, ModelEmaV3, on one batch of floats that is on the device: no loading,
                             no augmentation; torch's own switches, so convolutions may use TF32
    plain fp32 without TF32  the same, in true fp32
    plain bf16               the same with autocast to bf16 and channels-last
    plain bf16 and loader    the same, fed by a DataLoader (PIL and torchvision transforms, a worker a core) from drawn
                             JPEGs of the network's size: what people run

All train with `cudnn.benchmark` but ours, which keeps to repeatable sums. The sides take turns of a few seconds after a
warm-up; an epoch is extrapolated from `--seconds` of steps. Targets: ours at most 60 s; 4 times plain fp32, 1.3 times
plain bf16. Further: the optimizer's and the average's bytes over the measured bandwidth of the memory, and what the
input pipeline alone gives.

Needs torch, timm, torchvision and what `facetwise` needs (pydantic, polars, ...), and says what is missing. Without a
GPU it says so and ends.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

NEEDED = ("torch", "torchvision", "timm", "safetensors", "pydantic", "polars", "tomli_w", "simplejpeg", "PIL")
HEIGHT, WIDTH = 512, 384


def main() -> int:
    """Measure and print; 2 when a package is missing."""
    options = parse()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(f"gpu_epoch: missing here: {', '.join(missing)}; install facetwise with its extra `train`")
        return 2
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print("gpu_epoch: no GPU here that torch can use: nothing measured")
        return 0
    from gpu_sides import measure

    measure(options)
    return 0


def parse() -> argparse.Namespace:
    """Options; `--quick` is a smoke test with a tiny network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--backbone", default="efficientnet_b7")
    parser.add_argument("--recipe", default="cpu-small", help="its augmentations, loss and average are used")
    parser.add_argument("--images", type=int, default=18_900)
    parser.add_argument("--size", default=f"{HEIGHT}x{WIDTH}", help="HEIGHTxWIDTH")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=30.0, help="of steps a side, after the warm-up")
    parser.add_argument("--piece", type=int, default=10, help="steps before the next side has its turn")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="of the DataLoader")
    parser.add_argument("--no-loader", action="store_true", help="leave the side with the DataLoader out")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.backbone, options.size, options.images, options.batch = "test_efficientnet", "64x48", 256, 16
        options.seconds, options.piece, options.workers = 0.5, 2, min(2, options.workers)
    return options


if __name__ == "__main__":
    sys.exit(main())
