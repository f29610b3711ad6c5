"""`show` of blends and submissions: what is known of them, with what people wrote, and what is odd about them."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import add_run, made_contest
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.project import Project
from facetwise.core.workspace import read_json, write_json
from facetwise.data.manifest import build_manifest
from facetwise.screens.pages.blend_page import blend_figures, likeness_map
from facetwise.submission.view import SubmissionView

FAST: dict[str, Any] = {"rounds": 6, "bags": 2, "rules": ["argmax"]}


def make(folder: Path) -> Project:
    """Runs 1 and 2, blend 1 of both with a note, submission 1 of it with a note, sent and scored."""
    project, manifest = made_contest(folder)
    for number in (1, 2):
        add_run(project, manifest, number, skill=3.0)
    fw.blend(project, ["1", "2"], **FAST)
    fw.note(project, "b1", "왜 2번이 이기지?", author="소희")
    fw.submit(project, "b1", yes=True, against_others=True)
    fw.note(project, "s1", "before the deadline")
    fw.record(project, public=0.7478, public_accuracy=0.81, sent="2026-11-25T10:00Z", note="first try")
    return project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that is only looked at."""
    return make(tmp_path_factory.mktemp("shown"))


@pytest.fixture
def own(tmp_path: Path) -> Project:
    """A project to break."""
    return make(tmp_path)


