"""What the benchmarks print: a line about the machine, and Markdown tables."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Sequence

import torch

from facetwise.core.records.provenance import machine, versions


def machine_line() -> str:
    """Processor, cores, threads, load and versions: what the figures below it depend on."""
    here, own = machine(), versions()
    load = os.getloadavg()[0]
    return (
        f"{here['cores']} cores of {here['processor']}, {here['memory_gib']} GiB, {torch.get_num_threads()} threads, "
        f"load {load:.1f} (of this and all other programs); Python {own['python']}, torch {torch.__version__}"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """`1.07 (1.05 to 1.10)`: the median, and the quartiles where there are enough values."""
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) < 4:
        return middle
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle} ({low:.{digits}f} to {high:.{digits}f})"


def size(text: str) -> tuple[int, int]:
    """`224x168`, an option's text, as height and width."""
    height, width = text.split("x")
    return int(height), int(width)
