"""Ablations and searches of a day as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from facetwise.core.text.counting import count
from facetwise.core.text.markdown import code, words
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PERSON, count_people
from facetwise.evaluate.intervals import Interval
from facetwise.evaluate.scorecard import JOINT
from facetwise.journals.studies import ChangeEntry, StudyEntry
from facetwise.journals.wording import display_name, join_names, resume_command, score_text
from facetwise.results.wording import DASH, score, with_interval, with_signs
from facetwise.study.search import number_of
from facetwise.study.space import shown


def study_lines(study: StudyEntry) -> Iterator[str]:
    """The heading and results of a study; for what failed see `failures`."""
    yield f"### {study.kind.capitalize()} {code(study.name)}"
    yield ""
    if study.trouble is not None:
        yield f"{words(study.trouble)}"
    elif study.kind == "ablation":
        yield from _ablation(study)
    else:
        yield from _search(study)


def _ablation(study: StudyEntry) -> Iterator[str]:
    if study.base is None:
        yield "Its base is not trained yet."
        return
    people = count_people(study.num_people)
    yield f"Against {display_name('run', study.base)}, paired by {PERSON} ({people})."
    if rows := [row for row in study.changes if row.state != "waiting"]:
        yield from ("", f"| change | run | {SCORE} | change - base | |", "| --- | ---: | ---: | ---: | --- |")
        yield from map(_row, rows)


def _row(row: ChangeEntry) -> str:
    if row.difference is None or row.difference_interval is None:
        cells = [number_of(row.run), DASH, DASH, row.state]
    else:
        of = f" of {words(row.what)}" if row.what and row.what != JOINT else ""
        value, apart = with_interval(row.score, row.interval), with_signs(row.difference, row.difference_interval)
        cells = [number_of(row.run), value + of, apart, row.standing or "no verdict"]
    return f"| {code(row.change)} | {' | '.join(cells)} |"


def _search(study: StudyEntry) -> Iterator[str]:
    numbers = [t.number for t in study.trials]
    states = ", ".join(f"{number:,} {state}" for state, number in study.states.items())
    yield f"{count(sum(study.states.values()), 'trial')}: {states}. On this day: {_numbers(numbers)}."
    if study.best is None:
        return
    best, nested = study.best, study.best["nested"]
    flattered = ", flattered by the choice" if study.states.get("finished", 0) > 1 else ""
    value = score_text(best["what"], best["score"], Interval(**best["interval"]))
    yield f"Best: trial {best['trial']} ({display_name('run', best['run'])}), {value}{flattered}."
    if nested:
        value = with_interval(nested["score"], Interval(**nested["interval"]))
        yield f"The choice is worth {value} by the nested estimate."
    if settings := next((t.settings for t in study.trials if t.number == best["trial"]), None):
        yield f"Its settings: {', '.join(f'{code(key)} {words(shown(value))}' for key, value in settings.items())}."


def _numbers(numbers: list[int]) -> str:
    """`trial 4`, `trials 4 to 7`, `trials 1, 4 and 9`."""
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"trials {numbers[0]} to {numbers[-1]}"
    return f"trials {join_names(map(str, numbers))}"


def failures(study: StudyEntry) -> Iterator[str]:
    """One line for each change or trial that failed or was stopped, with the reason and how to resume."""
    name = f"{study.kind.capitalize()} {code(study.name)}"
    yield from _failed_changes(study, name)
    yield from _failed_trials(study, name)
    yield from _pruned_trials(study, name)


def _failed_changes(study: StudyEntry, name: str) -> Iterator[str]:
    for row in study.changes:
        if row.state == "failed":
            on = "The same command tries it again."
            yield f"{name}, {code(row.change)}{_of_run(row.run)} failed: {_reason(row.reason)} {on}"


def _failed_trials(study: StudyEntry, name: str) -> Iterator[str]:
    for trial in study.trials:
        called = f"{name}, trial {trial.number}{_of_run(trial.run)}"
        if trial.state == "failed":
            yield f"{called} failed: {_reason(trial.reason)}"
        elif trial.state == "stopped":
            yield f"{called} was stopped. The same command goes on with it."


def _pruned_trials(study: StudyEntry, name: str) -> Iterator[str]:
    if pruned := [t for t in study.trials if t.state == "pruned"]:
        trials = join_names(f"{t.number} ({score(t.score)}{_in_run(t.run)})" for t in pruned)
        which, it = ("trial", "it") if len(pruned) == 1 else ("trials", "the first")
        on = f" {resume_command(pruned[0].run)} would finish {it}." if pruned[0].run else ""
        yield f"{name} stopped {which} {trials} after some folds, behind the others.{on}"


def waiting(study: StudyEntry) -> Iterator[str]:
    """A line about changes that are not trained yet."""
    left = sum(row.state in ("begun", "waiting") for row in study.changes)
    if left:
        changes = f"{left} of {count(len(study.changes), 'change')}"
        yield f"Ablation {code(study.name)}: {changes} not trained yet; the same command goes on."


def _of_run(run: str | None) -> str:
    return f" ({display_name('run', run)})" if run else ""


def _in_run(run: str | None) -> str:
    return f", {display_name('run', run)}" if run else ""


def _reason(reason: str | None) -> str:
    text = words(reason or "why is not recorded").rstrip(".")
    return f"{text}."
