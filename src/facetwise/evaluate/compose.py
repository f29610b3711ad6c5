"""Prediction tables to probabilities: own columns of an attribute, or sums of joint ones; the average of fold models.

A table holds float32 log-probabilities (`core.tables.PREDICTIONS`): blocks `<attribute>=<class>` and/or one block
`joint=<i>`. A row with any missing value (NaN) in a block is not covered by that block. Results are float64, each
row normalised (its probabilities sum to 1), NaN where not covered.

An ordinal attribute may have more beside its classes, for moving a cut later: a block `<attribute>:year=<value>`, whose
sums by the cuts used are the classes, or a number `<attribute>:score`. Probabilities of classes do not come from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.labels import MAX_LISTED_JOINT, Attribute, FloatArray, LabelSpace
from facetwise.core.tables import PREDICTIONS, prediction_columns, score_column, year_columns, year_values


def attributes_in(table: pl.DataFrame, space: LabelSpace) -> tuple[str, ...]:
    """Names of the attributes that `table` predicts, in the order of `space`: all of them when it has the joint.

    Raises ArtefactError when a block of columns is incomplete or a predicted column is not of `space`.
    """
    _check_columns(table, space)
    return space.names if _has_joint(table) else tuple(n for n in space.names if space.columns(n)[0] in table.columns)


def subspace(space: LabelSpace, names: Sequence[str]) -> LabelSpace:
    """The product of the attributes called `names` only, in the order of `space`."""
    return LabelSpace(tuple(space.attribute(n) for n in space.names if n in names))


def marginals(table: pl.DataFrame, space: LabelSpace) -> dict[str, FloatArray]:
    """Log-probabilities, shape (n, classes), of each attribute in `table`: its own columns, else summed joint ones."""
    names = attributes_in(table, space)
    own = [n for n in names if space.columns(n)[0] in table.columns]
    found = {n: log_normalised(_block(table, space.columns(n))) for n in own}
    if len(own) < len(names):
        found |= marginals_of(
            log_normalised(_block(table, space.joint_columns)), space, [n for n in names if n not in own]
        )
    return {n: found[n] for n in names}


def joint_log_probs(table: pl.DataFrame, space: LabelSpace) -> FloatArray:
    """Joint log-probabilities, shape (n, num_joint): the joint columns, else the product of the attributes.

    Raises InputError when attributes are missing, or when there are too many joint classes for a column each.
    """
    if space.num_joint > MAX_LISTED_JOINT:
        raise InputError(f"{space.num_joint} joint classes are too many for a column each (at most {MAX_LISTED_JOINT})")
    names = attributes_in(table, space)
    if missing := [n for n in space.names if n not in names]:
        raise InputError(f"no joint probabilities: the predictions lack {', '.join(f'`{n}`' for n in missing)}")
    if _has_joint(table):
        return log_normalised(_block(table, space.joint_columns))
    joint = np.zeros((table.height, 1))
    for block in marginals(table, space).values():
        joint = (joint[:, :, None] + block[:, None, :]).reshape(table.height, -1)
    return joint


def covered(table: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether each row has a prediction, shape (n,): in every block nothing is missing and some class is possible.

    A score counts as a block of its own.
    """
    blocks: dict[str, list[str]] = {}
    for column in prediction_columns(table):
        blocks.setdefault(column.split("=", 1)[0], []).append(column)
    found = np.full(table.height, bool(blocks))
    for columns in blocks.values():
        found &= np.isfinite(_block(table, columns).max(axis=1))
    return found


def year_log_probs(table: pl.DataFrame, name: str) -> FloatArray:
    """Log-probabilities, shape (n, values), of the values (`year_values`) of the attribute called `name`.

    Raises ArtefactError when the table has none.
    """
    values = year_values(table, name)
    if not values:
        raise ArtefactError(f"no distribution over the values of `{name}`: no columns `{name}:year=...`")
    return log_normalised(_block(table, year_columns(name, values)))


