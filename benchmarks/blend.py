"""Greedy selection of a blend: how long it takes, against AutoGluon's `EnsembleSelection`; and which draws help.

    python benchmarks/blend.py
    python benchmarks/blend.py --autogluon build/autogluon/bin/python --repeat 3
    python benchmarks/blend.py --draws                    # about five minutes on two cores; with --nested half an hour
    python benchmarks/blend.py --quick

First mode: 100 simulated members answer for 2,700 people (18,900 images, 18 joint classes). Ours is timed with all that
`facetwise blend` asks of it, 50 rounds in each of 20 bags, and as the single selection without bags that AutoGluon
makes. AutoGluon is no dependency; put it into an environment of its own, whose Python is `--autogluon`:

    python -m venv build/autogluon && build/autogluon/bin/pip install autogluon.core

It gets the same float32 arrays in a process of its own, is timed around `fit` alone, and maximises its own
`f1_macro`. All weights are scored by our macro F1, on these people and on as many fresh ones, whom the same members
answer for. Greedy paths part where two moves tie but for rounding (AutoGluon adds float64 to ours' float32, and draws
among ties by lot), so a single draw of members and people says little about who ends higher; `--repeat` takes several.

`--draws`: 8 or 30 members, 800 people. `fresh` is the score of 5,000 other people, by weights that were chosen on all
of these; `nested`, an estimate of the same, that of five parts of these people, each decided by weights chosen on the
other four. Both are given as differences to a single selection without bags, with two standard errors over the trials.
`flattered` is the score on the people that chose.

`--quick`: a tenth of the people, or one trial; under a minute without AutoGluon.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from blend_members import IMAGES, Members, Truth, by_attribute, whole
from printed import machine_line, table

from facetwise.blending.select import GreedySearch, score_of, select
from facetwise.blending.votes import Votes, decide_classes
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.rows import Part, deal_parts, nested

PEOPLE, MEMBERS = 2700, 100
SINGLE, BAGGED = GreedySearch(bags=0), GreedySearch()
TARGET, TARGET_RATIO = 40.0, 10.0
"""Seconds for all bags, on two cores; and how many times as long AutoGluon is to take for one selection."""

SIZES, DRAWN_PEOPLE, FRESH_PEOPLE = (8, 30), 800, 5000
SPREADS = {"alike": 0.35, "unlike": 0.8}
"""How unequal in worth the members are: standard deviation of the log of the size of their own errors."""
DRAWS: Mapping[str, GreedySearch] = {
    "no bags": SINGLE,
    "people": GreedySearch(share=1.0),
    "half of the members": GreedySearch(share=0.5, people=False),
    "both": GreedySearch(share=0.5),
}
AUTOGLUON = """\
import json, sys, time
import numpy as np
from autogluon.core.metrics import f1_macro
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection
given = np.load(sys.argv[1])
votes, truth = list(given["votes"]), given["truth"]
selection = EnsembleSelection(ensemble_size=int(sys.argv[2]), problem_type="multiclass", metric=f1_macro)
start, spent = time.perf_counter(), time.process_time()
selection.fit(votes, truth)
seconds = [time.perf_counter() - start, time.process_time() - spent]
print(json.dumps([seconds, list(map(float, selection.weights_))]))
"""

Classes = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]


Seconds = tuple[float, float]
"""By the clock, and of all processors together: the second holds when other programs share them."""


@dataclass(frozen=True)
class Timed:
    """What a selection took and what its weights are worth."""

    seconds: Seconds
    flattered: float
    """Macro F1 on the people that chose."""
    fresh: float
    """Macro F1 on as many others."""
    used: int
    """Members with a weight."""


def print_times(num_people: int, autogluon: Path | None, repeat: int) -> None:
    """The first mode's tables."""
    turns = [_turn(num_people, autogluon, seed) for seed in range(repeat)]
    print(f"{MEMBERS} members, {num_people * IMAGES} images, {SINGLE.rounds} rounds; medians of {repeat} draws")
    header = ["", "seconds", "CPU seconds", "of one of ours", "in CPU time", "target"]
    print(table(header, [[name, *_time_cells(name, turns)] for name in turns[0]]))
    print("\nmacro F1 on the people that chose (flattered) and on others (fresh), and members used; a row a draw")
    cells = [[f"{t.flattered:.4f} / {t.fresh:.4f} / {t.used}" for t in turn.values()] for turn in turns]
    means = [f"{np.mean([t.flattered for t in ts]):.4f} / {np.mean([t.fresh for t in ts]):.4f}" for ts in _by(turns)]
    print(table(["draw", *turns[0]], [*([str(i), *c] for i, c in enumerate(cells)), ["mean", *means]]))


def _turn(num_people: int, autogluon: Path | None, seed: int) -> dict[str, Timed]:
    """Every side on the same draw of members and people."""
    members = Members.draw(MEMBERS, seed)
    truth, probs = members.answer(num_people, 2 * seed)
    there, more = members.answer(num_people, 2 * seed + 1)

    def timed(votes: Votes, others: Votes, choose: Callable[[], tuple[Seconds, Weights]]) -> Timed:
        seconds, weights = choose()
        scores = score_of(votes, weights, truth.joint), score_of(others, weights, there.joint)
        return Timed(seconds, *scores, int((weights > 0).any(axis=0).sum()))

    def ours(votes: Votes, search: GreedySearch) -> Callable[[], tuple[Seconds, Weights]]:
        return lambda: _clocked(lambda: select(votes, truth.joint, truth.person, search=search).weights)

    votes, others = whole(probs), whole(more)
    found = {"ours, one selection": timed(votes, others, ours(votes, SINGLE))}
    if autogluon is not None:
        theirs = timed(votes, others, lambda: run_autogluon(autogluon, votes, truth.joint, SINGLE.rounds))
        found["AutoGluon, one selection"] = theirs
    found["ours, 20 bags"] = timed(votes, others, ours(votes, BAGGED))
    votes, others = by_attribute(probs), by_attribute(more)
    return found | {"ours, 20 bags, by attribute": timed(votes, others, ours(votes, BAGGED))}


