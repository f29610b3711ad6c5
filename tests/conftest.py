"""What all tests share: no network, no fight for the cores, and one way to need a program."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that wants weights from the network fails at once, not after 47 s
if "PYTEST_XDIST_WORKER" in os.environ:
    # Read when torch and polars load: each worker would otherwise take all cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

# The same examples in every run; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=1000)


@pytest.fixture(scope="session")
def needs_program() -> Callable[[str], Path]:
    """Call with a program's name: its path, or the test is skipped, and fails where FACETWISE_NO_SKIP=1 (in CI)."""

    def find(name: str) -> Path:
        if path := shutil.which(name):
            return Path(path)
        reason = f"needs the program `{name}`: install it, on Debian with `apt-get install {name}`"
        if os.environ.get("FACETWISE_NO_SKIP") == "1":
            pytest.fail(reason)
        pytest.skip(reason)

    return find
