"""Each command that the source tells somebody to give works in the state in which it is told.

A case brings that state about and returns what was printed; then the command is taken from it as it stands, words in
capitals are put in place, and it is run. `NOT_RUN` says why a command has no case.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from made_features import write_features
from made_project import photo_project, replace_in
from made_records import another_run
from made_runs import add_run, made_contest
from told_commands import Told, told_commands
from typer.testing import CliRunner

from facetwise.cli.display import TrainingDisplay
from facetwise.cli.main import app
from facetwise.core.errors import FacetwiseError
from facetwise.core.files.disk import disk_full_errors
from facetwise.core.project import Project
from facetwise.core.records.provenance import now
from facetwise.core.text.commands import as_typed
from facetwise.data.manifest import load_manifest

TOLD = {str(told): told for told in told_commands()}
NOT_RUN = {
    "study/search.py: fit {}": "the best of a search, which takes training: see test_studies.py",
    "study/show.py: tune RECIPE --space FILE --trials NUMBER": "a search, which takes training: see test_studies.py",
    "upkeep/clean.py: fit --resume {}": "a trial that a search stopped, which takes training: test_clean.py",
    "core/records/shelf.py: weights add FILE --as BACKBONE": "takes weights: see test_shelf.py",
    "core/records/shelf.py: weights add FILE --as BACKBONE --name {}": "takes weights: see test_shelf.py",
    "screens/text/shelf.py: weights add FILE --as BACKBONE": "takes weights: see test_shelf.py",
    "study/zoo.py: weights add FILE --as BACKBONE": "takes weights: see test_zoo.py",
    "study/zoo.py: fit RECIPE": "takes weights: see test_zoo.py",
    "model/weights.py: weights add {} --as BACKBONE": "takes weights: see test_weights.py",
    "inference/other_images.py: boxes --images {}": "takes a detector: see test_fit_of_inputs.py",
    "cli/training.py: submit {}": "a blend, as cli/blending.py tells it, of runs that take weights: see test_zoo.py",
    "cli/training.py: show {} --html run.html": "test_next_steps.py runs it",
    "data/features/table.py: embed RECIPE --out features.parquet": "takes a network: see test_embedding.py",
}
"""Command -> where it is run in place of here."""


@dataclass
class At:
    """A project, where commands are given, and what stands for words in capitals."""

    root: Path
    words: dict[str, list[str]] = field(default_factory=dict)

    @property
    def recipe(self) -> str:
        return "recipes/tiny.toml"

    @property
    def run(self) -> Path:
        """The folder of the first run."""
        return next(self.root.glob("runs/01-*"))

    @property
    def contest(self) -> Path:
        return self.root.parent / "contest"

    def call(self, *words: object, code: int | None = 0) -> str:
        """All that a command prints, its error and hint too; `code` None: any."""
        result = CliRunner().invoke(app, [str(w) for w in words])
        error = result.exception
        told = as_typed(f"\nerror: {error}\nhint: {error.hint}") if isinstance(error, FacetwiseError) else ""
        assert error is None or isinstance(error, FacetwiseError | SystemExit), error
        ended = 2 if told else result.exit_code
        assert code is None or ended == code, result.output + told
        return result.output + told

    def refused(self, *words: object) -> str:
        """What a command says that ends with code 2."""
        return self.call(*words, code=2)

    def unfinish(self) -> None:
        """Make the run one that was stopped at its very end."""
        (self.run / "DONE.json").unlink()

    def remake_manifest(self) -> None:
        """Check the dataset with one photo less than it had."""
        next(self.contest.rglob("normal.*")).unlink()
        self.call("check", "--workers", 1, code=None)

    def second(self) -> None:
        """Another run with the same predictions."""
        another_run(self.run, "02-tiny-again")

    def partial(self, number: int, *names: str) -> None:
        """A simulated run of some attributes."""
        project = Project.open(self.root)
        add_run(project, load_manifest(project), number, names=names)

    def submit(self) -> Path:
        """Make a submission of the run."""
        self.call("submit", "1", "--yes", "--against-others")
        return next(self.root.glob("submissions/01-*"))

    def pack(self, *options: str) -> Path:
        """The run as a pack, and the project without it."""
        self.call("run", "export", "1", "--out", "../age.pack", *options)
        return self.root.parent / "age.pack"

    def away(self, folder: Path) -> Path:
        """Move a folder out of the project."""
        return Path(shutil.move(folder, self.root.parent / folder.name))

    def predictions(self, name: str = "some one's.csv") -> str:
        """A csv of answers for the test side."""
        file = self.root.parent / name
        file.write_bytes((self.submit() / "submission.csv").read_bytes())
        return str(file)


class Case(NamedTuple):
    """Commands that are told in one state."""

    keys: tuple[str, ...]
    of: str
    """The project it begins with: `ready` or `finished` of conftest.py."""
    code: int | None
    """The exit code that the commands are expected to end with; None for any."""
    make: Callable[[At], str]


CASES: list[Case] = []


def case(*keys: str, of: str = "finished", code: int | None = 0) -> Callable[[Callable[[At], str]], None]:
    return lambda make: CASES.append(Case(keys, of, code, make))


def test_every_command_has_a_case_or_a_reason() -> None:
    listed = [*NOT_RUN, *(key for case in CASES for key in case.keys)]
    assert [key for key in TOLD if key not in listed] == []
    assert [key for key in listed if key not in TOLD] == []
    assert len(listed) == len(set(listed))


def typed(told: Told, text: str, at: At) -> list[str]:
    """The words of the command as it was printed, those in capitals put in place."""
    found = told.pattern().search(text) or told.pattern().search(" ".join(text.split()))
    assert found, f"{told} was not told:\n{text}"
    given = {"RECIPE": [at.recipe], "RUN": ["1", "2"], "REF": ["1"], "TEXT": ["why"], "SUBMISSION": ["1"]}
    given |= {"YOU": ["me"], "NAME": ["mine"], "SCORE": ["0.5"], "TIME": [now()], "RANKS": ["1"]}
    given |= {"SETTING": ["loss=focal"], "NUMBER": ["30"], **at.words}
    left = {word: iter(values) for word, values in given.items()}
    return [next(left[word]) if word in left else word for word in shlex.split(found["words"]) if word != "..."]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.keys[0])
def test_what_is_told_works(
    case: Case, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = request.getfixturevalue({"ready": "ready_to_fit", "finished": "finished"}[case.of]).copy(tmp_path / "base")
    monkeypatch.chdir(base.project)
    monkeypatch.setenv("COLUMNS", "500")
    at = At(base.project)
    text = case.make(at)
    commands = {shlex.join(typed(TOLD[key], text, at)) for key in case.keys}
    for words in {re.sub(r"\b0?1(-[\w-]+)?$", "1", words) for words in commands}:
        confirmed = ["--yes"] if words.startswith("submit") else []  # the gate asks: the run knows nothing
        at.call(*shlex.split(words), *confirmed, code=case.code)


# ------------------------------------------------------------------------------------------ nothing there yet


@case(
    "blending/members.py: fit RECIPE",
    "core/runs.py: fit RECIPE",
    "screens/text/runs/run.py: fit RECIPE",
    "label_issues/source.py: fit RECIPE",
    of="ready",
)
def no_run(at: At) -> str:
    return at.refused("blend") + at.refused("show", "1") + at.call("runs") + at.refused("labels", "suspects")


@case("study/show.py: ablate RECIPE --try SETTING")
def _(at: At) -> str:
    return at.refused("studies", "last")


@case("core/workspace.py: init DIR --dataset PATH", of="ready")
def _(at: At) -> str:
    os.chdir(at.root.parent)
    at.words = {"DIR": ["new"], "PATH": [str(at.contest)]}
    return at.refused("runs")


@case("data/manifest.py: check", of="ready")
def _(at: At) -> str:
    shutil.rmtree(at.root / "manifest")
    return at.refused("folds")


@case(
    "predictors/blend_folder.py: blend RUN RUN ...",
    "screens/text/blend.py: blend",
    "screens/text/submissions/planning.py: blend",
    "submission/eligible.py: blend",
)
def no_blend(at: At) -> str:
    at.second()
    at.partial(3, "age")
    return "\n".join([at.refused("show", "b1"), at.call("blends"), at.call("plan"), at.refused("submit", "3")])


@case("submission/folder.py: submit")
def _(at: At) -> str:
    return at.refused("score", "1", "--labels", at.contest / "hidden" / "labels.csv")


@case("screens/text/corrections.py: labels suspects")
def _(at: At) -> str:
    return at.call("labels", "show")


@case("label_issues/list_file.py: labels suspects")
def _(at: At) -> str:
    return at.refused("labels", "accept", "1", "--reason", "x", "--author", "me")


@case("screens/text/notes.py: note RUN TEXT")
def _(at: At) -> str:
    return at.call("notes")


@case("core/records/notes.py: note REF TEXT")
def _(at: At) -> str:
    return at.refused("note", "1", " ")


@case("predictors/external.py: run import FILE.csv --name NAME")
def _(at: At) -> str:
    at.words = {"FILE.csv": [at.predictions()]}
    return at.refused("blend", "1", "foreign:mine")


@case("submission/planning/final.py: ledger sent SUBMISSION")
def _(at: At) -> str:
    at.submit()
    return at.refused("final")


@case("submission/planning/leaderboard.py: ledger record SUBMISSION --public SCORE")
def _(at: At) -> str:
    at.submit()
    return at.refused("leaderboard")


# ------------------------------------------------------------------------------------------ not finished


@case(
    "study/scored_run.py: fit --resume {}",
    "results/notices.py: fit --resume {}",
    "upkeep/doctor_project.py: fit --resume {}",
    "upkeep/keep.py: fit --resume {}",
    "journals/wording.py: fit --resume {}",
    "cli/display.py: fit --resume {}",
)
def not_finished(at: At) -> str:
    at.second()
    at.unfinish()
    refused = [
        ("predict", "1", "--tta", "flip"),
        ("submit", "1"),
        ("run", "export", "1", "--out", "x.pack"),
        ("compare", "1", "2"),
    ]
    shown = [("show", "1"), ("doctor",), ("clean",), ("journal",)]
    display = TrainingDisplay(io.StringIO())
    display.event({"event": "run", "run": at.run.name})
    stop = KeyboardInterrupt()
    display.__exit__(KeyboardInterrupt, stop, None)
    return "\n".join(
        [
            *(at.refused(*words) for words in refused),
            *(at.call(*words, code=None) for words in shown),
            stop.args[0],
        ]
    )


@case("train/fold/checkpoint.py: fit --resume RUN")
def _(at: At) -> str:
    at.unfinish()
    shutil.rmtree(at.run / "fold-0")
    kept = at.run / "state" / "fold-0"
    kept.mkdir(parents=True)
    (kept / "checkpoint.safetensors").write_bytes(b"no checkpoint")
    told = at.refused("fit", "--resume", "1")
    folder = re.search(r"delete (\S+):", told)
    assert folder
    shutil.rmtree(folder[1])
    return told


# ------------------------------------------------------------------------------------------ damaged, or gone


@case("core/runs.py: fit --resume {}")
def _(at: At) -> str:
    (at.run / "DONE.json").write_text("{}", encoding="utf-8")
    told = at.refused("submit", "1")
    (at.run / "DONE.json").unlink()
    return told


@case("core/runs.py: run import FILE")
def _(at: At) -> str:
    at.words = {"FILE": [str(at.pack())]}
    at.away(at.run)
    at.call("run", "import", "../age.pack")
    (at.run / "run.json").write_text("{}", encoding="utf-8")
    told = at.refused("submit", "1")
    shutil.rmtree(at.run)
    return told


@case("core/runs.py: fit {} --again")
def _(at: At) -> str:
    clean_all(at)
    return at.refused("predict", "1", "--tta", "flip")


def clean_all(at: At) -> str:
    """Weights of the run are cleaned away."""
    at.second()
    told = at.call("clean", "--keep", "0", "--yes")
    assert not (at.run / "fold-0" / "model.safetensors").exists()
    return told


@case("model/weights.py: fit {} --again", "model/weights.py: clean")
def _(at: At) -> str:
    clean_all(at)
    return at.refused("fit", at.recipe, "--set", f"model.weights={at.run / 'fold-0' / 'model.safetensors'}")


@case("core/runs.py: run export RUN --out FILE")
def _(at: At) -> str:
    at.words = {"FILE": ["../whole.pack"]}
    at.pack("--tables-only")
    original = at.away(at.run)
    at.call("run", "import", "../age.pack")
    told = at.refused("predict", "1", "--tta", "flip")
    shutil.rmtree(at.run)
    shutil.move(original, at.root / "runs")
    return told


@case("sharing/read.py: run export RUN --out FILE")
def _(at: At) -> str:
    at.words = {"FILE": ["../whole.pack"]}
    pack = at.pack()
    pack.write_bytes(pack.read_bytes()[:-30])
    return at.refused("run", "import", pack)


@case("journals/markdown.py: doctor", code=1)
def _(at: At) -> str:
    (at.run / "run.json").write_text("{}", encoding="utf-8")
    return at.call("journal")


@case("upkeep/keep.py: doctor", code=1)
def _(at: At) -> str:
    at.second()
    (at.run / "run.json").write_text("{}", encoding="utf-8")
    return at.call("clean", "--json")


@case("results/blends.py: doctor", code=1)
def _(at: At) -> str:
    at.second()
    at.call("blend", "1", "2")
    (at.run / "run.json").write_text("{}", encoding="utf-8")
    return at.call("blends")


@case("upkeep/doctor_submissions.py: doctor", code=1)
def _(at: At) -> str:
    at.second()
    at.call("blend", "1", "2")
    (at.run / "run.json").write_text("{}", encoding="utf-8")
    return at.call("doctor", code=1)


@case("submission/folder.py: doctor", code=1)
def _(at: At) -> str:
    folder = at.submit()
    (folder / "record.json").unlink()
    (folder / "DONE.json").unlink()
    return at.refused("clean")


@case("submission/folder.py: ledger replay {} --out FILE")
def _(at: At) -> str:
    at.words = {"FILE": ["../again.csv"]}
    (at.submit() / "submission.csv").unlink()
    return at.refused("forecast", "s1")


@case("predictors/external.py: run import FILE --name {}")
def _(at: At) -> str:
    at.call("run", "import", at.predictions(), "--name", "mine")
    folder = at.root / "foreign" / "mine"
    (folder / "foreign.json").write_text("{}", encoding="utf-8")
    told = at.refused("blend", "1", "foreign:mine")
    at.words = {"FILE": [str(at.away(folder) / "original.csv")]}
    return told


@case("results/notes.py: notes", code=2)
def _(at: At) -> str:
    (at.root / "notes.jsonl").write_text("no note\n", encoding="utf-8")
    return at.call("show", "1")


@case("submission/view.py: ledger show", code=2)
def _(at: At) -> str:
    at.submit()
    (at.root / "ledger.jsonl").write_text("no line\n", encoding="utf-8")
    return at.call("show", "s1")


@case("upkeep/doctor_project.py: prepare RECIPE")
def _(at: At) -> str:
    for done in at.root.glob("stores/*/DONE.json"):
        done.unlink()
    return at.call("doctor", code=None)


@case("data/images/store.py: prepare RECIPE", "data/images/store.py: prepare --view", of="ready")
def _(at: At) -> str:
    from facetwise.data.images.store import VIEW, open_store, recipe_store
    from facetwise.recipe import load_recipe

    shutil.rmtree(at.root / "stores")
    project, told = Project.open(at.root), ""
    for spec in (VIEW, recipe_store(load_recipe(at.recipe).input)):
        with pytest.raises(FacetwiseError) as error:
            open_store(project, load_manifest(project), spec)
        told += f"{error.value.hint}\n"
    return told


@case("upkeep/doctor_project.py: folds")
def _(at: At) -> str:
    shutil.rmtree(at.root / "folds")
    return at.call("doctor", code=None)


@case("upkeep/doctor_project.py: check")
def _(at: At) -> str:
    shutil.rmtree(at.root / "manifest")
    return at.call("doctor", code=None)


# ------------------------------------------------------------------------------------------ of other data


@case("data/images/fill.py: check", of="ready")
def _(at: At) -> str:
    shutil.rmtree(at.root / "stores")
    photo = next(at.contest.rglob("normal.*"))
    photo.write_bytes(next(p for p in at.contest.rglob("mask1.*")).read_bytes())
    return at.refused("prepare", at.recipe, "--workers", "1")


@case("core/runs.py: check", "sharing/import_run.py: check")
def another_manifest(at: At) -> str:
    pack = at.pack()
    at.remake_manifest()
    told = at.refused("submit", "1") + at.refused("run", "export", "1", "--out", "x.pack")
    at.away(at.run)
    return told + at.refused("run", "import", pack)


@case("sharing/import_run.py: folds --name theirs --folds {} --seed {}")
def _(at: At) -> str:
    pack = at.pack()
    at.away(at.run)
    at.call("folds", "--folds", "4", "--new")
    return at.call("run", "import", pack)


@case("inference/data.py: fit RECIPE")
def _(at: At) -> str:
    at.unfinish()
    at.call("labels", "correct", "--person", first_person(at), "--attribute", "gender", "--value", "female",
            "--reason", "x", "--author", "me")  # fmt: skip
    return at.refused("fit", "--resume", "1")


def first_person(at: At) -> str:

    return str(load_manifest(Project.open(at.root)).train["group"][0])


@case("inference/data.py: folds --folds {} --name k{}", of="ready")
def _(at: At) -> str:
    return at.refused("fit", at.recipe, "--set", "folds.plan=5")


@case("screens/text/check.py: folds --join-copies", of="ready")
def _(at: At) -> str:
    shutil.rmtree(at.root / "folds")
    one, other = sorted(at.contest.glob("train/images/*/normal.*"))[:2]
    shutil.copyfile(one, other)
    return at.call("check", "--workers", "1")


def features(at: At, project: Project) -> str:
    """A file of made features of the project's images."""
    manifest = load_manifest(project)
    vectors = np.random.default_rng(0).normal(size=(manifest.table.height, 4))
    return str(write_features(at.root.parent / "features.parquet", manifest, vectors))


