"""Prediction tables drawn for tests of what is decided on them: a contest of two attributes with few old people."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.tables import PREDICTIONS, prediction_columns
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.predictions import Predictions
from facetwise.evaluate.rows import ScoredRows, Truth

HUE = Attribute("hue", ("red", "blue"))
AGE = Attribute("age", ("<30", "30-59", ">=60"), cuts=(30, 60))
SPACE = LabelSpace((HUE, AGE))
SHARES = {"hue": (0.5, 0.5), "age": (0.55, 0.35, 0.1)}


def keys(people: np.ndarray) -> pl.DataFrame:
    """The first columns of a table, a row an image of these people."""
    n = len(people)
    columns = {"image": [f"{i}" for i in range(n)], "group": [f"p{p:03d}" for p in people]}
    return pl.DataFrame({**columns, "fold": (people % 3).tolist(), "repeat": [0] * n}, schema=dict(PREDICTIONS))


def block(columns: tuple[str, ...], logs: np.ndarray) -> pl.DataFrame:
    """Columns of float32."""
    return pl.DataFrame(np.asarray(logs, dtype=np.float32), schema=list(columns), orient="row")


def product_table(people: np.ndarray, logs: Mapping[str, np.ndarray], space: LabelSpace = SPACE) -> pl.DataFrame:
    """A table of an attribute's log-probabilities each."""
    return keys(people).hstack([s for n, found in logs.items() for s in block(space.columns(n), found)])


def joint_table(people: np.ndarray, joint: np.ndarray, space: LabelSpace = SPACE) -> pl.DataFrame:
    """A table of joint log-probabilities."""
    return keys(people).hstack(block(space.joint_columns, joint))


def read(table: pl.DataFrame, space: LabelSpace = SPACE) -> Predictions:
    """What a table says."""
    return Predictions.read(table, space)


def rows(
    table: pl.DataFrame, codes: np.ndarray, people: np.ndarray | None = None, space: LabelSpace = SPACE
) -> ScoredRows:
    """A table beside true class numbers, (n, attributes); its own groups are the people unless others are given."""
    groups = table["group"].to_numpy() if people is None else people
    return ScoredRows(read(table, space), Truth(space, table["image"].to_numpy(), codes, groups))


def truth_of(classes: np.ndarray, people: object, num_classes: int) -> Truth:
    """Rows of which only a class, 0 to `num_classes` - 1, and the person is known."""
    space = LabelSpace((Attribute("a", tuple(map(str, range(num_classes)))),))
    return Truth(space, list(map(str, range(len(classes)))), np.asarray(classes)[:, None], people)


def without(table: pl.DataFrame, gone: list[int]) -> pl.DataFrame:
    """The table with nothing predicted in the rows `gone`."""
    lost = pl.int_range(pl.len()).is_in(gone)
    predicted = prediction_columns(table)
    return table.with_columns(
        pl.when(lost).then(float("nan")).otherwise(pl.col(c)).cast(pl.Float32).alias(c) for c in predicted
    )


def drawn_codes(rng: np.random.Generator, people: np.ndarray) -> np.ndarray:
    """Class numbers, (n, 2): of the hue an image, of the age a person."""
    hue = rng.choice(2, len(people), p=SHARES["hue"])
    age = rng.choice(3, int(people.max()) + 1, p=SHARES["age"])[people]
    return np.stack([hue, age], axis=1)


def calibrated(rng: np.random.Generator, codes: np.ndarray, space: LabelSpace = SPACE) -> dict[str, np.ndarray]:
    """Log-probabilities of attributes that mean what they say: posteriors of a noisy look at the truth."""
    found = {}
    for a, attribute in enumerate(space.attributes):
        looks = np.eye(attribute.size)[codes[:, a]] * 1.5 + rng.normal(0, 1, (len(codes), attribute.size))
        found[attribute.name] = log_normalised(1.5 * looks + np.log(SHARES[attribute.name]))
    return found


def noise(rng: np.random.Generator, codes: np.ndarray, space: LabelSpace = SPACE) -> dict[str, np.ndarray]:
    """Log-probabilities that know nothing of the truth."""
    return {a.name: log_normalised(rng.normal(0, 1, (len(codes), a.size))) for a in space.attributes}


def contest(seed: int, num_people: int = 60, images: int = 3) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """A calibrated product table, class numbers, and the people of its rows."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(num_people), images)
    codes = drawn_codes(rng, people)
    table = product_table(people, calibrated(rng, codes))
    return table, codes, table["group"].to_numpy()