def call(project: Project, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["--project", str(project.root), *arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def told(view: Any) -> str:
    return " ".join(w.text for w in view.warnings)


def test_a_blend_is_shown_as_it_was_printed_with_its_notes(made: Project) -> None:
    again = fw.blend(made, ["1", "2"], **FAST)
    assert not again.new
    view = fw.show(made, "b1")
    assert view == again
    assert [(n.author, n.text) for n in view.notes] == [("소희", "왜 2번이 이기지?")]
    assert view.warnings == ()
    shown = call(made, "show", "b1")
    assert "소희, " in shown
    assert "왜 2번이 이기지?" in shown
    assert f"nested estimate           {view.nested:.3f}" in shown
    assert view.verdict[:40] in shown
    assert "Joint probabilities were added up" in shown or "Each attribute was blended" in shown
    data = json.loads(call(made, "show", "blend:last", "--json"))
    assert data == json.loads(json.dumps(view.as_dict()))
    assert data["notes"][0]["text"] == "왜 2번이 이기지?"


def test_a_submission_is_shown_with_all_that_is_known_of_it(made: Project) -> None:
    view = fw.show(made, "s1")
    assert isinstance(view, SubmissionView)
    assert (view.source_kind, view.source) == ("blend", "b01-soft-2")
    assert [i.name for i in view.ingredients] == ["01-made", "02-made"]
    record = read_json(made.workspace.blends / "b01-soft-2" / "blend.json")
    assert [i.weights for i in view.ingredients] == [m["weights"] for m in record["made_from"]["members"]]
    assert view.decision == "The most probable class is taken."
    kept = read_json(made.workspace.submissions / view.id / "record.json")
    assert [f.message for f in view.findings] == [f["message"] for f in kept["gate"]["findings"]]
    assert view.forecast is not None
    assert view.forecast.expected == kept["forecast"]["expected"]
    assert [n.text for n in view.notes] == ["before the deadline", "first try"]
    (sending,) = view.sendings
    assert (sending.sent, sending.public, sending.private) == ("2026-11-25T10:00:00+00:00", 0.7478, None)
    assert sending.notes == ()
    assert view.warnings == ()


def test_text_and_json_of_a_submission_say_the_same(made: Project) -> None:
    view = fw.show(made, "submission:last")
    shown = " ".join(call(made, "show", "s1").split())
    for words in (view.id, "from blend b01-soft-2", "before the deadline", "2026-11-25 10:00", "0.7478", "first try"):
        assert words in shown
    assert f"Expected macro F1 {view.forecast.expected:.3f} [" in shown
    assert all(" ".join(f.message.split()) in shown for f in view.findings)
    assert json.loads(call(made, "show", view.id, "--json")) == json.loads(json.dumps(view.as_dict()))


def test_a_submission_that_was_not_sent_says_so(own: Project) -> None:
    fw.submit(own, "1", yes=True, against_others=True)
    view = fw.show(own, "s2")
    assert (view.source_kind, view.source, view.sendings) == ("run", "01-made", ())
    assert [(i.name, i.weights) for i in view.ingredients] == [("01-made", None)]
    assert "Not sent." in call(own, "show", "s2")


def test_what_is_odd_about_a_submission_is_told_and_stops_nothing(own: Project) -> None:
    csv = Path(fw.show(own, "s1").csv)
    csv.write_text(csv.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    own.workspace.ledger_file.write_text("what is this\n", encoding="utf-8")
    own.workspace.notes_file.write_text("nor this\n", encoding="utf-8")
    view = fw.show(own, "s1")
    for words in ("changed since it was made", "ledger replay 1", "What was sent is not shown", "Notes are not shown"):
        assert words in told(view)
    assert view.sendings is None
    assert "Whether it was sent is not known." in call(own, "show", "s1")
    assert view.notes == ()
    assert "! " in call(own, "show", "s1")


def test_a_submission_outlives_its_blend(own: Project) -> None:
    (own.workspace.blends / "b01-soft-2" / "blend.json").unlink()
    assert [(i.name, i.weights) for i in fw.show(own, "s1").ingredients] == [("01-made", None), ("02-made", None)]


def test_a_damaged_record_is_an_error(own: Project) -> None:
    path = own.workspace.submissions / "01-b01-soft-2" / "record.json"
    write_json(path, {**read_json(path), "gate": {}})
    with pytest.raises(ArtefactError, match="damaged"):
        fw.show(own, "s1")


# ------------------------------------------------------------------------------------- what a blend was chosen by


def relabel(project: Project) -> None:
    """Somebody is said to be older in the dataset's own table; images and people stay."""
    table = project.dataset_root / "train" / "train.csv"
    lines = table.read_text("utf-8").splitlines()
    cells = lines[1].split(",")
    assert cells[3] == "22"
    table.write_text(
        "\n".join([lines[0], ",".join([*cells[:3], "45", *cells[4:]]), *lines[2:]]) + "\n", encoding="utf-8"
    )
    build_manifest(project, workers=1)


def test_labels_that_changed_since_are_told_wherever_the_blend_stands(own: Project) -> None:
    words = "labels changed since this blend was made"
    assert words not in told(fw.show(own, "b1")) + call(own, "blends") + call(own, "rules", "b1")
    relabel(own)
    fw.blend(own, ["1", "2"], **FAST)  # with the labels of now
    assert words in told(fw.show(own, "b1"))
    assert words not in told(fw.show(own, "b2"))
    assert words in " ".join(call(own, "show", "b1").split())
    listed = call(own, "blends")
    assert "b01: The dataset's labels changed since" in listed
    assert "b02" not in listed.split("labels changed")[1]
    assert words in json.loads(call(own, "blends", "--json"))["blends"][0]["warnings"][0]["text"]
    assert words in told(fw.rules(own, "b1"))
    made = fw.submit(own, "b1", yes=True, against_others=True)  # a notice, no refusal
    assert words in made.notices[0]
    assert fw.submit(own, "b2", yes=True, against_others=True).notices == ()
    assert words in " ".join(call(own, "submit", "b1", "--yes", "--against-others").split())
    assert words in call(own, "submit", "b1", "--yes", "--against-others", "--json")


def test_what_is_fitted_on_a_blend_says_that_it_is_nested_to_second_order(made: Project) -> None:
    words = "nested only to second order"
    for look in (fw.rules, fw.calibration):
        assert words in told(look(made, "b1"))
        assert words not in told(look(made, "1"))
    for command in ("rules", "calibration"):
        assert words in " ".join(call(made, command, "b1").split())
        assert words in json.loads(call(made, command, "b1", "--json"))["warnings"][0]["text"]
        assert words not in call(made, command, "1")


def test_a_blend_in_which_nothing_was_chosen_by_labels_has_no_such_caution(own: Project) -> None:
    given = fw.blend(own, ["1", "2"], by="whole", weights=["1=2"], rules=["argmax"])
    assert fw.rules(own, given.id).warnings == ()


# ------------------------------------------------------------------------------------------------------------- pages


def test_the_page_of_a_blend_says_the_same_and_loads_nothing(made: Project, tmp_path: Path) -> None:
    view = fw.show(made, "b1", html=tmp_path / "b1.html")
    source = (tmp_path / "b1.html").read_text("utf-8")
    data = json.loads(re.findall(r'<script type="application/json" id="view">(.*?)</script>', source)[0])
    assert data == json.loads(json.dumps(view.as_dict()))
    figures = json.loads(re.findall(r'<script type="application/json" id="figures">(.*?)</script>', source)[0])
    assert set(figures) == set(re.findall(r'data-figure="([^"]+)"', source)) > {"likeness", "classes"}
    body = re.sub(r"<(script|style)\b.*?</\1>", "", source, flags=re.DOTALL)
    assert not re.search(r"<(link|iframe|object|embed|img|form)\b", body)
    assert "default-src 'none'" in body
    words = " ".join(html.unescape(re.sub(r"<[^>]*>", "", body)).split())
    for said in (f"{view.nested:.3f}", "왜 2번이 이기지?", "01-made", "blend minus best member", view.decision):
        assert said in words
    assert view.verdict.replace("`", "") in words
    assert all(f"{a.macro_f1:.3f} [{a.interval.low:.3f}, {a.interval.high:.3f}]" in words for a in card(view))
    assert all(f"{m.added:+.3f}" in words for m in view.members if m.used and m.added)


def card(view: Any) -> Any:
    return view.scorecard.attributes


def test_likeness_is_drawn_from_the_least_to_the_most_alike_pair(made: Project) -> None:
    view = fw.show(made, "b1")
    ids = [m.name for m in view.members]
    likeness = {a: {b: 0.5 if {a, b} == {"01-made", "03-made"} else 0.9 for b in (*ids, "03-made")} for a in ids}
    likeness["03-made"] = {a: likeness[a]["03-made"] for a in ids} | {"03-made": 1.0}
    three = replace(view, likeness=likeness, members=(*view.members, replace(view.members[0], name="03-made")))
    (heat,) = likeness_map(three)["data"]
    assert heat["z"] == [[None, 1.0, 0.1], [1.0, None, 1.0], [0.1, 1.0, None]]
    assert heat["text"][0] == ["", "90 %", "50 %"]
    assert "likeness" not in blend_figures(replace(view, members=view.members[:1]))


def test_a_page_is_written_with_the_blend_or_the_blend_is_not_begun(own: Project, tmp_path: Path) -> None:
    told = call(own, "blend", "1", "--rules", "argmax", "--html", str(tmp_path / "b2.html"))
    assert "wrote " in told
    assert "A blend of 1 member" in (tmp_path / "b2.html").read_text("utf-8")
    before = sorted(own.workspace.blends.iterdir())
    for out in (tmp_path / "no" / "x.html", own.workspace.project_file):
        with pytest.raises(InputError):
            fw.blend(own, ["2"], html=out, **FAST)
        with pytest.raises(InputError):
            fw.show(own, "b1", html=out)
    assert sorted(own.workspace.blends.iterdir()) == before


def test_submissions_have_no_page_and_predictions_from_elsewhere_are_not_shown(made: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="submission s1 has no page"):
        fw.show(made, "s1", html=tmp_path / "x.html")
    with pytest.raises(InputError, match="`foreign:x` is imported predictions, expected a run, a blend or a sub"):
        fw.show(made, "foreign:x")
