"""How well `facetwise same-person` finds known people whose photos were put under two names.

    facetwise embed lite0-frozen --out features.parquet         # in a project on the dataset
    python benchmarks/same_person.py --project PATH --features features.parquet

A share of the people, drawn anew for each seed, gets a second name for every other photo. Counted are pairs told with
at least a sureness: how many of the two names of one person are told (recall), and how many of those told are one
person (precision). Whoever is one person under two names in the dataset itself counts as wrong here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from printed import machine_line, table

import facetwise as fw
from facetwise.core.tables import TRAIN
from facetwise.data.features.same_subject import LIKELY, SubjectPair, find_same_subject
from facetwise.data.features.table import Features, read_features
from facetwise.data.manifest import Manifest, load_manifest

SHARES = (0.0, 0.01, 0.05, 0.1)
SECOND = " (2)"
"""At the end of a second name."""
MOST = 10_000


def main() -> None:
    """Split, look, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(machine_line(), flush=True)
    manifest = load_manifest(fw.open_project(options.project))
    features = read_features(options.features, manifest)
    rows = []
    for share in SHARES:
        seeds = range(options.seeds if share else 1)
        rows.append(counted(share, [told(manifest, features, share, seed) for seed in seeds]))
        print(" ".join(rows[-1]), flush=True)
    many = ("recall", "precision")
    print(table(("people with two names", "told as likely", *many, "told at 90 %", *many, "alike the most"), rows))


def told(manifest: Manifest, features: Features, share: float, seed: int) -> tuple[int, tuple[SubjectPair, ...]]:
    """How many people got a second name, and the pairs."""
    names = np.unique(manifest.train["group"].to_numpy().astype(str))
    chosen = np.random.default_rng(seed).permutation(names)[: round(share * len(names))].tolist()
    place = pl.int_range(pl.len()).over("split", "group")
    second = (pl.col("split") == TRAIN) & pl.col("group").is_in(chosen) & (place % 2 == 1)
    renamed = manifest.table.with_columns(group=pl.when(second).then(pl.col("group") + SECOND).otherwise("group"))
    return len(chosen), find_same_subject(features, Manifest.of(renamed), MOST).pairs


def counted(share: float, found: list[tuple[int, tuple[SubjectPair, ...]]]) -> tuple[str, ...]:
    """A row of the table; `alike the most`: of as many pairs as people were split, those that are one person."""
    split = sum(num for num, _ in found)
    cells = [f"{share:.0%}, {split} in {len(found)}"]
    for least in (LIKELY, 0.9):
        right = [is_one(p) for _, pairs in found for p in pairs if (p.sure or 0) >= least]
        cells += [str(len(right)), ratio(sum(right), split), ratio(sum(right), len(right))]
    most = sum(is_one(p) for num, pairs in found for p in pairs[:num])
    return (*cells, ratio(most, split))


def is_one(pair: SubjectPair) -> bool:
    """Whether the two names are of one person."""
    return pair.first.removesuffix(SECOND) == pair.second.removesuffix(SECOND)


def ratio(part: int, whole: int) -> str:
    """A share with two digits; nothing of nothing."""
    return f"{part / whole:.2f}" if whole else ""


if __name__ == "__main__":
    main()
