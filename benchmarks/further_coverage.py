"""How often the intervals of AUROC, sensitivity and quadratic kappa hold, on a made population.

    python benchmarks/further_coverage.py [--trials 200]

For each row, people with five images are drawn, of three ordered classes, one of them of a tenth of the people, and
scored by log-probabilities whose errors go by person. A cell is the share of trials in which the 95 % interval holds
the score of 400,000 other people: of each class against the rest, and of the mean. `+-` is two standard errors.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from facetwise.core.labels import FloatArray, IntArray
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.further.one_against_rest import Measured, auroc, aurocs, sensitivities, sensitivity
from facetwise.evaluate.intervals import LEVEL, Interval, kappa_interval
from facetwise.evaluate.metrics import quadratic_kappa

IMAGES, SHARES, SPECIFICITY, RESAMPLES = 5, (0.45, 0.45, 0.1), 0.9, 1000
PEOPLE = (40, 100, 400)


def draw(draws: np.random.Generator, num_people: int) -> tuple[FloatArray, IntArray, IntArray]:
    """Log-probabilities, (n, 3), true classes and people, (n,)."""
    size, people = len(SHARES), np.repeat(np.arange(num_people), IMAGES)
    truth = draws.choice(size, num_people, p=SHARES)[people]
    looks = draws.normal(0, 0.8, (len(people), size)) + draws.normal(0, 0.8, (num_people, size))[people]
    return log_normalised(looks + 1.2 * np.eye(size)[truth]), truth, people


def true_scores(logs: FloatArray, truth: IntArray) -> list[float]:
    """AUROC of each class and their mean, sensitivities alike, and kappa."""
    each = [(logs[:, k], truth == k) for k in range(len(SHARES))]
    ranked, found = [auroc(*one) for one in each], [sensitivity(*one, SPECIFICITY) for one in each]
    kappa = quadratic_kappa(truth, logs.argmax(axis=1), len(SHARES))
    return [*ranked, float(np.mean(ranked)), *found, float(np.mean(found)), kappa]


def intervals(logs: FloatArray, truth: IntArray, people: IntArray) -> list[Interval | None]:
    """In the order of `true_scores`; None for a class that nobody has."""
    ranked = aurocs(logs, truth, people, resamples=RESAMPLES)
    found = sensitivities(logs, truth, people, SPECIFICITY, resamples=RESAMPLES)
    measured: list[Measured | None] = [*ranked.classes, ranked.mean, *found.classes, found.mean]
    kappa = kappa_interval(truth, logs.argmax(axis=1), people, resamples=RESAMPLES)
    return [*(None if m is None else m.interval for m in measured), kappa]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    trials, draws = parser.parse_args().trials, np.random.default_rng(1)
    logs, truth, _ = draw(draws, 400_000)
    scores = true_scores(logs, truth)
    print("| people | AUROC: common, common, rare | mean | sensitivity | mean | kappa | +- |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for num_people in PEOPLE:
        found = [intervals(*draw(draws, num_people)) for _ in range(trials)]
        held = [
            np.mean([i.low <= score <= i.high for i in own if i is not None])
            for score, own in zip(scores, zip(*found, strict=True), strict=True)
        ]
        cells = [f"{h:.2f}" for h in held]
        error = 2 * math.sqrt(LEVEL * (1 - LEVEL) / trials)
        three = (", ".join(cells[:3]), cells[3], ", ".join(cells[4:7]), cells[7], cells[8])
        print(f"| {num_people} | {' | '.join(three)} | {error:.2f} |", flush=True)


if __name__ == "__main__":
    main()
