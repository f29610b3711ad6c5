"""Label issues: labels that the predictions contradict, and their corrections."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from facetwise.api.arguments import AnyProject, checked_output, features_of, opened_project
from facetwise.api.options import FeaturesFile, Option, verb
from facetwise.core.choices import LabelFormat, SuspectMethod

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.labels.corrections import Added, ProposedCorrection
    from facetwise.data.labels.overlay import Overlay
    from facetwise.data.manifest import Manifest
    from facetwise.label_issues.export_labels import ExportedLabels
    from facetwise.label_issues.scores import LabelScores
    from facetwise.label_issues.suspects import SuspectsView

Reason = Annotated[str, Option("Why; it stands in the file.")]
Author = Annotated[str, Option("Who says so; it stands in the file.")]
Weight = Annotated[
    float, Option("Weight of the corrected images in the training loss; 0 leaves them out.", min=0, max=100)
]
Format = Annotated[LabelFormat, Option("Whose file: `label-studio`, `fiftyone` or `coco`.", metavar="FORMAT")]
Source = Annotated[
    str | None,
    Option(
        "A run or a blend; the default is the best blend, else the best finished run of the whole label.", metavar="REF"
    ),
]


@dataclass(frozen=True)
class Corrected:
    """The result of accepting or correcting labels."""

    added: "Added"
    scores: "LabelScores | None"
    """Scores before and after; None if nothing predicts the whole label out of fold, or nothing was written."""
    taken_from: str | None = None
    """Description of what it was chosen or read from; None for a correction by hand."""
    notes: tuple[str, ...] = ()
    """What was left out of a file, and how it was read."""

    def as_dict(self) -> "dict[str, Any]":
        """Plain JSON data."""
        from dataclasses import asdict

        return {
            "taken_from": self.taken_from,
            "notes": list(self.notes),
            "written": [asdict(c) for c in self.added.written],
            "already": [asdict(c) for c in self.added.already],
            "scores": None if self.scores is None else self.scores.as_dict(),
        }


@verb
def suspects(
    project: AnyProject = ".",
    source: Source = None,
    *,
    attribute: Annotated[str | None, Option("Only this attribute; default: all that are predicted.")] = None,
    method: Annotated[
        SuspectMethod, Option("How to rank; `cleanlab` needs the extra `labels`, `neighbours` need `--features`.")
    ] = "margin",
    features: FeaturesFile = None,
    limit: Annotated[int, Option("The most suspects to list for each attribute.", min=1)] = 20,
    with_corrected: Annotated[bool, Option("Also list labels that are already corrected.")] = False,
    html: Annotated[str | Path | None, Option("Write a page with the photos to this file.")] = None,
    csv: Annotated[str | Path | None, Option("Write a csv to fill in to this file.")] = None,
) -> "SuspectsView":
    """Labels that the out-of-fold predictions of a run or blend contradict, by attribute, the most certain first.

    `source` defaults to the best blend, or else the best finished run that predicts the whole label. With `features`, a
    table that `embed` wrote, the most alike photos of other people vote: `method="neighbours"` ranks by their votes and
    needs no run; otherwise they are told beside the predictions. The list is saved for `accept_labels`; with `html` it
    is also written as a page with the photos, with `csv` as a table to fill in.
    """
    from facetwise.data.manifest import load_manifest
    from facetwise.label_issues.list_csv import write_list_csv
    from facetwise.label_issues.list_file import store_list
    from facetwise.label_issues.suspects import SuspectsSpec, build_suspects_view, pictured
    from facetwise.screens.pages.pictures import thumbnails
    from facetwise.screens.pages.suspects import write_suspects_page

    opened = opened_project(project)
    for out in (html, csv):
        if out is not None:
            checked_output(opened, out)
    manifest = load_manifest(opened)
    spec = SuspectsSpec(attribute, method, limit, with_corrected, features_of(manifest, features))
    view = build_suspects_view(opened, manifest, _overlay(opened, manifest), source, spec)
    store_list(opened, manifest, view)
    if csv is not None:
        write_list_csv(view, Path(csv))
    if html is not None:
        write_suspects_page(view, thumbnails(opened, manifest, pictured(view), side=128), Path(html))
    return view


@verb
def accept_labels(
    project: AnyProject,
    selection: Annotated[
        str | Path,
        Option(
            "Ranks and person ids of the last list, such as `1,3,5-9`, or a csv of `suspects --csv` filled in.",
            metavar="SELECTION",
            kind=str,
        ),
    ],
    *,
    reason: Reason,
    author: Author,
    weight: Weight = 1.0,
) -> "Corrected":
    """Write chosen proposals of the last list of suspects to `labels/overlay.csv`: all of them, or none.

    `selection`: ranks and person ids, such as `"1,3,5-9"`, or a csv of `suspects(csv=...)` with its column `accept`
    filled in. Raises ProblemsError with everything that is wrong, and MismatchError when the dataset changed since the
    list was made.
    """
    from facetwise.data.manifest import load_manifest
    from facetwise.label_issues.list_csv import read_list_csv
    from facetwise.label_issues.list_file import accepted_corrections, chosen, load_list

    opened = opened_project(project)
    manifest = load_manifest(opened)
    if str(selection).lower().endswith(".csv"):
        proposed = read_list_csv(Path(selection), opened.space, manifest, reason, author, weight)
        return replace(_add(opened, manifest, proposed, None), taken_from=f"the list in {selection}")
    listed = load_list(opened, manifest)
    proposed = accepted_corrections(chosen(listed, str(selection)), reason, author, weight)
    return replace(_add(opened, manifest, proposed, listed.source), taken_from=listed.description)


@verb
def correct_label(
    project: AnyProject = ".",
    *,
    person: Annotated[str | None, Option("The person, for all of their images.")] = None,
    image: Annotated[str | None, Option("One image, as the manifest calls it.")] = None,
    attribute: Annotated[str, Option("The attribute whose label is wrong.")],
    value: Annotated[str | float, Option("The right class; for an attribute with cuts a number.")],
    reason: Reason,
    author: Author,
    weight: Weight = 1.0,
) -> "Corrected":
    """Write one correction to `labels/overlay.csv`: of all images of a person, or of one image.

    `value`: a class, or a number for an ordinal attribute. Raises SettingError unless exactly one of `person` and
    `image` is given, and ProblemsError for any other fault, or when it contradicts a line of the overlay.
    """
    from facetwise.core.errors import SettingError
    from facetwise.data.labels.corrections import ProposedCorrection
    from facetwise.data.labels.overlay import Correction
    from facetwise.data.manifest import load_manifest

    if bool(person) == bool(image):
        raise SettingError("give exactly one of a person and an image")
    opened = opened_project(project)
    cell = f"{value:.15g}" if isinstance(value, float) else str(value)
    correction = Correction(image or "", person or "", attribute, cell, reason, author, weight)
    return _add(opened, load_manifest(opened), [ProposedCorrection(correction.what, correction)], None)


@verb
def import_labels(
    project: AnyProject,
    format: Format,  # the word of the command
    file: Annotated[str | Path, Option("The JSON file that the tool exported.", kind=str)],
    *,
    author: Annotated[str | None, Option("Who says so; the default is the file's annotator.")] = None,
    reason: Annotated[str | None, Option("Why; the default names the file's own number of the task.")] = None,
) -> "Corrected":
    """Write what the labels in a file of an annotation tool say differently than the project to `labels/overlay.csv`.

    All of it, or nothing. Images are matched by name, labels by the name of the attribute, classes in any spelling; of
    an attribute with cuts a class stands for its usual number. Labels as the project has them write nothing, and what
    the tool's own predictions say is never read. Raises ProblemsError with every unknown image and class, and for
    annotators who contradict each other or a line of the overlay; InputError for a file of another form.
    """
    from facetwise.core.files.annotations.annotated import Said
    from facetwise.data.manifest import load_manifest
    from facetwise.label_issues import import_labels as importing

    opened = opened_project(project)
    manifest = load_manifest(opened)
    said_by = Said("", author or "", reason or "")
    found = importing.import_labels(opened, manifest, _overlay(opened, manifest), Path(file), format, said_by)
    told = importing.described(format, Path(file), found)
    return replace(_add(opened, manifest, found.proposed, None), taken_from=told, notes=found.notes)


@verb
def export_labels(
    project: AnyProject,
    format: Format,  # the word of the command
    out: Annotated[str | Path, Option("The JSON file to write; `-` is standard output.", kind=str)],
    *,
    predictions: Annotated[
        str | None, Option("A run or a blend: its out-of-fold predictions become pre-annotations.", metavar="REF")
    ] = None,
    interface: Annotated[
        str | Path | None, Option("Write Label Studio's labelling interface (XML) for these labels to this file.")
    ] = None,
) -> "ExportedLabels":
    """Write the labels of all training images, with all corrections, as an annotation tool reads them.

    With `predictions` beside them, each with its probability. What is written can be read by `import_labels`, and
    changes nothing then; by `init` it is the table of a dataset. Raises InputError for predictions that are not out of
    fold, and for an `interface` of another tool.
    """
    from facetwise.core.errors import SettingError
    from facetwise.core.files.annotations import label_studio
    from facetwise.core.files.writing import write_output
    from facetwise.data.manifest import load_manifest
    from facetwise.label_issues import export_labels as exporting

    opened = opened_project(project)
    if interface is not None and format != "label-studio":
        raise SettingError("`interface` is of Label Studio", hint="leave it out, or say `label-studio`")
    for path in (out, interface):
        if path is not None:
            checked_output(opened, path)
    manifest = load_manifest(opened)
    done = exporting.export_labels(opened, manifest, _overlay(opened, manifest), format, Path(out), predictions)
    if interface is not None:
        write_output(Path(interface), label_studio.interface(opened.space.attributes))
    return done


@verb
def show_labels(project: AnyProject = ".") -> "Overlay":
    """The corrections in `labels/overlay.csv`; raises ProblemsError with every invalid line."""
    from facetwise.data.manifest import load_manifest

    opened = opened_project(project)
    return _overlay(opened, load_manifest(opened))


@verb
def score_labels(project: AnyProject = ".", source: Source = None) -> "LabelScores":
    """Out-of-fold scores of a run or blend: on the dataset's labels, and separately on corrected labels.

    `source` defaults as for `suspects`.
    """
    from facetwise.data.manifest import load_manifest
    from facetwise.label_issues.scores import label_scores
    from facetwise.label_issues.source import label_source

    opened = opened_project(project)
    manifest = load_manifest(opened)
    found, rows, _ = label_source(opened, manifest, source)
    return label_scores(found.reference, rows, manifest, _overlay(opened, manifest))


def _overlay(project: "Project", manifest: "Manifest") -> "Overlay":
    from facetwise.data.labels.overlay import read_overlay

    return read_overlay(project.workspace.overlay_file, project.space, manifest)


def _add(
    project: "Project", manifest: "Manifest", proposed: "list[ProposedCorrection]", source: str | None
) -> "Corrected":
    """Add corrections, and score before and after with `source` if it can still be read, else with the default one."""
    from facetwise.core.errors import FacetwiseError
    from facetwise.data.labels.corrections import add_corrections
    from facetwise.label_issues.scores import label_scores
    from facetwise.label_issues.source import label_source

    added = add_corrections(project.workspace.overlay_file, proposed, project.space, manifest)
    if not added.written:
        return Corrected(added, None)
    for reference in dict.fromkeys((source, None)):
        try:
            found, rows, _ = label_source(project, manifest, reference)
            scores = label_scores(found.reference, rows, manifest, added.after, added.before)
            return Corrected(added, scores)
        except FacetwiseError:
            continue
    return Corrected(added, None)
