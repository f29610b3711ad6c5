"""Which kind of operation takes the time of a training step, by torch's profiler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

CONVOLUTIONS = {"aten::mkldnn_convolution": 1, "aten::_slow_conv2d_forward": 1, "aten::convolution_backward": 2}
"""Operators that do the work of a convolution on the CPU, and which of their inputs is the weight."""
OTHERS = {
    "batch_norm": "batch norm",
    "optimizer": "optimizer",
    "adamw": "optimizer",
    "hardtanh": "activation",
    "clamp": "activation",
    "threshold": "activation",
    "silu": "activation",
    "relu": "activation",
    "gelu": "activation",
    "copy_": "copies, padding and filling",
    "fill_": "copies, padding and filling",
    "pad": "copies, padding and filling",
    "clone": "copies, padding and filling",
    "mm": "matrix products",
}
"""A part of an operator's name -> its kind; the first that fits."""


def kind_shares(step: Callable[[], object], num_steps: int = 3) -> dict[str, float]:
    """Share of each kind in the time of `num_steps` steps, largest first; forward and backward of most kinds apart.

    Time is that of the operator itself, without those that it calls, on the thread that called it.
    """
    step()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        for _ in range(num_steps):
            step()
    times: Counter[str] = Counter()
    for event in profiled.events() or ():
        times[operation_kind(event.name, event.input_shapes)] += event.self_cpu_time_total
    return {kind: time / times.total() for kind, time in times.most_common()}


def operation_kind(name: str, shapes: list[list[int]]) -> str:
    """The kind of an operator, such as `batch norm, backward`, from its name and the shapes of its inputs."""
    way = "backward" if "backward" in name.lower() else "forward"
    if (at := CONVOLUTIONS.get(name)) is not None:
        _, inputs, *kernel = shapes[at]
        what = "depthwise" if inputs == 1 else "pointwise" if set(kernel) == {1} else "full"
        return f"{what} convolution, {way}"
    found = next((kind for part, kind in OTHERS.items() if part in name.lower()), "all else")
    return f"{found}, {way}" if found in ("batch norm", "activation") else found
