"""How well the most alike photos of others find planted label errors, without any run and beside one.

    facetwise embed lite0-frozen --out features.parquet         # in a project on the dataset
    python benchmarks/neighbour_suspects.py --project PATH --features features.parquet

For masked-utk or another mask contest. Of the people 2 % each get a wrong gender and a wrong age, and 7 % exchange two
photos of different masks. Counted is, as in `label_suspects.py`, how many of the first k suspects were planted, where k
were planted. `heads`: logistic regressions on the same features, five folds by person, in the place of a run. `both`:
ranked by the product of their probabilities and the votes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from printed import machine_line, table
from sklearn.linear_model import LogisticRegression

import facetwise as fw
from facetwise.core.project import Project
from facetwise.data.features.subject_space import main_components
from facetwise.data.features.table import Features, read_features
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows
from facetwise.label_issues.neighbours import neighbour_votes
from facetwise.label_issues.ranking import find_suspects
from facetwise.predictors.sources import manifest_truth

WRONG, SWAPPED, FOLDS = 0.02, 0.07, 5
AGES = ((18, 29), (30, 59), (60, 70))


def main() -> None:
    """Plant, rank, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    print(machine_line(), flush=True)
    project = fw.open_project(options.project)
    clean = load_manifest(project)
    features = read_features(options.features, clean)
    hits: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for seed in range(options.seeds):
        manifest, wrong = planted(clean, np.random.default_rng(seed))
        votes = neighbour_votes(features, manifest, project.space)
        own = heads(project, manifest, features, seed)
        both = {n: log_normalised(own.marginals[n] + votes.marginals[n]) for n in votes.attributes}
        ways = {"neighbours": votes, "heads": own, "both": replace(own, blocks=both)}
        for (way, predictions), name in ((w, n) for w in ways.items() for n in wrong):
            scored = ScoredRows(predictions, manifest_truth(project, manifest))
            found = find_suspects(scored, {"age": manifest.values("age")}, name).suspects[: len(wrong[name])]
            right = sum((s.image or s.group) in wrong[name] for s in found)
            hits.setdefault((name, way), []).append((right, len(wrong[name])))
        print(f"seed {seed}", {key: sum(h for h, _ in found) for key, found in hits.items()}, flush=True)
    rows = []
    for name in wrong:
        planted_in_all = sum(k for _, k in hits[name, "heads"])
        shares = [f"{sum(h for h, _ in hits[name, way]) / planted_in_all:.2f}" for way in ways]
        rows.append((name, str(planted_in_all), *shares))
    print(table(("attribute", "planted", *ways), rows))


def planted(clean: Manifest, rng: np.random.Generator) -> tuple[Manifest, dict[str, set[str]]]:
    """A manifest with wrong labels, and by attribute the images or the people that have them."""
    train = clean.train
    group, image = train["group"].to_numpy().astype(str), train["image"].to_numpy().astype(str)
    labels = {name: train[f"label:{name}"].to_numpy().copy() for name in ("mask", "gender", "age")}
    years = train["value:age"].to_numpy().copy()
    people = rng.permutation(np.unique(group))
    num, swapped = round(WRONG * len(people)), round(SWAPPED * len(people))
    wrong = {"mask": set[str](), "gender": set(people[:num]), "age": set(people[num : 2 * num])}
    labels["gender"][np.isin(group, people[:num])] ^= 1
    for person in people[num : 2 * num]:
        rows = group == person
        other = (int(labels["age"][rows][0]) + rng.integers(1, 3)) % len(AGES)
        labels["age"][rows], years[rows] = other, rng.integers(AGES[other][0], AGES[other][1] + 1)
    for person in people[2 * num : 2 * num + swapped]:
        own = np.flatnonzero(group == person)
        one = rng.choice(own)
        two = rng.choice(own[labels["mask"][own] != labels["mask"][one]])
        labels["mask"][[one, two]] = labels["mask"][[two, one]]
        wrong["mask"] |= {image[one], image[two]}
    columns = [pl.Series(f"label:{name}", codes) for name, codes in labels.items()]
    changed = train.with_columns(*columns, pl.Series("value:age", years))
    return Manifest.of(pl.concat([changed, clean.test], how="vertical_relaxed")), wrong


def heads(project: Project, manifest: Manifest, features: Features, seed: int) -> Predictions:
    """Out-of-fold predictions of logistic regressions on the features."""
    _, vectors = features.of_training(manifest)
    points = main_components(vectors)
    points /= points.std()
    group = np.unique(manifest.train["group"].to_numpy().astype(str), return_inverse=True)[1]
    fold = np.random.default_rng([seed, 1]).permutation(group.max() + 1)[group] % FOLDS
    codes, blocks = manifest.codes(project.space), {}
    for place, attribute in enumerate(project.space.attributes):
        logs = np.zeros((len(points), attribute.size))
        for k in range(FOLDS):
            model = LogisticRegression(C=0.01, max_iter=200).fit(points[fold != k], codes[fold != k, place])
            logs[fold == k] = model.predict_log_proba(points[fold == k])
        blocks[attribute.name] = logs.astype(np.float32)
    train = manifest.train
    return Predictions(project.space, train["image"].to_numpy(), train["group"].to_numpy(), fold, blocks)


if __name__ == "__main__":
    main()
