"""Members drawn at random, as tables and as votes: for the tests of blending."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from facetwise.blending.votes import BoolArray, By, Votes, collect_votes
from facetwise.core.choices import BlendMethod
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import PREDICTIONS
from facetwise.evaluate.predictions import Predictions

SPACE = LabelSpace((Attribute("hat", ("none", "cap", "helmet")), Attribute("hue", ("red", "blue"))))
IMAGES = 3


def table_of(columns: tuple[str, ...], logs: np.ndarray) -> pl.DataFrame:
    """A prediction table, `IMAGES` rows a person."""
    n = len(logs)
    keys = pl.DataFrame(
        {"image": [f"{i}.jpg" for i in range(n)], "group": people(n), "fold": [0] * n, "repeat": [0] * n},
        schema=dict(PREDICTIONS),
    )
    return keys.hstack(pl.DataFrame(logs.astype(np.float32), schema=list(columns), orient="row"))


def people(num_rows: int) -> list[str]:
    """The person of each row."""
    return [f"p{i // IMAGES:03d}" for i in range(num_rows)]


def logs_for(draws: np.random.Generator, truth: np.ndarray, size: int, worth: float = 1.0) -> np.ndarray:
    """Log-probabilities, (n, size), that lean to the true classes, (n,)."""
    logits = draws.normal(0, 1.5, (len(truth), size)) + worth * (np.arange(size) == truth[:, None])
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


def draw_truth(draws: np.random.Generator, num_rows: int) -> np.ndarray:
    """Joint classes, (n,), uneven; the last class never occurs."""
    shares = np.array([0.4, 0.25, 0.15, 0.12, 0.08, 0.0])
    return draws.choice(SPACE.num_joint, num_rows, p=shares)


def joint_table(draws: np.random.Generator, truth: np.ndarray, worth: float = 1.0) -> pl.DataFrame:
    """A member with a joint head."""
    return table_of(SPACE.joint_columns, logs_for(draws, truth, SPACE.num_joint, worth))


def apart_table(
    draws: np.random.Generator, truth: np.ndarray, names: tuple[str, ...] = SPACE.names, worth: float = 1.0
) -> pl.DataFrame:
    """A member with some attributes, each by itself."""
    codes = SPACE.decode(truth)
    logs = [logs_for(draws, codes[:, SPACE.index(n)], SPACE.attribute(n).size, worth) for n in names]
    return table_of(tuple(c for n in names for c in SPACE.columns(n)), np.hstack(logs))


def cast_tables(
    tables: Sequence[pl.DataFrame],
    space: LabelSpace,
    *,
    by: By,
    method: BlendMethod,
    references: Sequence[pl.DataFrame | None] | None = None,
) -> tuple[Votes, BoolArray]:
    """Votes of tables."""
    read = partial(Predictions.read, space=space)
    known = None if references is None else [None if t is None else read(t) for t in references]
    return collect_votes([read(t) for t in tables], by=by, method=method, references=known)


def draw_votes(
    seed: int, by: By, method: BlendMethod, *, num_members: int = 5, num_rows: int = 60
) -> tuple[Votes, np.ndarray, list[str]]:
    """Votes of members of both kinds (and specialists, attribute by attribute), true joint classes, people."""
    draws = np.random.default_rng(seed)
    truth = draw_truth(draws, num_rows)
    tables = [
        (joint_table if i % 2 else apart_table)(draws, truth, worth=float(draws.uniform(0, 2)))
        for i in range(num_members)
    ]
    if by == "attribute":
        tables[1] = apart_table(draws, truth, ("hue",))
    return cast_tables(tables, SPACE, by=by, method=method)[0], truth, people(num_rows)
