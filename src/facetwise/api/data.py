"""Projects and their data: from a folder of photos, or a made contest, to folds and image stores."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from facetwise.api.arguments import AnyProject, Listener, checked_output, features_of, found_recipe, opened_project
from facetwise.api.options import FeaturesFile, Option, Page, Settings, Workers, verb
from facetwise.core.choices import Encoding
from facetwise.core.progress import Progress

if TYPE_CHECKING:
    from facetwise.core.project import Project
    from facetwise.data.audit import Audit
    from facetwise.data.boxes.choosing import DetectedBoxes
    from facetwise.data.features.same_subject import SameSubject
    from facetwise.data.folds import Folds
    from facetwise.data.images.store import Store
    from facetwise.data.made.contest import Contest
    from facetwise.data.reading.recognising.proposal import Ask
    from facetwise.data.reading.recognising.understood import Understood
    from facetwise.recipe import Recipe


@verb
def open_project(folder: str | Path = ".") -> "Project":
    """The project that `folder` is in (it or a folder above holds `facetwise.toml`).

    Raises InputError when there is none, and SettingError with every invalid key of the file.
    """
    from facetwise.core.project import Project

    return Project.open(Path(folder))


@verb
def init(
    folder: Annotated[str | Path, Option("Folder of the new project.", metavar="DIR")],
    dataset: Annotated[str | Path, Option("Folder of the dataset; it is only ever read.", ("--dataset",))],
    *,
    name: Annotated[str | None, Option("A name for people; the default is the folder's.")] = None,
    table: Annotated[str | None, Option("The table of labels, in the dataset or elsewhere.", metavar="PATH")] = None,
    image: Annotated[str | None, Option("Its column of image paths.", metavar="COLUMN")] = None,
    images: Annotated[str | None, Option("The folder of its images, in the dataset.", metavar="DIR")] = None,
    group: Annotated[str | None, Option("Column of whose an image is, or `none`.", metavar="COLUMN")] = None,
    attributes: Annotated[
        Sequence[str],
        Option(
            "A column of labels; `age=30,60` cuts numbers, `finding=/` parts cells. May be repeated.",
            ("--attribute",),
            metavar="COLUMN",
        ),
    ] = (),
    pattern: Annotated[
        str | None, Option("Labels in names: `{mask}_{age:int}/{person}_{n}.jpg`.", metavar="PATTERN")
    ] = None,
    leave_out: Annotated[bool, Option("Leave images out whose names do not match the pattern.")] = False,
    links_root: Annotated[
        str | Path | None, Option("Follow links to folders that lead into this one.", metavar="DIR", kind=str)
    ] = None,
    encoding: Annotated[
        Encoding | None, Option("What tables are written in that are not UTF-8, such as `cp1250`.")
    ] = None,
    ask: "Ask | None" = None,
    tell: "Callable[[Understood], None] | None" = None,
) -> "Project":
    """Make a project in `folder` for a dataset: `facetwise.toml` and the shipped recipes to edit.

    Recognises the mask contest's layout, a table with a row per image (csv, JSON lines, Parquet) and a folder per
    class; `pattern` reads labels from names. Links to folders are followed into `links_root` alone. `tell` receives
    what was understood, before the file is written; `ask` answers what cannot be decided, which is otherwise an error.
    Raises InputError when nothing is recognised (the message shows how to write the file by hand), or when there is
    already a project here or in a folder above. Calling it again completes an interrupted call.
    """
    from facetwise.core.project import Project
    from facetwise.data.reading.recognising.newproject import write_project_file
    from facetwise.data.reading.recognising.proposal import TableChoices, nobody
    from facetwise.recipe.load import SHIPPED, shipped_recipes

    recipes = {f"recipes/{name}.toml": (SHIPPED / f"{name}.toml").read_bytes() for name in shipped_recipes()}
    choices = TableChoices(
        table,
        image,
        group,
        tuple(attributes),
        pattern,
        leave_out,
        images,
        links_root=None if links_root is None else str(links_root),
        encoding=encoding,
    )
    path = write_project_file(
        Path(folder), Path(dataset), name=name, beside=recipes, choices=choices, ask=ask or nobody, tell=tell
    )
    return Project.open(path.parent)


@verb
def check(
    project: AnyProject = ".",
    *,
    all: Annotated[bool, Option("Read every image again, even if unchanged.")] = False,
    features: FeaturesFile = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> "Audit":
    """Check every image and row of the dataset, save the manifest, and report all findings at once.

    If the dataset has errors, `Audit.has_errors` is true and no manifest is saved (`Audit.usable`). Invalid lines of
    the overlay are errors too, but the manifest is saved. A second call reads only images that changed (by size,
    modification time and inode change time), or with `all` every image again. With `features`, a table that `embed`
    wrote, copies are also looked for among the images most alike by them, cropped and turned further.
    """
    from facetwise.data.audit import audit
    from facetwise.data.labels.overlay import check_overlay
    from facetwise.data.manifest import build_manifest

    opened = opened_project(project)
    manifest = build_manifest(opened, anew=all, workers=workers, progress=progress)
    overlay, findings = check_overlay(opened.workspace.overlay_file, opened.space, manifest)
    return audit(opened, manifest, overlay, findings, features_of(manifest, features))


@verb
def same_person(
    project: AnyProject,
    features: Annotated[str | Path, Option("Features by `facetwise embed`.", metavar="FEATURES", kind=str)],
    *,
    limit: Annotated[int, Option("The most pairs to list.", min=1)] = 20,
    html: Annotated[str | Path | None, Option("Write a page with the photos to this file.")] = None,
) -> "SameSubject":
    """Pairs of names of the training side that may be one person, by how alike their photos are, the surest first.

    `features` is a table that `embed` wrote. What says that two names are one is the key `same_person` of
    facetwise.toml: `SameSubject.joined` makes its lists from ranks. Raises InputError when each image is a group of its
    own, and as `check` for features of other images.
    """
    from facetwise.data.features.same_subject import find_same_subject
    from facetwise.data.features.table import read_features
    from facetwise.data.manifest import load_manifest
    from facetwise.screens.pages.pictures import thumbnails
    from facetwise.screens.pages.same_person import write_same_person_page

    opened = opened_project(project)
    out = None if html is None else checked_output(opened, html)
    manifest = load_manifest(opened)
    found = find_same_subject(read_features(Path(features), manifest), manifest, limit)
    if out is not None:
        shown = (image for pair in found.pairs for images in pair.images for image in images)
        write_same_person_page(found, opened.file.name, thumbnails(opened, manifest, shown, side=128), out)
    return found


@verb
def folds(
    project: AnyProject = ".",
    *,
    name: Annotated[str | None, Option("Name to save them under; the default is `default`, or `unsafe-image`.")] = None,
    num_folds: Annotated[
        int | None, Option("Number of folds; 5, or those of a given split.", ("--folds", "-k"), min=2, max=20)
    ] = None,
    seed: Annotated[int, Option("Seed of the split.", min=0)] = 0,
    new: Annotated[bool, Option("Replace folds of that name.")] = False,
    join_copies: Annotated[bool, Option("Keep people who share a copied picture in one fold.")] = False,
    features: FeaturesFile = None,
    unsafe_split: Annotated[
        Literal["image"] | None,
        Option("UNSAFE, for teaching: split by image, so that a person is in training and validation."),
    ] = None,
) -> "Folds":
    """Split people into folds, stratified by joint class, and save them under `name` (`default`, or `unsafe-image`).

    Copies of pictures between people are looked for and recorded, with `features` as `check` does; `join_copies` keeps
    them on one side of the split. A split given by the dataset (`split` in facetwise.toml) is used as it is. The
    default number of folds is 5. Raises ArtefactError when other folds of that name exist, unless `new`.
    `unsafe_split="image"` is for teaching only: the same person is in training and validation, so the score is too
    high, and such runs cannot be submitted.
    """
    from facetwise.data.folds import Split
    from facetwise.data.images.copies import find_copies
    from facetwise.data.manifest import load_manifest
    from facetwise.data.saved_folds import make_folds

    opened = opened_project(project)
    manifest = load_manifest(opened)
    more = features_of(manifest, features)
    split: Split = unsafe_split or "group"
    chosen = name or ("default" if split == "group" else "unsafe-image")
    given = opened.file.dataset.train.split
    return make_folds(
        opened.workspace,
        manifest,
        opened.space,
        name=chosen,
        num_folds=num_folds,
        seed=seed,
        split=split,
        new=new,
        given=given,
        find_copies=lambda: find_copies(opened, manifest, manifest.codes(opened.space), more),
        join_copies=join_copies,
        features=None if more is None else more.name,
    )


@verb
def boxes(
    project: AnyProject = ".",
    *,
    images: Annotated[str | Path | None, Option("Another folder of photos; the default is the dataset.")] = None,
    detector: Annotated[
        str | Path, Option("`blazeface` (faces), or an ONNX file of a known layout.", metavar="DETECTOR", kind=str)
    ] = "blazeface",
    out: Annotated[
        str | Path | None,
        Option("The csv to write; the default is `boxes.csv` in the project, of other photos `boxes-FOLDER.csv`."),
    ] = None,
    min_score: Annotated[float, Option("Boxes with a smaller score are left out.", min=0.1, max=1)] = 0.5,
    label: Annotated[int | None, Option("Only boxes of this class, by its number.", min=0)] = None,
    new: Annotated[bool, Option("Replace other boxes in the csv.")] = False,
    html: Page = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> "DetectedBoxes":
    """Find one box in every image by a detector, and write the csv that `input.boxes` of a recipe reads.

    Every image is looked at once for each detector; another call reads what was found, so `min_score` and `label` may
    change. Of several boxes the one with the largest area x score x nearness to the middle is taken; an image without
    any gets no row. With `html` those, the least sure and those with several are shown on a page. Of another folder
    `images` it writes what `predict` takes as `boxes`. Raises InputError for a detector that cannot be read or whose
    layout is not known, and when no image has a box, FacetwiseError when a package is not installed, and ArtefactError
    when the csv holds other boxes, unless `new`.
    """
    from facetwise.data.boxes.choosing import DetectedBoxes, choose, refuse_none, unboxed, write_boxes
    from facetwise.data.boxes.detecting import detect
    from facetwise.data.boxes.detectors import open_detector
    from facetwise.data.manifest import list_images, load_manifest
    from facetwise.screens.pages.boxes_page import pictured, write_boxes_page
    from facetwise.screens.pages.pictures import thumbnails

    opened = opened_project(project)
    root = None if images is None else Path(images).resolve()
    usual = opened.root / ("boxes.csv" if root is None else f"boxes-{root.name}.csv")
    path = checked_output(opened, out or usual, stdout=False, suffix=".csv")
    if html is not None:
        checked_output(opened, html)
    network = open_detector(detector)
    manifest = load_manifest(opened) if root is None else list_images(root)
    found, num_new = detect(opened, manifest, network, root=root, workers=workers, progress=progress)
    chosen = choose(found, manifest, min_score, label)
    if not chosen:
        refuse_none(found, min_score, label)
    write_boxes(chosen, path, new=new)
    view = DetectedBoxes(
        opened.file.name,
        path,
        network.name,
        network.layout.name,
        min_score,
        label,
        chosen,
        unboxed(manifest, chosen),
        num_new,
    )
    if html is not None:
        write_boxes_page(view, thumbnails(opened, manifest, pictured(view), side=192, root=root), Path(html))
    return view


@verb
def prepare(
    project: AnyProject = ".",
    recipe: Annotated[str | Path | None, Option("The recipe whose size and crop to prepare.", kind=str)] = None,
    *,
    settings: Settings = (),
    workers: Workers = None,
    progress: Progress | None = None,
) -> "Store":
    """Decode, crop and resize every image once, into the store that `recipe` reads; without a recipe, the store for
    pages.

    An existing store is verified and reused, an interrupted one continued, a damaged one repaired.
    """
    from facetwise.core.errors import SettingError
    from facetwise.data.images.store import VIEW, prepare_store, recipe_store
    from facetwise.data.manifest import load_manifest
    from facetwise.recipe import load_recipe

    opened = opened_project(project)
    if recipe is None and settings:
        raise SettingError("settings change a recipe: give one")
    spec = VIEW if recipe is None else recipe_store(load_recipe(found_recipe(opened, recipe), settings).input)
    return prepare_store(opened, load_manifest(opened), spec, workers=workers, progress=progress)


@verb
def draw_contest(
    folder: Annotated[str | Path, Option("Folder to make.", metavar="DIR")],
    *,
    train_people: Annotated[int, Option("People with labels.", min=1)] = 200,
    eval_people: Annotated[int, Option("People to predict.", min=1)] = 60,
    seed: Annotated[int, Option("The same seed draws the same bytes.", min=0)] = 0,
    wrong_labels: Annotated[float, Option("Share of people with a wrong label.", min=0, max=0.5)] = 0.0,
    workers: Annotated[int | None, Option("Processes that draw; the default fits the machine.", min=1)] = None,
) -> "Contest":
    """Draw a made contest (procedural faces, hidden labels) into the new folder `folder`; same seed, same bytes.

    With `workers` above 1 they are processes, so a script needs `if __name__ == "__main__":`.
    """
    from facetwise.data.made import contest as synth

    spec = synth.SynthSpec(train_people=train_people, eval_people=eval_people, seed=seed, wrong_labels=wrong_labels)
    return synth.draw_contest(Path(folder), spec, workers=workers)


def make_ready(project: "Project", recipe: "Recipe", listener: Listener, progress: Progress | None) -> None:
    """Check the dataset and deal folds where neither was done; raises InputError for what the check refuses."""
    from facetwise.data.findings import raise_errors
    from facetwise.data.labels.overlay import check_overlay
    from facetwise.data.manifest import build_manifest, is_checked
    from facetwise.data.saved_folds import list_folds
    from facetwise.recipe.folds import FoldsSpec

    if not is_checked(project):
        listener({"event": "checking"})
        manifest = build_manifest(project, progress=progress)
        _, wrong = check_overlay(project.workspace.overlay_file, project.space, manifest)
        found = [*manifest.findings, *wrong]
        raise_errors(found, f"{project.dataset_root}: the check refuses it")
        people, warnings = manifest.train["group"].n_unique(), sum(f.level == "warning" for f in found)
        event = {"event": "checked", "images": manifest.train.height, "people": people, "warnings": warnings}
        listener({**event, "joint": project.space.num_joint, "products": project.space.product.num_joint})
    usual, given = FoldsSpec(), project.file.dataset.train.split
    if recipe.folds.plan != "none" and recipe.folds.name == usual.name not in list_folds(project.workspace):
        plan = recipe.folds.plan if isinstance(recipe.folds.plan, int) and given is None else None
        made = folds(project, num_folds=plan)
        listener({"event": "dealt", "name": made.name, "people": list(made.stats.num_groups), "given": given})
