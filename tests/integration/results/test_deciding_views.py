"""`facetwise rules` and `facetwise calibration`: the same numbers in text, in JSON, on the page and from Python."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_project import open_project, write_contest
from made_records import blend_record, write_run_record
from rich.cells import cell_len
from rich.console import Console, RenderableType
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import GateError, InputError
from facetwise.core.labels import LabelSpace
from facetwise.core.project import Project
from facetwise.core.records.base import write_record
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.workspace import mark_done
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.intervals import Interval, PairedInterval
from facetwise.evaluate.prediction_columns import DECIDED
from facetwise.evaluate.rules.choose import Argmax
from facetwise.results import calibration as calibration_report
from facetwise.results import rules as rules_report
from facetwise.screens.pages.calibration_page import calibration_page
from facetwise.screens.text.decisions.calibration import calibration_text
from facetwise.screens.text.decisions.rules import rules_text

AGES = (22, 25, 28, 29, 31, 35, 44, 52, 57, 58, 59, 60, 62, 66)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    """A project of fourteen people, its manifest made; it has no run yet."""
    root = tmp_path_factory.mktemp("deciding")
    people = tuple(f"{i:06d},{'male' if i % 2 else 'female'},Asian,{a},{i:06d}_x_Asian_{a}" for i, a in enumerate(AGES))
    project = open_project(root / "project", write_contest(root / "contest", people))
    return project, build_manifest(project, workers=1)


def sure(manifest: Manifest, space: LabelSpace, name: str, factor: float = 1.0) -> pl.DataFrame:
    """A softmax of an attribute that is right more often than not; `factor` above 1: surer than it should be."""
    rng, codes = np.random.default_rng(1), manifest.codes(space)[:, space.index(name)]
    looks = np.eye(space.attribute(name).size)[codes] * 1.5 + rng.normal(0, 1, (len(codes), space.attribute(name).size))
    logs = log_normalised(1.5 * looks * factor)
    return pl.DataFrame(logs.astype(np.float32), schema=list(space.columns(name)), orient="row")


def table_of(manifest: Manifest, *blocks: pl.DataFrame) -> pl.DataFrame:
    fold, repeat = (pl.lit(0, dtype=pl.Int32).alias(c) for c in ("fold", "repeat"))
    table = manifest.train.select("image", "group").with_columns(fold, repeat)
    return table.hstack([column for block in blocks for column in block])


def write_run(project: Project, manifest: Manifest, name: str, *blocks: pl.DataFrame, **more: Any) -> str:
    """A finished run with these out-of-fold predictions."""
    run = project.workspace.runs / name
    run.mkdir(parents=True, exist_ok=True)
    fields = {"manifest": manifest.hash, "labels": manifest.labels_hash, "label space": project.space_hash}
    write_run_record(run, **{"attributes": ["age"], **more}, fingerprint_fields=fields, folds=[])
    if blocks:
        write_table(table_of(manifest, *blocks), run / "oof.parquet", PREDICTIONS)
    mark_done(run, {"fingerprint": "f", **RunFolder(run).hashes()}, hash_files=False)
    return name


def whole(project: Project, manifest: Manifest, name: str, factor: float = 1.0) -> str:
    return write_run(project, manifest, name, *(sure(manifest, project.space, n, factor) for n in project.space.names))


def shown(renderable: RenderableType) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def call(project: Project, *arguments: str) -> str:
    found = CliRunner().invoke(app, ["--project", str(project.root), *arguments], catch_exceptions=False)
    assert found.exit_code == 0
    return found.stdout


def test_rules_are_the_same_in_text_json_and_python(drawn):
    project, manifest = drawn
    run = whole(project, manifest, "01-all")
    view = fw.rules(project, run)
    assert json.loads(call(project, "rules", run, "--json")) == json.loads(json.dumps(view.as_dict()))
    text = shown(rules_text(view))
    assert call(project, "rules", run).split() == text.split()
    assert [c.rule.kind for c in view.choice.candidates] == ["multipliers", "joint-multipliers", "cuts:age"]
    for c in view.choice.candidates:
        assert c.rule.kind in text
        assert f"{c.nested:.3f}" in text
        assert c.rule.describe(view.space).split()[0] in text
    assert "macro F1 of 18 joint classes. 14 people, 98 images." in text
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    kept = view.as_dict()
    assert kept["verdict"] == rules_report.verdict(view.choice)
    assert kept["candidates"][0]["words"] == view.choice.candidates[0].rule.describe(view.space)


def test_a_specialist_is_decided_for_itself(drawn):
    project, manifest = drawn
    run = write_run(project, manifest, "02-age", sure(manifest, project.space, "age"))
    view = fw.rules(project, run)
    assert (view.what, view.space.names) == ("age", ("age",))
    assert "macro F1 of age alone" in shown(rules_text(view))
    assert [p.name for p in fw.calibration(project, run).check.parts] == ["age"]


def test_a_blend_is_judged_by_its_probabilities(drawn):
    project, manifest = drawn
    blocks = [sure(manifest, project.space, n) for n in project.space.names]
    folder = project.workspace.blends / "b01-made"
    folder.mkdir(parents=True)
    table = table_of(manifest, *blocks).with_columns(pl.lit(0, dtype=pl.Int32).alias(DECIDED))
    write_table(table, folder / "oof.parquet", PREDICTIONS)
    made_from = {"label_space": project.space_hash, "manifest": manifest.hash}
    write_record(folder / "blend.json", blend_record(made_from))
    mark_done(folder, {})
    run = whole(project, manifest, "03-same")
    assert fw.rules(project, "b1").choice == fw.rules(project, run).choice
    assert fw.calibration(project, "b1").check == fw.calibration(project, run).check


def test_what_each_outcome_of_the_rules_is_called(drawn):
    project, manifest = drawn
    choice = fw.rules(project, whole(project, manifest, "04-all")).choice
    candidate = choice.candidates[0]

    def told(nested: float, low: float, high: float) -> str:
        interval = PairedInterval(low, high, 0.95)
        worth = {"nested": nested, "difference": nested - choice.plain, "difference_interval": interval}
        used = candidate.rule if nested > choice.plain else Argmax()
        candidates, picked = (replace(candidate, **worth),), replace(choice.picked, **worth)
        return rules_report.verdict(replace(choice, rule=used, candidates=candidates, picked=picked))

    assert "Paired by person that is +0.020 [+0.010, +0.030]." in told(choice.plain + 0.02, 0.01, 0.03)
    assert "which holds 0: on 14 people it cannot be told apart" in told(choice.plain + 0.02, -0.01, 0.05)
    assert told(choice.plain - 0.02, -0.05, 0.01).startswith("Plain argmax is used")
    assert told(choice.plain, -0.05, 0.05).startswith("Plain argmax is used")


def test_calibration_is_the_same_in_text_json_and_python(drawn, tmp_path):
    project, manifest = drawn
    run = whole(project, manifest, "05-sure", factor=4)
    page = tmp_path / "page.html"
    view = fw.calibration(project, run, html=page)
    assert json.loads(call(project, "calibration", run, "--json")) == json.loads(json.dumps(view.as_dict()))
    text = shown(calibration_text(view))
    assert call(project, "calibration", run).split() == text.split()
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    html = page.read_text("utf-8")
    for part in view.check.parts:
        for words in (f"{part.before.fit.nll:.4f}", f"{part.after.fit.ece:.3f}"):
            assert words in text
            assert words in html
        assert part.name in text
    assert "Too sure: " in text
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)
    assert found
    assert set(json.loads(found[1])) == {f"reliability-{i}" for i in range(4)}
    assert all(f'data-figure="reliability-{i}"' in html for i in range(4))
    assert "default-src 'none'" in html
    assert call(project, "calibration", run, "--html", str(page)) == ""


def test_what_each_outcome_of_the_calibration_is_called(drawn):
    project, manifest = drawn
    part = fw.calibration(project, whole(project, manifest, "06-sure", factor=4)).check.parts[2]

    def told(difference: float, low: float, high: float, temperature: float | None = 2.0) -> str:
        changed = replace(part, difference=difference, difference_interval=Interval(low, high, 0.95))
        return calibration_report.verdict(changed, temperature, 14)

    assert told(0.01, -0.01, 0.02).startswith("Leave it: ")
    assert told(-0.01, -0.03, 0.01).startswith("Calibrated, as far as 14 people can tell")
    assert told(-0.0005, -0.0006, -0.0004).startswith("Calibrated, as far as")
    better = told(-0.1, -0.2, -0.05)
    assert better.startswith("Too sure: ")
    assert "A temperature of 2.00 makes the probabilities better (NLL -0.1000 [-0.2000, -0.0500], nested)." in better
    assert "end of its range" in told(-0.1, -0.2, -0.05, 20.0)
    assert "The temperature of the joint classes makes" in told(-0.1, -0.2, -0.05, None)
    shy = replace(part, accuracy=0.99, difference_interval=Interval(-0.2, -0.1, 0.95), difference=-0.1)
    assert calibration_report.verdict(shy, 0.5, 14).startswith("Not sure enough")


def test_names_on_the_page_are_escaped(drawn):
    project, manifest = drawn
    view = fw.calibration(project, whole(project, manifest, "07-all"))
    assert "</script><b>" not in calibration_page(replace(view, id="</script><b>", project="<i>"))


def test_who_cannot_be_judged(drawn, tmp_path):
    project, manifest = drawn
    none = write_run(project, manifest, "08-none")
    lie = write_run(project, manifest, "09-lie", sure(manifest, project.space, "age"), split="image")
    for verb in (fw.rules, fw.calibration):
        with pytest.raises(InputError, match="`08-none` was trained on all people"):
            verb(project, none)
        with pytest.raises(GateError, match="folds split by image"):
            verb(project, lie)
        with pytest.raises(InputError, match="no run is called `nobody`"):
            verb(project, "nobody")
    with pytest.raises(InputError, match="no such folder to write to"):
        fw.calibration(project, "01", html=Path(tmp_path) / "nowhere" / "page.html")
