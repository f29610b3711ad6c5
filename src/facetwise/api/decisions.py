"""From probabilities to classes: decision rules, cuts of ordinal attributes, and calibration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from facetwise.api.arguments import AnyProject, checked_output, opened_project
from facetwise.api.options import Option, Page, Run, RunOrBlend, verb

if TYPE_CHECKING:
    from facetwise.results.calibration import CalibrationView
    from facetwise.results.cuts import CutsView
    from facetwise.results.rules import RulesView


@verb
def cuts(
    project: AnyProject = ".",
    run: Run = "last",
    *,
    attribute: Annotated[str | None, Option("The attribute; the default is all that can be cut.")] = None,
) -> "CutsView":
    """Better cuts for an ordinal attribute after training, and the nested estimate of what they gain.

    For a run whose head has `kind = "bins"` or `"ordinal"`; by default for all attributes that can be cut. Changes
    nothing.
    """
    from facetwise.core.runs import find_run
    from facetwise.results.cuts import build_cuts_view

    opened = opened_project(project)
    return build_cuts_view(opened, find_run(opened.workspace, run), attribute=attribute)


@verb
def rules(project: AnyProject = ".", reference: RunOrBlend = "last") -> "RulesView":
    """The nested score of each decision rule for a run or a blend. Changes nothing."""
    from facetwise.data.manifest import load_manifest
    from facetwise.predictors.sources import read_source
    from facetwise.results.rules import build_rules_view

    opened = opened_project(project)
    manifest = load_manifest(opened)
    return build_rules_view(opened, manifest, read_source(opened, manifest, reference))


@verb
def calibration(project: AnyProject = ".", reference: RunOrBlend = "last", *, html: Page = None) -> "CalibrationView":
    """How well calibrated the probabilities of a run or a blend are; with `html` also as one self-contained page."""
    from facetwise.data.manifest import load_manifest
    from facetwise.predictors.sources import read_source
    from facetwise.results.calibration import build_calibration_view
    from facetwise.screens.pages.calibration_page import write_calibration_page

    opened = opened_project(project)
    if html is not None:
        checked_output(opened, html)
    manifest = load_manifest(opened)
    view = build_calibration_view(opened, manifest, read_source(opened, manifest, reference))
    if html is not None:
        write_calibration_page(view, Path(html))
    return view