def scores_of(table: pl.DataFrame, name: str) -> FloatArray:
    """The score of the attribute called `name`, shape (n,), NaN where missing; raises ArtefactError when not there."""
    if score_column(name) not in table.columns:
        raise ArtefactError(f"no score of `{name}`: no column `{score_column(name)}`")
    return _block(table, [score_column(name)])[:, 0]


def average(table: pl.DataFrame, images: Sequence[str], space: LabelSpace) -> pl.DataFrame:
    """One row an image, in the order of `images`: the mean *probability* of its rows (fold models, repeats).

    Of scores it is the plain mean. Each block of columns is averaged for itself; rows not covered by a block do not
    count in it, and an image with none left is NaN. `fold` and `repeat` are null, `group` is kept. Raises
    ArtefactError when `images` repeat or the table has images that are not listed.
    """
    rows = _positions(table, images)
    keys = pl.DataFrame({"image": pl.Series(images, dtype=pl.String())}).join(
        table.select("image", "group").unique("image", keep="first"), on="image", how="left", maintain_order="left"
    )
    nothing = pl.lit(None, dtype=pl.Int32())
    averaged = keys.select("image", "group", nothing.alias("fold"), nothing.alias("repeat"))
    for columns in _blocks(table, space):
        mean = _mean_probability(log_normalised(_block(table, columns)), rows, len(images))
        averaged = averaged.hstack(pl.DataFrame(mean.astype(np.float32), schema=list(columns), orient="row"))
    for column in _scores(table, space):
        mean = _mean(_block(table, [column])[:, 0], rows, len(images))
        averaged = averaged.with_columns(pl.Series(column, mean.astype(np.float32)))
    return averaged


def log_normalised(logs: FloatArray) -> FloatArray:
    """`logs`, shape (n, k), minus the log of each row's summed exponentials: rows that sum to 1. NaN rows stay NaN."""
    with np.errstate(invalid="ignore"):  # a row of nothing but -inf has no distribution: NaN
        return logs - _log_sum_exp(logs)


def log_sums(logs: FloatArray, edges: Sequence[int]) -> FloatArray:
    """Logs of the sums of the columns edges[i]..edges[i + 1]-1, shape (n, len(edges) - 1); -inf where that is none."""
    spans = [slice(*edge) for edge in pairwise(edges)]
    nothing = np.where(np.isnan(logs).any(axis=1, keepdims=True), np.nan, -np.inf)
    return np.hstack([_log_sum_exp(np.hstack([logs[:, span], nothing])) for span in spans])


def _log_sum_exp(logs: FloatArray, axis: int | tuple[int, ...] = -1) -> FloatArray:
    """log(sum(exp)), kept dimensions; shifted by the largest entry so that nothing overflows. NaN if any entry is."""
    top = logs.max(axis=axis, keepdims=True)
    shift = np.where(np.isneginf(top), 0.0, top)
    with np.errstate(divide="ignore"):
        total: FloatArray = np.log(np.exp(logs - shift).sum(axis=axis, keepdims=True)) + shift
    return total


def marginals_of(joint: FloatArray, space: LabelSpace, names: Sequence[str]) -> dict[str, FloatArray]:
    """Log-probabilities (n, classes) of the attributes called `names`, from joint ones, (n, num_joint)."""
    cube = joint.reshape(-1, *space.sizes)
    axes = range(1, cube.ndim)
    return {
        name: _log_sum_exp(cube, tuple(a for a in axes if a != space.index(name) + 1)).reshape(len(joint), -1)
        for name in names
    }


def _mean_probability(logs: FloatArray, rows: npt.NDArray[np.int64], num_images: int) -> FloatArray:
    """log(mean(exp)) over the covered rows of each image. Adding probabilities is safe: none exceeds 1."""
    usable = ~np.isnan(logs).any(axis=1)
    logs, rows = logs[usable], rows[usable]
    count = np.bincount(rows, minlength=num_images)[:, None]
    top = np.full((num_images, logs.shape[1]), -np.inf)
    np.maximum.at(top, rows, logs)
    shift = np.where(np.isneginf(top), 0.0, top)
    total = np.zeros_like(top)
    np.add.at(total, rows, np.exp(logs - shift[rows]))
    with np.errstate(divide="ignore"):
        mean: FloatArray = np.log(total) + shift - np.log(np.maximum(count, 1))
    return np.where(count > 0, mean, np.nan)


