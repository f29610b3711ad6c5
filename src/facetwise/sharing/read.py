"""Reading a pack, which is untrusted input.

Nothing is written outside the target folder, and everything is verified: only listed names are allowed, files are
uncompressed and no larger than the pack itself, and each has the hash stated in `pack.json`.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from facetwise.core.errors import InputError, SettingError
from facetwise.core.files.outside import opened_regular
from facetwise.core.files.settings import parse
from facetwise.core.workspace import content_hash
from facetwise.sharing.format import EVENTS, PACK, SCHEMA_VERSION, Pack, max_bytes
from facetwise.sharing.record import plain_json

MAX_FILES = 128
"""Largest number of files in a pack."""
MAX_DIRECTORY = 2**16
"""Largest size in bytes of a pack's list of files."""
REQUIRED = ("recipe.toml", "run.json", EVENTS)
_BLOCK = 2**20
_END, _LOCATOR, _END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_AGAIN = "have it sent again: as one file, as `facetwise run export RUN --out FILE` wrote it"


@dataclass(frozen=True)
class OpenPack:
    """A pack whose file list and `pack.json` were checked; its other files have not been read yet."""

    source: str
    """File name, for messages."""
    pack: Pack
    archive: zipfile.ZipFile
    sha256: str
    """Hash of the pack file."""

    @property
    def num_bytes(self) -> int:
        """Total size of its files in bytes."""
        return sum(file.bytes for file in self.pack.files.values())

    def read(self, name: str) -> bytes:
        """The content of a small file; raises InputError when its hash differs from the stated one."""
        data = _content(self.source, self.archive, name)
        if hashlib.sha256(data).hexdigest() != self.pack.files[name].sha256:
            raise InputError(f"{self.source}: `{name}` has changed since it was packed", hint=_AGAIN)
        return data

    def unpack(self, folder: Path) -> None:
        """Write all files into `folder` and sync them to disk; raises InputError as `read`."""
        for name, described in self.pack.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if _copy(self.source, self.archive, name, target) != described.sha256:
                raise InputError(f"{self.source}: `{name}` has changed since it was packed", hint=_AGAIN)


@contextmanager
def open_pack(path: Path) -> Iterator[OpenPack]:
    """Open a pack; raises InputError when it is not a pack or contains anything not allowed in one."""
    source = path.name
    with opened_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        _check_directory(file, size, source)
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
            raise InputError(f"{source}: not readable as a zip ({error})", hint=_AGAIN) from None
        with archive:
            raise_pack_faults(source, _faults(archive, size))
            pack = _parsed(source, plain_json(_content(source, archive, PACK), f"{source}: {PACK}"))
            raise_pack_faults(source, _contradictions(archive, pack))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield OpenPack(source, pack, archive, digest)


def raise_pack_faults(source: str, faults: list[str]) -> None:
    """Raise InputError with the first of `faults`, if any: the file was not written by `facetwise run export`."""
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InputError(f"{source}: not a pack of a run: {faults[0]}{more}", hint=_AGAIN)


def is_pack(path: Path) -> bool:
    """Whether a file starts like a zip; False when it cannot be read."""
    try:
        with opened_regular(path) as file:
            return file.read(2) == b"PK"
    except InputError:
        return False


def _check_directory(file: BufferedReader, size: int, source: str) -> None:
    """Raise InputError for an oversized file list before it is read. Formats: APPNOTE.TXT, 4.3.14-16."""
    tail = min(size, 22 + 20 + 56)
    file.seek(size - tail)
    data = file.read(tail)
    end, locator, end64 = data[-22:], data[-42:-22], data[-98:-42]
    if len(end) < 22 or not end.startswith(_END) or end[20:] != b"\0\0":
        raise InputError(f"{source}: not a pack, or cut off: its end is not that of a zip", hint=_AGAIN)
    count, length = struct.unpack("<HL", end[10:16])
    if locator.startswith(_LOCATOR):
        if not end64.startswith(_END64):
            raise InputError(f"{source}: not a pack: its end is not that of a zip", hint=_AGAIN)
        count, length = struct.unpack("<QQ", end64[32:48])
    if count > MAX_FILES or length > MAX_DIRECTORY:
        raise InputError(f"{source}: not a pack: it lists {count:,} files in {length:,} bytes", hint=_AGAIN)


