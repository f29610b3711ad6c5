"""Pages in a real browser: every chart is drawn, and nothing is complained about (a refused request would be)."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from facetwise import api

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--enable-logging=stderr", "--log-level=0",
    "--virtual-time-budget=10000", "--dump-dom",
)  # fmt: skip


@pytest.mark.slow
def test_page_draws_every_chart(needs_program, finished, tmp_path):
    page = tmp_path / "run.html"
    api.show(finished.project, html=page)
    assert_drawn(needs_program("chromium"), page, more_than=3)


@pytest.mark.slow
def test_page_of_differences_draws_every_chart_and_photo(needs_program, finished, tmp_path):
    lines = ["ImageID,ans", *(f"{p.name},{i % 18}" for i, p in enumerate(images_of(finished)))]
    other = tmp_path / "other.csv"
    other.write_text("\n".join(lines) + "\n", encoding="utf-8")
    page = tmp_path / "diff.html"
    view = api.diff(finished.project, "1", other, html=page)
    drawn = assert_drawn(needs_program("chromium"), page, more_than=2)
    assert drawn.count('<img src="data:image/jpeg') == len(view.disagreements) > 3
    assert f"<h1>{view.num_different} of {view.num_answered} test images differ</h1>" in drawn
    for kind in view.kinds:
        assert f": {kind.num_images} image" in drawn


def images_of(ready):
    return sorted((ready.contest / "eval" / "images").iterdir())


def assert_drawn(chromium, page, *, more_than):
    """The page as the browser has it at last: each figure a chart, and nothing complained about or asked for."""
    command = [str(chromium), *FLAGS, f"--user-data-dir={page.parent / 'profile'}", page.as_uri()]
    # The browser makes a socket among the temporary files, whose path may have 107 letters.
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "TMPDIR": "/tmp"},
        timeout=120,
        check=True,
    )
    figures = re.findall(r'class="[^"]*\bjs-plotly-plot\b', done.stdout)
    places = re.findall(r"data-figure=", page.read_text(encoding="utf-8"))
    assert len(figures) == len(places) > more_than
    assert "main-svg" in done.stdout
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints
    return done.stdout
