"""The trials of a search, shared by processes: who works on what, what a killed one leaves, and what is drawn."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from facetwise.core.errors import DamagedError, FacetwiseError, MismatchError, SettingError
from facetwise.recipe import load_recipe
from facetwise.study.record import StudyFolder, identity_of, open_record
from facetwise.study.space import Space, read_space
from facetwise.study.trials import Trials

SPACE = {
    "optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "loss": {"choices": ["cross-entropy", "focal"]},
    "train.batch_size": {"low": 8, "high": 64},
}
BASE = {"optimizer.lr": 1e-3, "loss": "focal", "train.batch_size": 32}


@pytest.fixture(scope="module")
def space() -> Space:
    return read_space(SPACE, load_recipe("cpu-tiny"))


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "studies" / "a study")


def test_a_search_goes_on_by_the_score_that_it_was_begun_by(folder: StudyFolder, space: Space) -> None:
    def asked(metric: str) -> dict[str, object]:
        found = identity_of(load_recipe("cpu-tiny"), {}, space=space.as_dict(), metric=metric)
        return {part: value for part, value in found.items() if part != "metric" or value != "old"}

    folder.path.mkdir(parents=True)
    for begun, same in (("old", "macro_f1"), ("accuracy", "accuracy")):
        folder.record_file.unlink(missing_ok=True)
        folder.save(open_record(folder, "search", asked(begun)))
        assert open_record(folder, "search", asked(same)).identity.metric == same
        with pytest.raises(MismatchError, match=r"exists with other settings: `score.metric` changed"):
            open_record(folder, "search", asked("balanced_accuracy"))


def search(trials: Trials, num_trials: int) -> list[dict[str, object]]:
    """Finish trials with a made score until there are `num_trials`; what was tried, in order."""
    tried = []
    while True:
        with trials.claim(num_trials, BASE) as claim:
            if claim is None:
                return tried
            tried.append(dict(claim.labels))
            trials.finish(claim.number, "complete", -abs(float(claim.labels["optimizer.lr"]) - 3e-3))


def test_trials_are_counted_over_all_calls_and_the_first_is_the_recipe(folder: StudyFolder, space: Space) -> None:
    assert search(Trials(folder, space), 3)[0] == BASE
    assert len(search(Trials(folder, space), 5)) == 2
    assert search(Trials(folder, space), 5) == []
    assert [t.number for t in Trials(folder, space).all()] == [0, 1, 2, 3, 4]
    for trial in Trials(folder, space).all():
        assert 1e-4 <= trial.params["optimizer.lr"] <= 1e-2
        assert trial.params["loss"] in ("cross-entropy", "focal")
        assert isinstance(trial.params["train.batch_size"], int)


def test_what_is_drawn_does_not_depend_on_interruptions(tmp_path: Path, space: Space) -> None:
    once = search(Trials(StudyFolder(tmp_path / "one" / "s"), space), 14)
    parts = StudyFolder(tmp_path / "two" / "s")
    assert once == [t for n in (1, 4, 12, 14) for t in search(Trials(parts, space), n)]


def test_two_never_work_on_one_trial_and_what_is_left_is_taken_up(folder: StudyFolder, space: Space) -> None:
    one, two = Trials(folder, space), Trials(folder, space)
    with one.claim(3, None) as first, two.claim(3, None) as second:
        assert first is not None
        assert second is not None
        assert (first.number, second.number) == (0, 1)
        assert one.is_running(0)
        assert one.is_running(1)
        two.finish(1, "fail")
    with two.claim(3, None) as again:  # the first was neither finished nor is it worked on
        assert again is not None
        assert (again.number, again.labels) == (0, first.labels)
        two.finish(0, "complete", 0.5)
        one.finish(0, "complete", 0.7)  # too late: nothing happens
    assert [t.value for t in one.all()] == [0.5, None]


def test_the_same_values_are_waited_for(folder: StudyFolder, space: Space) -> None:
    one, two = Trials(folder, space), Trials(folder, space)
    with one.claim(9, BASE) as first:
        two.study.enqueue_trial(dict(BASE))
        with two.claim(9, None) as second:
            assert first is not None
            assert second is not None
            twin = two.running_duplicate(second)
            assert twin is not None
            assert twin.name == str(first.number)
            assert one.running_duplicate(first) is None
        one.finish(0, "complete", 0.5)
    assert two.running_duplicate(second) is None


def test_a_trial_below_the_median_of_the_others_is_stopped(folder: StudyFolder, space: Space) -> None:
    trials = Trials(folder, space, "median")
    for number in range(5):
        with trials.claim(9, None):
            assert [trials.report(number, fold, 0.5 + number / 10) for fold in (1, 2)] == [False, False]
            trials.finish(number, "complete", 0.5 + number / 10)
    with trials.claim(9, None):
        assert not trials.report(5, 1, 0.75)
    with trials.claim(9, None):
        assert not trials.report(5, 1, 0.1), "what was reported first counts, also when a stopped trial goes on"
        trials.finish(5, "complete", 0.75)
    with trials.claim(9, None):
        assert trials.report(6, 1, 0.1)
        assert not Trials(folder, space, "none").report(6, 1, 0.1)
        trials.note(6, "run", "07-x")
        trials.finish(6, "pruned")
    last = trials.all()[-1]
    assert (last.state.name, last.value, last.user_attrs) == ("PRUNED", 0.1, {"run": "07-x"})


def test_looking_changes_nothing(folder: StudyFolder, space: Space) -> None:
    search(Trials(folder, space), 2)
    before = folder.trials_file.read_bytes()
    assert len(Trials(folder, space).all()) == 2
    assert folder.trials_file.read_bytes() == before


def test_a_line_that_a_kill_cut_off_does_no_harm(folder: StudyFolder, space: Space) -> None:
    search(Trials(folder, space), 2)
    file = folder.trials_file
    whole = file.read_bytes()
    for torn in (b'{"op_code": 4, "wor', b"{"):
        file.write_bytes(whole + torn)
        assert len(search(Trials(folder, space), 3)) == 1
        assert len(Trials(folder, space).all()) == 3
        file.write_bytes(whole)


@pytest.mark.parametrize("wrong", [b"[]\n", b"7\n", b"{}\n", b'{"op_code": 99, "worker_id": "x"}\n', b"broken\n"])
def test_lines_of_something_else_are_damage(folder: StudyFolder, space: Space, wrong: bytes) -> None:
    search(Trials(folder, space), 2)
    whole = folder.trials_file.read_bytes()
    first, rest = whole.split(b"\n", 1)
    folder.trials_file.write_bytes(first + b"\n" + wrong + rest)
    with pytest.raises(DamagedError, match=r"journal\.jsonl: not the trials of a search") as told:
        Trials(folder, space)
    assert told.value.hint == folder.way_out


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "empty"])
def test_a_search_whose_trials_are_gone_is_damaged(folder: StudyFolder, space: Space, gone: bool) -> None:
    search(Trials(folder, space), 2)
    folder.record_file.write_text("{}", encoding="utf-8")
    assert len(Trials(folder, space).all()) == 2
    folder.trials_file.unlink() if gone else folder.trials_file.write_bytes(b"")
    with pytest.raises(DamagedError, match=r"journal\.jsonl: (missing|without the search's trials)") as told:
        Trials(folder, space)
    assert told.value.hint == folder.way_out
    assert not gone or not folder.trials_file.exists()


def test_a_killed_process_leaves_its_trial_to_others(folder: StudyFolder, space: Space) -> None:
    code = f"""
        from pathlib import Path
        from facetwise.recipe import load_recipe
        from facetwise.study.trials import Trials
        from facetwise.study.record import StudyFolder, identity_of, open_record
        from facetwise.study.space import read_space
        space = read_space({SPACE!r}, load_recipe("cpu-tiny"))
        with Trials(StudyFolder(Path({str(folder.path)!r})), space).claim(9, None) as claim:
            print(claim.number, flush=True)
            input()
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        trials = Trials(folder, space)
        with trials.claim(9, None) as other:
            assert other is not None
            assert other.number == 1
            trials.finish(1, "fail")
        os.kill(process.pid, signal.SIGKILL)
    with trials.claim(9, None) as left:
        assert left is not None
        assert left.number == 0


def test_a_misspelt_pruner_is_told(folder: StudyFolder, space: Space) -> None:
    with pytest.raises(SettingError, match="no pruner is called `medain`") as error:
        Trials(folder, space, "medain")  # type: ignore[arg-type]
    assert error.value.hint is not None
    assert "`median`" in error.value.hint


def test_nothing_is_said(folder: StudyFolder, space: Space, capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    level = optuna.logging.get_verbosity()
    search(Trials(folder, space), 4)
    assert optuna.logging.get_verbosity() == level
    assert capfd.readouterr() == ("", "")


def test_without_the_library_its_extra_is_named(
    folder: StudyFolder, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(FacetwiseError, match="needs `optuna`") as error:
        Trials(folder, space)
    assert error.value.hint is not None
    assert "facetwise[search]" in error.value.hint
