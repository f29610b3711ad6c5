"""Weights in pickles, as most people have them: the only place where one is opened.

It is read with `weights_only` in a process of its own, with limits on memory, on what it writes and on time; what comes
back is a safetensors file and the order of its tensors.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from facetwise.core.errors import InputError

ROOM = 2**28
"""Bytes that may be used and written beside four times the size of the file."""
PATIENCE = 300
"""Seconds that it may take."""
HOLDERS = ("state_dict_ema", "model_ema", "state_dict", "model", "module")
"""Keys under which programs for training keep a network, the average of its weights first."""
_OWN = "it holds no tensors"
_SAVE_AGAIN = "save it again as a plain dict of tensors: `torch.save(model.state_dict(), FILE)`"
_READ = """\
import argparse, json, resource, sys
import torch
from collections.abc import Mapping
from safetensors.torch import save_file
path, out, room, seconds, *holders = sys.argv[1:]
used = int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + int(room),) * 2)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(room),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(seconds),) * 2)
torch.set_num_threads(1)
with torch.serialization.safe_globals([argparse.Namespace]):  # the settings beside the weights of many
    found = torch.load(path, map_location="cpu", weights_only=True)
under = []
while isinstance(found, Mapping) and not any(isinstance(value, torch.Tensor) for value in found.values()):
    key = next((key for key in holders if isinstance(found.get(key), Mapping)), None)
    if key is None:
        break
    under.append(key)
    found = found[key]
if not isinstance(found, Mapping):
    sys.exit(f"it holds no tensors by name but a {type(found).__name__}")
tensors = {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
if not tensors:
    sys.exit("it holds no tensors by name; its keys: " + ", ".join(str(key)[:40] for key in list(found)[:5]))
if sum(v.numel() * v.element_size() for v in tensors.values()) > int(room):
    sys.exit("its tensors are larger than the file")
save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, out)
print(json.dumps([under, list(tensors)]))
"""


def read_pickled(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors by name in the order of the file, and the keys that they stand under; raises InputError."""
    room = ROOM + 4 * path.stat().st_size
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "read.safetensors"
        command = [sys.executable, "-P", "-c", _READ, str(path), str(out), str(room), str(PATIENCE), *HOLDERS]
        try:
            done = subprocess.run(
                command, env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}, capture_output=True,
                encoding="utf-8", errors="replace", timeout=PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InputError(f"{path}: takes longer than {PATIENCE} seconds to read") from None
        if done.returncode != 0:
            reason, hint = _told(done.stderr)
            raise InputError(f"{path}: no weights could be read from it: {reason}", hint=hint)
        under, names = json.loads(done.stdout)
        tensors = load_file(out)
    return {name: tensors[name] for name in names}, tuple(under)


def _told(stderr: str) -> tuple[str, str]:
    """What went wrong and what to do, in the child's last words."""
    text = " ".join(stderr.split())
    if "MemoryError" in text or "allocate memory" in text:
        return "it unpacks to far more than its size", _SAVE_AGAIN
    if "TorchScript" in text:
        return "it is a TorchScript program", _SAVE_AGAIN
    if "Weights only load failed" in text:
        wanted = re.search(r"(?i)unsupported global:? (?:global )?(\S+)", text)
        return "it is no mere dict of tensors" + (f": it wants `{wanted[1]}`" if wanted else ""), _SAVE_AGAIN
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = lines[-1][:200] if lines else "reading it was stopped at its limits"
    return last, _SAVE_AGAIN if last.startswith(_OWN) else "was it copied whole, and is it of torch?"
