"""Packs taken apart and put together again, as somebody with bad intentions would."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Files = dict[str, bytes]


def unzip(path: Path) -> Files:
    """Name -> bytes of every file, in order."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezip(path: Path, files: Mapping[str, bytes], *, mode: int = stat.S_IFREG | 0o644, compress: int = 0) -> Path:
    """Write a zip of these files; `mode` is that of the last one."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compress
            info.external_attr = (mode if name == list(files)[-1] else stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return path


def with_hashes(files: Files) -> Files:
    """The same with a `pack.json` that tells the hashes and sizes of what is there now."""
    pack = json.loads(files["pack.json"])
    told = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
        if name != "pack.json"
    }
    for name, file in told.items():
        if name.endswith(".safetensors"):
            pack["weights"]["backbone" if "/" not in name else name[5:].split("/")[0]] = file["sha256"]
    return {**files, "pack.json": json.dumps({**pack, "files": told}).encode()}


def edited(source: Path, target: Path, changes: Mapping[str, Any]) -> Path:
    """The pack `source` with files changed, and every hash made right again.

    `changes`: name -> the new bytes, None to take the file out, or what to do to its JSON.
    """
    files = unzip(source)
    for name, change in changes.items():
        if change is None:
            del files[name]
        elif isinstance(change, bytes):
            files[name] = change
        else:
            files[name] = changed_json(files[name], change)
    return rezip(target, with_hashes(files))


def changed_json(data: bytes, change: Callable[[Any], None]) -> bytes:
    """JSON after `change` was done to it."""
    value = json.loads(data)
    change(value)
    return json.dumps(value).encode()