def _mean(numbers: FloatArray, rows: npt.NDArray[np.int64], num_images: int) -> FloatArray:
    """Mean over the finite entries of each image, shape (num_images,); NaN where there is none."""
    usable = np.isfinite(numbers)
    count = np.bincount(rows[usable], minlength=num_images)
    total = np.bincount(rows[usable], weights=numbers[usable], minlength=num_images)
    mean: FloatArray = np.divide(total, count, out=np.full(num_images, np.nan), where=count > 0)
    return mean


def _positions(table: pl.DataFrame, images: Sequence[str]) -> npt.NDArray[np.int64]:
    place = {image: i for i, image in enumerate(images)}
    if len(place) != len(images):
        raise ArtefactError(f"the image list names {len(images) - len(place)} image(s) twice", hint="make it again")
    unknown = sorted(set(table["image"].to_list()) - place.keys())
    if unknown:
        raise ArtefactError(
            f"predictions of {len(unknown)} image(s) that are not in the image list, the first is {unknown[0]!r}",
            hint="the predictions were made from other data: predict again",
        )
    return np.fromiter((place[i] for i in table["image"]), dtype=np.int64, count=table.height)


def _block(table: pl.DataFrame, columns: Sequence[str]) -> FloatArray:
    selected = table.select(pl.col(list(columns)).cast(pl.Float64()).fill_null(float("nan")))
    return selected.to_numpy().reshape(table.height, len(columns))


def _has_joint(table: pl.DataFrame) -> bool:
    return "joint=0" in table.columns


def _blocks(table: pl.DataFrame, space: LabelSpace) -> list[tuple[str, ...]]:
    """Blocks of log-probability columns: each attribute's classes and values, then the joint classes."""
    _check_columns(table, space)
    own = [b for n in space.names for b in (space.columns(n), _years(table, n)) if b and b[0] in table.columns]
    return [*own, space.joint_columns] if _has_joint(table) else own


def _years(table: pl.DataFrame, name: str) -> tuple[str, ...]:
    return year_columns(name, year_values(table, name))


def _scores(table: pl.DataFrame, space: LabelSpace) -> list[str]:
    return [c for n in space.names if (c := score_column(n)) in table.columns]


def _check_columns(table: pl.DataFrame, space: LabelSpace) -> None:
    present = set(prediction_columns(table))
    wanted = [space.columns(n) for n in space.names]
    if any(c.startswith("joint=") for c in present):
        wanted.append(space.joint_columns)
    problems = [
        f"`{missing[0]}` is missing"
        for columns in wanted
        if (missing := [c for c in columns if c not in present]) and len(missing) < len(columns)
    ]
    beside = {a.name: _beside_classes(table, a) for a in space.attributes if a.is_ordinal}
    for name, columns in beside.items():
        problems += _beside_problems(table, name, columns, space)
    known = {c for columns in (*wanted, *beside.values()) for c in columns}
    problems += [f"`{c}` is not of this label space" for c in sorted(present - known)]
    if problems:
        raise ArtefactError("prediction columns not as expected: " + "; ".join(problems), hint="make the table again")
    if not present:
        raise ArtefactError(f"no prediction columns, only {', '.join(table.columns or PREDICTIONS)}")


def _beside_classes(table: pl.DataFrame, attribute: Attribute) -> list[str]:
    """Columns that an ordinal attribute has beside its classes: its score, its values."""
    score = score_column(attribute.name)
    return [*([score] if score in table.columns else ()), *_years(table, attribute.name)]


def _beside_problems(table: pl.DataFrame, name: str, columns: Sequence[str], space: LabelSpace) -> list[str]:
    first = space.columns(name)[0]
    problems = [f"`{columns[0]}` is there without `{first}`"] if columns and first not in table.columns else []
    if any(a >= b for a, b in pairwise(year_values(table, name))):
        problems.append(f"values of `{name}:year=...` are not ascending")
    return problems
