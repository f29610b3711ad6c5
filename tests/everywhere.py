"""`make test-everywhere`: the whole suite under other settings of machine and user, and a table of what came out.

    python tests/everywhere.py                       # every setting, in as few runs as hold them all (3)
    python tests/everywhere.py umask-077 seoul       # these settings, a run each: to find which of a mix it was
    python tests/everywhere.py --jobs 1 plain -- -k folds    # what follows `--` goes to pytest

Each run is in a clone of the last commit and takes about ten minutes on two cores. A mix takes one setting of each
kind (processor, threads, user, paths ...): when it passes, each of them has. Outcomes and whole outputs are kept in
build/everywhere/: what passed on this commit is not run again without `--again`, so that a call that was stopped goes
on where it was. Ends with 1 when a test failed or a setting could not be tried.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import operator
import os
import pwd
import shutil
import string
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "everywhere"
STRANGER = "nobody"
"""Whom root runs the suite as, to be somebody who may not do everything."""
HOURS = 2
"""A suite that takes longer than this hangs."""


FOLDER = "facetwise"


@dataclass(frozen=True)
class Setting:
    """What differs from the machine as it is: one thing, or a mix of several."""

    kind: str
    """Settings of one kind exclude each other."""
    name: str
    what: str
    variables: Mapping[str, str] = field(default_factory=dict)
    umask: int = 0o022
    folder: str = FOLDER
    """Name of the folder that holds the clone, the home and, without `temporary`, the temporary files."""
    temporary: str = ""
    """Where temporary files are: `memory`, `long` or `short`."""
    stranger: bool = False
    """As a user who is not root."""

    def __or__(self, other: Setting) -> Setting:
        return Setting(
            "mix",
            f"{self.name}+{other.name}",
            f"{self.what}; {other.what}",
            {**self.variables, **other.variables},
            self.umask | other.umask,
            other.folder if self.folder == FOLDER else self.folder,
            self.temporary or other.temporary,
            self.stranger or other.stranger,
        )


def _variable(kind: str, name: str, what: str, **variables: str) -> Setting:
    return Setting(kind, name, what, variables)


def _threads(count: str) -> Setting:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    # Threads that wait for each other do not keep a core that another one needs.
    variables = {**dict.fromkeys(names, count), "OMP_WAIT_POLICY": "passive"}
    return Setting("threads", f"threads-{count}", f"{count} threads a process", variables)


PLAIN = Setting("plain", "plain", "nothing changed")
SETTINGS = (
    _variable("processor", "aten-default", "ATEN_CPU_CAPABILITY=default", ATEN_CPU_CAPABILITY="default"),
    _variable("processor", "aten-avx2", "ATEN_CPU_CAPABILITY=avx2", ATEN_CPU_CAPABILITY="avx2"),
    _variable("processor", "onednn-sse41", "ONEDNN_MAX_CPU_ISA=SSE41", ONEDNN_MAX_CPU_ISA="SSE41"),
    _threads("1"),
    _threads("2"),
    _threads("4"),
    Setting("user", "stranger", "a user who is not root", stranger=True),
    Setting("letters", "korean-path", "blanks and Korean letters in every path", folder="얼굴 사진 my faces"),
    _variable(
        "letters",
        "c-locale",
        "LC_ALL=C without UTF-8 mode",
        LANG="C",
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    ),
    Setting("umask", "umask-077", "umask 077", umask=0o077),
    Setting("temporary", "tmp-memory", "TMPDIR on another file system", temporary="memory"),
    Setting("temporary", "tmp-long", "TMPDIR of 200 characters", temporary="long"),
    Setting("temporary", "tmp-short", "TMPDIR of one folder with one letter", temporary="short"),
    _variable("time zone", "seoul", "TZ=Asia/Seoul", TZ="Asia/Seoul"),
    _variable("terminal", "columns-60", "COLUMNS=60", COLUMNS="60"),
    _variable("terminal", "columns-200", "COLUMNS=200", COLUMNS="200"),
    _variable("terminal", "colour", "FORCE_COLOR=1 TERM=xterm-256color", FORCE_COLOR="1", TERM="xterm-256color"),
)


def mixes(settings: Sequence[Setting]) -> list[Setting]:
    """The settings in as few runs as hold them all: one of each kind a run."""
    kinds: dict[str, list[Setting]] = defaultdict(list)
    for setting in settings:
        kinds[setting.kind].append(setting)
    return [functools.reduce(operator.or_, filter(None, row)) for row in zip_longest(*kinds.values())]


@dataclass(frozen=True)
class Outcome:
    """What became of one setting."""

    setting: str
    commit: str
    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    minutes: float = 0.0
    untried: str = ""
    """Why the setting could not be tried."""

    @property
    def good(self) -> bool:
        return self.passed > 0 and not self.failed and not self.untried

    def line(self, what: str) -> str:
        """A row of the table."""
        counts = "not tried | | |" if self.untried else f"{self.passed:,} | {len(self.failed)} | {self.skipped} |"
        return f"| {self.setting.replace('+', ', ')} | {what} | {counts} {self.minutes:.1f} |"


class CannotBeTriedError(Exception):
    """The machine lacks what a setting needs."""


def main() -> int:
    """Run the chosen settings, print their table."""
    chosen, options = arguments()
    if git("status", "--porcelain"):
        print("commit first: the suite runs in a clone of the last commit", file=sys.stderr)
        return 2
    commit = git("rev-parse", "--short=12", "HEAD")
    outcomes = [(setting, outcome(setting, commit, options)) for setting in chosen]
    print("\n| setting | what differs | passed | failed | skipped | minutes |\n| --- | --- | --- | --- | --- | --- |")
    for setting, found in outcomes:
        print(found.line(setting.what))
    for _, found in outcomes:
        for reason in (*found.failed, *filter(None, [found.untried])):
            print(f"{found.setting}: {reason}", file=sys.stderr)
    print(f"\n{machine()}, {datetime.now(UTC):%d %B %Y}")
    return 0 if all(found.good for _, found in outcomes) else 1


def arguments() -> tuple[list[Setting], argparse.Namespace]:
    """The settings by name, or the mixes of all, and the options."""
    known = {setting.name: setting for setting in (PLAIN, *SETTINGS)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="SETTING", help=", ".join(known))
    parser.add_argument("--again", action="store_true", help="run what has passed on this commit once more")
    parser.add_argument("--jobs", default="2", help="processes that share the tests (default: 2)")
    parser.add_argument("--python", default=sys.executable, help="another interpreter of this version")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:cut])
    options.pytest = words[cut + 1 :]
    if unknown := set(options.names) - set(known):
        parser.error(f"no such setting: {', '.join(sorted(unknown))}")
    return [known[name] for name in options.names] or mixes(SETTINGS), options


def outcome(setting: Setting, commit: str, options: argparse.Namespace) -> Outcome:
    """The kept outcome of a setting that has passed, or a new one."""
    file = KEPT / f"{setting.name}.json"
    if file.exists() and not options.again and not options.pytest:
        kept = Outcome(**json.loads(file.read_text("utf-8")))
        if kept.good and kept.commit == commit:
            return kept
    KEPT.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="everywhere-") as scratch:
        try:
            found = Outcome(setting.name, commit, **run(setting, Path(scratch), commit, options))
        except CannotBeTriedError as error:
            found = Outcome(setting.name, commit, untried=str(error))
    found = replace(found, minutes=round((time.monotonic() - started) / 60, 1))
    if not options.pytest:
        file.write_text(json.dumps(asdict(found)), "utf-8")
    print(found.line(setting.what), flush=True)
    return found


def run(setting: Setting, scratch: Path, commit: str, options: argparse.Namespace) -> dict[str, Any]:
    """The suite under `setting`, in folders of its own below `scratch`: what passed, was skipped and failed."""
    base = scratch / setting.folder
    tree, home, report = base / "tree", base / "home", base / "report.xml"
    home.mkdir(parents=True)
    git("clone", "--quiet", "--no-checkout", str(ROOT), str(tree))
    git("-C", str(tree), "checkout", "--quiet", commit)
    temporary = temporary_folder(setting, base)
    try:
        python, own = options.python, {}
        if setting.stranger and os.geteuid() == 0:
            python, own = as_stranger(scratch, python)
        environment = {
            **{k: v for k, v in os.environ.items() if not any(k in s.variables for s in SETTINGS)},
            **setting.variables,
            "HOME": str(home),
            # With the packages of this environment, whichever Python runs.
            "PYTHONPATH": os.pathsep.join([str(tree / "src"), sysconfig.get_path("purelib")]),
            "TMPDIR": str(temporary),
        }
        command = [python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command += ["--numprocesses", options.jobs, "--dist", "worksteal", *options.pytest]
        if setting.temporary == "short":
            command.append(f"--basetemp={temporary / 't'}")
        with (KEPT / f"{setting.name}.log").open("wb") as log:
            done = subprocess.run(
                command,
                cwd=tree,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=setting.umask,
                timeout=HOURS * 3600,
                check=False,
                **own,
            )
        return counted(report, done.returncode)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_folder(setting: Setting, base: Path) -> Path:
    """A new, empty folder for temporary files."""
    if setting.temporary == "memory":
        memory = Path("/dev/shm")
        if not memory.is_dir() or memory.stat().st_dev == base.stat().st_dev:
            raise CannotBeTriedError(f"{memory} is no file system of its own")
        return Path(tempfile.mkdtemp(dir=memory))
    found = base / "tmp"
    if setting.temporary == "long":
        found = base / ("long-" * 40)[: max(1, 199 - len(str(base)))]
    if setting.temporary == "short":
        roots = (Path(tempfile.gettempdir(), letter) for letter in string.ascii_lowercase)
        found = next(path for path in roots if not path.exists())
    found.mkdir()
    return found


def as_stranger(scratch: Path, python: str) -> tuple[str, dict[str, Any]]:
    """A Python that another user may run, and options of `subprocess.run` for that user, who is given `scratch`."""
    user = pwd.getpwnam(STRANGER)
    own: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    for path in (scratch, *scratch.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    pythons = (python, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    for candidate in pythons:
        trial = [candidate, "-c", "import pytest, torch"]
        packages = {"PYTHONPATH": sysconfig.get_path("purelib")}
        with contextlib.suppress(OSError):
            if subprocess.run(trial, cwd="/", env=packages, check=False, capture_output=True, **own).returncode == 0:
                return candidate, own
    raise CannotBeTriedError(f"`{STRANGER}` can run none of {', '.join(pythons)}: name another with --python")


def counted(report: Path, code: int) -> dict[str, Any]:
    """What the report of pytest says; a suite that wrote none, or ended with another code than 0 and 1, has failed."""
    cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    kinds = [{child.tag for child in case} for case in cases]
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case, kind in zip(cases, kinds, strict=True)
        if kind & {"failure", "error"}
    ]
    if code not in (0, 1):
        failed.append(f"pytest ended with {code}")
    skipped = sum("skipped" in kind for kind in kinds)
    passed = sum(not kind & {"failure", "error", "skipped"} for kind in kinds)
    return {"passed": passed, "skipped": skipped, "failed": tuple(failed)}


def git(*words: str) -> str:
    """What a git command prints, run in the repository."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout.strip()


def machine() -> str:
    """Processor, cores, whether it has AVX-512, and the versions that matter."""
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        facts = dict(line.split(":", 1) for line in file if ":" in line)
    named = {key.strip(): value.strip() for key, value in facts.items()}
    wide = "with" if "avx512f" in named.get("flags", "").split() else "without"
    return f"{len(os.sched_getaffinity(0))} cores of {named.get('model name', 'a processor')} ({wide} AVX-512)"


if __name__ == "__main__":
    sys.exit(main())
