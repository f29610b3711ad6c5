"""A large `.npy` file of bytes that is filled chunk by chunk and survives being killed at any moment.

`images.npy` has its full size from the start. A chunk is written, flushed to disk, and only then recorded with its
crc32 in `chunks.jsonl`; a chunk that is not recorded, or has another crc32, is written again. It uses plain writes, not
a writable memory map: a full disk is then an error, where a map would kill the process.
"""

from __future__ import annotations

import io
import math
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from facetwise.core.errors import ArtefactError, FacetwiseError
from facetwise.core.files.parsing import parse_json
from facetwise.core.files.writing import write_atomic
from facetwise.core.workspace import canonical_json

Bytes = npt.NDArray[np.uint8]

MAX_CHUNK_BYTES = 16 * 2**20
MAX_CHUNK_ROWS = 256


@dataclass(frozen=True)
class ChunkedArray:
    """A uint8 array of `shape` (rows first) in `folder`."""

    folder: Path
    shape: tuple[int, ...]

    @property
    def file(self) -> Path:
        return self.folder / "images.npy"

    @property
    def journal(self) -> Path:
        return self.folder / "chunks.jsonl"

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:])

    @property
    def chunk_rows(self) -> int:
        """Rows a chunk; the last may have fewer."""
        return max(1, min(MAX_CHUNK_ROWS, MAX_CHUNK_BYTES // self.row_bytes))

    @property
    def num_chunks(self) -> int:
        return -(-self.shape[0] // self.chunk_rows)

    @property
    def header(self) -> bytes:
        """The npy header, a function of the shape alone."""
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            buffer, {"descr": "|u1", "fortran_order": False, "shape": tuple(self.shape)}
        )
        return buffer.getvalue()

    @property
    def num_bytes(self) -> int:
        """Size of the whole file."""
        return len(self.header) + math.prod(self.shape)

    def rows(self, chunk: int) -> range:
        """Rows of the chunk numbered `chunk`."""
        return range(chunk * self.chunk_rows, min((chunk + 1) * self.chunk_rows, self.shape[0]))

    def start(self, good: Mapping[int, int]) -> None:
        """Give the file its size and header, and the journal exactly the chunks `good` (number -> crc32).

        Raises FacetwiseError with the bytes needed and free when the disk has no room for the rest.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_room()
        with self.file.open("r+b" if self.file.exists() else "w+b") as file:
            file.truncate(self.num_bytes)
            file.write(self.header)
        self.write_journal(good)

    def write(self, chunk: int, content: Bytes) -> int:
        """Write the rows of a chunk, flush them to disk, then record their crc32; returns it."""
        data = np.ascontiguousarray(content).data.cast("B")
        assert len(data) == len(self.rows(chunk)) * self.row_bytes
        with self.file.open("r+b") as file:
            file.seek(self._offset(chunk))
            file.write(data)
            _flush(file)
        crc = zlib.crc32(data)
        with self.journal.open("ab") as file:
            file.write(_entry(chunk, crc))
            _flush(file)
        return crc

    def write_journal(self, crcs: Mapping[int, int]) -> None:
        """Rewrite the journal with exactly these chunks, in order."""
        write_atomic(self.journal, b"".join(_entry(c, crcs[c]) for c in sorted(crcs)))

    def recorded(self) -> dict[int, int]:
        """Chunk number -> crc32 from the journal; torn or garbled lines are skipped."""
        try:
            lines = self.journal.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        return dict(_entries(lines))

    def intact(self, recorded: Mapping[int, int]) -> dict[int, int]:
        """Those of the `recorded` chunks whose bytes in the file still have their crc32."""
        if not self.file.is_file():
            return {}
        with self.file.open("rb") as file:
            return {
                chunk: crc
                for chunk, crc in sorted(recorded.items())
                if 0 <= chunk < self.num_chunks and self._crc(file, chunk) == crc
            }

    def map(self) -> Bytes:
        """The array, mapped read-only. Raises ArtefactError when the file has another size or header."""
        try:
            with self.file.open("rb") as file:
                size, header = os.fstat(file.fileno()).st_size, file.read(len(self.header))
        except OSError as error:
            raise ArtefactError(f"{self.file}: cannot be read ({error.strerror})") from None
        if size != self.num_bytes:
            raise ArtefactError(f"{self.file}: has {size} bytes, expected {self.num_bytes}")
        if header != self.header:
            raise ArtefactError(f"{self.file}: its header is not that of a uint8 array of shape {self.shape}")
        return np.memmap(self.file, np.uint8, "r", offset=len(self.header), shape=self.shape)

    def _offset(self, chunk: int) -> int:
        return len(self.header) + chunk * self.chunk_rows * self.row_bytes

    def _crc(self, file: BinaryIO, chunk: int) -> int | None:
        size = len(self.rows(chunk)) * self.row_bytes
        file.seek(self._offset(chunk))
        data = file.read(size)
        return zlib.crc32(data) if len(data) == size else None

    def _check_room(self) -> None:
        held = self.file.stat().st_blocks * 512 if self.file.exists() else 0
        needed, free = max(0, self.num_bytes - held), shutil.disk_usage(self.folder).free
        if needed > free:
            raise FacetwiseError(
                f"{self.folder}: needs {needed:,} more bytes, the disk has {free:,} free",
                hint="free some space, or choose a smaller image size",
            )


def _entry(chunk: int, crc: int) -> bytes:
    return (canonical_json({"chunk": chunk, "crc32": crc}) + "\n").encode()


def _entries(lines: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    for line in lines:
        try:
            entry = parse_json(line)
            yield int(entry["chunk"]), int(entry["crc32"])
        except (ValueError, KeyError, TypeError):
            continue


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
