"""The trials of a search, shared by processes: optuna's journal in one locked file, without a server."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

from facetwise.core.choices import Pruner
from facetwise.core.errors import DamagedError, FacetwiseError, LockedError, SettingError, did_you_mean
from facetwise.core.workspace import is_locked, lock
from facetwise.study.record import StudyFolder
from facetwise.study.space import ChoicesSpec, Space

if TYPE_CHECKING:
    import optuna

PRUNE_AFTER = 5
"""Number of finished trials before any is pruned: the median of fewer is unreliable (optuna's default)."""


@dataclass(frozen=True)
class Claim:
    """A trial claimed by this process."""

    number: int
    labels: Mapping[str, Any]
    """Recipe key -> value as passed to optuna."""


class Trials:
    """The trials of one study, opened separately by each process; their file is made before the study's record.

    Raises SettingError for an unknown pruner, and DamagedError when the file of a study with a record is gone or empty,
    or when it holds other lines than optuna's.
    """

    def __init__(self, folder: StudyFolder, space: Space, pruner: Pruner = "none") -> None:
        check_pruner(pruner)
        new = not folder.record_file.is_file()
        if not new and not folder.trials_file.is_file():
            raise DamagedError(f"{folder.trials_file}: missing", hint=folder.way_out)
        optuna = need_optuna()
        from optuna.storages import journal

        self.folder, self.space = folder, space
        folder.path.mkdir(parents=True, exist_ok=True)
        file_lock: Any = _FileLock(folder.trials_file)
        with _quiet():
            try:
                backend = journal.JournalFileBackend(str(folder.trials_file), lock_obj=file_lock)
                storage = journal.JournalStorage(backend)  # reads all lines
            except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
                told = f"{folder.trials_file}: not the trials of a search ({error!r})"
                raise DamagedError(told, hint=folder.way_out) from None
            chosen = _pruner(pruner)
            try:  # creating it again would add a line to the file on every read
                self.study = optuna.load_study(study_name=folder.name, storage=storage, pruner=chosen)
            except KeyError:
                if not new:
                    raise DamagedError(
                        f"{folder.trials_file}: without the search's trials", hint=folder.way_out
                    ) from None
                self.study = optuna.create_study(
                    storage=storage, study_name=folder.name, direction="maximize", pruner=chosen, load_if_exists=True
                )

    def all(self) -> list[optuna.trial.FrozenTrial]:
        """All trials that were started, by number."""
        waiting = need_optuna().trial.TrialState.WAITING
        return [t for t in self.study.get_trials(deepcopy=False) if t.state != waiting]

    def labels(self, number: int) -> Mapping[str, Any]:
        """Recipe key -> value of a trial, as passed to optuna."""
        params: Mapping[str, Any] = self._frozen(number).params
        return params

    @contextmanager
    def claim(self, num_trials: int, first: Mapping[str, Any] | None) -> Iterator[Claim | None]:
        """Claim a trial: one that a stopped process abandoned, else a new one while there are fewer than `num_trials`.

        None when there is nothing left to do. `first`: the values of the first trial. No other process can claim the
        trial inside the `with` block.
        """
        with ExitStack() as stack:
            with _patient_lock(self.folder.lock_file, f"study `{self.folder.name}`"), _quiet():
                claim = self._abandoned() or self._new(num_trials, first)
                if claim is not None:
                    stack.enter_context(lock(self._lock_of(claim.number), f"trial {claim.number}"))
            yield claim

    def running_duplicate(self, claim: Claim) -> Path | None:
        """The lock of an earlier trial with the same values that another process is running."""
        running = need_optuna().trial.TrialState.RUNNING
        for trial in self.all():
            if trial.number < claim.number and trial.state == running and trial.params == claim.labels:
                return self._lock_of(trial.number) if is_locked(self._lock_of(trial.number)) else None
        return None

    def report(self, number: int, num_folds: int, score: float) -> bool:
        """Report the mean score of the finished folds; returns whether the trial should be pruned."""
        with _quiet():
            trial = self._trial(number)
            if num_folds not in self._frozen(number).intermediate_values:
                trial.report(score, num_folds)
            return trial.should_prune()

    def note(self, number: int, key: str, value: Any) -> None:
        """Store a user attribute of an unfinished trial."""
        if self._frozen(number).user_attrs.get(key) != value:
            self._trial(number).set_user_attr(key, value)

    def finish(self, number: int, state: Literal["complete", "pruned", "fail"], score: float | None = None) -> None:
        """Finish a trial; does nothing when another process finished it already."""
        states = need_optuna().trial.TrialState
        with _quiet():
            self.study.tell(number, score, state=states[state.upper()], skip_if_finished=True)

    def _abandoned(self) -> Claim | None:
        running = need_optuna().trial.TrialState.RUNNING
        for trial in self.all():
            if trial.state == running and not is_locked(self._lock_of(trial.number)):
                return Claim(trial.number, trial.params)
        return None

    def _new(self, num_trials: int, first: Mapping[str, Any] | None) -> Claim | None:
        trials = self.all()
        if len(trials) >= num_trials:
            return None
        if not trials and first is not None:
            self.study.enqueue_trial(dict(first), skip_if_exists=True)
        self.study.sampler = need_optuna().samplers.TPESampler(seed=self._seed(len(trials)))
        trial = self.study.ask(fixed_distributions=self._distributions())
        return Claim(trial.number, trial.params)

    def _seed(self, number: int) -> int:
        """The seed of a trial: samples depend on the earlier trials, not on the process that draws them."""
        return int.from_bytes(hashlib.sha256(f"{self.folder.name} {number}".encode()).digest()[:4], "little")

    def _distributions(self) -> dict[str, Any]:
        kinds = need_optuna().distributions
        found: dict[str, Any] = {}
        for key, part in self.space.parts.items():
            if isinstance(part, ChoicesSpec):
                found[key] = kinds.CategoricalDistribution([part.label(c) for c in part.choices])
            elif part.whole:
                found[key] = kinds.IntDistribution(int(part.low), int(part.high), log=part.log)
            else:
                found[key] = kinds.FloatDistribution(part.low, part.high, log=part.log)
        return found

    def is_running(self, number: int) -> bool:
        """Whether a process is working on the trial."""
        return is_locked(self._lock_of(number))

    def _frozen(self, number: int) -> optuna.trial.FrozenTrial:
        found: optuna.trial.FrozenTrial = self.study.get_trials(deepcopy=False)[number]
        return found

    def _trial(self, number: int) -> optuna.trial.Trial:
        found: optuna.trial.Trial = need_optuna().trial.Trial(self.study, self._frozen(number)._trial_id)
        return found

    def _lock_of(self, number: int) -> Path:
        return self.folder.path / ".locks" / f"{number}"


def check_pruner(name: str) -> None:
    """Raise SettingError unless there is a pruner of that name."""
    if name not in (names := get_args(Pruner)):
        raise SettingError(f"no pruner is called `{name}`", hint=did_you_mean(name, names))


def _pruner(name: Pruner) -> Any:
    pruners = need_optuna().pruners
    return pruners.MedianPruner(n_startup_trials=PRUNE_AFTER) if name == "median" else pruners.NopPruner()


def need_optuna() -> Any:
    """Import optuna; raises FacetwiseError with the extra to install when it is missing."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise FacetwiseError(
            f"a search needs `{error.name}`, which is not installed",
            hint="install the extra: `pip install 'facetwise[search]'`",
        ) from None
    return optuna


class _FileLock:
    """optuna's lock on its file as `flock`, which a killed process releases.

    A line that such a process left incomplete is removed, since it would make the following lines unreadable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: IO[bytes] | None = None

    def acquire(self) -> bool:
        self.file = self.path.open("rb+")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        if (size := self.file.seek(0, os.SEEK_END)) and not self._ends_whole(size):
            self.file.seek(0)
            self.file.truncate(self.file.read().rfind(b"\n") + 1)
        return True

    def _ends_whole(self, size: int) -> bool:
        assert self.file is not None
        self.file.seek(size - 1)
        return self.file.read() == b"\n"

    def release(self) -> None:
        assert self.file is not None
        self.file.close()
        self.file = None


@contextmanager
def _patient_lock(path: Path, what: str) -> Iterator[None]:
    """`lock`, but waiting for other processes, which hold it only while they ask the sampler."""
    with ExitStack() as stack:
        for attempts_left in reversed(range(60)):
            try:
                stack.enter_context(lock(path, what))
                break
            except LockedError:
                if not attempts_left:
                    raise
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence optuna's logging and restore its level afterwards."""
    logging = need_optuna().logging
    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)
