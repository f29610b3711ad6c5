"""How many broken files the gate tells, and how many honest ones it doubts: made predictions of made people.

    python benchmarks/gate.py [FILES]

Everything is drawn from seeds. A file of a good model (0.97, 0.90, 0.80 right in mask, gender, age) is judged beside
two others, once known out of fold and once from elsewhere; and honest files of good and of weak models are, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from made_opinions import GOOD, SPACE, WEAK, World, in_classes

from facetwise.submission.gate.misplaced import ProjectAnswers


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


def main(files: int) -> None:
    """Print a row a kind of file: how many are to be looked at first, known out of fold / from elsewhere."""
    for people in (40, 200, 2700):
        looked: dict[str, np.ndarray] = {}
        for seed in range(files if people < 1000 else max(files // 10, 5)):
            world = World(seed, num_train=2 * people, num_test=people)
            for kind, right in (("good", GOOD), ("weak", WEAK)):
                own, others = world.model(right), [world.model(name="02"), world.model(name="03")]
                here = [ProjectAnswers(o.name, o.codes) for o in others]
                made = {f"honest, {kind}": SPACE.encode(own.codes)}
                made |= broken(own.codes, world.draws) if kind == "good" else {}
                for name, joint in made.items():
                    told = [not world.gate(joint, known, others, here).may_be_sent for known in (own, None)]
                    looked[name] = looked.get(name, np.zeros(3)) + np.array([*told, 1])
        for name, (known, elsewhere, count) in looked.items():
            print(f"{people:5} people  {name:20} {known / count:4.0%} / {elsewhere / count:4.0%} of {count:.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
