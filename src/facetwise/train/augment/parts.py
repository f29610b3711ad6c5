"""Processing a batch a few images at a time, so that they stay in a core's cache through all operations.

On the CPU each thread processes whole parts by itself. Torch's default, all threads on one operation after another,
synchronises after each operation, which takes 2.5 times as long on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier

import torch
from torch import Tensor

PART_BYTES = 2**21
"""Largest size of a part of a float batch in bytes; a part has at least one image."""


def each_part(x_BCHW: Tensor, work: Callable[[slice], None]) -> None:
    """Call `work` with the rows of each part, from several threads on the CPU; on a GPU once with all rows.

    Raises what `work` raises.
    """
    count, threads = len(x_BCHW), torch.get_num_threads()
    if x_BCHW.is_cuda or count == 0:
        work(slice(0, count))
        return
    size = max(1, min(PART_BYTES // (4 * x_BCHW[0].numel()), -(-count // threads)))
    parts = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    for _ in map(work, parts) if threads == 1 or len(parts) == 1 else _pool(threads).map(work, parts):
        pass


@lru_cache(maxsize=1)
def _pool(num_threads: int) -> ThreadPoolExecutor:
    """A pool of as many threads as torch uses, each limited to one torch thread. They do not spin between batches."""
    pool = ThreadPoolExecutor(num_threads, "part", initializer=torch.set_num_threads, initargs=(1,))
    started = Barrier(num_threads)
    for _ in pool.map(lambda _: started.wait(), range(num_threads)):
        pass
    torch.set_num_threads(num_threads)  # the setting is per thread, but new threads start with the last one set
    return pool
