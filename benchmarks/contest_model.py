"""Simulated contests whose predictors behave like real runs: fitted to out-of-fold tables, drawn for any people.

Each run's log-probabilities of each attribute (centred, a number a class) are taken together: a row of D numbers an
image. Given the labels, such a row is drawn as

    mean of its joint class + what the person does to all of its images + what the image does

the last two Gaussian, with covariances over all D numbers: runs err together on hard people and hard images as the
fitted ones do. Covariances are pooled over the classes, within and between people (the moments of a one-way layout, as
in Searle, Casella & McCulloch 1992, ch. 3); the one between people is cut to be positive semi-definite. Classes of few
people have loose means, and errors have no heavier tails than a Gaussian: `drawn_and_real` says how well drawn people
score beside the real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.project import Project
from facetwise.data.manifest import Manifest, load_manifest
from facetwise.evaluate.compose import log_normalised
from facetwise.evaluate.metrics import macro_f1
from facetwise.evaluate.predictions import Predictions
from facetwise.predictors.sources import read_source

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SPACE = LabelSpace(
    (
        Attribute("mask", ("wear", "incorrect", "normal")),
        Attribute("gender", ("male", "female")),
        Attribute("age", ("<30", "30-59", ">=60"), cuts=(30.0, 60.0)),
    )
)
MASKS = (0, 0, 0, 0, 0, 1, 2)
"""Mask classes of a person's seven photos."""


@dataclass(frozen=True)
class People:
    """Drawn people: joint classes (n,), the person of each row (n,), and a prediction table a predictor."""

    joint: Ints
    person: Ints
    tables: tuple[Predictions, ...]

    @property
    def codes(self) -> Ints:
        """Class numbers, (n, 3)."""
        return SPACE.decode(self.joint)


@dataclass(frozen=True)
class Model:
    """How the predictors of a contest answer."""

    names: tuple[str, ...]
    means: Floats
    """(joint classes, D)."""
    between: Floats
    """Covariance of what people do, (D, D)."""
    within: Floats
    """Covariance of what images do, (D, D)."""
    shares: Floats
    """Share of the people in each class of gender x age, (6,)."""

    @classmethod
    def load(cls, path: Path) -> Model:
        """Read a file of parameters."""
        with np.load(path, allow_pickle=False) as file:
            names = tuple(map(str, file["names"]))
            return cls(names, *(file[key].astype(np.float64) for key in ("means", "between", "within", "shares")))

    def save(self, path: Path) -> None:
        """Write the parameters, float32."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {key: getattr(self, key).astype(np.float32) for key in ("means", "between", "within", "shares")}
        np.savez_compressed(path, names=np.array(self.names), **arrays)

    def draw(self, num_people: int, seed: int | Sequence[int]) -> People:
        """People of seven photos each, and what every predictor says of them."""
        draws = np.random.default_rng(seed)
        kind = draws.choice(len(self.shares), num_people, p=self.shares / self.shares.sum())
        gender, age = np.divmod(np.repeat(kind, len(MASKS)), SPACE.sizes[2])
        person = np.repeat(np.arange(num_people), len(MASKS))
        joint = SPACE.encode(np.stack([np.tile(MASKS, num_people), gender, age], axis=1))
        roots = [_root(c) for c in (self.between, self.within)]
        people, images = (draws.standard_normal((n, self.means.shape[1])) for n in (num_people, len(joint)))
        logs = self.means[joint] + (people @ roots[0].T)[person] + images @ roots[1].T
        return People(joint, person, tuple(_table(part, person) for part in np.split(logs, len(self.names), axis=1)))


def fit(project: Project, manifest: Manifest, runs: Sequence[str]) -> Model:
    """The model of some finished runs with every attribute."""
    logs = np.hstack([_numbers(project, manifest, run) for run in runs])
    codes, group = manifest.codes(SPACE), manifest.train["group"].to_numpy()
    joint = SPACE.encode(codes)
    _, person = np.unique(group, return_inverse=True)
    counts = np.bincount(joint, minlength=SPACE.num_joint)
    sums = np.zeros((SPACE.num_joint, logs.shape[1]))
    np.add.at(sums, joint, logs)
    means = sums / np.maximum(counts, 1)[:, None]
    between, within = _components(logs - means[joint], person)
    first = np.unique(person, return_index=True)[1]
    shares = np.bincount(codes[first, 1] * SPACE.sizes[2] + codes[first, 2], minlength=6) / len(first)
    return Model(tuple(runs), means, between, within, shares)


def _components(residual: Floats, person: Ints) -> tuple[Floats, Floats]:
    """Covariances between and within people, from residuals (n, D)."""
    size = np.bincount(person)
    averages = np.zeros((len(size), residual.shape[1]))
    np.add.at(averages, person, residual)
    averages /= size[:, None]
    inside = residual - averages[person]
    within = inside.T @ inside / (len(residual) - len(size))
    between = averages.T @ averages / len(size) - within / size.mean()
    values, vectors = np.linalg.eigh(between)
    return (vectors * np.maximum(values, 0)) @ vectors.T, within


def _root(covariance: Floats) -> Floats:
    """A matrix R with R R' = covariance; singular ones too (centred numbers sum to 0)."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0))
    return root


def _numbers(project: Project, manifest: Manifest, run: str) -> Floats:
    """Centred log-probabilities of the classes of every attribute, (n, 8)."""
    oof = read_source(project, manifest, run).require_oof()
    blocks = [np.maximum(logs, -20) for logs in oof.marginals.values()]
    return np.hstack([logs - logs.mean(axis=1, keepdims=True) for logs in blocks])


def _table(logs: Floats, person: Ints) -> Predictions:
    """Predictions of fold 0, as float32."""
    edges = np.cumsum((0, *SPACE.sizes))
    blocks = [log_normalised(logs[:, a:b]).astype(np.float32) for a, b in pairwise(edges)]
    images, folds = np.arange(len(logs)).astype(str), np.zeros(len(logs), np.int64)
    return Predictions(SPACE, images, person.astype(str), folds, dict(zip(SPACE.names, blocks, strict=True)))


def drawn_and_real(project: Project, model: Model, num_people: int = 5000) -> list[tuple[str, float, float]]:
    """Each run's macro F1 out of fold, and that of drawn people."""
    manifest, drawn, found = load_manifest(project), model.draw(num_people, 0), []
    truth = SPACE.encode(manifest.codes(SPACE))
    for run, table in zip(model.names, drawn.tables, strict=True):
        real = read_source(project, manifest, run).require_oof()
        scores = [macro_f1(a, t.classes, SPACE.num_joint) for a, t in ((truth, real), (drawn.joint, table))]
        found.append((run, scores[0], scores[1]))
    return found
