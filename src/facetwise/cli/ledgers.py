"""`ledger`: what was sent to the contest and what it scored; a submission made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise.cli.context import command_group, console, get_context, print_json, say
from facetwise.cli.options import Json

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.submission.ledger.ledger import Entry

Submission = Annotated[str, typer.Argument(help="A submission: its id, number or `last`.")]


Note = Annotated[str, typer.Option(help="A note to keep with it.")]


TIME = "Time by the contest's clock, or with an offset; the default is now."


def show(context: typer.Context, json: Json = False) -> None:
    """List what was sent, with scores and forecasts, and what is left today."""
    from facetwise import api
    from facetwise.screens.text.submissions.ledger import ledger_text

    view = api.ledger(get_context(context).project())
    if json:
        print_json(view.as_dict())
    else:
        console().print(ledger_text(view))


def sent(
    context: typer.Context,
    submission: Submission = "last",
    at: Annotated[str | None, typer.Option(metavar="TIME", help=TIME)] = None,
    note: Note = "",
) -> None:
    """Note that a submission was sent.

    With `--at` it also corrects the time of one that is in the ledger.
    """
    from facetwise import api

    project = get_context(context).project()
    _say(project, api.sent(project, submission, at=at, note=note))
    _say_which(project, at)
    if (left := api.ledger(project).quota) is not None:
        say(left.told())


def record(
    context: typer.Context,
    submission: Submission = "last",
    public: Annotated[float | None, typer.Option(help="Macro F1 on the public part, 0 to 1.")] = None,
    private: Annotated[float | None, typer.Option(help="Macro F1 on the private part, 0 to 1.")] = None,
    public_accuracy: Annotated[float | None, typer.Option(help="Accuracy on the public part, 0 to 1.")] = None,
    private_accuracy: Annotated[float | None, typer.Option(help="Accuracy on the private part, 0 to 1.")] = None,
    sent: Annotated[str | None, typer.Option(metavar="TIME", help="When it was sent. " + TIME)] = None,
    note: Note = "",
) -> None:
    """Note what a submission scored.

    It counts as sent then. A later call adds scores, or corrects them.
    """
    from facetwise import api

    project = get_context(context).project()
    entry = api.record(
        project, submission, public=public, private=private, public_accuracy=public_accuracy,
        private_accuracy=private_accuracy, sent=sent, note=note,
    )  # fmt: skip
    _say(project, entry)
    _say_which(project, sent)


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The platform's record table, tab-separated.")],
    matches: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=SUBMISSION", help="Whose a row is, by its `id`: `--matches 31=2`. May be repeated."),
    ] = None,
) -> None:
    """Add the platform's record table to the ledger.

    Needed columns are `id` and `f1`; others are kept, but for addresses that grant access. A second time adds nothing.
    """
    from facetwise import api

    project = get_context(context).project()
    done = api.import_ledger(project, file, matches=_pairs(matches or []))
    say(f"{done.added} row(s) added, {done.known} known already; {len(done.matched)} are submissions of this project")
    if done.unmatched:
        say(
            f"not matched: {', '.join(done.unmatched)}; they stand without a file. `--matches ID=SUBMISSION` says "
            "whose a row is"
        )
    for line in done.rescored:
        say(f"note: {line}")
    for line in api.ledger(project).odd:
        say(f"warning: {line}")
    if done.dropped:
        say(f"{done.dropped} address(es) that may grant access were not kept")


def replay(
    context: typer.Context,
    submission: Submission = "last",
    out: Annotated[Path | None, typer.Option(help="Write the csv to this file.")] = None,
) -> None:
    """Make the csv of a submission again, from its tables and decision.

    The same bytes, or an error that says what differs.
    """
    from facetwise import api

    done = api.replay(get_context(context).project(), submission, out=out)
    say(f"submission {done.submission}: the same bytes, sha256 {done.csv_sha256}")
    if not done.as_kept:
        say("note: the csv in its folder is missing, or was changed since")
    if done.gone:
        say(f"note: not needed for that, and gone: {', '.join(done.gone)}")
    if out is not None and str(out) != "-":
        typer.echo(str(out))


def _pairs(given: list[str]) -> dict[str, str]:
    from facetwise.core.errors import SettingError

    pairs = [text.partition("=") for text in given]
    if wrong := [text for text, (number, _, name) in zip(given, pairs, strict=True) if not number or not name]:
        raise SettingError(f"`--matches {wrong[0]}`: expected ID=SUBMISSION, such as `--matches 31=2`")
    return {number.strip(): name.strip() for number, _, name in pairs}


def _say_which(project: Project, time: str | None) -> None:
    """Which of two moments was taken, of a time that the contest's clock shows twice."""
    from facetwise.submission.ledger.quota import contest_zone
    from facetwise.submission.ledger.sending import taken_of_two

    if time is not None and (told := taken_of_two(time, contest_zone(project))) is not None:
        say(f"note: {told}")


def _say(project: Project, entry: Entry) -> None:
    from datetime import UTC, datetime

    from facetwise.screens.text.submissions.ledger import _minute
    from facetwise.submission.ledger.odd_times import odd_sending

    scores = {"public": entry.public, "private": entry.private}
    told = ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if value is not None)
    say(f"{entry.name}: sent {_minute(entry.sent)}" + (f", {told}" if told else ""))
    if (odd := odd_sending(project.workspace, entry, datetime.now(UTC))) is not None:
        say(f"warning: {odd}")


GROUP = command_group(
    "ledger", "What was sent to the contest, and what it scored.", show, sent, record, import_, replay
)
