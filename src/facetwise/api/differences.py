"""Whose answers differ, and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facetwise.api.arguments import AnyProject, checked_output, opened_project

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.manifest import Manifest
    from facetwise.predictors.answers import Answers
    from facetwise.results.differences.diff import DiffView


def diff(
    project: AnyProject,
    *references: str | Path,
    oof: bool = False,
    html: str | Path | None = None,
    limit: int | None = None,
) -> DiffView:
    """How the answers of two or more to the same images differ: what moved, from where to where, and on which images.

    `references`: runs (`3`, `last`, an id), blends (`b3`, `blend:last`), predictions from elsewhere (`foreign:NAME`),
    submissions (`s1`, `submission:last`, an id), or paths of filled-in csv files. Answers are to the test images; with
    `oof` to the training images out of fold, by runs and blends, and each disagreement says who is right. With `html`
    also written as one self-contained page with photos, at most `limit` of each kind of disagreement.

    Raises InputError for fewer than two, the same twice, a csv that is not one answer an image, a project without
    test side, and out of fold for whom nothing is known there; errors of a run, blend or submission as in reading it.
    """
    from facetwise.core.errors import InputError
    from facetwise.data.manifest import load_manifest
    from facetwise.results.differences.diff import LIMIT, build_diff_view

    opened = opened_project(project)
    _check_asked(opened, references, oof)
    if html is not None:
        checked_output(opened, html)
    limit = LIMIT if limit is None else limit
    if limit < 0:
        raise InputError(f"`limit` is {limit}: expected how many images to show of a kind, 0 or more")
    manifest = load_manifest(opened)
    given = [r if isinstance(r, Path) else str(r) for r in references]  # from Python a number is welcome
    answers = [read_answers(opened, manifest, reference, oof=oof) for reference in given]
    _check_different(answers)
    view = build_diff_view(opened, manifest, answers, oof=oof, limit=limit)
    if html is not None:
        _write_page(opened, manifest, view, Path(html))
    return view


def read_answers(project: Project, manifest: Manifest, reference: str | Path, *, oof: bool = False) -> Answers:
    """What `reference`, as `diff` takes it, answers for the test images, or with `oof` for the training images."""
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
    return answers_of(read_source(project, manifest, named), project.space, "oof" if oof else "test")


def _check_side(reference: str | Path, what: str, oof: bool) -> None:
    """Raise InputError when answers out of fold are asked of what answers the test images only."""
    from facetwise.core.errors import InputError

    if oof:
        raise InputError(
            f"`{reference}` is {what}: it answers the test images only",
            hint="out of fold compare runs and blends, or leave out `--oof`",
        )


def _submissions(project: Project) -> list[str]:
    from facetwise.submission.folder import list_submissions

    return [s.id for s in list_submissions(project.workspace)]


def _path(reference: str | Path) -> Path | None:
    """The file that is meant: a `Path`, something with a slash, or what ends in `.csv`, unless its kind is said."""
    from facetwise.core.references import has_prefix

    if isinstance(reference, Path):
        return reference
    looks = "/" in reference or reference.lower().endswith(".csv")
    return Path(reference) if looks and not has_prefix(reference) else None


def _check_asked(project: Project, references: tuple[str | Path, ...], oof: bool) -> None:
    from facetwise.core.errors import InputError

    if len(references) < 2:
        raise InputError(
            f"{len(references)} given to compare: expected two or more",
            hint="give runs, blends, submissions or csv files: `facetwise diff s1 last`",
        )
    if project.file.dataset.test is None and not oof:
        raise InputError(
            "the dataset has no test side: there are no test images to compare answers for",
            hint="compare runs and blends out of fold with `--oof`",
        )


def _check_different(answers: list[Answers]) -> None:
    from facetwise.core.errors import InputError

    seen = set()
    for a in answers:
        key = (a.kind, str(Path(a.name).resolve()) if a.kind == "file" else a.name)
        if key in seen:
            raise InputError(f"{a.kind} `{a.name}` is given twice: there is nothing to compare it with")
        seen.add(key)


def _write_page(project: Project, manifest: Manifest, view: DiffView, out: Path) -> None:
    from facetwise.screens.pages.diff_page import write_diff_page
    from facetwise.screens.pages.pictures import thumbnails

    write_diff_page(view, thumbnails(project, manifest, [d.image for d in view.disagreements]), out)
