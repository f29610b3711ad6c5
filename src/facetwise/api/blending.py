"""Blends of several runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from facetwise.api.arguments import AnyProject, checked_output, opened_project
from facetwise.api.options import Option, Page, Views, verb
from facetwise.core.choices import BlendBy, BlendMethod, Weighting

if TYPE_CHECKING:
    from facetwise.results.blends import BlendsView, BlendView


@verb
def blend(
    project: AnyProject = ".",
    members: Annotated[
        Sequence[str | int],
        Option("Runs and imported predictions (`foreign:NAME`); default: every cross-validated run."),
    ] = (),
    *,
    by: Annotated[
        BlendBy, Option("Blend joint probabilities, or each attribute by itself; `auto` takes the better one.")
    ] = "auto",
    method: Annotated[BlendMethod, Option("How the members' predictions are combined.")] = "soft",
    weighting: Annotated[
        Weighting, Option("Choose weights on out-of-fold predictions, or weigh all members alike.")
    ] = "greedy",
    weights: Annotated[
        Sequence[str],
        Option("Give a weight: `3=2`, `age:5=1` for one attribute, `foreign:alice=0.3`. May be repeated."),
    ] = (),
    max_models: Annotated[int | None, Option("The most runs that may have a weight.", min=1)] = None,
    max_cost: Annotated[
        float | None, Option("The most that predicting may cost, in units of the cheapest run.")
    ] = None,
    rules: Annotated[
        Sequence[str],
        Option("Decision rule to choose among (`argmax` always is). May be repeated; default: all up to 256 numbers."),
    ] = (),
    rounds: Annotated[int, Option("Members that a selection adds.", min=1)] = 50,
    bags: Annotated[int, Option("Selections whose weights are averaged; 0: one, not bagged.", min=0)] = 20,
    seed: Annotated[int, Option("Seed of the bags and of the nested estimate's parts.")] = 0,
    tta: Views = "none",
    html: Page = None,
) -> "BlendView":
    """Blend runs with weights chosen on their out-of-fold predictions, and save the blend; needs no torch.

    `members`: references to runs and imported predictions; by default every finished cross-validated run. `weights`:
    such as `"3=2"`, `"age:5=1"` or `"foreign:alice=0.3"`; if a run with out-of-fold predictions is given a weight, no
    weights are chosen. `rules`: decision rules to choose among; by default all that apply, but for those of more than
    256 multipliers. The score to trust is `BlendView.nested`. If a blend of the same members and settings exists, it is
    returned. With `html` it is also written as one self-contained page.
    """
    from facetwise.api.results import show_blend
    from facetwise.blending.make import make_blend
    from facetwise.blending.select import GreedySearch
    from facetwise.blending.spec import BlendSpec, parse_weights

    opened = opened_project(project)
    share = 1.0 if bags == 0 else GreedySearch.share
    spec = BlendSpec(
        members=tuple(map(str, members)),
        by=by,
        method=method,
        weigh=weighting,
        given=parse_weights(weights, opened.space),
        search=GreedySearch(rounds=rounds, bags=bags, share=share, seed=seed),
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


@verb
def blends(project: AnyProject = ".") -> "BlendsView":
    """Every blend of the project with its nested estimate; the object that `facetwise blends` prints."""
    from facetwise.data.manifest import load_manifest
    from facetwise.results.blends import build_blends_view

    opened = opened_project(project)
    return build_blends_view(opened, load_manifest(opened))
