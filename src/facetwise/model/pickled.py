"""Weights in pickles, as most people have them: read with `weights_only` in a process of its own with limits
(`unpickling`, the only place where one is opened), which gives a safetensors file and the order of its tensors back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from facetwise.core.errors import InputError
from facetwise.model.unpickling import NOT_TAKEN

ROOM = 2**28
"""Bytes that may be used and written beside four times the size of the file."""
PATIENCE = 300
"""Seconds that it may take."""
_PROGRAM = Path(__file__).with_name("unpickling.py")
_STARTS = (b"PK", b"\x80")
"""How files of torch begin: a zip archive, or a pickle as before torch 1.6."""
_WHOLE = "was it downloaded, and copied whole?"
_SAVE_AGAIN = "save it again as a plain dict of tensors: `torch.save(model.state_dict(), FILE)`"


def read_pickled(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors by name in the order of the file, and the keys that they stand under; raises InputError."""
    with path.open("rb") as file:
        start = file.read(20)
    if not start.startswith(_STARTS):
        raise InputError(f"{path}: is no file of torch: it begins with {start!r}", hint=_WHOLE)
    if start.startswith(_STARTS[0]) and not zipfile.is_zipfile(path):
        raise InputError(f"{path}: it is cut off", hint=_WHOLE)
    room = ROOM + 4 * path.stat().st_size
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "read.safetensors"
        command = [sys.executable, "-P", str(_PROGRAM), str(path), str(out), str(room), str(PATIENCE)]
        try:
            done = subprocess.run(
                command, env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}, capture_output=True,
                encoding="utf-8", errors="replace", timeout=PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InputError(f"{path}: takes longer than {PATIENCE} seconds to read") from None
        if done.returncode != 0:
            reason, hint = (done.stderr.strip(), _SAVE_AGAIN) if done.returncode == NOT_TAKEN else _told(done.stderr)
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
    return last, "was it copied whole, and is it of torch?"
