"""The entry point: how a command ends, and with which code, when it is stopped or nobody reads it any more."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from facetwise import api
from facetwise.cli.display import StudyDisplay, TrainingDisplay
from facetwise.cli.main import main
from facetwise.core.errors import InputError

RUN = "import sys; from facetwise.cli.main import main; sys.argv[0] = 'facetwise'; main()"


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["runs", "--help"], ["doctor"], ["runs"], ["nonsense"]], ids=" ".join
)
def test_a_reader_that_went_away_is_no_error(tmp_path, words):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", RUN, *words], stdout=writer, stderr=writer, cwd=tmp_path, check=False)
    os.close(writer)
    assert done.returncode == 141


@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [("doctor", ">&-", 0), ("--help", "<&- >&- 2>&-", 0), ("runs", "2>&-", 2), ("nonsense", ">&- 2>&-", 2)],
)
def test_what_a_closed_stream_is_given_goes_nowhere(tmp_path, words, closed, code):
    command = f'exec "$0" -c "{RUN}" {words} {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == code
    assert b"Traceback" not in done.stdout + done.stderr


def test_a_full_device_is_one_line(tmp_path):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-c", RUN, "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, encoding="utf-8", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: {os.strerror(errno.ENOSPC)}; what was finished is kept\n"


def ended(monkeypatch: pytest.MonkeyPatch, error: BaseException, *words: str) -> int:
    """The exit code of a command on whose way `error` happens."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api, "open_project", fail)
    monkeypatch.setattr(sys, "argv", ["facetwise", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("command", ["check", "runs", "plan", "blend", "doctor"])
def test_ctrl_c_says_what_is_kept(monkeypatch, capsys, command):
    monkeypatch.setattr("facetwise.upkeep.doctor.examine_folder", lambda *_: api.open_project())
    assert ended(monkeypatch, KeyboardInterrupt(), command) == 130
    assert capsys.readouterr().err == "\nstopped; what was finished is kept\n"


def test_ctrl_c_while_the_program_loads_is_one_line():
    """At the first import below the entry, as a signal would come there."""
    stopped = """
import sys

class Stop:
    def find_spec(self, name, *_):
        if name == "facetwise.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Stop())
from facetwise.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", stopped], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nstopped; nothing was begun\n")


def test_ctrl_c_says_in_one_line_how_to_go_on(monkeypatch, capsys):
    words = "`facetwise fit --resume 02` goes on after the last whole epoch"
    assert ended(monkeypatch, KeyboardInterrupt(words), "--project", "there", "runs") == 130
    assert capsys.readouterr().err == f"\nstopped; {words.replace('facetwise', 'facetwise --project there')}\n"


@pytest.mark.parametrize(
    ("display", "told"),
    [
        (TrainingDisplay, "`facetwise fit --resume 02` goes on after the last whole epoch"),
        (StudyDisplay, "the same command goes on after the last whole epoch"),
    ],
)
def test_a_stopped_training_tells_its_way_on_once(display, told):
    stop, stream = KeyboardInterrupt(), io.StringIO()
    for error in (stop, OSError("full")):
        shown = display(stream)
        shown.event({"event": "run", "run": "02-AdamW"})
        shown.__exit__(type(error), error, None)
    assert stop.args == (told,)
    assert stream.getvalue().splitlines() == ["run 02-AdamW", "run 02-AdamW", f"stopped; {told}"]


def test_ctrl_c_ends_every_wait():
    """What waits for a lock or a queue is woken by a signal only without `SA_RESTART`, which loading polars sets."""
    check = """
import ctypes, signal

def waits_go_on():
    action = ctypes.create_string_buffer(256)  # struct sigaction: a handler, a mask of 1,024 bits, flags
    assert ctypes.CDLL(None).sigaction(signal.SIGINT, None, action) == 0
    flags = int.from_bytes(action.raw[ctypes.sizeof(ctypes.c_void_p) + 128 :][:4], "little")
    return bool(flags & 0x10000000)

import polars, facetwise.core.tables
assert not waits_go_on()
signal.siginterrupt(signal.SIGINT, False)
assert waits_go_on()
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("error", [InputError("it is wrong", hint="mend it"), PermissionError(13, "denied", "f")])
def test_debug_shows_the_traceback_as_well(monkeypatch, capsys, error):
    assert ended(monkeypatch, error, "runs") == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert ended(monkeypatch, error, "--debug", "runs") == 2
    assert capsys.readouterr().err.startswith("Traceback (most recent call last)")
    assert told.count("\n") == 2


def test_the_value_of_an_option_is_no_option(monkeypatch, capsys):
    assert ended(monkeypatch, InputError("it is wrong"), "note", "1", "--", "--debug") == 2
    assert capsys.readouterr().err == "error: it is wrong\n"


def test_a_name_that_the_locale_cannot_write_is_told(monkeypatch, capsys):
    """As in `LC_ALL=C PYTHONUTF8=0 facetwise check` on a dataset whose folders have Korean names."""
    error = UnicodeEncodeError("ascii", "얼굴.jpg", 0, 2, "ordinal not in range(128)")
    with monkeypatch.context() as locale:
        locale.setattr(sys, "getfilesystemencoding", lambda: "ascii")
        assert ended(locale, error, "runs") == 2
    told = capsys.readouterr().err
    assert told.startswith("error: a file's name has letters that this locale, in ascii, cannot write: ")
    assert told.endswith("\nhint: set `PYTHONUTF8=1`, or a locale with UTF-8: `LC_ALL=C.UTF-8`\n")
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "utf-8")
    with pytest.raises(UnicodeEncodeError):  # then it is a fault of ours
        ended(monkeypatch, error, "runs")
