"""Forecasts, plans and final choices of a project: what is read, what is said, and what cannot be."""

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_blend import write_blend
from made_tables import truth_of
from rich.console import Console
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import GateError, InputError, ProblemsError, SettingError
from facetwise.core.files.answers_csv import read_submission
from facetwise.core.project import Project
from facetwise.core.runs import list_runs
from facetwise.data.manifest import load_manifest
from facetwise.evaluate.forecasts.forecast import LEVEL, Shift, TestPeople, simulate
from facetwise.evaluate.metrics import macro_f1
from facetwise.predictors.sources import Source
from facetwise.screens.pages.leaderboard_page import leaderboard_page
from facetwise.screens.text.submissions.planning import plan_text
from facetwise.submission.eligible import eligible_source
from facetwise.submission.ledger.ledger import Ledger
from facetwise.submission.planning.contenders import comparable, read_contender, widest
from facetwise.submission.planning.forecast import build_forecast_view
from facetwise.submission.planning.plan import build_plan

CONTEST = '\n[contest]\nsubmissions_per_day = 3\ntime_zone = "UTC"\npublic_share = 0.5\n\n'
LATER = datetime(2030, 1, 1, tzinfo=UTC)
"""A day on which nothing was sent."""


@dataclass(frozen=True)
class Made:
    """A project with five blends of known worth: the second answers nearly as the first, the last is poor."""

    folder: Path
    labels: Path

    @property
    def project(self) -> Project:
        return fw.open_project(self.folder)

    def scores(self, submission: str) -> tuple[float, float]:
        """Its macro F1 on the first half of the test images, and on the second."""
        folder = self.project.workspace.submissions / submission
        names, truth = read_submission(self.labels, "ImageID", "ans")
        place = {name: i for i, name in enumerate(names)}
        listed, answers = read_submission(folder / "submission.csv", "ImageID", "ans")
        true = truth[[place[name] for name in listed]]
        half = len(true) // 2
        return (
            macro_f1(true[:half], answers[:half], 18),
            macro_f1(true[half:], answers[half:], 18),
        )

    def submit(self, reference: str, *, public: float | None = None) -> str:
        made = fw.submit(self.folder, reference, yes=True, against_others=True)
        if public is not None:
            fw.record(self.folder, made.folder.id, public=public)
        return made.folder.id


