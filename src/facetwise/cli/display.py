"""Display of training: progress bars on a terminal, a line for each epoch anywhere else."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self, TextIO

from facetwise.core.errors import TrainingError
from facetwise.core.text.counting import count
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import PEOPLE, count_people
from facetwise.screens.kit import Printer, TaskID, Text, progress_bars
from facetwise.screens.text.runs.epochs import absent_lines, compared_line, content_lines

MANY = 1000
"""Images of which a pass may take minutes."""


class TrainingDisplay:
    """Displays the events of a run; use as a context manager."""

    def __init__(self, stream: TextIO) -> None:
        self.console = Printer(stream)
        self.bars = progress_bars(self.console, disable=not stream.isatty())
        self.task = self.bars.add_task("", visible=False)
        self.preparing_what = "decoding images"
        self.tenths = 0
        self.fold_tasks: dict[int, TaskID] = {}
        """Bars of the folds that are trained now: several with `--jobs`."""
        self.epochs = 0
        self.run: str | None = None
        """The run that is trained; None when nothing was."""
        self.contents: dict[str | None, dict[str, Any]] = {}
        """Run -> the event with the class counts of its first fold."""
        self.shown: set[str] = set()
        """Class counts and notes that were already printed."""

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()
        if error is not None and self.run is not None and not isinstance(error, TrainingError):
            number = self.run.split("-")[0]
            self._tell_stop(error, f"`facetwise fit --resume {number}`")

    def _tell_stop(self, error: BaseException, command: str) -> None:
        """Say how to go on; of Ctrl-C that is told with the stop itself, in one line."""
        words = f"{command} goes on after the last whole epoch"
        if isinstance(error, KeyboardInterrupt):
            error.args = (words,)
        else:
            self.console.print(f"stopped; {words}")

    def preparing(self, done: int, total: int) -> None:
        """Progress of the image store, or of the pass over a frozen backbone."""
        what = self.preparing_what
        self.bars.update(self.task, description=what, completed=done, total=total, visible=done < total)
        self._say_tenths(what, done, total)

    def _say_tenths(self, what: str, done: int, total: int) -> None:
        """Without bars, print a line after each tenth of a pass over many images, which takes minutes."""
        tenths = 10 * done // max(total, 1)
        if self.bars.disable and total >= MANY and 0 < done < total and tenths != self.tenths:
            self.console.print(f"{what}: {done:,} of {total:,}")
        self.tenths = tenths

    def event(self, event: dict[str, Any]) -> None:
        """One event of the run."""
        match event["event"]:
            case "run":
                self.run = event["run"]
                self.console.print(f"run {event['run']}")
            case "base":
                self.console.print(f"starts from {event['base']}; what is its head is left out")
            case "input":
                self._once(f"note: {event['note']}")
            case "checking":
                self.preparing_what = "reading images"
            case "checked" | "dealt":
                self.preparing_what = "decoding images"
                self.console.print(ready_line(event))
            case "warmup_cut":
                self._once(
                    f"`schedule.warmup` of {event['asked']} is cut to {event['steps']} steps, half of the training"
                )
            case "overflow":
                self.console.print(overflow_line(event))
            case "stopped_early":
                self.console.print(stopped_line(event))
            case "features":
                self.preparing_what = "computing features"
                self.console.print(f"the frozen backbone looks once at {event['images']:,} images")
            case "fold":
                self.epochs = event["epochs"]
                if event["from_epoch"]:
                    self.console.print(f"fold {event['fold']}: continues after epoch {event['from_epoch']}")
            case "content":
                self._content(event)
            case "step":
                self._step(event)
            case "fold_done":
                self._fold_done(event)
            case "epoch":
                self.console.print(epoch_line(event, self.epochs, self.console.width))
            case _:
                pass

    def _content(self, event: dict[str, Any]) -> None:
        """The classes in an epoch: all of them for a run's first fold, the largest differences for the others.

        Nothing is printed twice: in a study most runs have the same.
        """
        run = event.get("run", self.run)
        first = self.contents.setdefault(run, event)
        content = json.dumps([event[key] for key in ("fold", "images", "people", "classes")])
        if content in self.shown:
            return
        self.shown.add(content)
        lines = content_lines(event) if first is event else [compared_line(event, first), *absent_lines(event)]
        of_run = "" if run == self.run else f"run {run}, "  # heads on a frozen backbone train together
        self.console.print(f"{of_run}fold {event['fold']}: " + "\n".join(lines))

    def _once(self, line: str) -> None:
        """Print a line unless it was printed before: it is mostly the same for all folds."""
        if line not in self.shown:
            self.shown.add(line)
            self.console.print(line)

    def _step(self, event: dict[str, Any]) -> None:
        fold, steps = event["fold"], event["steps"]
        if fold not in self.fold_tasks:
            self.fold_tasks[fold] = self.bars.add_task("")
        done = (event["epoch"] - 1) * steps + event["step"]
        what = f"fold {fold}, epoch {event['epoch']}/{self.epochs}"
        self.bars.update(self.fold_tasks[fold], description=what, completed=done, total=self.epochs * steps)

    def _fold_done(self, event: dict[str, Any]) -> None:
        if event["fold"] in self.fold_tasks:
            self.bars.remove_task(self.fold_tasks.pop(event["fold"]))


class StudyDisplay(TrainingDisplay):
    """Displays the events of a study and of its runs; use as a context manager."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.failed: dict[str, str] = {}
        """Changes of an ablation that failed, and why."""
        self.num_changes = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped, self.run = self.run is not None, None  # resuming the run alone is not what to do next
        super().__exit__(kind, error, trace)
        if error is not None and stopped:
            self._tell_stop(error, "the same command")

    def event(self, event: dict[str, Any]) -> None:
        """One event of the study, or of the run that is being trained."""
        match event["event"]:
            case "change":
                self.num_changes = event["of"] - 1  # the base is no change
                self._begin(f"{event['number']} of {event['of']}: {event['change']}")
            case "trial":
                self._begin(f"trial {event['number']} (of {event['of']}): {event['settings']}")
            case "waiting":
                self._say(f"waiting: {event['reason']}")
            case "change_done":
                if event["reason"] is not None:
                    self.failed[event["change"]] = event["reason"]
                self._say(self._ending(event["reason"], event["run"]))
            case "trial_done":
                score = "" if event["score"] is None else f", {SCORE} {event['score']:.4f}"
                self._say(f"trial {event['number']} {event['state']}{score}")
            case _:
                super().event(event)

    def _begin(self, line: str) -> None:
        self.run = None
        self.console.print(Text(line, style="bold"))

    def _say(self, line: str) -> None:
        self.console.print(Text(line))

    def _ending(self, reason: str | None, run: str | None) -> str:
        if reason is not None:
            return f"failed: {reason}"
        return f"run {run} is finished" if self.run else f"run {run} was trained before"


