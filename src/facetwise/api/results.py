"""What came of runs, and what is sent in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facetwise.api.arguments import AnyProject, checked_output, opened_project

if TYPE_CHECKING:
    from facetwise.evaluate.scorecard import Scorecard
    from facetwise.recipe.predict import Tta
    from facetwise.results.blends import BlendView
    from facetwise.results.cuts import CutsView
    from facetwise.results.runs import RunsView, RunView
    from facetwise.submission.make import Submission
    from facetwise.submission.view import SubmissionView


def runs(project: AnyProject = ".") -> RunsView:
    """Every run of the project with its score; the object that `facetwise runs` prints."""
    from facetwise.results.runs import build_runs_view

    return build_runs_view(opened_project(project))


def show(
    project: AnyProject = ".", reference: str | int = "last", *, html: str | Path | None = None
) -> RunView | BlendView | SubmissionView:
    """Everything about one run (`3`, `last`), blend (`b1`, `blend:last`) or submission (`s1`), with its notes.

    With `html` a run or a blend is also written as one self-contained page. Raises InputError when there is no such
    thing, and for `html` of a submission; ArtefactError when its files are damaged.
    """
    from facetwise.core.errors import InputError
    from facetwise.data.manifest import load_manifest
    from facetwise.journals.note_targets import find_thing
    from facetwise.submission.folder import find_submission
    from facetwise.submission.view import build_submission_view

    opened = opened_project(project)
    found = find_thing(opened.workspace, reference)
    if found.kind == "run":
        return show_run(opened, found.id, html=html)
    if found.kind == "blend":
        return show_blend(opened, found.id, html=html)
    if html is not None:
        raise InputError(f"{found.name} has no page: pages are written of runs and blends", hint="leave `--html` out")
    return build_submission_view(opened, find_submission(opened.workspace, found.id), load_manifest(opened))


def show_blend(project: AnyProject, blend: str, *, html: str | Path | None = None, new: bool = False) -> BlendView:
    """As `show`, of a blend; `new`: whether it was made just now."""
    from facetwise.data.manifest import load_manifest
    from facetwise.predictors.blend_folder import find_blend
    from facetwise.results.blends import build_blend_view
    from facetwise.screens.pages.blend_page import write_blend_page

    opened = opened_project(project)
    if html is not None:
        checked_output(opened, html)
    view = build_blend_view(opened, find_blend(opened.workspace, blend), load_manifest(opened), new=new)
    if html is not None:
        write_blend_page(view, Path(html))
    return view


def show_run(project: AnyProject, run: str, *, html: str | Path | None = None) -> RunView:
    """As `show`, of a run."""
    from facetwise.core.runs import find_run
    from facetwise.data.manifest import load_manifest
    from facetwise.results.runs import build_run_view
    from facetwise.screens.pages.html import write_run_page
    from facetwise.screens.pages.pictures import thumbnails

    opened = opened_project(project)
    if html is not None:
        checked_output(opened, html)
    manifest = load_manifest(opened)
    view = build_run_view(opened, find_run(opened.workspace, run), manifest)
    if html is not None:
        pictures = thumbnails(opened, manifest, [m.image for m in view.mistakes])
        write_run_page(view, pictures, Path(html))
    return view


def cuts(project: AnyProject = ".", run: str = "last", *, attribute: str | None = None) -> CutsView:
    """Where an ordinal attribute would better be cut after training, and what that is worth by a nested estimate.

    For a run whose head has `kind = "years"` or `"ordinal"`; without `attribute` all that can be cut. It only reports.
    """
    from facetwise.core.runs import find_run
    from facetwise.results.cuts import build_cuts_view

    opened = opened_project(project)
    return build_cuts_view(opened, find_run(opened.workspace, run), attribute=attribute)


def submit(
    project: AnyProject = ".",
    source: str = "last",
    *,
    tta: Tta = "none",
    yes: bool = False,
    fill_missing: bool = False,
    against_others: bool = False,
) -> Submission:
    """Make a submission from a run or a blend and record it; nothing is written when the gate refuses (GateError).

    `yes` confirms the gate's warnings; `fill_missing` answers images that cannot be read with the commonest class;
    `against_others` overrules the gate where only other predictions speak against the file.
    """
    from facetwise.results.ranked import best_first
    from facetwise.submission.make import SubmitSpec, make_submission

    opened = opened_project(project)
    spec = SubmitSpec(confirmed=yes, overruled=against_others, fill_missing=fill_missing)
    return make_submission(opened, str(source), tta=tta, spec=spec, others=best_first(opened))


def score(project: AnyProject = ".", submission: str | Path = "last", *, labels: str | Path) -> Scorecard:
    """Score a submission (its id, number, `last`, or a csv file) against a csv of true joint classes."""
    from facetwise.core.errors import InputError
    from facetwise.submission.folder import find_submission, score_submission

    opened = opened_project(project)
    side = opened.file.dataset.test
    if side is None:
        raise InputError("the dataset has no test side: there is nothing to score")
    given = Path(submission)
    if not given.is_file():
        recorded = find_submission(opened.workspace, str(submission))
        recorded.read_csv_bytes()  # raises when it is not the csv that was recorded
        given = recorded.csv_file
    return score_submission(given, Path(labels), side.image, side.answer, opened.space)
