"""How well `facetwise labels suspects` finds label errors that were planted in made contests.

    python benchmarks/label_suspects.py                             # 5 contests of 400 people
    python benchmarks/label_suspects.py --keep scratch              # contests and runs stay there, and are used again
    python benchmarks/label_suspects.py --quick                     # one small contest, a smoke test

Two in a hundred training people get a wrong gender or a wrong age group (by turns), as `facetwise draw --wrong-labels`
does; in as many of the images the mask is wrong, because two photos of a person have changed names. A recipe is
cross-validated on these labels, and its out-of-fold predictions rank them. Counted is how many of the first k suspects
of an attribute were planted, where k were planted: the precision and the recall at the number planted.

`by the draw` is the same for whoever knows how people were drawn and sees the hidden numbers behind each face, but not
the truth: the made faces are ambiguous, 5 in 100 look like the other gender and 20 in 100 like another age group, so no
method can find everything. `recorded class alone` ranks ages without regard for the number of years. Target: 0.8 for
mask and gender.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from printed import machine_line, table

import facetwise as fw
from facetwise.core.choices import SuspectMethod
from facetwise.core.project import Project
from facetwise.data.made.contest import PHOTO_MASKS, PHOTO_NAMES
from facetwise.data.made.look import APPARENT_AGE_NOISE, CUE_NOISE, GENDER_NOISE, invent_look
from facetwise.data.made.people import AGE_RANGES, QUOTAS, TRAIN, age_group, draw_people, person_rng
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.label_issues.ranking import Suspect, find_suspects, margins, standing_for
from facetwise.predictors.sources import read_source
from facetwise.results.runs import RunView

WAYS = ("margin", "recorded class alone", "cleanlab", "by the draw")
Hits = dict[tuple[str, str], list[tuple[int, int]]]
"""By attribute and way: planted ones among the first k suspects, and k, for each contest."""


def main() -> None:
    """Draw, train and count."""
    options = parse()
    print(machine_line(), flush=True)
    hits: Hits = {}
    with tempfile.TemporaryDirectory(prefix="facetwise-bench-") as scratch:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            contest = planted_contest((options.keep or Path(scratch)) / f"seed-{seed}", seed, options)
            for key, found in counted(contest).items():
                hits.setdefault(key, []).append(found)
            print(f"seed {seed}: out-of-fold macro F1 {contest.score:.3f}", flush=True)
    report(hits, options)


def parse() -> argparse.Namespace:
    """Options; `--quick` is a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=5, help="contests")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--wrong", type=float, default=0.02, help="share of people, and of images, with a wrong label")
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="change one key of the recipe")
    parser.add_argument("--keep", type=Path, help="folder for contests and runs")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.settings.append("train.device=cpu")
    if options.quick:
        options.people, options.seeds, options.wrong = 60, 1, 0.1
        options.settings += ["train.length=2ep"]
    return options


@dataclass(frozen=True)
class Planted:
    """A contest with planted errors, and a run on it."""

    project: Project
    seed: int
    people: int
    score: float
    wrong: Mapping[str, frozenset[str]]
    """By attribute: people (gender, age) or images (mask) whose recorded label is wrong."""


def planted_contest(folder: Path, seed: int, options: argparse.Namespace) -> Planted:
    """Draw a contest, plant errors and train, unless `folder` has that already."""
    contest, mark = folder / "contest", folder / "planted.csv"
    if not mark.is_file():
        fw.draw_contest(contest, train_people=options.people, eval_people=10, seed=seed, wrong_labels=options.wrong)
        images = swapped_masks(contest, options.wrong, seed)
        mark.write_text("".join(f"{image}\n" for image in images), encoding="utf-8")
    path = folder / "project"
    project = fw.open_project(path) if path.is_dir() else fw.init(path, contest)
    if not (path / "folds").is_dir():
        fw.check(project)
        fw.folds(project)
    run = fw.fit(project, options.recipe, settings=options.settings)
    view = fw.show(project, run.id)
    assert isinstance(view, RunView)
    assert view.scorecard is not None
    wrong = {"mask": frozenset(mark.read_text(encoding="utf-8").split()), **wrong_people(contest)}
    return Planted(project, seed, options.people, view.scorecard.macro_f1, wrong)


def swapped_masks(contest: Path, share: float, seed: int) -> list[str]:
    """Exchange two photos of different masks for some people; the images, relative to the contest, that are wrong."""
    folders = sorted((contest / "train" / "images").iterdir())
    rng = np.random.default_rng([seed, 1])
    wrong = []
    for place in rng.permutation(len(folders))[: round(share * len(folders) * len(PHOTO_NAMES) / 2)]:
        one, other = rng.permutation(len(PHOTO_NAMES))[:2]
        while PHOTO_MASKS[one] == PHOTO_MASKS[other]:
            one, other = rng.permutation(len(PHOTO_NAMES))[:2]
        first, second = (folders[place] / f"{PHOTO_NAMES[k]}.jpg" for k in (one, other))
        aside = first.rename(first.with_suffix(".aside"))
        second.rename(first)
        aside.rename(second)
        wrong += [p.relative_to(contest).as_posix() for p in (first, second)]
    return wrong