@case("screens/text/check.py: same-person FEATURES", of="ready")
def _(at: At) -> str:
    at.words = {"FEATURES": [features(at, Project.open(at.root))]}
    return at.call("check", "--workers", "1")


@case("data/features/same_subject.py: check --features FEATURES", of="ready")
def _(at: At) -> str:
    rows = ["file,person,glasses", *(f"{n}.jpg,,{('yes', 'no')[n % 2]}" for n in range(4))]
    project = photo_project(at.root.parent / "alone", rows, [f"photos/{n}.jpg" for n in range(4)])
    replace_in(project.workspace.project_file, {'group = "person"': 'group = "none"'})
    project = Project.open(project.root)
    os.chdir(project.root)
    at.call("check", "--workers", "1")
    at.words = {"FEATURES": [features(at, project)]}
    return at.refused("same-person", at.words["FEATURES"][0])


@case("label_issues/source.py: labels suspects --method neighbours --features FEATURES", of="ready")
def _(at: At) -> str:
    at.words = {"FEATURES": [features(at, Project.open(at.root))]}
    return at.refused("labels", "suspects")


@case("data/dealing.py: check", of="ready")
def _(at: At) -> str:
    project, _ = made_contest(at.root.parent / "one", 1)
    told = at.refused("--project", project.root, "folds", "--folds", "2")
    assert "`facetwise --project " in told
    return told


