"""What all tests share: no network, no fight for the cores, and one way to need a program."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for what tests share (`made_training.py`)
os.environ["HF_HUB_OFFLINE"] = "1"  # a test that wants weights from the network fails at once, not after 47 s
for wish in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):  # of who looks, not of what is shown
    os.environ.pop(wish, None)
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


@pytest.fixture(autouse=True)
def _words_of_no_project() -> Iterator[None]:
    """No test inherits what the project of another calls its subjects, nor its `--project`."""
    from facetwise.core.text.commands import speak_for
    from facetwise.core.text.subject import Subject, call_them

    yield
    call_them(Subject())
    speak_for(Path())


@contextmanager
def _skipped_without_such_names() -> Iterator[None]:
    """A test of files with Korean names is skipped in a locale that has none (`LC_ALL=C PYTHONUTF8=0`)."""
    try:
        yield
    except UnicodeEncodeError as error:
        if sys.getfilesystemencoding() != "utf-8" and Path(error.object).is_absolute():
            pytest.skip(f"this locale has no such file name: {error}")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    with _skipped_without_such_names():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with _skipped_without_such_names():
        yield


TINY_RECIPE = """\
[input]
height = 32
width = 24

[model]
backbone = "small_resnet"
args = { stem = 8, widths = [8, 8], depths = [1, 1] }

[optimizer]
name = "adamw"
lr = 3e-3

[[augment]]
name = "flip"

[folds]
plan = 3

[train]
length = "2ep"
batch_size = 32
ema = 0.9
device = "cpu"
"""
"""A network of some 3,000 weights on 32x24 pixels: an epoch of the made contest takes a fifth of a second."""


@dataclass(frozen=True)
class Ready:
    """A made contest and a project on it."""

    base: Path
    """Holds `contest/` and `project/`, which knows the contest by a relative path: a copy of it is another, whole."""

    @property
    def contest(self) -> Path:
        return self.base / "contest"

    @property
    def project(self) -> Path:
        return self.base / "project"

    @property
    def recipe(self) -> Path:
        return self.project / "recipes" / "tiny.toml"

    @property
    def labels(self) -> Path:
        return self.contest / "hidden" / "labels.csv"

    def copy(self, target: Path) -> "Ready":
        """The same once more, to change at will; times of change are kept, so that no image is read again."""
        shutil.copytree(self.base, target)
        return Ready(target)


@pytest.fixture(scope="session")
def ready_to_fit(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """36 people to train on, 8 to predict: checked, dealt into 3 folds, images prepared. Tests only read it."""
    import facetwise as fw
    from facetwise.data.made.contest import SynthSpec, draw_contest

    ready = Ready(tmp_path_factory.mktemp("ready"))
    draw_contest(ready.contest, SynthSpec(train_people=36, eval_people=8, height=48, width=36), workers=1)
    project = fw.init(ready.project, ready.contest, name="made")
    ready.recipe.write_text(TINY_RECIPE, encoding="utf-8")
    assert not fw.check(project, workers=1).has_errors
    fw.folds(project, num_folds=3)
    fw.prepare(project, ready.recipe, workers=1)
    return ready


@pytest.fixture(scope="session")
def finished(ready_to_fit: Ready, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """The same with one finished run of the tiny recipe. Tests only read it."""
    import facetwise as fw

    ready = ready_to_fit.copy(tmp_path_factory.mktemp("finished") / "base")
    fw.fit(ready.project, ready.recipe)
    return ready


@pytest.fixture
def own(ready_to_fit: Ready, tmp_path: Path) -> Ready:
    """A project ready to fit, for this test alone."""
    return ready_to_fit.copy(tmp_path / "base")


@pytest.fixture
def own_finished(finished: Ready, tmp_path: Path) -> Ready:
    """A project with a finished run, for this test alone."""
    return finished.copy(tmp_path / "base")
