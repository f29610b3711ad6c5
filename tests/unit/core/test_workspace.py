"""Artefacts are whole or absent, whatever happens while they are made."""

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetwise.core import workspace as workspace_module
from facetwise.core.errors import ArtefactError, DamagedError, FacetwiseError, InputError, LockedError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.files.writing import write_atomic
from facetwise.core.records.done import Anything, read_done, verify_files
from facetwise.core.workspace import (
    DONE,
    Workspace,
    canonical_json,
    content_hash,
    discard,
    inside,
    is_done,
    is_locked,
    leftovers,
    lock,
    mark_done,
    new_artefact,
    read_json,
    write_json,
)


def make(folder: Path, text: str, **made_from: object) -> None:
    with new_artefact(folder, made_from) as temporary:
        (temporary / "part").mkdir()
        (temporary / "part" / "a.txt").write_text(text, encoding="utf-8")


def test_a_finished_artefact_says_what_it_was_made_from(tmp_path):
    make(tmp_path / "x", "one", source="here")
    assert is_done(tmp_path / "x")
    assert read_done(tmp_path / "x", Anything).made_from.as_dict() == {"source": "here"}
    assert list(read_done(tmp_path / "x", Anything).files) == ["part/a.txt"]
    verify_files(tmp_path / "x")
    assert leftovers(tmp_path) == []


