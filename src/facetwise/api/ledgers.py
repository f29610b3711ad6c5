"""The ledger: what was sent to a contest and what it scored; replaying a submission."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from facetwise.api.arguments import AnyProject, checked_output, opened_project
from facetwise.api.options import Option, Submission, verb

if TYPE_CHECKING:
    from facetwise.submission.ledger.ledger import Entry
    from facetwise.submission.ledger.platform_table import TableImport
    from facetwise.submission.ledger.view import LedgerView
    from facetwise.submission.replay import Replay

TIME = "Time by the contest's clock, or with an offset; the default is now."
NoteText = Annotated[str, Option("A note to keep with it.")]


@verb
def ledger(project: AnyProject = ".") -> "LedgerView":
    """All sent submissions with their scores and forecasts, and how many may still be sent today.

    Raises ProblemsError with every invalid line of the ledger.
    """
    from datetime import UTC, datetime

    from facetwise.submission.ledger.view import build_ledger_view

    return build_ledger_view(opened_project(project), datetime.now(UTC))


@verb
def sent(
    project: AnyProject,
    submission: Submission = "last",
    *,
    at: Annotated[str | None, Option(TIME, metavar="TIME")] = None,
    note: NoteText = "",
) -> "Entry":
    """Record in the ledger that a submission was sent, now or `at` a time (in the contest's time zone, or with an
    offset).

    Raises InputError when it is already recorded and `at` is not given, and SettingError when `at` is not a time.
    """
    from facetwise.submission.folder import find_submission
    from facetwise.submission.ledger.quota import contest_zone
    from facetwise.submission.ledger.sending import note_sent, utc_time

    opened = opened_project(project)
    found = find_submission(opened.workspace, submission)
    time = None if at is None else utc_time(at, contest_zone(opened))
    return note_sent(opened.workspace, found.id, time, note=note)


@verb
def record(
    project: AnyProject,
    submission: Submission = "last",
    *,
    public: Annotated[float | None, Option("Score on the public part (macro F1, or the project's), 0 to 1.")] = None,
    private: Annotated[float | None, Option("Score on the private part (macro F1, or the project's), 0 to 1.")] = None,
    public_accuracy: Annotated[float | None, Option("Accuracy on the public part, 0 to 1.")] = None,
    private_accuracy: Annotated[float | None, Option("Accuracy on the private part, 0 to 1.")] = None,
    sent: Annotated[str | None, Option("When it was sent. " + TIME, metavar="TIME")] = None,
    note: NoteText = "",
) -> "Entry":
    """Record the scores of a submission in the ledger; it then counts as sent. A later call corrects them.

    Raises SettingError for scores outside 0..1, and when none is given.
    """
    from facetwise.submission.folder import find_submission
    from facetwise.submission.ledger.quota import contest_zone
    from facetwise.submission.ledger.sending import NewScores, record_score, utc_time

    opened = opened_project(project)
    found = find_submission(opened.workspace, submission)
    time = None if sent is None else utc_time(sent, contest_zone(opened))
    scores = NewScores(public, private, public_accuracy, private_accuracy)
    return record_score(opened.workspace, found.id, scores, time, note=note)


@verb
def import_ledger(
    project: AnyProject,
    file: Annotated[str | Path, Option("The platform's record table, tab-separated.")],
    *,
    matches: Annotated[
        Mapping[str, str] | None,
        Option(
            "The submission of a row, by the row's `id`: `--matches 31=2`. May be repeated.",
            metavar="ID=SUBMISSION",
            kind=list[str],
        ),
    ] = None,
) -> "TableImport":
    """Add the platform's record table (tab-separated) to the ledger; rows that are already there are skipped.

    `matches`: the platform's `id` of a row -> its submission, where the row's text does not name it. Addresses that
    grant access are not stored. Raises ProblemsError for a table with missing columns or invalid cells.
    """
    from facetwise.submission.ledger.platform_table import import_table
    from facetwise.submission.ledger.quota import contest_zone

    opened = opened_project(project)
    return import_table(opened.workspace, Path(file), contest_zone(opened), matches)


@verb
def replay(
    project: AnyProject,
    submission: Submission = "last",
    *,
    out: Annotated[str | Path | None, Option("Write the csv to this file.")] = None,
) -> "Replay":
    """Make the csv of a submission again from its sources: the same bytes, or MismatchError with the differences.

    With `out` the csv is also written there.
    """
    from facetwise.core.files.outside import resolved
    from facetwise.submission.folder import find_submission
    from facetwise.submission.replay import replay as make_again

    opened = opened_project(project)
    folder = find_submission(opened.workspace, submission)
    if out is not None and resolved(Path(out)) != folder.csv_file.resolve():  # its own csv may be put back
        checked_output(opened, out)
    return make_again(opened, folder, None if out is None else Path(out))
