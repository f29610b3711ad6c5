"""How many broken files the gate tells, and how many honest ones it doubts: made predictions of made people.

    python benchmarks/gate.py
    python benchmarks/gate.py --files 2        # only to see it run

Everything is drawn from seeds. A file of a good model (0.97, 0.90, 0.80 right in mask, gender, age) is judged beside
two others, once known out of fold and once from elsewhere. Honest files are those of the good model, of a weak one
(0.85, 0.70, 0.45), and of good ones to which 15 % of the images say nothing, the same for all of them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from made_opinions import SPACE, WEAK, World, in_classes, oof_of

from facetwise.submission.gate.misplaced import ProjectAnswers
from facetwise.submission.gate.opinions import Opinion


def moved(codes: np.ndarray, rows: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """The answers of some rows in another order."""
    out = codes.copy()
    out[rows] = codes[draws.permutation(rows)]
    return out


def broken(codes: np.ndarray, draws: np.random.Generator) -> dict[str, np.ndarray]:
    """Joint classes of each broken file, by what was done."""
    num = len(codes)
    found = {"all": moved(codes, np.arange(num), draws)}
    for name, share in (("half", 2), ("quarter", 4)):
        found[f"{name}, anywhere"] = moved(codes, draws.permutation(num)[: num // share], draws)
        found[f"{name}, a block"] = moved(codes, np.arange(num // 5, num // 5 + num // share), draws)
    joint = {name: SPACE.encode(changed) for name, changed in found.items()}
    return {**joint, "`gender` exchanged": in_classes(codes, 1, (1, 0)), "no `normal`": no_normal(codes)}


def no_normal(codes: np.ndarray) -> np.ndarray:
    """Joint classes of a file that takes every `normal` for `wear`."""
    return SPACE.encode(np.where(codes == [[2, 9, 9]], 0, codes))


def hard(models: list[Opinion], draws: np.random.Generator) -> list[Opinion]:
    """The same models when 15 % of the images say nothing: there each answers as it does elsewhere, but at random."""
    test, train = (
        draws.permutation(len(side))[: int(0.15 * len(side))] for side in (models[0].codes, oof_of(models[0]))
    )
    return [replace(m, codes=moved(m.codes, test, draws), oof=moved(oof_of(m), train, draws)) for m in models]


def files_of(world: World) -> dict[str, tuple[np.ndarray, list[Opinion]]]:
    """Joint classes of a file, and the model that it is of, before two others; by what the file is."""
    good = [world.model(name=f"{i:02d}") for i in range(3)]
    honest = {"good": good, "weak": [world.model(WEAK), *good[1:]], "hard images": hard(good, world.draws)}
    found = {f"honest, {kind}": (SPACE.encode(models[0].codes), models) for kind, models in honest.items()}
    return found | {kind: (joint, good) for kind, joint in broken(good[0].codes, world.draws).items()}


def main() -> None:
    """Print a row a kind of file: how many are to be looked at first, known out of fold / from elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20, help="of each kind")
    files = parser.parse_args().files
    for people in (40, 200, 800, 2700):
        looked: dict[str, np.ndarray] = {}
        for seed in range(files if people < 800 else max(files // 5, 4)):
            world = World(seed, num_train=people, num_test=people)
            for kind, (joint, (own, *others)) in files_of(world).items():
                here = [ProjectAnswers(o.name, o.codes) for o in others]
                refused = [not world.gate(joint, known, others, here).may_be_sent for known in (own, None)]
                looked[kind] = looked.get(kind, np.zeros(3)) + np.array([*refused, 1])
        for kind, (known, elsewhere, count) in looked.items():
            print(
                f"{people:5} people  {kind:20} {known / count:4.0%} / {elsewhere / count:4.0%} of {count:.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
