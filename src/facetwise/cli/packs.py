"""`run export`, `run import`: runs and predictions that travel between teammates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetwise.cli.context import get_context, print_json, say
from facetwise.cli.data import Json

if TYPE_CHECKING:
    from facetwise.core.project import Project


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("export")(export_run)
    group.command("import")(import_run)
    app.add_typer(group, name="run", help="Exchange runs and predictions with teammates.")


def export_run(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A finished run: its id, number or `last`.")],
    out: Annotated[Path, typer.Option(help="The file to write, such as `age.pack`.")],
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Leave the weights out: it can be blended, but predicts nothing new.")
    ] = False,
    json: Json = False,
) -> None:
    """Pack a finished run into one file.

    Recipe, record, events and tables, and the weights of every fold. The same run gives the same bytes.
    """
    from facetwise import api

    made = api.export_run(get_context(context).project(), run, out=out, tables_only=tables_only)
    if json:
        print_json(made.as_dict())
        return
    for key in made.shortened:
        say(f"note: `{key}` of the recipe is a path of this machine, only the file's name is packed")
    left = " without its weights" if made.content == "tables" else ""
    say(f"packed run {made.run}{left}: {made.path}, {_size(made.num_bytes)}")
    say(f"next, in a teammate's project: facetwise run import {made.path.name}")


def import_run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A pack of `facetwise run export`, or a csv of predictions.")],
    name: Annotated[
        str | None, typer.Option(help="Of a csv: what to call its predictions. Of a pack: another name for its run.")
    ] = None,
    answers_of: Annotated[
        str | None,
        typer.Option(
            help="Of a csv of answers: the attribute whose classes they are, or `joint`.", metavar="ATTRIBUTE"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Take in a teammate's run, or a csv of predictions.

    A pack becomes a run of this project, if it is of the same images, people and classes. A csv holds probabilities by
    image, or is a submission; it is used for the test side only. Both are checked first and not trusted.
    """
    from facetwise.core.errors import SettingError
    from facetwise.sharing.read import is_pack

    project = get_context(context).project()
    if is_pack(file):
        if answers_of is not None:
            raise SettingError(f"{file} is a pack: `--answers-of` is for a csv of answers")
        _take_run(project, file, name, json)
    else:
        _take_predictions(project, file, name, answers_of, json)


def _take_run(project: Project, file: Path, name: str | None, json: bool) -> None:
    from facetwise import api

    taken = api.import_run(project, file, name=name)
    if json:
        print_json(taken.as_dict())
        return
    number = taken.run.id.split("-")[0]
    say(f"imported run {taken.origin.original} as {taken.run.id}")
    if taken.split == "image":
        say("unsafe: its folds were split by image; it cannot be blended or submitted")
    if taken.origin.other_folds:
        say(
            f"caution: it was validated on folds `{taken.origin.folds_name}`, which this project does not have: it can "
            "be used for the test side only, and has no score here"
        )
        if taken.same_folds:
            say(f"hint: `{taken.same_folds}` makes its folds; then move the run away and import it again")
    if taken.origin.content == "tables":
        say("note: its weights are not here: it can be shown, compared and blended, but predicts nothing new")
    say(f"next: facetwise show {number}")


def _take_predictions(project: Project, file: Path, name: str | None, answers_of: str | None, json: bool) -> None:
    from facetwise import api
    from facetwise.core.errors import InputError

    if name is None:
        hint = f"name them: `facetwise run import {file.name} --name NAME`"
        raise InputError(f"{file}: not a pack; predictions from a csv need a name", hint=hint)
    taken = api.import_predictions(project, file, name=name, answers_of=answers_of)
    record = taken.record()
    if json:
        print_json(record)
        return
    say(f"imported {record['num_images']:,} predictions of {', '.join(record['attributes'])} as foreign:{taken.name}")
    say(f"note: {record['how']}")
    if record["num_respelt"]:
        say(f"note: {record['num_respelt']} image(s) are spelt differently in the csv (normal form, blanks): found")
    if record["ignored_columns"]:
        say(f"note: not read were the columns {', '.join(record['ignored_columns'])}")
    say("note: nothing is known of them out of fold: they can be used for the test side only")


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:,.1f} MiB" if num_bytes >= 2**20 else f"{num_bytes:,} bytes"
