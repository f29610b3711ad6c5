"""What a person sees while a study works: a line a recipe or trial, and below it the training of its run."""

from __future__ import annotations

from types import TracebackType
from typing import Any, TextIO

from facetwise.cli.training import TrainingDisplay
from facetwise.screens.kit import Text


class StudyDisplay(TrainingDisplay):
    """Takes the events of a study and of its runs; use as a context manager."""

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
        if kind is not None and stopped:
            self.console.print("stopped: the same command goes on after the last whole epoch")

    def event(self, event: dict[str, Any]) -> None:
        """One event of the study, or of the run that is trained."""
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
                score = "" if event["macro_f1"] is None else f", macro F1 {event['macro_f1']:.4f}"
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
