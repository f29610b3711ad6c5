"""Features of a frozen backbone, computed once for all folds, heads, losses and label views.

A frozen backbone gives the same features of unaugmented images in every epoch of every fold. They are stored in the
project, in `features/<key>/`, together with the weights of the backbone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facetwise.core.errors import TrainingError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.people import PEOPLE_KEY, people_text
from facetwise.core.progress import Progress
from facetwise.core.records.done import verify_files
from facetwise.core.workspace import content_hash, is_done, lock, new_artefact
from facetwise.inference.choices import autocast
from facetwise.inference.predict import views
from facetwise.inference.setup import Setup
from facetwise.model.backbone import Network
from facetwise.model.tensors import save_tensors
from facetwise.train.fold.loop import Listener
from facetwise.train.planning.plan import RunPlan
from facetwise.train.seeds import derive_seed

HEAD = "head."
"""Name prefix of the head's weights."""

BATCH = 64
"""Batch size of the forward pass; fixed, because the last bits of features depend on it."""

_NO_FEATURES = "its weights (`model.weights`) may be damaged; else use `train.precision=fp32`"


@dataclass(frozen=True)
class Features:
    """Pooled features of every image of a store."""

    folder: Path
    array: npt.NDArray[np.float32]
    """(n, views, F), memory-mapped: images in store order, each in its test-time views."""

    @property
    def num_features(self) -> int:
        """F."""
        return int(self.array.shape[2])

    @property
    def num_views(self) -> int:
        """Number of test-time views of each image; the first is the image itself."""
        return int(self.array.shape[1])

    @property
    def backbone_file(self) -> Path:
        """The network without the head, as safetensors."""
        return self.folder / "backbone.safetensors"

    def batch(self, rows: npt.NDArray[np.int64], view: int = 0) -> Tensor:
        """Features, (..., F), of the images at `rows` (any shape) of the store."""
        return torch.from_numpy(np.take(self.array[:, view], rows, axis=0))


def features_key(plan: RunPlan, setup: Setup) -> str:
    """Hash of everything that determines the features: images, backbone and weights, precision, views."""
    model, choices = plan.recipe.model, setup.choices
    drawn = plan.recipe.train.seed if model.weights == "none" else None
    made_from = {
        "store": plan.store.key,
        "backbone": [model.backbone, model.args, model.weights if plan.fields["weights"] is None else None],
        "weights": plan.fields["weights"],
        "seed": drawn,
        "arithmetic": [choices.precision.value, setup.device.type, choices.threads.value, BATCH],
        "tta": plan.recipe.predict.tta,
    }
    return content_hash(made_from)[:16]


def prepare_features(plan: RunPlan, setup: Setup, notify: Listener, progress: Progress | None = None) -> Features:
    """The features of the plan's backbone, stored or computed by one forward pass over all images of the store.

    Emits `features` before the pass. Raises TrainingError naming an image whose features are not finite.
    """
    key = features_key(plan, setup)
    folder = plan.project.workspace.features / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with lock(folder.parent / f".{key}.lock", f"features `{key}` are being computed"):
        if not is_done(folder):
            notify({"event": "features", "images": len(plan.store.images)})
            _compute(plan, setup, folder, progress)
        else:
            verify_files(folder)
    return Features(folder, np.load(folder / "features.npy", mmap_mode="r"))


def _compute(plan: RunPlan, setup: Setup, folder: Path, progress: Progress | None) -> None:
    torch.manual_seed(derive_seed(plan.recipe.train.seed, "backbone"))
    network = setup.new_network().eval()
    made_from = {"store": plan.store.key, "model": plan.recipe.model.model_dump(mode="json")}
    with new_artefact(folder, made_from) as temporary:
        _write_features(plan, setup, network, temporary / "features.npy", progress)
        tensors = {name: t for name, t in network.state_dict().items() if not name.startswith(HEAD)}
        metadata = {PEOPLE_KEY: people_text(plan.inherited[plan.fold_numbers[0]]), **plan.base_metadata}
        save_tensors(tensors, temporary / "backbone.safetensors", metadata)
    setup.source.release()  # else copies of the store would accumulate over many backbones


@torch.inference_mode()
def _write_features(plan: RunPlan, setup: Setup, network: Network, path: Path, progress: Progress | None) -> None:
    """Written batch by batch: with a mapped file, a full disk would crash the process."""
    count = len(plan.store.images)
    with path.open("wb") as file:
        for start in range(0, count, BATCH):
            images = setup.source.batch(np.arange(start, min(start + BATCH, count))).float()
            with autocast(images.device, setup.choices.precision.value):
                parts = [
                    network.features(view).float().cpu().numpy() for view in views(images, plan.recipe.predict.tta)
                ]
            batch = np.stack(parts, axis=1)
            if not (finite := np.isfinite(batch).all(axis=(1, 2))).all():
                image = plan.store.rows["image"][start + int(np.argmin(finite))]
                raise TrainingError(f"the backbone's features of image `{image}` are not numbers", hint=_NO_FEATURES)
            with disk_full_errors(path, batch.nbytes):
                if start == 0:
                    header = {"descr": "<f4", "fortran_order": False, "shape": (count, *batch.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(batch.tobytes())
                file.flush()
            if progress is not None:
                progress(min(start + BATCH, count), count)
