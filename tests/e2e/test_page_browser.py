"""The page of a run in a real browser: every chart is drawn, and nothing is complained about."""

from __future__ import annotations

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
    chromium = needs_program("chromium")
    page = tmp_path / "run.html"
    api.show(finished.project, html=page)
    command = [str(chromium), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    figures = re.findall(r'class="[^"]*\bjs-plotly-plot\b', done.stdout)
    places = re.findall(r"data-figure=", page.read_text(encoding="utf-8"))
    assert len(figures) == len(places) > 3
    assert "main-svg" in done.stdout
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints
