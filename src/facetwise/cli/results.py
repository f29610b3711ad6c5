"""`runs`, `show`, `compare`, `diff`, `studies`: results."""

from pathlib import Path
from typing import TYPE_CHECKING

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import owns_stdout, print_view, say_written

if TYPE_CHECKING:
    from facetwise.results.blends import BlendView
    from facetwise.results.differences.diff import DiffView
    from facetwise.results.runs import RunsView, RunView
    from facetwise.screens.kit import RenderableType
    from facetwise.study.ablation import Ablation
    from facetwise.study.compare import Comparison
    from facetwise.study.search import Search
    from facetwise.submission.view import SubmissionView

ROOM = room()


@command(ROOM, api.runs)
def _(call: "Call[RunsView]", json: Json = False) -> None:
    """List all runs with their scores."""
    from facetwise.screens.text.runs.run import runs_text

    print_view(call(), json, runs_text)


@command(ROOM, api.show)
def _(call: "Call[RunView | BlendView | SubmissionView]", html: Path | None, json: Json = False) -> None:
    """Show everything about one run, blend or submission, with its notes.

    For a run: scores with intervals, per attribute, class and fold, AUROC and kappa among them, and its mistakes. For a
    blend: its nested score, its members and how they were chosen. For a submission: its sources, the gate's findings,
    forecast and scores.
    """
    owns_stdout(json, html)
    view = call()
    if html is None or json:
        print_view(view, json, _shown)
    say_written(html)


def _shown(view: "RunView | BlendView | SubmissionView") -> "RenderableType":
    from facetwise.results.blends import BlendView
    from facetwise.screens.text.blend import blend_text
    from facetwise.screens.text.runs.run import run_text
    from facetwise.screens.text.submissions.submission import submission_text
    from facetwise.submission.view import SubmissionView

    match view:
        case BlendView():
            return blend_text(view, explain=True)
        case SubmissionView():
            return submission_text(view)
    return run_text(view)


@command(ROOM, api.compare)
def _(call: "Call[Comparison]", json: Json = False) -> None:
    """Say whether run B is better than run A.

    Paired by person: the difference B - A in score with an interval, per attribute and fold, and the differences
    between the recipes.
    """
    from facetwise.screens.text.study import comparison_text

    print_view(call(), json, comparison_text)


@command(ROOM, api.diff)
def _(call: "Call[DiffView]", html: Path | None, json: Json = False) -> None:
    """Show where two or more predictors answer the same images differently.

    Agreement, which attributes differ, from which class to which, and the most certain disagreements first. For three
    or more also which one is outvoted. Changes nothing.
    """
    from facetwise.screens.text.diff import diff_text

    owns_stdout(json, html)
    view = call()
    if html is None or json:
        print_view(view, json, diff_text)
    say_written(html)


@command(ROOM, api.studies)
def _(call: "Call[Ablation | Search]", json: Json = False) -> None:
    """Show the current table of an ablation or a search.

    Also while another process works on it. Trains nothing and changes nothing.
    """
    from facetwise.screens.text.study import study_text

    print_view(call(), json, study_text)
