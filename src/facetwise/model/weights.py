"""Sources of initial weights: a `.safetensors` file of ours or of timm, or the hub, with a short timeout. Pickles are
never opened."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from shlex import quote
from threading import Thread
from typing import Any

from huggingface_hub import constants, get_session, hf_hub_download, try_to_load_from_cache
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.functional import interpolate

from facetwise.core.errors import InputError
from facetwise.core.runs import WEIGHTS, RunFolder
from facetwise.recipe.model import FOLD

SUFFIX = ".safetensors"
PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".tar")
"""Endings of files that `facetwise weights add` reads as pickles."""
PATIENCE = 3.0
"""Seconds that the hub has to answer."""
ELSEWHERE = "offline? download them elsewhere and give the .safetensors path, or train with `model.weights=none`"
_HUB_FILE = "model.safetensors"
BACKBONE = "backbone."
"""Before the names of the backbone's tensors, beside a head."""
WRAPPERS = ("module.", "_orig_mod.")
"""Before the names of a network in `DataParallel`, and of a compiled one."""
COUNTER = "num_batches_tracked"
"""The end of the name of what counts the batches of a norm."""
_KINDS = ("weight", "bias", "running_mean", "running_var")
"""The ends of names of what is never a whole number."""
_NO_ANSWER = (407, 502, 503, 504)
"""Statuses by which a proxy, and not the hub, answers."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a backbone, by their names in it."""

    tensors: dict[str, Tensor]
    normalisation: dict[str, Tensor]
    """`mean` and `std` of a network of ours; empty for other files."""


def read_weights(path: Path) -> Weights:
    """Read a backbone from a file of timm, or from a network of ours; raises InputError.

    Prefixes that wrappers add to every name (`DataParallel`, `torch.compile`) are removed.
    """
    with opened(path) as file:
        tensors = without_wrappers({name: file.get_tensor(name) for name in file.keys()}, WRAPPERS)  # noqa: SIM118
    try:
        check_numbers(tensors)
    except InputError as error:
        raise InputError(f"`model.weights`: {path}: {error}", hint=error.hint) from None
    if not made_here(tensors):
        return Weights(tensors, {})
    return Weights(backbone_part(tensors), {name: tensors[name] for name in ("mean", "std")})


def without_wrappers(tensors: Mapping[str, Tensor], wrappers: Sequence[str]) -> dict[str, Tensor]:
    """Without those of the prefixes that every name begins with, however they are nested."""
    found = dict(tensors)
    while wrapper := next((w for w in wrappers if found and all(name.startswith(w) for name in found)), None):
        found = {name.removeprefix(wrapper): tensor for name, tensor in found.items()}
    return found


def backbone_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under `backbone.`, by their names in it."""
    return {n.removeprefix(BACKBONE): t for n, t in tensors.items() if n.startswith(BACKBONE)}


def made_here(names: Collection[str]) -> bool:
    """Whether these are the tensor names of a network of ours."""
    return "mean" in names and "std" in names and any(name.startswith(BACKBONE) for name in names)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The `.safetensors` file that a recipe names; raises InputError for another one, and one that cannot be read."""
    if not path.is_file() or path.suffix != SUFFIX:
        raise InputError(f"`model.weights`: {path} is not a {SUFFIX} file", hint=_way_out(path))
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"`model.weights`: {path} is not readable as safetensors ({error})", hint="was it copied whole?"
        ) from None


def _way_out(path: Path) -> str:
    """What to do about a path that is no `.safetensors` file."""
    run = RunFolder(path.parent.parent)
    if path.name == WEIGHTS and run.cleaned_file.is_file():
        again = f"`facetwise fit {quote(str(run.recipe_file))} --again`"
        return f"`facetwise clean` deleted the weights of run `{run.id}`: train it again ({again})"
    if path.is_file() and path.suffix in PICKLES:
        return f"pickles are read for the shelf alone: `facetwise weights add {quote(str(path))} --as BACKBONE`"
    return f"give `none`, `hub`, or a {SUFFIX} file of this backbone; `{FOLD}` in its path stands for the fold's number"