def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path):
    def fail(folder: Path, error: BaseException) -> None:
        with new_artefact(folder, {}) as temporary:
            (temporary / "a.txt").write_text("half", encoding="utf-8")
            raise error

    for error in (RuntimeError("broken"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            fail(tmp_path / "x", error)
        assert list(tmp_path.iterdir()) == []
    make(tmp_path / "x", "one")
    with pytest.raises(RuntimeError):
        fail(tmp_path / "x", RuntimeError())
    assert (tmp_path / "x" / "part" / "a.txt").read_text(encoding="utf-8") == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_an_older_artefact_is_replaced_whole(tmp_path):
    make(tmp_path / "x", "one")
    (tmp_path / "x" / "stray.txt").write_text("not of the new one", encoding="utf-8")
    make(tmp_path / "x", "two")
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == [DONE, "part"]
    assert (tmp_path / "x" / "part" / "a.txt").read_text(encoding="utf-8") == "two"
    assert leftovers(tmp_path) == []


def test_a_kill_while_an_artefact_is_replaced_leaves_one_of_the_two(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_arguments: object, **_options: object) -> None:
        raise Killed

    make(tmp_path / "x", "one")
    for step in ("rename", "replace"):  # after the exchange nothing may be needed any more, before it nothing is gone
        with monkeypatch.context() as patch:
            patch.setattr(workspace_module.shutil, "rmtree", killed)
            if step == "rename":
                patch.setattr(Path, "rename", killed)
            with pytest.raises(Killed):
                make(tmp_path / "x", step)
        verify_files(tmp_path / "x")
        assert (tmp_path / "x" / "part" / "a.txt").read_text(encoding="utf-8") == step
    assert len(leftovers(tmp_path)) == 2


def test_where_folders_cannot_be_exchanged_the_older_one_comes_back(tmp_path, monkeypatch):
    make(tmp_path / "x", "one")
    monkeypatch.setattr(workspace_module, "_exchange", lambda _one, _other: False)
    make(tmp_path / "x", "two")
    assert (tmp_path / "x" / "part" / "a.txt").read_text(encoding="utf-8") == "two"
    assert leftovers(tmp_path) == []
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if (path / "part" / "a.txt").read_text(encoding="utf-8") == "three":
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no"):
        make(tmp_path / "x", "three")
    assert (tmp_path / "x" / "part" / "a.txt").read_text(encoding="utf-8") == "two"
    assert leftovers(tmp_path) == []


def test_damage_is_noticed(tmp_path):
    make(tmp_path / "x", "one")
    file = tmp_path / "x" / "part" / "a.txt"
    file.write_text("eno", encoding="utf-8")
    with pytest.raises(ArtefactError, match=r"a\.txt: changed since it was made"):
        verify_files(tmp_path / "x")
    file.unlink()
    with pytest.raises(ArtefactError, match=r"a\.txt: missing"):
        verify_files(tmp_path / "x")


def test_marks_that_cannot_be_read(tmp_path):
    with pytest.raises(ArtefactError, match="not finished"):
        read_done(tmp_path, Anything)
    mark_done(tmp_path, {}, schema_version=2)
    with pytest.raises(ArtefactError, match="schema version 2, this facetwise reads 1"):
        read_done(tmp_path, Anything)
    (tmp_path / DONE).write_text("[]", encoding="utf-8")
    with pytest.raises(DamagedError, match=r"damaged: .*: not an object"):
        read_done(tmp_path, Anything)
    for other, words in (("{}", "`schema_version`: missing"), ('{"schema_version": 1, "files": []}', "`files`: ")):
        (tmp_path / DONE).write_text(other, encoding="utf-8")
        with pytest.raises(DamagedError, match=words):
            read_done(tmp_path, Anything)
    (tmp_path / DONE).write_text('{"schema', encoding="utf-8")
    with pytest.raises(DamagedError, match="damaged"):
        read_done(tmp_path, Anything)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "f.json"
    write_json(path, {"한": 1})
    assert read_json(path) == {"한": 1}

    def fail(_descriptor: int) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="no space"):
            write_atomic(path, "other")
    assert read_json(path) == {"한": 1}
    assert [p.name for p in path.parent.iterdir()] == ["f.json"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_with_the_file_and_its_size(tmp_path, monkeypatch, number):
    path = tmp_path / "f.bin"
    write_atomic(path, b"good")

    def full(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        FacetwiseError, match=r"f\.bin: the disk is full .*; 1,234 bytes were to be written, [\d,]+ are"
    ):
        write_atomic(path, b"x" * 1234)
    assert path.read_bytes() == b"good"
    with pytest.raises(FacetwiseError, match=r"DONE\.json: the disk is full"):
        make(tmp_path / "x", "one")
    assert [p.name for p in tmp_path.iterdir()] == ["f.bin"]


def test_a_disk_that_is_full_for_the_files_of_an_artefact(tmp_path):
    def fill() -> None:
        with new_artefact(tmp_path / "x", {}) as folder:
            (folder / "full").symlink_to("/dev/full")  # every write to it finds no space
            (folder / "full").write_bytes(b"1")

    with pytest.raises(FacetwiseError, match=r"/x: the disk is full"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_disk_pass_as_they_are(tmp_path):
    with pytest.raises(IsADirectoryError), disk_full_errors(tmp_path):
        tmp_path.write_bytes(b"")
    with pytest.raises(FacetwiseError, match="the disk is full"), disk_full_errors(tmp_path / "not" / "there"):
        raise OSError(errno.ENOSPC, "full")


def test_what_is_discarded_is_gone_or_left_over(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    discard(tmp_path / "link")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]

    def fail(_path: Path) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(workspace_module.shutil, "rmtree", fail)
        with pytest.raises(OSError, match="no"):
            discard(tmp_path / "a")
    (left,) = leftovers(tmp_path)
    discard(left)
    discard(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_only_one_holds_a_lock(tmp_path):
    path = tmp_path / "x" / ".lock"
    assert not is_locked(path)
    with lock(path, "run `x`"):
        assert is_locked(path)
        with pytest.raises(LockedError, match="run `x`: another facetwise process"), lock(path, "run `x`"):
            pass
    assert not is_locked(path)
    with lock(path, "run `x`"):
        pass


def test_asking_for_a_lock_writes_nothing_and_hinders_nobody(tmp_path, monkeypatch):
    path = tmp_path / ".lock"
    with lock(path, "x"):
        pass
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert not is_locked(path)
        with path.open("rb") as asking:
            fcntl.flock(asking, fcntl.LOCK_SH)
            assert not is_locked(path)  # another one asks: nobody works on it
    finally:
        tmp_path.chmod(0o755)
        path.chmod(0o644)
    with path.open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda _seconds: fcntl.flock(asking, fcntl.LOCK_UN))
        with lock(path, "x"):
            assert is_locked(path)


def test_a_lock_is_given_back_when_its_block_fails(tmp_path):
    with pytest.raises(RuntimeError), lock(tmp_path / ".lock", "x"):
        raise RuntimeError
    assert not is_locked(tmp_path / ".lock")


@pytest.mark.parametrize("bad", ["", "..", "../x", "a/../../x", "/etc/passwd", "a\0b", "out", "out/x", "loop"])
def test_paths_that_lead_out_of_a_folder(tmp_path, bad):
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    assert inside(root, bad) is None


def test_paths_that_stay_inside(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for good in ("a", "a/b/c.jpg", "a/../b", "./a", "link/x", "..a", "한 글.jpg"):
        assert inside(tmp_path, good) == tmp_path / good


def test_the_project_around_a_folder(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no facetwise\.toml"):
        Workspace.find(tmp_path / "deep")
    (tmp_path / "facetwise.toml").touch()
    assert Workspace.find(tmp_path / "deep" / "er").root == tmp_path.resolve()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), plain, max_size=4))
def test_the_hash_of_plain_data_does_not_depend_on_the_order_of_keys(data):
    assert content_hash(dict(reversed(data.items()))) == content_hash(data)
    assert content_hash({**data, "more": 1}) != content_hash({**data, "more": 2})
    assert "\n" not in canonical_json(data)
