"""Parquet from outside: a small file may decode to more than the memory holds.

Neither its size nor its metadata reveals how much, so a separate process with a memory limit tries first. This process
reads only what that one could read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from facetwise.core.errors import InputError

ROOM = 2**29
"""Bytes that Python and polars may take by themselves; they take half of that, most of it only reserved."""
PATIENCE = 600.0
"""Seconds that it may take."""
_READ = """\
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
import polars
for path in sys.argv[2:]:
    polars.read_parquet(path, use_statistics=False)
"""


def check_decodes(paths: Sequence[Path], num_bytes: int) -> None:
    """Raise InputError unless each of these Parquet files can be read into about `num_bytes` of memory."""
    if not paths:
        return
    command = [sys.executable, "-P", "-c", _READ, str(ROOM + 3 * num_bytes), *map(str, paths)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"its tables take longer than {PATIENCE:.0f} seconds to read") from None
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["killed"])[-1][:200]
        raise InputError(f"its tables are damaged, or need more than {num_bytes:,} bytes of memory ({reason})")
