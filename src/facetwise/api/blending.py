"""Several runs put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facetwise.api.arguments import AnyProject, checked_output, opened_project

if TYPE_CHECKING:
    from facetwise.blending.methods import Method
    from facetwise.blending.spec import ByChoice, Weighing
    from facetwise.recipe.predict import Tta
    from facetwise.results.blends import BlendsView, BlendView


def blend(
    project: AnyProject = ".",
    members: Sequence[str | int] = (),
    *,
    by: ByChoice = "auto",
    method: Method = "soft",
    weighting: Weighing = "greedy",
    weights: Sequence[str] = (),
    max_models: int | None = None,
    max_cost: float | None = None,
    rules: Sequence[str] = (),
    rounds: int = 50,
    bags: int = 20,
    seed: int = 0,
    tta: Tta = "none",
    html: str | Path | None = None,
) -> BlendView:
    """Put runs together by what they prove out of fold, and keep the blend; needs no torch.

    `members`: references of runs and of predictions from elsewhere; none is every finished cross-validated run.
    `weights`: such as `"3=2"`, `"age:5=1"` or `"foreign:alice=0.3"`; with any for a run that is known out of fold, none
    are chosen. `rules`: decision rules to choose among, all that apply unless told. The score to believe is
    `BlendView.nested`. The same members and settings give the blend that is there. With `html` it is also written as
    one self-contained page.
    """
    from facetwise.api.results import show_blend
    from facetwise.blending.make import make_blend
    from facetwise.blending.select import Search
    from facetwise.blending.spec import BlendSpec, parse_weights

    opened = opened_project(project)
    share = 1.0 if bags == 0 else Search.share
    spec = BlendSpec(
        members=tuple(map(str, members)),
        by=by,
        method=method,
        weigh=weighting,
        given=parse_weights(weights, opened.space),
        search=Search(rounds=rounds, bags=bags, share=share, seed=seed),
        max_models=max_models,
        max_cost=max_cost,
        rules=tuple(rules),
        tta=tta,
        seed=seed,
    )
    if html is not None:
        checked_output(opened, html)  # before minutes of work
    made = make_blend(opened, spec)
    return show_blend(opened, made.folder.id, html=html, new=made.new)


def blends(project: AnyProject = ".") -> BlendsView:
    """Every blend of the project with its nested estimate; the object that `facetwise blends` prints."""
    from facetwise.data.manifest import load_manifest
    from facetwise.results.blends import build_blends_view

    opened = opened_project(project)
    return build_blends_view(opened, load_manifest(opened))
