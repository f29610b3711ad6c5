"""`ledger`: what was sent to the contest and what it scored; replaying a submission."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import print_view, say

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.submission.ledger.ledger import Entry
    from facetwise.submission.ledger.platform_table import TableImport
    from facetwise.submission.ledger.view import LedgerView
    from facetwise.submission.replay import Replay

ROOM = room("ledger", "What was sent to the contest, and what it scored.")


@command(ROOM, api.ledger, name="show")
def _(call: "Call[LedgerView]", json: Json = False) -> None:
    """List sent submissions with scores and forecasts, and how many may still be sent today."""
    from facetwise.screens.text.submissions.ledger import ledger_text

    print_view(call(), json, ledger_text)


@command(ROOM, api.sent)
def _(call: "Call[Entry]", at: str | None) -> None:
    """Record that a submission was sent.

    With `--at` also corrects the time of a submission that is already in the ledger.
    """
    _say(call.project, call())
    _say_which(call.project, at)
    if (left := api.ledger(call.project).quota) is not None:
        say(left.text())


@command(ROOM, api.record)
def _(call: "Call[Entry]", sent: str | None) -> None:
    """Record the scores of a submission.

    The submission then counts as sent. A later call adds or corrects scores.
    """
    _say(call.project, call())
    _say_which(call.project, sent)


@command(ROOM, api.import_ledger)
def _(call: "Call[TableImport]", matches: list[str] | None) -> None:
    """Add the platform's record table to the ledger.

    The columns `id` and `f1` are required; others are kept, except addresses that grant access. Rows that are already
    there are skipped.
    """
    from facetwise.core.text.counting import count

    done = call(matches=_pairs(matches or []))
    ours = count(len(done.matched), "submission")
    say(f"{count(done.added, 'row')} added, {done.known} already there; they belong to {ours} of this project")
    if done.unmatched:
        say(
            f"not matched to a submission: {', '.join(done.unmatched)}; give the submission of a row with "
            "`--matches ID=SUBMISSION`"
        )
    for line in done.rescored:
        say(f"note: {line}")
    for line in api.ledger(call.project).odd:
        say(f"warning: {line}")
    if done.dropped:
        say(f"{count(done.dropped, 'address', 'addresses')} that may grant access not kept")


@command(ROOM, api.replay)
def _(call: "Call[Replay]", out: Path | None) -> None:
    """Make the csv of a submission again from its tables and decision.

    Gives the same bytes, or an error with the differences.
    """
    done = call()
    say(f"submission {done.submission}: the same bytes, sha256 {done.csv_sha256}")
    if not done.as_kept:
        say("note: the csv in its folder is missing or was changed")
    if done.gone:
        say(f"note: missing, but not needed to make it again: {', '.join(done.gone)}")
    if out is not None and str(out) != "-":
        typer.echo(str(out))


def _pairs(texts: list[str]) -> dict[str, str]:
    from facetwise.core.errors import SettingError

    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (number, _, name) in zip(texts, pairs, strict=True) if not number or not name]:
        raise SettingError(f"`--matches {wrong[0]}`: expected ID=SUBMISSION, such as `--matches 31=2`")
    return {number.strip(): name.strip() for number, _, name in pairs}


def _say_which(project: "Project", time: str | None) -> None:
    """Say which of two moments was taken for a time that the contest's clock shows twice."""
    from facetwise.submission.ledger.quota import contest_zone
    from facetwise.submission.ledger.sending import taken_of_two

    if time is not None and (which := taken_of_two(time, contest_zone(project))) is not None:
        say(f"note: {which}")


def _say(project: "Project", entry: "Entry") -> None:
    from datetime import UTC, datetime

    from facetwise.screens.text.submissions.ledger import minute_of
    from facetwise.submission.ledger.odd_times import odd_sending

    scores = {"public": entry.public, "private": entry.private}
    known = ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if value is not None)
    say(f"{entry.name}: sent {minute_of(entry.sent)}" + (f", {known}" if known else ""))
    if (odd := odd_sending(project.workspace, entry, datetime.now(UTC))) is not None:
        say(f"warning: {odd}")
