"""`labels`: labels that may be wrong, and their corrections in `labels/overlay.csv`."""

from pathlib import Path
from typing import TYPE_CHECKING

from facetwise import api
from facetwise.cli.commands import Call, Json, command, room
from facetwise.cli.context import console, owns_stdout, print_json, print_view, say, say_written
from facetwise.core.text.commands import typed

if TYPE_CHECKING:
    from facetwise.api.labels import Corrected
    from facetwise.data.labels.overlay import Overlay
    from facetwise.label_issues.export_labels import ExportedLabels
    from facetwise.label_issues.scores import LabelScores
    from facetwise.label_issues.suspects import SuspectsView

ROOM = room("labels", "Find labels that may be wrong, and correct them.")


@command(ROOM, api.suspects)
def _(call: "Call[SuspectsView]", html: Path | None, csv: Path | None, json: Json = False) -> None:
    """List labels that may be wrong.

    Ranks labels by how strongly out-of-fold predictions contradict them, and saves the list for `facetwise labels
    accept`. Look at the photos before you accept: often the model is wrong and the label right.
    """
    from facetwise.screens.text.suspects import suspects_text

    file_only = owns_stdout(json, html, csv)
    view = call()
    if json:
        print_json(view.as_dict())
        return
    if not file_only:
        console().print(suspects_text(view))
    say_written(html, csv)
    if view.rows and str(csv) != "-":
        what = str(csv) if csv and csv.is_file() else "RANKS"
        accept_it = typed("labels", "accept", what, "--author", "YOU", "--reason", "TEXT")
        say(f"next, once you have looked: {accept_it}")


@command(ROOM, api.accept_labels)
def _(call: "Call[Corrected]", json: Json = False) -> None:
    """Write proposals of the last list of suspects to `labels/overlay.csv`.

    Either all chosen proposals are written or, if one is invalid, none. The dataset itself is never changed.
    """
    _tell(call(), json=json)


@command(ROOM, api.correct_label)
def _(call: "Call[Corrected]", json: Json = False) -> None:
    """Write one correction to `labels/overlay.csv`."""
    _tell(call(), json=json)


@command(ROOM, api.import_labels)
def _(call: "Call[Corrected]", json: Json = False) -> None:
    """Write what an annotation tool's file says differently to `labels/overlay.csv`.

    Reads the JSON that Label Studio and FiftyOne export, and COCO-like JSON with attributes. Either everything is
    written or, if something is unknown or contradicts, nothing. To start a project from such a file use `facetwise
    init`.
    """
    _tell(call(), "read", json=json)


@command(ROOM, api.export_labels)
def _(call: "Call[ExportedLabels]", out: Path, interface: Path | None, json: Json = False) -> None:
    """Write all labels, with their corrections, for an annotation tool.

    Label Studio shows photos of this machine when its local files are served from the dataset's folder
    (`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`).
    """
    from facetwise.screens.text.corrections import exported_text

    file_only = owns_stdout(json, out, interface)
    done = call()
    if json:
        print_json(done.as_dict())
    elif not file_only:
        console().print(exported_text(done))
    say_written(out, interface)


@command(ROOM, api.show_labels)
def _(call: "Call[Overlay]", json: Json = False) -> None:
    """Show the corrections in `labels/overlay.csv`."""
    from dataclasses import asdict

    from facetwise.screens.text.corrections import overlay_text

    overlay = call()
    if json:
        print_json({"hash": overlay.hash, "corrections": [asdict(c) for c in overlay.corrections]})
    else:
        console().print(overlay_text(overlay))


@command(ROOM, api.score_labels)
def _(call: "Call[LabelScores]", json: Json = False) -> None:
    """Score predictions on the dataset's labels and, separately, on corrected ones."""
    from facetwise.screens.text.suspects import scores_text

    print_view(call(), json, scores_text)


def _tell(found: "Corrected", how: str = "accepted", *, json: bool) -> None:
    """Print what was written, and the scores before and after."""
    from facetwise.screens.text.corrections import corrections_text
    from facetwise.screens.text.suspects import scores_text

    if json:
        print_json(found.as_dict())
        return
    if found.taken_from is not None:
        say(f"{how} from {found.taken_from}")
    for note in found.notes:
        say(f"note: {note}")
    if found.added.written:
        console().print(corrections_text(found.added.written))
    if found.added.already:
        say(f"{len(found.added.already)} said so already, not written again")
    if found.scores is not None:
        console().print(scores_text(found.scores))
    elif found.added.written:
        say("no scores: nothing predicts the whole label out of fold yet")
