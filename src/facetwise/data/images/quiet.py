"""Pillow's warnings, silenced while untrusted image files are read, in any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Quiet:
    """Counts threads inside Pillow: warning filters are global, so the first thread sets them and the last one resets
    them."""

    lock = threading.Lock()
    users = 0
    saved: warnings.catch_warnings[None] | None = None


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's own warnings (broken metadata, large images), which the reader turns into errors or notes."""
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