# ------------------------------------------------------------------------------------------ files, disks


DISK = namedtuple("DISK", "total used free")


@case("core/files/disk.py: clean", "data/images/store.py: clean --stores")
def _(at: At) -> str:
    from facetwise.data.images.store import HOW_TO_FREE

    told = ""
    for more in ({}, {"hint": HOW_TO_FREE}):
        with pytest.raises(FacetwiseError) as error, disk_full_errors(at.root, 5, **more):
            raise OSError(errno.ENOSPC, "no space")
        told += f"{error.value.hint}\n"
    return told


@case("sharing/import_run.py: clean")
def _(at: At) -> str:
    pack = at.pack()
    at.away(at.run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: DISK(10, 10, 0))
        return at.refused("run", "import", pack)


@case("cli/team.py: run import {}")
def _(at: At) -> str:
    told = at.call("run", "export", "1", "--out", "../our best.pack")
    at.away(at.run)
    shutil.copy(at.root.parent / "our best.pack", at.root)
    return told


@case("api/team.py: run import {} --name NAME")
def _(at: At) -> str:
    return at.refused("run", "import", at.predictions())


@case("cli/team.py: show {}")
def _(at: At) -> str:
    pack = at.pack()
    at.away(at.run)
    return at.call("run", "import", pack)


