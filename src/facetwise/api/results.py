"""Results of runs, studies and blends, and how they differ."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from facetwise.api.arguments import AnyProject, checked_output, opened_project
from facetwise.api.options import Option, verb
from facetwise.core.choices import Tta

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.manifest import Manifest
    from facetwise.predictors.answers import Answers
    from facetwise.results.blends import BlendView
    from facetwise.results.differences.diff import DiffView
    from facetwise.results.runs import RunsView, RunView
    from facetwise.study.ablation import Ablation
    from facetwise.study.compare import Comparison
    from facetwise.study.search import Search
    from facetwise.submission.view import SubmissionView


@verb
def runs(project: AnyProject = ".") -> "RunsView":
    """Every run of the project with its score; the object that `facetwise runs` prints."""
    from facetwise.results.runs import build_runs_view

    return build_runs_view(opened_project(project))


@verb
def show(
    project: AnyProject = ".",
    reference: Annotated[
        str | int,
        Option(
            "A run (`3`, `last`, its id), a blend (`b3`, `blend:last`) or a submission (`s1`).",
            metavar="[REF]",
        ),
    ] = "last",
    *,
    html: Annotated[str | Path | None, Option("Write one self-contained page of a run or a blend.")] = None,
) -> "RunView | BlendView | SubmissionView":
    """Everything about one run (`3`, `last`), blend (`b1`, `blend:last`) or submission (`s1`), with its notes.

    With `html` a run or a blend is also written as one self-contained page. Raises InputError when it does not exist,
    and for `html` of a submission; ArtefactError when its files are damaged.
    """
    from facetwise.core.errors import InputError
    from facetwise.data.manifest import load_manifest
    from facetwise.journals.note_targets import find_target
    from facetwise.submission.folder import find_submission
    from facetwise.submission.view import build_submission_view

    opened = opened_project(project)
    found = find_target(opened.workspace, reference)
    if found.kind == "run":
        return show_run(opened, found.id, html=html)
    if found.kind == "blend":
        return show_blend(opened, found.id, html=html)
    if html is not None:
        raise InputError(f"{found.name} has no page: pages are written of runs and blends", hint="leave `--html` out")
    return build_submission_view(opened, find_submission(opened.workspace, found.id), load_manifest(opened))


def show_blend(project: AnyProject, blend: str, *, html: str | Path | None = None, new: bool = False) -> "BlendView":
    """`show` for a blend; `new`: whether it was made just now."""
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


def show_run(project: AnyProject, run: str, *, html: str | Path | None = None) -> "RunView":
    """`show` for a run."""
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


@verb
def compare(
    project: AnyProject,
    first: Annotated[str, Option("A finished run: its id, number or `last`.", metavar="A")],
    second: Annotated[str, Option("Another one.", metavar="B")] = "last",
    *,
    tta_a: Annotated[Tta, Option("Of A: take its predictions with this test-time augmentation.")] = "none",
    tta_b: Annotated[Tta, Option("Of B: take its predictions with this test-time augmentation.")] = "none",
) -> "Comparison":
    """Compare two finished runs, paired by person: whether the second is better than the first, by how much, and where.

    `tta_a`, `tta_b`: the test-time augmentation whose predictions to take, as made by `predict`. Scored on the
    dataset's own labels, on the images that both predicted. Raises MismatchError when the runs were made from other
    images or people.
    """
    from facetwise.core.runs import find_run
    from facetwise.study.compare import compare_runs

    opened = opened_project(project)
    runs = (find_run(opened.workspace, reference) for reference in (first, second))
    return compare_runs(opened, *runs, tta=(tta_a, tta_b))


@verb
def studies(
    project: AnyProject, name: Annotated[str, Option("A study's name, or `last`.")] = "last"
) -> "Ablation | Search":
    """The current table of a study, also while another process works on it; `last` is the most recent one."""
    from facetwise.study.show import build_study, find_study

    opened = opened_project(project)
    return build_study(opened, find_study(opened, name))


@verb
def diff(
    project: AnyProject,
    *references: Annotated[
        str | Path,
        Option(
            "Two or more: a run (`3`, `last`, its id), a blend (`b3`, `blend:last`), `foreign:NAME`, a submission "
            "(`s1`, `submission:last`), or the path of a filled-in csv.",
            metavar="SIDE",
        ),
    ],
    oof: Annotated[bool, Option("Compare out-of-fold answers of runs and blends, where the truth is known.")] = False,
    html: Annotated[str | Path | None, Option("Write one self-contained page with photos to this file.")] = None,
    limit: Annotated[int, Option("The most images to show for each kind of disagreement.", min=0)] = 24,
) -> "DiffView":
    """How the answers of two or more predictors to the same images differ: which classes became which, on which images.

    `references`: runs (`3`, `last`, an id), blends (`b3`, `blend:last`), imported predictions (`foreign:NAME`),
    submissions (`s1`, `submission:last`, an id), or paths of filled-in csv files. Compares answers to the test images;
    with `oof` the out-of-fold answers of runs and blends to the training images, and each disagreement names who is
    right. With `html` also written as one self-contained page with at most `limit` photos of each kind of disagreement.

    Raises InputError for fewer than two references, a repeated one, a csv without exactly one answer for each image, a
    project without a test side, and with `oof` a reference without out-of-fold predictions. Runs, blends and
    submissions raise as when they are read.
    """
    from facetwise.core.errors import InputError
    from facetwise.data.manifest import load_manifest
    from facetwise.results.differences.diff import build_diff_view

    opened = opened_project(project)
    if opened.file.dataset.test is None and not oof:
        raise InputError(
            "the dataset has no test side: there are no test images to compare answers for",
            hint="compare runs and blends out of fold with `--oof`",
        )
    if html is not None:
        checked_output(opened, html)
    manifest = load_manifest(opened)
    given = [r if isinstance(r, Path) else str(r) for r in references]  # from Python a number is welcome
    answers = [read_answers(opened, manifest, reference, oof=oof) for reference in given]
    _check_different(answers)
    view = build_diff_view(opened, manifest, answers, oof=oof, limit=limit)
    if html is not None:
        _write_page(opened, manifest, view, Path(html))
    return view


def read_answers(project: "Project", manifest: "Manifest", reference: str | Path, *, oof: bool = False) -> "Answers":
    """The answers of a `reference` of `diff` to the test images, or with `oof` to the training images."""
    from facetwise.core.references import parse_reference
    from facetwise.predictors.answers import answers_of
    from facetwise.predictors.sources import read_source
    from facetwise.submission.answers import read_answers as read_csv_answers
    from facetwise.submission.answers import submission_answers
    from facetwise.submission.folder import find_submission

    if (path := _path(reference)) is not None:
        _check_side(reference, "a csv file", oof)
        return read_csv_answers(project, manifest, path)
    named = parse_reference(str(reference), submissions=_submissions(project))
    if named.kind == "submission":
        _check_side(reference, "a submission", oof)
        return submission_answers(project, manifest, find_submission(project.workspace, named))
    return answers_of(read_source(project, manifest, named), "oof" if oof else "test")


def _check_side(reference: str | Path, what: str, oof: bool) -> None:
    """Raise InputError when out-of-fold answers are requested from something that only answers the test images."""
    from facetwise.core.errors import InputError

    if oof:
        raise InputError(
            f"`{reference}` is {what}: it answers the test images only",
            hint="out of fold compare runs and blends, or leave out `--oof`",
        )


def _submissions(project: "Project") -> "list[str]":
    from facetwise.submission.folder import list_submissions

    return [s.id for s in list_submissions(project.workspace)]


def _path(reference: str | Path) -> "Path | None":
    """The file that a reference names: a `Path`, or a text with a slash or the ending `.csv`, unless it has a prefix
    such as `run:`."""
    from facetwise.core.references import has_prefix

    if isinstance(reference, Path):
        return reference
    looks = "/" in reference or reference.lower().endswith(".csv")
    return Path(reference) if looks and not has_prefix(reference) else None


def _check_different(answers: "list[Answers]") -> None:
    from facetwise.core.errors import InputError

    seen = set()
    for a in answers:
        key = (a.kind, str(Path(a.name).resolve()) if a.kind == "file" else a.name)
        if key in seen:
            raise InputError(f"{a.kind} `{a.name}` is given twice: there is nothing to compare it with")
        seen.add(key)


def _write_page(project: "Project", manifest: "Manifest", view: "DiffView", out: Path) -> None:
    from facetwise.screens.pages.diff_page import write_diff_page
    from facetwise.screens.pages.pictures import thumbnails

    write_diff_page(view, thumbnails(project, manifest, [d.image for d in view.disagreements]), out)