def _by(turns: Sequence[Mapping[str, Timed]]) -> list[list[Timed]]:
    return [[turn[name] for turn in turns] for name in turns[0]]


def _time_cells(name: str, turns: Sequence[Mapping[str, Timed]]) -> list[str]:
    """Seconds, seconds of processor time, both as multiples of one of our selections, and the target."""
    own, one = [turn[name] for turn in turns], [turn["ours, one selection"] for turn in turns]
    cells = [f"{statistics.median(t.seconds[i] for t in own):.2f}" for i in range(2)]
    for i in range(2):
        ratios = [t.seconds[i] / o.seconds[i] for t, o in zip(own, one, strict=True)]
        cells.append(f"{statistics.median(ratios):.1f}")
    return [*cells, f"{TARGET:g} s" if "bags" in name else f"{TARGET_RATIO:g} times" if "AutoGluon" in name else ""]


def run_autogluon(python: Path, votes: Votes, truth: Classes, rounds: int) -> tuple[Seconds, Weights]:
    """AutoGluon's selection on the same arrays, in the environment of `python`."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        np.savez(given, votes=votes.blocks[0].votes, truth=truth)
        call = [str(python), "-W", "ignore", "-c", AUTOGLUON, str(given), str(rounds)]
        printed = subprocess.run(call, check=True, capture_output=True, encoding="utf-8").stdout
    seconds, weights = json.loads(printed.splitlines()[-1])
    return (seconds[0], seconds[1]), np.array([weights])


def _clocked(job: Callable[[], Weights]) -> tuple[Seconds, Weights]:
    start, spent = time.perf_counter(), time.process_time()
    weights = job()
    return (time.perf_counter() - start, time.process_time() - spent), weights


def print_draws(trials: int, nested: bool) -> None:
    """The second mode's table."""
    print(f"{trials} trials; fresh and nested are scores without bags, and differences to them else", flush=True)
    print(table(["blended", "members", "worth", "bags draw", "flattered", "fresh", "nested"], ()))
    for spread, worth in SPREADS.items():
        for size, make in product(SIZES, (whole, by_attribute)):
            found = np.array([_trial(size, worth, make, t, nested) for t in range(trials)])
            for row in _draw_rows([make.__name__, str(size), spread], found):
                print("| " + " | ".join(row) + " |", flush=True)


def _draw_rows(first: list[str], found: Weights) -> list[list[str]]:
    """Rows of one case; `found` has shape (trials, ways, 3), the first way to be compared with."""
    rows = []
    for number, name in enumerate((*DRAWS, "equal weights")):
        scores, less = found[:, number].mean(axis=0), found[:, number] - found[:, 0]
        if number == 0:
            rows.append([*first, name, *(f"{s:.4f}" for s in scores)])
            continue
        errors = 2 * less.std(axis=0, ddof=1) / len(found) ** 0.5 if len(found) > 1 else np.full(3, np.nan)
        differences = [f"{d:+.4f} +- {e:.4f}" for d, e in zip(less.mean(axis=0)[1:], errors[1:], strict=True)]
        rows.append([*first, name, f"{scores[0]:.4f}", *differences])
    return rows


def _trial(size: int, worth: float, make: Callable[..., Votes], seed: int, nested: bool) -> list[tuple[float, ...]]:
    """Of each way to draw: the flattered score, that of fresh people, and the nested one (NaN unless asked for)."""
    members = Members.draw(size, 1000 * size + seed, worth)
    truth, probs = members.answer(DRAWN_PEOPLE, seed)
    there, more = members.answer(FRESH_PEOPLE, 100_000 + seed)
    votes, fresh = make(probs), make(more)
    found = []
    for search in DRAWS.values():
        chosen = select(votes, truth.joint, truth.person, search=search)
        estimate = _nested(votes, truth, search, seed) if nested else np.nan
        found.append((chosen.score, score_of(fresh, chosen.weights, there.joint), estimate))
    equal = votes.has / size
    alone = score_of(votes, equal, truth.joint)  # nothing is chosen: nested is the same
    return [*found, (alone, score_of(fresh, equal, there.joint), alone if nested else np.nan)]


def _nested(votes: Votes, truth: Truth, search: GreedySearch, seed: int) -> float:
    def weights(part: Part) -> np.ndarray:
        return select(votes, truth.joint, truth.person, search=search, times=part.rest).weights

    def decide(chosen: np.ndarray, part: Part) -> np.ndarray:
        return decide_classes(votes.rows(part.held_out), chosen)

    _, classes = nested(weights, decide, deal_parts(truth.person, seed))
    return macro_f1(truth.joint, classes, votes.space.num_joint)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the machine and one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--autogluon", type=Path, help="Python of an environment that has autogluon.core")
    parser.add_argument("--repeat", type=int, default=1, help="draws of members and people")
    parser.add_argument("--draws", action="store_true", help="which draws help, instead of times")
    parser.add_argument("--trials", type=int, default=12, help="of --draws")
    parser.add_argument("--nested", action="store_true", help="of --draws: nested estimates too, six times as long")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    print(machine_line())
    if options.draws:
        print_draws(1 if options.quick else options.trials, options.nested)
    else:
        print_times(PEOPLE // 10 if options.quick else PEOPLE, options.autogluon, options.repeat)


if __name__ == "__main__":
    main()