def _faults(archive: zipfile.ZipFile, size: int) -> list[str]:
    """Problems of the file list, one line each."""
    found, seen = [], set[str]()
    for info in archive.infolist():
        name, limit = info.filename, max_bytes(info.filename)
        shown = repr(name[:100])
        kind = stat.S_IFMT(info.external_attr >> 16)
        if limit is None:
            found.append(f"it holds {shown}, which is no file of a run")
        elif name in seen:
            found.append(f"it holds {shown} twice")
        elif kind not in (0, stat.S_IFREG) or info.is_dir():
            found.append(f"{shown} is no regular file")
        elif info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1 or info.compress_size != info.file_size:
            found.append(f"{shown} is compressed or encrypted, packs are not")
        elif info.file_size > limit:
            found.append(f"{shown} has {info.file_size:,} bytes, at most {limit:,} are read")
        seen.add(name)
    if (total := sum(info.file_size for info in archive.infolist())) > size:
        found.append(f"its files have {total:,} bytes, it has {size:,} itself")
    if PACK not in seen:
        found.append(f"it has no `{PACK}`")
    return found


def _content(source: str, archive: zipfile.ZipFile, name: str) -> bytes:
    limit = max_bytes(name) or 0
    try:
        with archive.open(name) as file:
            data = file.read(limit + 1)
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{source}: `{name}` is damaged ({error})", hint=_AGAIN) from None
    if len(data) > limit:
        raise InputError(f"{source}: `{name}` is larger than {limit:,} bytes", hint=_AGAIN)
    return data


def _copy(source: str, archive: zipfile.ZipFile, name: str, target: Path) -> str:
    """Write a file of the pack to `target`; returns its sha256."""
    digest, left = hashlib.sha256(), archive.getinfo(name).file_size
    with target.open("xb") as written:
        try:
            with archive.open(name) as file:
                while left and (block := file.read(min(_BLOCK, left))):
                    digest.update(block)
                    left -= len(block)
                    written.write(block)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise InputError(f"{source}: `{name}` is damaged ({error})", hint=_AGAIN) from None
        written.flush()
        os.fsync(written.fileno())
    return digest.hexdigest()


def _parsed(source: str, data: object) -> Pack:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(data, dict) or version != SCHEMA_VERSION:
        made = str(data.get("facetwise"))[:40] if isinstance(data, dict) else "?"
        raise InputError(
            f"{source}: schema version {str(version)[:40]} of a pack, this facetwise reads {SCHEMA_VERSION} "
            f"(it was packed by facetwise {made})",
            hint="use the same version of Facetwise on both sides",
        )
    try:
        pack = parse(Pack, data, f"{source}: {PACK}")
    except SettingError as error:
        raise InputError(str(error), hint=_AGAIN) from None
    space: dict[str, Any] = {"attributes": [a.model_dump(mode="json") for a in pack.space]}
    if pack.combinations is not None:
        space["combinations"] = pack.combinations
    if content_hash(space) != pack.label_space:
        raise InputError(f"{source}: {PACK}: the hash of the label space differs from the stated one", hint=_AGAIN)
    return pack


def _contradictions(archive: zipfile.ZipFile, pack: Pack) -> list[str]:
    """Contradictions between `pack.json` and the files in the zip."""
    there = {info.filename: info.file_size for info in archive.infolist() if info.filename != PACK}
    listed = {name: file.bytes for name, file in pack.files.items()}
    found = [
        f"`{name}` is not as `{PACK}` says"
        for name in sorted(there.keys() | listed)
        if there.get(name) != listed.get(name)
    ]
    found += [f"it has no `{name}`" for name in REQUIRED if name not in listed]
    weights = {name for name in listed if name.endswith(".safetensors")}
    wanted = {"backbone.safetensors" if key == "backbone" else f"fold-{key}/model.safetensors" for key in pack.weights}
    if weights != (wanted if pack.content == "whole" else set()):
        found.append(f"its weights are not those of a pack with `content` {pack.content}")
    return found