def check_numbers(tensors: Mapping[str, Tensor]) -> None:
    """Raise InputError for weights that are no numbers with a fraction, or not finite in float32."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() and name.rpartition(".")[2] in _KINDS:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(
                f"`{name}` is of {kind}, and weights are numbers with a fraction",
                hint="take those of before they were quantised",
            )
        if tensor.is_floating_point() and not bool(tensor.float().isfinite().all()):
            raise InputError(f"`{name}` holds numbers that are not finite", hint="the file may be damaged")


def hub_file(repository: str) -> Path:
    """The weights in a repository of the hub, `owner/name` or `owner/name@revision`.

    They come from the local cache without any connection, or else are downloaded. Raises InputError within `PATIENCE`
    seconds when the hub does not answer.
    """
    name, _, revision = repository.partition("@")
    cached = try_to_load_from_cache(name, _HUB_FILE, revision=revision or None)
    if isinstance(cached, str):
        return Path(cached)
    if reason := _no_answer():
        raise InputError(f"{constants.ENDPOINT} cannot be reached: {reason}", hint=ELSEWHERE)
    try:
        return Path(hf_hub_download(name, _HUB_FILE, revision=revision or None))
    except Exception as error:  # its kinds follow the hub client's version and that of its HTTP library
        raise InputError(f"`{name}` cannot be downloaded: {first_line(error)}", hint=ELSEWHERE) from None


def _no_answer() -> str | None:
    """The reason why the hub does not answer; None when it does.

    Asked in a thread of its own, since looking a name up may take longer than any timeout of the connection.
    """
    if constants.HF_HUB_OFFLINE:
        return "`HF_HUB_OFFLINE` is set"
    answers: Queue[str | None] = Queue()
    Thread(target=lambda: answers.put(_ask(constants.ENDPOINT)), daemon=True).start()
    try:
        return answers.get(timeout=PATIENCE)
    except Empty:
        return f"no answer within {PATIENCE:g} seconds"


def _ask(url: str) -> str | None:
    """Send a request as the hub's client would, through the same proxies and certificates."""
    try:
        status = get_session().head(url, timeout=PATIENCE).status_code
    except Exception as error:
        return first_line(error)
    return f"status {status}" if status in _NO_ANSWER else None


def load_fitting(backbone: nn.Module, tensors: dict[str, Tensor]) -> bool:
    """Load weights whose names and shapes are exactly the backbone's; returns whether they are."""
    expected = backbone.state_dict()
    if not all(name in tensors and tensors[name].shape == tensor.shape for name, tensor in expected.items()):
        return False
    if unused(tensors, expected):
        return False
    backbone.load_state_dict({name: tensors[name] for name in expected})
    return True


def unused(names: Iterable[str], expected: Collection[str]) -> list[str]:
    """Those of `names` that are not expected; how many batches a norm has seen is no weight."""
    return [name for name in names if name not in expected and not name.endswith(COUNTER)]


def fit_positions(tensors: dict[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """Resample a map of position embeddings, (1, C, h, w), to the backbone's size (for PiT; timm does it only for rows
    of embeddings, as in ViT)."""
    expected, loaded = getattr(backbone, "pos_embed", None), tensors.get("pos_embed")
    if expected is None or loaded is None or expected.ndim != 4 or loaded.ndim != 4 or expected.shape == loaded.shape:
        return tensors
    resampled = interpolate(loaded.float(), expected.shape[2:], mode="bicubic", antialias=True, align_corners=False)
    return {**tensors, "pos_embed": resampled.to(loaded.dtype)}


@dataclass
class Differing:
    """Names of weights that only one of a model and a file has."""

    missing: list[str] = field(default_factory=list)
    """In the model alone."""
    unexpected: list[str] = field(default_factory=list)
    """In the file alone."""

    def read(self, message: str) -> None:
        """Take the names from a line of timm's log."""
        if match := re.match(r"(Missing|Unexpected) keys \((.*?)\)", message):
            (self.missing if match[1] == "Missing" else self.unexpected).extend(match[2].split(", "))


@contextmanager
def differing_keys() -> Iterator[Differing]:
    """Collects the names of weights that only a model or only a file has, which timm logs and does not return."""
    found = Differing()
    logger = logging.getLogger("timm.models._builder")
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: found.read(record.getMessage())  # type: ignore[method-assign]
    level, passed_on, silenced, below = logger.level, logger.propagate, logger.disabled, logging.root.manager.disable
    logger.addHandler(handler)
    logger.propagate = logger.disabled = False  # whoever silenced logging must not hide what is missing
    logging.disable(logging.NOTSET)
    logger.setLevel(logging.INFO)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate, logger.disabled = passed_on, silenced
        logging.disable(below)
        logger.setLevel(level)


def first_line(error: Exception) -> str:
    """The beginning of the message of a library's error."""
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
