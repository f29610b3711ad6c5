"""The page of `facetwise calibration`: reliability plots before and after, with their numbers."""

from __future__ import annotations

from pathlib import Path

from facetwise.core.files.writing import write_output
from facetwise.results.calibration import MEANING, CalibrationView
from facetwise.results.wording import sample
from facetwise.screens.pages.html import page
from facetwise.screens.pages.plots import reliability
from facetwise.screens.pages.theme import Figure


def write_calibration_page(view: CalibrationView, out: Path) -> None:
    """Write the page to the file `out`, whole or not at all."""
    write_output(out, calibration_page(view))


def calibration_page(view: CalibrationView) -> str:
    """The page: one file that loads nothing."""
    figures = calibration_figures(view)
    return page("calibration.html.j2", view, figures, check=view.check, people=sample(view.check), meaning=MEANING)


def calibration_figures(view: CalibrationView) -> dict[str, Figure]:
    """A reliability plot for each attribute and the joint classes, by its place on the page."""
    return {f"reliability-{i}": reliability(p.before.curve, p.after.curve) for i, p in enumerate(view.check.parts)}
