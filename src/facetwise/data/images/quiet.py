"""Pillow's warnings, silenced while image files from outside are read, in any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Quiet:
    """Threads inside Pillow are counted: warning filters are global, so the first in sets and the last out resets."""

    lock = threading.Lock()
    users = 0
    saved: warnings.catch_warnings[None] | None = None


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's own warnings (broken metadata, large images): the reader makes errors or notes of them."""
    with _Quiet.lock:
        _Quiet.users += 1
        if _Quiet.users == 1:
            _Quiet.saved = warnings.catch_warnings()
            _Quiet.saved.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _Quiet.lock:
            _Quiet.users -= 1
            if _Quiet.users == 0 and _Quiet.saved is not None:
                _Quiet.saved.__exit__(None, None, None)
