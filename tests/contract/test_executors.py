"""What every executor must do, whatever it runs tasks on."""

import os
from contextlib import closing
from pathlib import Path

import pytest
from made_task import ERRORS, OTHERS, task

from facetwise.core import errors
from facetwise.core.errors import ArtefactError, TrainingError
from facetwise.jobs.executor import Task, run_tasks
from facetwise.jobs.local import LocalProcesses

EXECUTORS = {"one": lambda: LocalProcesses(1), "three": lambda: LocalProcesses(3)}


@pytest.fixture(autouse=True)
def tests_on_the_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)


@pytest.fixture(params=EXECUTORS)
def executor(request):
    return EXECUTORS[request.param]()


def test_events_come_in_order_and_no_more_than_they(executor):
    events = list(executor.submit(task("count", "3")))
    assert events == [{"event": "number", "number": i, "text": "눈"} for i in range(3)]


def test_events_of_many_tasks_all_come_each_in_its_order(executor):
    events = list(run_tasks(executor, [task("count", str(n)) for n in (2, 0, 3, 1)]))
    assert sorted(e["number"] for e in events) == [0, 0, 0, 1, 1, 2]


def test_tasks_that_run_side_by_side_have_places_of_their_own(executor):
    places = [e["place"] for e in run_tasks(executor, [task("place")] * 4)]
    assert len(places) == 4
    assert set(places) <= set(range(executor.side_by_side))


def test_what_is_printed_is_no_event(executor):
    assert list(executor.submit(task("print"))) == [{"event": "said"}]


def test_every_class_of_errors_is_tried():
    kinds = {n for n, k in vars(errors).items() if isinstance(k, type) and issubclass(k, errors.FacetwiseError)}
    assert kinds == set(ERRORS)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_keeps_class_message_hint_and_more(name):
    expected = ERRORS[name]
    with pytest.raises(type(expected)) as caught:
        list(LocalProcesses(1).submit(task("raise", name)))
    assert type(caught.value) is type(expected)
    assert str(caught.value) == str(expected)
    assert vars(caught.value) == vars(expected)


@pytest.mark.parametrize("name", OTHERS)
def test_an_error_of_python_is_told_with_where_it_was(name):
    with pytest.raises((OSError, KeyError, RuntimeError)) as caught:
        list(LocalProcesses(1).submit(task("raise", name)))
    kept = type(caught.value) is type(OTHERS[name])
    assert kept or type(caught.value) is RuntimeError
    assert str(OTHERS[name]) in str(caught.value)
    assert "made_task" in caught.value.__notes__[0]


def test_the_first_error_ends_the_others(executor):
    tasks = [task("raise", "LockedError"), *[task("hang")] * 4]
    with pytest.raises(errors.LockedError):
        list(run_tasks(executor, tasks))


def test_a_task_that_dies_is_told(executor):
    with pytest.raises(TrainingError, match="ended with code -9 and said nothing"):
        list(executor.submit(task("die")))
    assert list(executor.submit(task("count", "1"))), "its place is free again"


def test_whoever_stops_listening_ends_all(executor):
    with closing(run_tasks(executor, [task("hang")] * 4)) as events:
        pid = next(events)["pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_was_cancelled_never_begins(executor):
    execution = executor.submit(task("count", "3"))
    execution.cancel()
    assert list(execution) == []


def test_a_task_of_other_data_is_refused(executor):
    with pytest.raises(ArtefactError, match="the task was made from data another"):
        list(executor.submit(Task("made_task", ("count", "1"), "another")))
