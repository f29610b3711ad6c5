"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Json = Annotated[bool, typer.Option("--json", help="Print data for programs instead of text.")]
Workers = Annotated[int | None, typer.Option(help="Threads; the default is one a core.", min=1)]
Tta = Annotated[
    Literal["none", "flip", "crops", "flip-crops"],
    typer.Option(help="Test-time augmentation: average over views of an image."),
]
Jobs = Annotated[
    int, typer.Option(help="Folds to train at a time, each in a process with its share of the cores.", min=1)
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one key of the recipe: `--set optimizer.lr=1e-3`. May be repeated."),
]
