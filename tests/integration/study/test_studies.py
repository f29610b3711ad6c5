"""`compare`, `ablate`, `tune` on a made contest: what is trained, what is not trained again, what goes on."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app, main
from facetwise.core.errors import InputError, LeakError, LockedError, MismatchError, ProblemsError, SettingError
from facetwise.core.runs import RunFolder, list_runs
from facetwise.recipe import load_recipe
from facetwise.screens.text.study import search_text
from facetwise.study import fitting
from facetwise.study.record import StudyBase, identity_of, open_record, pruned_by, study_folder

QUICK = ["train.length=1ep", "folds.plan=3"]
SPACE = {
    "optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "loss": {"choices": ["cross-entropy", {"name": "cross-entropy", "smoothing": 0.1}]},
}


class Stopped(KeyboardInterrupt):
    """What Ctrl-C raises, at a place of the test's choice."""


class Listener:
    """Notes events; stops at the first one that `at` says yes to."""

    def __init__(self, at: Any = lambda _: False) -> None:
        self.events: list[dict[str, Any]] = []
        self.at = at

    def __call__(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if self.at(event):
            raise Stopped

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == kind]


def call(project: Path, *arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["--project", str(project), *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def num_runs(project: Path) -> int:
    return len(list_runs(fw.open_project(project).workspace))


# ------------------------------------------------------------------------------------------------ ablate, compare


def test_an_ablation_from_the_command_line(own: Any) -> None:
    tries = ["augment-=flip", "train.seed=1; optimizer.lr=1e-2", "optimizer.lr=1e30"]
    command = [
        "ablate",
        own.recipe,
        *(w for s in QUICK for w in ("--set", s)),
        *(w for t in tries for w in ("--try", t)),
    ]
    first = call(own.project, *command, "--name", "first", "--json", code=2)
    view = json.loads(first.stdout)
    assert [row["change"] for row in view["rows"]] == tries
    assert [row["state"] for row in view["rows"]] == ["finished", "finished", "failed"]
    assert "the loss is nan" in view["rows"][2]["reason"]
    assert "4 of 4: optimizer.lr=1e30" in first.stderr
    assert "error: 1 of 3 changes failed" in first.stderr
    assert f"- `optimizer.lr=1e30`: {view['rows'][2]['reason']}" in first.stderr
    for row in view["rows"][:2]:
        assert row["difference"] == pytest.approx(row["score"]["value"] - view["base"]["value"])
        assert row["widened"]["low"] <= row["interval"]["low"] <= row["interval"]["high"] <= row["widened"]["high"]
        assert row["widened"]["level"] == pytest.approx(0.975)

    runs = num_runs(own.project)
    again = call(own.project, *command, "--name", "first", code=2)
    assert num_runs(own.project) == runs
    assert "run 02" in again.stderr
    assert "was trained before" in again.stderr
    assert "failed: " in again.stdout
    assert "train.seed=1; optimizer.lr=1e-2" in again.stdout

    compared = json.loads(call(own.project, "compare", 1, 3, "--json").stdout)
    assert compared["main"]["difference"] == view["rows"][1]["difference"]
    assert compared["main"]["interval"] == view["rows"][1]["interval"]
    assert {c["key"] for c in compared["changes"]} == {"train.seed", "optimizer.lr"}
    assert fw.compare(own.project, "1", "3").as_dict() == compared
    assert compared["verdict"] in call(own.project, "compare", 1, 3).stdout


def test_a_change_of_labels_that_nobody_has_is_refused_before_anything_is_trained(own: Any) -> None:
    base, band = load_recipe(own.recipe, QUICK), "labels.drop.age=[[50,60]]"
    of_the_base = ["labels.drop.age=[[97,99]]", "labels.overlay=false", "labels.cuts.age=[30,60]"]
    of_the_band = "labels.drop.age=[[50,60],[97,99]]"
    with pytest.raises(ProblemsError) as error:
        fw.ablate(own.project, base, tries=[*of_the_base, band, of_the_band], name="s")
    told = error.value.problems
    assert [line.split(" changes nothing")[0] for line in told] == [f"`{t}`" for t in (*of_the_base, of_the_band)]
    assert all("on this dataset: it trains on the same images as the base, with" in line for line in told[:3])
    assert f"as `{band}`, with" in told[3]
    assert num_runs(own.project) == 0


def test_an_ablation_goes_on_where_it_was_stopped(own: Any) -> None:
    base = load_recipe(own.recipe, QUICK)
    stop = Listener(lambda e: e["event"] == "fold_done" and e["fold"] == 1 and len(stop.of("change")) == 2)
    with pytest.raises(Stopped):
        fw.ablate(own.project, base, tries=["train.seed=1"], name="s", listener=stop)
    listener = Listener()
    view = fw.ablate(own.project, base, tries=["train.seed=1"], name="s", listener=listener)
    assert [e["fold"] for e in listener.of("fold")] == [2], "two folds of the change were finished before"
    assert num_runs(own.project) == 2
    more = fw.ablate(own.project, base, tries=["train.ema=0.5"], name="s")
    assert [row.change for row in more.rows] == ["train.seed=1", "train.ema=0.5"], "a study keeps what it has"
    assert more.rows[0].score == view.rows[0].score
    assert "2 changes" in " ".join(more.method)
    with pytest.raises(MismatchError, match=r"`train\.seed` changed"):
        fw.ablate(own.project, load_recipe(own.recipe, [*QUICK, "train.seed=9"]), tries=["train.ema=0.5"], name="s")


def test_other_first_weights_or_boxes_under_the_same_name_are_another_study(own: Any) -> None:
    project = fw.open_project(own.project)
    recipe = load_recipe(own.recipe, QUICK)
    fields = {"weights": ["a"], "store": "b", "labels": "c"}
    identity = identity_of(recipe, fields)
    folder = study_folder(project, "ablation", StudyBase(recipe, "s"), identity)
    folder.path.mkdir(parents=True)
    folder.save(open_record(folder, "ablation", identity))
    for changed in ({"weights": ["x"]}, {"store": "x"}):
        with pytest.raises(MismatchError, match=f"`{next(iter(changed))}` changed"):
            open_record(folder, "ablation", identity_of(recipe, {**fields, **changed}))


def test_a_lock_held_for_a_moment_fails_nothing(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from facetwise.train import crossval

    real, refusals = crossval.fit, iter([True, True, False, True, False])

    def locked(*arguments: Any, **options: Any) -> Any:
        if next(refusals, False):
            raise LockedError("run `01-x` is being trained")
        return real(*arguments, **options)

    monkeypatch.setattr(crossval, "fit", locked)
    monkeypatch.setattr(fitting, "WAIT", 0.0)
    listener = Listener()
    base = load_recipe(own.recipe, QUICK)
    view = fw.ablate(own.project, base, tries=["train.seed=1"], name="a", listener=listener)
    assert [row.state for row in view.rows] == ["finished"]
    assert [e["reason"] for e in listener.of("waiting")] == ["run `01-x` is being trained"] * 2, "once a recipe"
    refusals = iter([True])
    search = fw.tune(own.project, base, space={"train.seed": {"choices": [0, 1]}}, trials=1, name="t")
    assert [t.state for t in search.trials] == ["finished"]
    assert search.best is not None
    assert "flattered" not in rendered(search)
    assert "flatters" not in (own.project / search.best.recipe_file).read_text(encoding="utf-8")


def test_a_study_can_be_looked_at_while_it_trains(own: Any) -> None:
    base = load_recipe(own.recipe, QUICK)
    seen: list[Any] = []

    def look(event: dict[str, Any]) -> None:
        if event["event"] == "change" and event["number"] == 2:
            seen.append(json.loads(call(own.project, "studies", "s", "--json").stdout))
            seen.append(call(own.project, "studies").stdout)
        if event["event"] == "trial":
            seen.append(fw.studies(own.project, "t"))

    view = fw.ablate(own.project, base, tries=["train.seed=1"], name="s", listener=look)
    assert [row["state"] for row in seen[0]["rows"]] == ["waiting"]
    assert seen[0]["base"]["run"] == view.base.run
    assert "train.seed=1" in seen[1]
    assert fw.studies(own.project).as_dict() == view.as_dict()
    found = fw.tune(own.project, base, space={"train.seed": {"choices": [0, 1]}}, trials=1, name="t", listener=look)
    assert [t.state for t in seen[2].trials] == ["training"]
    assert fw.studies(own.project).as_dict() == found.as_dict(), "the one that was worked on last"
    with pytest.raises(InputError, match="no study is called `u`"):
        fw.studies(own.project, "u")


def rendered(view: Any) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(search_text(view))
    return captured.get()


def test_nothing_is_trained_before_everything_is_checked(ready_to_fit: Any) -> None:
    tries = ["train.seed=0", "train.sede=1", "train.batch_size=60000", "train.batch_size=59999"]
    with pytest.raises(ProblemsError) as error:
        fw.ablate(ready_to_fit.project, ready_to_fit.recipe, tries=tries[:2])
    assert len(error.value.problems) == 2
    with pytest.raises(ProblemsError) as error:
        fw.ablate(ready_to_fit.project, ready_to_fit.recipe, tries=tries[2:])
    assert "`train.batch_size=60000`: a step takes 60000 images" in str(error.value)
    assert len(error.value.problems) == 2
    with pytest.raises(SettingError, match="cannot name a study"):
        fw.ablate(ready_to_fit.project, ready_to_fit.recipe, tries=["train.seed=1"], name="../x")
    assert num_runs(ready_to_fit.project) == 0
    assert not (ready_to_fit.project / "studies").exists()


# ------------------------------------------------------------------------------------------------ tune


def test_a_search_goes_on_reuses_runs_and_prices_its_choice(own: Any) -> None:
    base = load_recipe(own.recipe, [*QUICK, "loss=cross-entropy"])
    known = fw.fit(own.project, base)
    stop = Listener(lambda e: e["event"] == "fold_done" and len(stop.of("trial")) == 2)
    with pytest.raises(Stopped):
        fw.tune(own.project, base, space=SPACE, trials=3, name="s", listener=stop)
    assert [e["number"] for e in stop.of("trial")] == [0, 1]
    assert stop.of("trial_done")[0]["state"] == "finished"

    listener = Listener()
    view = fw.tune(own.project, base, space=SPACE, trials=3, name="s", listener=listener)
    assert [e["number"] for e in listener.of("trial")] == [1, 2]
    assert [e["fold"] for e in listener.of("fold")][:2] == [1, 2], "the first fold of trial 1 was finished before"
    assert [t.state for t in view.trials] == ["finished"] * 3
    assert view.trials[0].run == known.id, "the first trial is the recipe itself, which has a run"
    assert num_runs(own.project) == 3

    assert view.best is not None
    assert view.nested is not None
    scores = [t.score for t in view.trials]
    assert view.best.score == max(s for s in scores if s is not None) == scores[view.best.trial]
    assert fw.show(own.project, view.best.run).scorecard.macro_f1 == view.best.score
    assert set(view.nested.chosen) == {0, 1, 2}
    best = own.project / view.best.recipe_file
    assert (
        tomllib.loads(best.read_text(encoding="utf-8"))["optimizer"]["lr"]
        == view.trials[view.best.trial].settings["optimizer.lr"]
    )
    assert fw.fit(own.project, best).id == view.best.run
    with pytest.raises(MismatchError, match="`space`"):
        fw.tune(own.project, base, space={"optimizer.lr": {"low": 1e-4, "high": 1e-2}}, trials=9, name="s")
    with pytest.raises(MismatchError, match="`search`"):
        fw.ablate(own.project, base, tries=["train.seed=1"], name="s")


def test_a_trial_that_falls_behind_stops_after_a_fold(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from facetwise.study.trials import Trials

    monkeypatch.setattr(Trials, "report", lambda _self, number, folds, _score: number == 1 and folds == 2)
    space = {"optimizer.lr": {"low": 1e-4, "high": 1e-2}, "train.batch_size": {"low": 300, "high": 400}}
    recipe = load_recipe(own.recipe, QUICK)
    view = fw.tune(own.project, recipe, space={"optimizer.lr": space["optimizer.lr"]}, trials=3, name="p")
    assert [(t.state, t.folds_done) for t in view.trials] == [("finished", 3), ("pruned", 2), ("finished", 3)]
    pruned = view.trials[1].run
    assert pruned is not None
    runs = fw.open_project(own.project).workspace.runs
    assert pruned_by(RunFolder(runs / pruned)) == "p"
    assert any(pruned in f.what and "search `p` stopped it" in f.why for f in fw.clean(own.project, keep=9).freed)
    assert "flattered by the choice" in rendered(view)
    assert fw.fit(own.project, resume=pruned).finished, "a run that was stopped can be finished all the same"
    failed = fw.tune(own.project, recipe, space={"train.batch_size": space["train.batch_size"]}, trials=1, name="f")
    assert [t.state for t in failed.trials] == ["failed"]
    assert "train.batch_size" in str(failed.trials[0].reason)
    assert failed.best is None


@pytest.mark.slow
def test_two_processes_share_a_search(own: Any) -> None:
    space = own.project / "space.toml"
    space.write_text('["optimizer.lr"]\nlow = 1e-4\nhigh = 1e-2\nlog = true\n', encoding="utf-8")
    settings = [w for s in QUICK for w in ("--set", s)]
    arguments = ["tune", str(own.recipe), "--space", str(space), "--trials", "5", "--name", "s", *settings]
    code = "from facetwise.cli.main import main; main()"
    command = [sys.executable, "-W", "error::UserWarning", "-c", code, "--project", str(own.project), *arguments]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") for _ in range(2)
    ]
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    view = json.loads(call(own.project, *arguments, "--json").stdout)
    assert [t["number"] for t in view["trials"]] == [0, 1, 2, 3, 4]
    assert {t["state"] for t in view["trials"]} == {"finished"}
    assert num_runs(own.project) == len({t["run"] for t in view["trials"]}) == 5
    begun = [line for _, err in told for line in err.splitlines() if line.startswith("trial ") and "(of 5)" in line]
    assert len(begun) == 5, "each trial was worked on by one of them"


def test_what_cannot_be_searched(own: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fw.folds(own.project, num_folds=3, unsafe_split="image")
    with pytest.raises(LeakError, match="split by image"):
        fw.tune(own.project, load_recipe(own.recipe, ["folds.name=unsafe-image"]), space=SPACE, trials=1)
    with pytest.raises(SettingError, match="needs a score"):
        fw.tune(own.project, load_recipe(own.recipe, ["folds.plan=none"]), space=SPACE, trials=1)
    assert num_runs(own.project) == 0
    monkeypatch.setitem(sys.modules, "optuna", None)
    (own.project / "space.toml").write_text('["optimizer.lr"]\nlow = 1e-4\nhigh = 1e-2\n', encoding="utf-8")
    words = ["tune", str(own.recipe), "--space", str(own.project / "space.toml"), "--trials", "1"]
    monkeypatch.setattr(sys, "argv", ["facetwise", "--project", str(own.project), *words])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert told.startswith("error: a search needs `optuna`")
    assert "facetwise[search]" in told
