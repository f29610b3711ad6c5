"""Images of the store as batches on the training device."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facetwise.core.text.counting import in_bytes
from facetwise.inference.choices import Choice


class ImageSource:
    """Batches of uint8 images by row number, (n, 3, H, W) in channels-last memory.

    If the whole store fits into half of the device's free memory, the first batch moves it there; else it stays mapped
    in host memory and batches are copied.
    """

    def __init__(self, images: npt.NDArray[np.uint8], device: torch.device) -> None:
        self.device = device
        self.placed = place_store(images.nbytes, device)
        self._mapped = images
        self._resident: Tensor | None = None

    def batch(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """The images at `rows`, uint8."""
        if self.placed.value == "device":
            if self._resident is None:  # lazily: of many heads on one frozen backbone only one reads images
                self._resident = torch.from_numpy(np.array(self._mapped)).to(self.device)
            return self._resident[torch.from_numpy(rows).to(self.device)].permute(0, 3, 1, 2)
        taken = torch.from_numpy(np.take(self._mapped, rows, axis=0)).permute(0, 3, 1, 2)
        if self.device.type == "cpu":
            return taken
        return taken.pin_memory().to(self.device, non_blocking=True)

    def release(self) -> None:
        """Free the copy on the device; the next batch copies it again."""
        self._resident = None


def place_store(num_bytes: int, device: torch.device) -> Choice:
    """Where the store's pixels are kept while training, and why."""
    if device.type != "cuda":
        return Choice("mapped", "training is on the CPU: pages of the store are read where they are")
    free, _ = torch.cuda.mem_get_info(device)
    if num_bytes < free // 2:
        return Choice("device", f"{in_bytes(num_bytes)} fit in half of the device's free memory")
    return Choice("mapped", f"{in_bytes(num_bytes)} do not fit in half of the device's free memory")