def ready_line(event: dict[str, Any]) -> str:
    """What `fit` did because nobody had: a check, or folds."""
    if event["event"] == "checked":
        warnings = f", {count(event['warnings'], 'warning')} (facetwise check lists them)" if event["warnings"] else ""
        fewer = event["joint"] < event["products"]
        occur = f"; {event['joint']:,} of {event['products']:,} combinations of classes occur" if fewer else ""
        return f"checked {count(event['images'], 'image')} of {count_people(event['people'])}{occur}{warnings}"
    how = "dealt" if event["given"] is None else f"by `{event['given']}`"
    return f"folds `{event['name']}` {how}: {' + '.join(f'{n:,}' for n in event['people'])} {PEOPLE}"


def stopped_line(event: dict[str, Any]) -> str:
    """Why all folds end before the recipe's length."""
    return (
        f"stopped after epoch {event['epoch']} of {event['of']}: whichever fold is left out, the score of the others "
        f"has not risen for {count(event['patience'], 'epoch')}"
    )


def overflow_line(event: dict[str, Any]) -> str:
    """Steps of an epoch that fp16 was too small for."""
    steps = f"{event['steps']:,} of {count(event['of'], 'step')}"
    return f"fold {event['fold']}  epoch {event['epoch']:>3}: {steps} left out, their gradients overflowed in fp16"


def epoch_line(event: dict[str, Any], epochs: int, width: int) -> str:
    """One line for an epoch, at most `width` columns wide, with the speed if there is room."""
    parts = [f"fold {event['fold']}  epoch {event['epoch']:>3}/{epochs}  train loss {event['train_loss']:.4f}"]
    if event["val_loss"] is not None:
        parts.append(f"val log loss {event['val_loss']:.4f}")
    if (scored := event.get("val_score", event["val_macro_f1"])) is not None:
        parts.append(f"{SCORE} {scored:.4f}")
    line, speed = "  ".join(parts), f"  {event['images_per_second']:,.0f} images/s"
    return line + speed if len(line + speed) <= width else line