def wrong_people(contest: Path) -> dict[str, frozenset[str]]:
    """By attribute, the people whose recorded label is wrong."""
    with (contest / "hidden" / "wrong.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: frozenset(r["id"] for r in rows if r["attribute"] == name) for name in ("gender", "age")}


def counted(contest: Planted) -> dict[tuple[str, str], tuple[int, int]]:
    """Planted errors among the first k suspects, and k, by attribute and way."""
    project, manifest = contest.project, load_manifest(contest.project)
    rows = read_source(project, manifest, "1").scored(project, manifest)
    values = {"age": manifest.values("age")}
    found = {}
    for name, wrong in contest.wrong.items():
        ways = {"margin": ("margin", values)}
        if name in values:
            ways["recorded class alone"] = ("margin", {})
        if importlib.util.find_spec("cleanlab"):
            ways["cleanlab"] = ("cleanlab", values)
        for way, (method, numbers) in ways.items():
            suspects = find_suspects(rows, numbers, name, method=method_of(method)).suspects
            found[name, way] = (hits_of([named(s) for s in suspects], wrong), len(wrong))
        if name != "mask":
            found[name, "by the draw"] = (hits_of(by_the_draw(contest, manifest, name), wrong), len(wrong))
    return found


def method_of(name: str) -> SuspectMethod:
    """The name of a method, as the type checker wants it."""
    return "cleanlab" if name == "cleanlab" else "margin"


def named(suspect: Suspect) -> str:
    """What is wrong: an image, or a person."""
    return suspect.image or suspect.group


def hits_of(ranked: Sequence[str], wrong: frozenset[str]) -> int:
    """Planted ones among the first as many as were planted."""
    return sum(name in wrong for name in ranked[: len(wrong)])


def by_the_draw(contest: Planted, manifest: Manifest, name: str) -> list[str]:
    """People ranked by the margin of their recorded label, by Bayes' rule on the hidden numbers behind the faces."""
    space = contest.project.space
    attribute, codes = space.attribute(name), manifest.codes(space)[:, space.index(name)]
    people = draw_people(TRAIN, contest.people, 1, contest.seed)
    logs = np.array([log_posterior(contest.seed, p.number, p.gender, p.age)[name] for p in people])
    recorded = dict(zip(manifest.train["group"], codes.tolist(), strict=True))
    years = dict(zip(manifest.train["group"], manifest.values("age").tolist(), strict=True))
    given = np.array([recorded[p.id] for p in people])
    values = np.array([years[p.id] if name == "age" else np.nan for p in people])
    spread = APPARENT_AGE_NOISE if name == "age" else None
    margin = margins(logs, given, standing_for(given, values, attribute, spread))
    return [people[i].id for i in np.argsort(margin, kind="stable")]


def log_posterior(seed: int, number: int, gender: int, age: int) -> dict[str, npt.NDArray[np.float64]]:
    """Log-probabilities of gender and age group given how a person looks, the labels' shares known."""
    look = invent_look(person_rng(seed, TRAIN, number), female=gender == 1, age=age)
    cues = [look.hair_length, look.jaw_softness, look.lashes, look.lip_colour]
    femininity = (np.mean(cues) - 0.5) * 3.2  # as `invent_look` scales it; the four cues average their noise
    shares = np.log(np.sum(QUOTAS, axis=1))
    means = np.array([-1.0, 1.0])
    of_gender = shares - (femininity - means) ** 2 / (2 * (GENDER_NOISE**2 + CUE_NOISE**2 / len(cues)))
    years = np.concatenate([np.arange(first, last + 1) for first, last in AGE_RANGES])
    group = np.array([age_group(int(y)) for y in years])
    weight = np.log((np.sum(QUOTAS, axis=0) / np.bincount(group))[group])
    at_age = weight - (look.apparent_age - years) ** 2 / (2 * APPARENT_AGE_NOISE**2)
    of_age = np.array([np.logaddexp.reduce(at_age[group == k]) for k in range(len(AGE_RANGES))])
    return {"gender": of_gender - np.logaddexp.reduce(of_gender), "age": of_age - np.logaddexp.reduce(of_age)}


def report(hits: Hits, options: argparse.Namespace) -> None:
    """Print the table: an attribute a row."""
    print(f"{options.seeds} contests of {options.people} people, {options.wrong:.0%} wrong, recipe {options.recipe}\n")
    rows = []
    for name in ("mask", "gender", "age"):
        planted = sum(k for _, k in hits[name, "margin"])
        cells = [f"{sum(h for h, _ in hits[name, w]) / planted:.2f}" if (name, w) in hits else "" for w in WAYS]
        by_seed = ", ".join(f"{h}/{k}" for h, k in hits[name, "margin"])
        rows.append([name, str(planted), *cells, by_seed, "" if name == "age" else "0.8"])
    print(table(["attribute", "planted", *WAYS, "margin, a contest each", "target"], rows))


if __name__ == "__main__":
    main()
