"""What was sent to a contest and what it scored; a submission made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from facetwise.api.arguments import AnyProject, checked_output, opened_project

if TYPE_CHECKING:
    from facetwise.submission.ledger.ledger import Entry
    from facetwise.submission.ledger.platform_table import Imported
    from facetwise.submission.ledger.view import LedgerView
    from facetwise.submission.replay import Replay


def ledger(project: AnyProject = ".") -> LedgerView:
    """Everything that was sent, with its scores and what was expected, and what is left today.

    Raises ProblemsError with every line of the ledger that is wrong.
    """
    from datetime import UTC, datetime

    from facetwise.submission.ledger.view import build_ledger_view

    return build_ledger_view(opened_project(project), datetime.now(UTC))


def sent(project: AnyProject, submission: str = "last", *, at: str | None = None, note: str = "") -> Entry:
    """Write into the ledger that a submission went out, now or `at` a time (by the contest's clock, or with an offset).

    Raises InputError when it is there already and no time corrects it, SettingError when `at` is no time.
    """
    from facetwise.submission.folder import find_submission
    from facetwise.submission.ledger.quota import contest_zone
    from facetwise.submission.ledger.sending import note_sent, utc_time

    opened = opened_project(project)
    found = find_submission(opened.workspace, submission)
    time = None if at is None else utc_time(at, contest_zone(opened))
    return note_sent(opened.workspace, found.id, time, note=note)


def record(
    project: AnyProject,
    submission: str = "last",
    *,
    public: float | None = None,
    private: float | None = None,
    public_accuracy: float | None = None,
    private_accuracy: float | None = None,
    sent: str | None = None,
    note: str = "",
) -> Entry:
    """Write into the ledger what a submission scored; it counts as sent, if it was not yet. A later call corrects.

    Raises SettingError for scores outside of 0..1, and when none is given.
    """
    from facetwise.submission.folder import find_submission
    from facetwise.submission.ledger.quota import contest_zone
    from facetwise.submission.ledger.sending import GivenScores, record_score, utc_time

    opened = opened_project(project)
    found = find_submission(opened.workspace, submission)
    time = None if sent is None else utc_time(sent, contest_zone(opened))
    scores = GivenScores(public, private, public_accuracy, private_accuracy)
    return record_score(opened.workspace, found.id, scores, time, note=note)


def import_ledger(project: AnyProject, file: str | Path, *, matches: Mapping[str, str] | None = None) -> Imported:
    """Add the platform's record table (tab-separated) to the ledger; a second time adds nothing.

    `matches`: the platform's `id` of a row -> the submission whose it is, where its text does not say so. Addresses
    that grant access are not kept. Raises ProblemsError for a table with other columns, or with wrong cells.
    """
    from facetwise.submission.ledger.platform_table import import_table
    from facetwise.submission.ledger.quota import contest_zone

    opened = opened_project(project)
    return import_table(opened.workspace, Path(file), contest_zone(opened), matches)


def replay(project: AnyProject, submission: str = "last", *, out: str | Path | None = None) -> Replay:
    """Make the csv of a submission again from what it was made from: the same bytes, or MismatchError saying why not.

    With `out` they are also written there.
    """
    from facetwise.core.files.outside import resolved
    from facetwise.submission.folder import find_submission
    from facetwise.submission.replay import replay as make_again

    opened = opened_project(project)
    folder = find_submission(opened.workspace, submission)
    if out is not None and resolved(Path(out)) != folder.csv_file.resolve():  # its own csv may be put back
        checked_output(opened, out)
    return make_again(opened, folder, None if out is None else Path(out))