@pytest.fixture
def made(own_finished) -> Made:  # type: ignore[no-untyped-def]
    """Blends `b1` to `b5` on the made contest, wrong for whole people; nothing was sent."""
    folder = own_finished.project
    toml = folder / "facetwise.toml"
    toml.write_text(re.sub(r"\n\[contest\]\n[^\[]*", CONTEST, toml.read_text(encoding="utf-8")), encoding="utf-8")
    project = fw.open_project(folder)
    manifest, draws = load_manifest(project), np.random.default_rng(0)
    names, labels = read_submission(own_finished.labels, "ImageID", "ans")
    place = {name: i for i, name in enumerate(names)}
    truth = {
        "oof": project.space.encode(manifest.codes(project.space)),
        "test": labels[[place[name] for name in manifest.test["name"]]],
    }
    people = {"oof": manifest.train["group"].to_list(), "test": (np.arange(manifest.test.height) // 7).tolist()}
    run = list_runs(project.workspace)[0]
    first = {side: _wrong(truth[side], people[side], 0.25, draws) for side in truth}
    near = {side: answers.copy() for side, answers in first.items()}
    near["oof"][0] = (near["oof"][0] + 1) % 18
    for number, answers in enumerate(
        [first, near, *({s: _wrong(truth[s], people[s], share, draws) for s in truth} for share in (0.28, 0.3, 0.7))]
    ):
        write_blend(folder, run, name=f"b{number + 1:02d}-soft-1", decided=answers)
    return Made(folder, own_finished.labels)


def _wrong(truth, people, share, draws):  # type: ignore[no-untyped-def]
    """The true classes, but for a share of the people, all of whose images get another class."""
    named = sorted(set(people))
    odd = set(draws.choice(len(named), round(share * len(named)), replace=False).tolist())
    off = np.array([named.index(p) in odd for p in people])
    return np.where(off, (truth + draws.integers(1, 18)) % 18, truth)


def run_cli(made: Made, *words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["--project", str(made.folder), *words], catch_exceptions=False)
    return found.exit_code, found.stdout


def test_without_scores_the_forecast_is_that_of_the_labelled_people(made: Made) -> None:
    view = fw.forecast(made.folder, "b1")
    project, manifest = made.project, load_manifest(made.project)
    oof = pl.read_parquet(project.workspace.blends / "b01-soft-1" / "oof.parquet")
    truth = project.space.encode(manifest.codes(project.space))
    joint = simulate(
        truth_of(truth, manifest.train["group"].to_list(), 18), [oof["decided"].to_numpy()], TestPeople(4, 4)
    )
    luck = joint.forecast("all", 0)
    whole = view.forecast[-1]
    assert (whole.part, whole.num_people) == ("all", 8)
    assert whole.expected == pytest.approx(luck.expected, abs=0.002)
    assert whole.spread > luck.spread  # room for a shift
    assert {f.interval.level for f in view.forecast} == {view.level} == {LEVEL} == {0.9}
    assert view.forecast == view.alone
    assert (view.scored, view.shift, view.public) == ((), None, None)
    assert [f.num_people for f in view.forecast] == [4, 4, 8]


def test_a_scored_submission_is_known_and_moves_the_others(made: Made) -> None:
    sent = made.submit("b1", public=0.81)
    own = fw.forecast(made.folder, "s1")
    assert own.public == 0.81
    assert own.forecast[0].expected == pytest.approx(0.81, abs=1e-3)
    assert own.forecast[0].interval.high - own.forecast[0].interval.low < 2e-3
    assert fw.forecast(made.folder, sent) == own == fw.forecast(made.folder, "submission:last")
    near, far = fw.forecast(made.folder, "b2"), fw.forecast(made.folder, "b5")
    assert [s.id for s in near.scored] == [sent]
    assert near.scored[0].apart == 0.0
    assert near.scored[0].correlation > far.scored[0].correlation
    assert near.forecast[0].spread < 0.2 * far.forecast[0].spread
    assert near.shift is not None


def test_what_is_made_is_forecast_as_whoever_asks_later_is_told(made: Made) -> None:
    first = fw.submit(made.folder, "b1", yes=True, against_others=True)
    assert first.forecast == fw.forecast(made.folder, "s1").forecast[-1] == fw.forecast(made.folder, "b1").alone[-1]
    assert first.folder.record().forecast.interval.level == LEVEL
    assert "no public score tells yet" in first.forecast_notes[0]
    fw.record(made.folder, first.folder.id, public=0.5)
    second = fw.submit(made.folder, "b4", yes=True, against_others=True)
    later = fw.forecast(made.folder, "s2")
    assert second.forecast == later.forecast[-1] != later.alone[-1]
    assert "from 1 scored submission" in second.forecast_notes[0]
    text = run_cli(made, "submit", "b4", "--yes", "--against-others")[1]
    assert f"{later.forecast[-1].expected:.3f}, 90 % prediction interval [" in text


def test_a_wrong_ledger_stops_no_submission_and_is_as_if_nothing_was_scored(made: Made) -> None:
    made.submit("b1", public=0.5)
    alone = fw.forecast(made.folder, "b4").alone[-1]
    made.project.workspace.ledger_file.write_text("{}\n", encoding="utf-8")
    done = fw.submit(made.folder, "b4", yes=True, against_others=True)
    assert done.forecast is not None
    assert done.forecast.expected == pytest.approx(alone.expected, abs=0.002)
    assert "The ledger cannot be read" in done.forecast_notes[0]


def test_every_forecast_names_its_level_and_old_ones_have_their_own(made: Made, tmp_path: Path) -> None:
    for reference in ("b1", "b3"):
        made.submit(reference, public=0.6)

    def told() -> tuple[str, str, str, str]:
        page = tmp_path / "page.html"
        texts = [run_cli(made, *words)[1] for words in (["ledger", "show"], ["leaderboard", "--html", str(page)])]
        return texts[0], texts[1], page.read_text(encoding="utf-8"), fw.journal(made.folder, write=False)[0].text

    ledger, board, page, day = told()
    assert "forecast, 90 %" in ledger
    assert "out of fold, 95 %" in board
    assert "forecast when made, 90 %" in board
    assert 'scope="col">forecast when made, 90 %<' in page
    assert "90 % forecast of the public part" in page
    assert day.count("] (90 %) on 8 people.") == 2

    file = made.project.workspace.submissions / "01-b01-soft-1" / "record.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    kept["forecast"] = {"expected": 0.7, "interval": {"low": 0.5, "high": 0.8, "level": 0.95}, "num_people": 8}
    file.write_text(json.dumps(kept), encoding="utf-8")
    ledger, board, page, day = told()
    assert "0.7000 [0.5000, 0.8000] (95 %)" in ledger  # as the scores beside it
    for text in (board, page, day):
        assert "0.700 [0.500, 0.800] (95 %)" in text
    for text in (ledger, board, page, day):
        assert text.count("] (90 %)") == 1
    assert "forecast, 90 %" not in ledger
    assert fw.ledger(made.folder).as_dict()["entries"][0]["expected"]["level"] == 0.95


def test_whoever_predicts_fewer_people_is_left_out_and_so_is_who_predicts_none(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = load_manifest(made.project)
    whole = read_contender(made.project, manifest, Ledger(), "b1")
    part = replace(whole, id="half", oof=np.where(np.arange(len(whole.oof)) < 20, whole.oof, -1))
    assert widest([part, whole]) is whole
    found, left_out = comparable([part, whole], whole)
    assert found == [whole]
    assert f"lacks {len(whole.oof) - 20} of the {len(whole.oof)} images" in left_out[0].why
    assert comparable([part, whole], part) == ([part, whole], [])

    source = replace(eligible_source(made.project, manifest, "b1", "none"), oof=None)
    monkeypatch.setattr("facetwise.submission.planning.contenders.eligible_source", lambda *_: source)
    with pytest.raises(InputError, match=r"no out-of-fold predictions|trained on all"):
        fw.forecast(made.folder, "b1")


def test_forecasts_repeat_and_a_run_can_be_forecast(made: Made) -> None:
    assert fw.forecast(made.folder, "last") == build_forecast_view(made.project, "1")
    assert fw.forecast(made.folder, "last") != build_forecast_view(made.project, "1", seed=1)


def test_what_cannot_be_forecast_is_said(made: Made) -> None:
    with pytest.raises(InputError, match="no run is called"):
        fw.forecast(made.folder, "99")
    with pytest.raises(InputError, match="no submissions"):
        fw.forecast(made.folder, "s1")
    with pytest.raises(GateError, match="it is imported"):
        fw.forecast(made.folder, "foreign:theirs")


def test_a_submission_whose_csv_was_changed_is_left_out(made: Made) -> None:
    sent = made.submit("b1", public=0.8)
    (made.project.workspace.submissions / sent / "submission.csv").write_text("ImageID,ans\n", encoding="utf-8")
    view = fw.forecast(made.folder, "b3")
    assert view.scored == ()
    assert view.left_out[0].name == sent
    assert "changed" in view.left_out[0].why
    assert "left out" in run_cli(made, "forecast", "b3")[1]


@pytest.mark.parametrize("lost", [True, False], ids=["deleted", "edited"])
def test_what_was_sent_is_known_though_its_csv_is_not_what_it_was(made: Made, lost: bool) -> None:
    """Not to be sent again, not as a blend nor as a submission with the same bytes; and how to get it back is said."""
    sent, copy = made.submit("b1", public=0.8), made.submit("b2")
    file = made.project.workspace.submissions / sent / "submission.csv"
    was = file.read_bytes()
    assert was == (made.project.workspace.submissions / copy / "submission.csv").read_bytes()
    if lost:
        file.unlink()
    else:
        file.write_text("ImageID,ans\n", encoding="utf-8")
    view = fw.plan(made.folder)
    assert not {"b01-soft-1", "b02-soft-1", sent, copy} & {c.id for c in view.candidates}
    told = {item.name: item.why for item in view.left_out}
    assert told[copy] == told["b01-soft-1"] == f"the same file as `{sent}`, which was sent"
    assert "ledger replay 1 --out FILE`" in " ".join(run_cli(made, "plan")[1].split())
    with pytest.raises(InputError, match="nothing that was sent can be forecast") as caught:
        fw.final(made.folder)
    assert str(caught.value.hint).startswith("`facetwise ledger replay 1 --out FILE`")
    fw.replay(made.folder, "1", out=file)
    assert file.read_bytes() == was
    assert [f.id for f in fw.final(made.folder).finalists] == [sent]


def test_a_wrong_ledger_is_told(made: Made) -> None:
    made.project.workspace.ledger_file.write_text("{}\n", encoding="utf-8")
    for verb in (fw.plan, fw.final, fw.leaderboard, fw.forecast):
        with pytest.raises(ProblemsError, match=r"ledger\.jsonl"):
            verb(made.folder)


def test_a_plan_names_all_specialists_in_one_line(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = eligible_source(made.project, load_manifest(made.project), "b4", "none")
    partial = {"1": ("mask",), "b5": ("gender", "mask")}

    def read(*given: Any, **_: str) -> Source:
        name = given[2].text
        return replace(whole, id=name, attributes=partial.get(name, whole.attributes))

    monkeypatch.setattr("facetwise.submission.eligible.read_source", read)
    view = build_plan(made.project, LATER, ["1", "b4", "b5"])
    assert [c.id for c in view.candidates] == ["b4"]
    assert [(item.name, item.lacks) for item in view.left_out] == [("1", ("gender", "age")), ("b5", ("age",))]
    console = Console(width=200)
    with console.capture() as said:
        console.print(plan_text(view))
    lines = [line.rstrip() for line in said.get().splitlines() if "left out" in line]
    assert lines == ["left out: 2 with only some of the attributes, which `facetwise blend` puts together: 1, b5"]
    left = view.left_out[1]
    assert view.as_dict()["left_out"][1] == {"name": "b5", "why": left.why, "lacks": ("age",), "hint": None}


def test_a_plan_takes_the_best_first_and_no_copies(made: Made) -> None:
    view = fw.plan(made.folder)
    assert view.best is None
    assert view.candidates[0].order == 1
    assert view.candidates[0].worth is None
    assert "nothing was sent yet" in view.candidates[0].why
    assert len(view.chosen) <= 3
    assert [c.order for c in view.chosen] == list(range(1, len(view.chosen) + 1))
    ids = [c.id for c in view.candidates]
    assert not {"b01-soft-1", "b02-soft-1"} <= set(ids), "one of two files that answer the test side alike is enough"
    highest = max(c.private.expected for c in view.candidates)
    assert view.candidates[0].private.expected == highest
    assert fw.plan(made.folder).candidates == view.candidates


def test_a_plan_after_scores_weighs_chance_difference_and_what_is_taught(made: Made) -> None:
    made.submit("b1", public=0.7)
    view = fw.plan(made.folder)
    assert view.best == ("01-b01-soft-1", 0.7)
    assert view.quota is not None
    assert view.quota.left == 2
    assert "b02-soft-1" not in [c.id for c in view.candidates], "it answers as the first, which was sent"
    for c in view.candidates:
        assert c.gain is not None
        assert 0 <= c.gain.chance <= 1
        assert c.gain.expected >= 0
        assert c.nearest is not None
        assert 0 < c.nearest.apart <= 1
        assert 0 <= c.teaches <= 1
        assert c.why
    assert all(c.worth is not None and c.worth >= 0.0001 for c in view.chosen)


def test_a_plan_knows_the_day_and_says_when_nothing_is_left(made: Made) -> None:
    for reference in ("b1", "b3", "b4"):
        made.submit(reference, public=0.6)
    used_up = fw.plan(made.folder)
    assert used_up.quota is not None
    assert used_up.quota.left == 0
    assert used_up.chosen == ()
    code, text = run_cli(made, "plan")
    assert code == 0
    assert "0 of 3 submissions left today" in text
    assert "Send nothing today" in text
    assert build_plan(made.project, LATER, ["b05-soft-1"]).quota.left == 3  # type: ignore[union-attr]


def test_a_plan_without_anything_to_send_says_so(made: Made) -> None:
    with pytest.raises(InputError, match="nothing to send"):
        build_plan(made.project, LATER, [])
    made.submit("b1", public=0.6)
    with pytest.raises(InputError, match="all 1 submissions were sent"):
        build_plan(made.project, LATER, ["b02-soft-1"])


def test_the_final_choice_is_of_two_that_differ(made: Made) -> None:
    for reference, public in (("b1", 0.80), ("b2", 0.80), ("b3", 0.78), ("b5", 0.30)):
        made.submit(reference, public=public)
    view = fw.final(made.folder)
    chosen = [f.id for f in view.chosen]
    assert len(chosen) == 2
    assert "03-b03-soft-1" in chosen, "twins are worth one"
    assert not {"01-b01-soft-1", "02-b02-soft-1"} <= set(chosen)
    assert view.by_public_best is not None
    assert view.expected_best >= view.by_public_best
    assert sum(f.chance for f in view.finalists) == pytest.approx(1.0)
    assert view.expected_best >= max(f.private.expected for f in view.finalists) - 1e-9
    (single,) = fw.final(made.folder, count=1).chosen
    assert single.private.expected == max(f.private.expected for f in view.finalists)
    text = " ".join(run_cli(made, "final")[1].split())
    assert "By public score alone it would be `s1` and `s2`" in text
    assert "highest public score, 0.8000" in text


def test_the_final_choice_names_the_highest_public_score_of_all(made: Made, tmp_path: Path) -> None:
    """Also of a file from elsewhere, which nothing can forecast."""
    made.submit("b1", public=0.80)
    table = tmp_path / "record.tsv"
    table.write_text("id\tf1\n77\t0.9\n", encoding="utf-8")
    fw.import_ledger(made.folder, table)
    view = fw.final(made.folder, count=1)
    text = " ".join(run_cli(made, "final", "--count", "1")[1].split())
    assert view.highest_public is not None
    name, public = view.highest_public
    assert public == 0.9
    assert f"The highest public score of all, 0.9000, is that of `{name}`, which cannot be forecast" in text
    assert "`s1` has the highest public score of those that can be forecast, 0.8000" in text
    made.submit("b2", public=0.95)
    text = " ".join(run_cli(made, "final")[1].split())
    assert "The highest public score of all" not in text
    assert "`s2` has the highest public score, 0.9500" in text


def test_only_a_hold_out_is_not_said_to_average() -> None:
    from facetwise.submission.planning.forecast import shift_notes

    for shift in (None, Shift(0.01, 0.02)):
        assert "Submissions average fold models" in " ".join(shift_notes(shift, 1, averaged=True))
        told = " ".join(shift_notes(shift, 1, averaged=False))
        assert "Submissions average" not in told
        assert "no fold models are averaged" in told


@pytest.mark.parametrize("plan", ["hold-out", "cross-validation"])
def test_a_blend_averages_fold_models_when_a_member_does(
    made: Made, monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    monkeypatch.setattr("facetwise.submission.planning.contenders.estimate_of", lambda _: plan)
    blend = read_contender(made.project, load_manifest(made.project), Ledger(), "b1")
    assert blend.averaged == (plan == "cross-validation")


def test_the_final_choice_needs_something_sent(made: Made) -> None:
    with pytest.raises(InputError, match="nothing was sent yet"):
        fw.final(made.folder)
    with pytest.raises(SettingError, match="count"):
        fw.final(made.folder, count=0)
    sent = made.submit("b1")
    fw.sent(made.folder, sent)
    assert "No public score is known" in " ".join(run_cli(made, "final")[1].split())


def test_the_leaderboard_holds_scores_against_what_was_expected(made: Made) -> None:
    with pytest.raises(InputError, match="nothing was sent yet"):
        fw.leaderboard(made.folder)
    for reference in ("b1", "b3", "b4", "b5"):
        sent = made.submit(reference)
        public, private = made.scores(sent)
        fw.record(made.folder, sent, public=public, private=private)
    outlier = made.submit("b2", public=0.0)
    view = fw.leaderboard(made.folder)
    assert [row.name for row in view.rows if row.public is not None and row.public.stands_out] == [outlier]
    odd = next(row for row in view.rows if row.name == outlier)
    assert odd.public is not None
    assert odd.public.deviation is not None
    assert odd.public.deviation < -2
    assert odd.private is None
    by_pair = {a.what: a.ranks for a in view.agreements}
    assert by_pair["out of fold, public"].num_pairs == 5
    assert by_pair["out of fold, public"].interval is not None
    assert by_pair["public, private"].interval is None, "four are too few"
    assert view.rows[0].made_expected is not None
    page = leaderboard_page(view)
    assert "Out of fold against the leaderboard" in page
    assert 'data-figure="scatter"' in page


def test_the_leaderboard_lists_what_nothing_was_expected_of(made: Made, tmp_path: Path) -> None:
    table = tmp_path / "records.tsv"
    table.write_text("id\tf1\n77\t0.5\n", encoding="utf-8")
    fw.import_ledger(made.folder, table)
    view = fw.leaderboard(made.folder)
    assert view.rows[0].out_of_fold is None
    assert "not of this project" in view.rows[0].why_not
    assert view.agreements == ()
    code, text = run_cli(made, "leaderboard", "--html", str(tmp_path / "page.html"))
    assert code == 0
    assert "No public score can be held against a forecast yet" in " ".join(text.split())
    assert (
        "data-figure"
        not in (tmp_path / "page.html").read_text(encoding="utf-8").split("</style>")[1].split("<script")[0]
    )


def test_text_and_json_say_the_same(made: Made) -> None:
    made.submit("b1", public=0.7)
    made.submit("b3", public=0.66)
    for words in (["forecast", "b4"], ["plan"], ["final"], ["leaderboard"]):
        code, text = run_cli(made, *words)
        assert code == 0
        data = json.loads(run_cli(made, *words, "--json")[1])
        assert data["project"]
        if words[0] == "forecast":
            assert f"{data['forecast'][0]['expected']:.3f}" in text
            assert data["shift"]["spread"] > 0
        if words[0] == "plan":
            assert data["candidates"][0]["id"] in text
        if words[0] == "final":
            assert f"{data['expected_best']:.3f}" in text
        if words[0] == "leaderboard":
            assert f"({data['rows'][0]['public']['deviation']:+.1f} sd)" in text