@case("label_issues/list_csv.py: labels suspects --csv FILE")
def _(at: At) -> str:
    at.words = {"FILE": ["list.csv"]}
    (at.root / "wrong.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return at.refused("labels", "accept", "wrong.csv", "--reason", "x", "--author", "me")


@case("cli/labels.py: labels accept {} --author YOU --reason TEXT")
def _(at: At) -> str:
    return at.call("labels", "suspects", "--attribute", "gender")


@case("label_issues/list_file.py: labels correct --{} --attribute {} {}")
def _(at: At) -> str:
    at.call("labels", "suspects", "--attribute", "age")
    path = at.root / ".cache" / "suspects.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["rows"][0]["value"] = ""
    path.write_text(json.dumps(kept), encoding="utf-8")
    return at.refused("labels", "accept", "1", "--reason", "x", "--author", "me")


@case("cli/data.py: check", of="ready")
def _(at: At) -> str:
    table = next(at.contest.rglob("train.csv"))
    before = table.read_text(encoding="utf-8")
    table.write_text(before.replace(",male,", ",mail,"), encoding="utf-8")
    told = at.refused("check", "--workers", "1")
    table.write_text(before, encoding="utf-8")
    return told


@case("upkeep/clean.py: predict {} --images DIR")
def _(at: At) -> str:
    at.words = {"DIR": [str(at.contest / "eval")]}
    at.call("predict", "1", "--images", at.contest / "eval")
    return at.call("clean", "--predictions", "--json")


@case("upkeep/clean.py: prepare RECIPE")
def _(at: At) -> str:
    at.call("prepare", at.recipe, "--set", "input.height=40", "--workers", "1")
    return at.call("clean", "--stores", "--json")


# ------------------------------------------------------------------------------------------ looking, and deciding


@case("results/cuts.py: fit RECIPE --set '{}'")
def _(at: At) -> str:
    return at.refused("cuts", "1")


@case("results/differences/sides.py: diff RUN RUN")
def _(at: At) -> str:
    at.second()
    return at.refused("diff", "1")


@case("results/differences/diff.py: compare RUN RUN")
def _(at: At) -> str:
    at.second()
    return at.call("diff", "1", "2", "--oof")


@case("study/compare.py: runs")
def _(at: At) -> str:
    return at.refused("compare", "1", "1")


@case("core/runs.py: predict {} --tta {}")
def _(at: At) -> str:
    return at.refused("submit", "1", "--tta", "flip")


@case("cli/blending.py: submit {}")
def _(at: At) -> str:
    at.second()
    return at.call("blend", "1", "2")


@case("cli/submissions.py: ledger sent {}")
def _(at: At) -> str:
    return at.call("submit", "1", "--yes", "--against-others")


@case("screens/text/submissions/planning.py: submit {}")
def _(at: At) -> str:
    return at.call("plan")


@case("submission/eligible.py: gate FILE", code=None)  # its verdict is on what a tiny network says
def _(at: At) -> str:
    file = at.predictions()
    at.words = {"FILE": [file]}
    at.call("run", "import", file, "--name", "mine")
    return at.refused("submit", "foreign:mine")


@case("submission/ledger/odd_times.py: ledger sent {} --at TIME")
def _(at: At) -> str:
    event = {"time": "2020-01-01T00:00:00+00:00", "event": "sent", "submission": at.submit().name}
    line = json.dumps(event | {"sent": "2020-01-01T00:00:00+00:00"})
    (at.root / "ledger.jsonl").write_text(f"{line}\n", encoding="utf-8")
    return at.call("ledger", "show")


def test_commands_of_another_folder_are_told_with_it(finished: Any, tmp_path: Path) -> None:
    base = finished.copy(tmp_path / "a b")
    at = At(base.project)
    at.unfinish()
    told = at.refused("--project", base.project, "submit", "1")
    command = re.search("`facetwise ([^`]*)`", told)
    assert command
    at.call(*shlex.split(command[1]))
