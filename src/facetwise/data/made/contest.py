"""A made contest: cartoon people with masks, in the layout of the home-case contest, for demos, tests and docs.

This module makes home-case data, so unlike the rest of the product it knows the contest's classes:
class = mask * 6 + gender * 3 + age group; mask: worn 0, worn incorrectly 1, none 2; gender: male 0, female 1;
age group: under 30 is 0, 30..59 is 1, 60 and over is 2.

`draw_contest` writes

    train/train.csv                  id, gender, race, age, path: as recorded, right or wrong
    train/images/<path>/             mask1.jpg .. mask5.jpg, incorrect_mask.jpg, normal.jpg
    eval/info.csv                    ImageID, ans: seven photos a person, shuffled; ans is 0, to be filled in
    eval/images/<ImageID>            flat
    hidden/labels.csv                ImageID, ans, person, mask, gender, age: the truth about eval, in its order
    hidden/wrong.csv                 id, attribute, recorded, true: the planted label errors of train, if any

The pictures depend on the seed and the counts of people, never on `wrong_labels`: a contest with and one without
label errors show the same people.
"""

import csv
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import simplejpeg

from facetwise.core.errors import InputError, ProblemsError
from facetwise.core.files.writing import temporary_name
from facetwise.data.made.face import Design, Fit, draw_photo
from facetwise.data.made.look import invent_look
from facetwise.data.made.people import EVAL, TRAIN, Person, age_group, draw_people, person_rng, record_labels

GENDERS = ("male", "female")
"""By class, as are the mask names."""
MASK_NAMES = ("wear", "incorrect", "normal")
PHOTO_NAMES = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
PHOTO_MASKS = (0, 0, 0, 0, 0, 1, 2)
"""The mask class of each photo of a person."""
MAX_PEOPLE = 100_000
SIDE_RANGE = (16, 2048)
NOSE_OUT_SHARE = 0.6
"""Of the masks worn incorrectly; the others sit on the chin."""
PEOPLE_A_TASK = 4
"""People that a worker is handed at a time."""
PEOPLE_A_WORKER = 50
"""Starting a process takes as long as drawing some ten people; below this it does not pay."""


@dataclass(frozen=True)
class SynthSpec:
    """What to draw. `check_spec` has the ranges."""

    train_people: int = 200
    """Labelled people, seven photos each."""
    eval_people: int = 60
    """People to predict, seven photos each."""
    seed: int = 0
    """The same spec gives the same bytes."""
    height: int = 128
    """Pixels."""
    width: int = 96
    """Pixels."""
    wrong_labels: float = 0.0
    """Share of the training people whose recorded gender or age group is wrong, 0 to 0.5."""
    quality: int = 85
    """JPEG quality, 1 to 100."""


@dataclass(frozen=True)
class Contest:
    """The paths of a drawn contest."""

    root: Path
    """The folder with `train` and `eval`."""
    labels: Path
    """The true classes of the evaluation images."""
    wrong: Path | None
    """The label errors planted in train; None when none were asked for."""


def draw_contest(root: Path, spec: SynthSpec, *, workers: int | None = None) -> Contest:
    """Draw a contest into the folder `root`, which must not exist yet, or be empty.

    Everything is drawn next to `root` and moved there when finished: a failure leaves no trace. `workers` processes
    draw, with the same bytes for any number; 1 draws in this process, None chooses by machine and number of people.
    With more than one, a script must call this under `if __name__ == "__main__":`.

    Raises `InputError` (a `ValueError`) for a spec or `workers` out of range, `FileExistsError` when `root` is a file
    or holds something.
    """
    check_spec(spec)
    num_workers = _num_workers(spec) if workers is None else workers
    if num_workers < 1:
        raise InputError(f"workers is {num_workers}; expected at least 1, or None for an automatic choice")
    target = root.resolve()
    _refuse_occupied(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary_name(target)
    try:
        _write_contest(draft, spec, num_workers)
        _refuse_occupied(target)
        if target.exists():
            target.rmdir()
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    hidden = root / "hidden"
    return Contest(root, hidden / "labels.csv", hidden / "wrong.csv" if spec.wrong_labels > 0 else None)


def check_spec(spec: SynthSpec) -> None:
    """Raise a `ProblemsError` (a `ValueError`) that lists every field out of its range."""
    ranges = {
        "train_people": (1, MAX_PEOPLE),
        "eval_people": (1, MAX_PEOPLE),
        "seed": (0, 2**63 - 1),
        "height": SIDE_RANGE,
        "width": SIDE_RANGE,
        "wrong_labels": (0, 0.5),
        "quality": (1, 100),
    }
    checks = [(name, getattr(spec, name), *limits) for name, limits in ranges.items()]
    problems = [
        f"{name} is {value!r}; expected {first} to {last}"
        for name, value, first, last in checks
        if not first <= value <= last
    ]
    if problems:
        raise ProblemsError("this contest cannot be drawn", problems)


def _refuse_occupied(target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists():
        raise FileExistsError(f"`{target}` exists and is not an empty folder; choose another one, or remove it first")


def _num_workers(spec: SynthSpec) -> int:
    num_people = spec.train_people + spec.eval_people
    return max(1, min(len(os.sched_getaffinity(0)), num_people // PEOPLE_A_WORKER))


def _write_contest(folder: Path, spec: SynthSpec, num_workers: int) -> None:
    train = draw_people(TRAIN, spec.train_people, 1, spec.seed)
    evaluation = draw_people(EVAL, spec.eval_people, spec.train_people + 1, spec.seed)
    recorded = record_labels(train, spec.wrong_labels, spec.seed)
    for part in ("train/images", "eval/images", "hidden"):
        (folder / part).mkdir(parents=True)
    _write_train(folder, recorded)
    _write_eval(folder, evaluation, spec)
    if spec.wrong_labels > 0:
        _write_wrong(folder, train, recorded)
    paths = [_train_paths(person) for person in recorded] + [_eval_paths(person, spec) for person in evaluation]
    _draw_all(partial(_draw_person, folder, spec), train + evaluation, paths, num_workers)


# --------------------------------------------------------------------------------------------------------- tables


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _folder_name(person: Person) -> str:
    return f"{person.id}_{GENDERS[person.gender]}_{person.race}_{person.age}"


def _write_train(folder: Path, recorded: Sequence[Person]) -> None:
    rows = [(p.id, GENDERS[p.gender], p.race, p.age, _folder_name(p)) for p in recorded]
    _write_csv(folder / "train/train.csv", ("id", "gender", "race", "age", "path"), rows)


def _write_eval(folder: Path, people: Sequence[Person], spec: SynthSpec) -> None:
    """The table to fill in and the hidden truth, in the same shuffled order."""
    rows = []
    for person in people:
        for path, mask in zip(_eval_paths(person, spec), PHOTO_MASKS, strict=True):
            ans = mask * 6 + person.gender * 3 + age_group(person.age)
            rows.append((path.name, ans, person.id, MASK_NAMES[mask], GENDERS[person.gender], person.age))
    rows = [rows[place] for place in person_rng(spec.seed, EVAL, 0, stream=1).permutation(len(rows))]
    _write_csv(folder / "eval/info.csv", ("ImageID", "ans"), [(row[0], 0) for row in rows])
    _write_csv(folder / "hidden/labels.csv", ("ImageID", "ans", "person", "mask", "gender", "age"), rows)


def _write_wrong(folder: Path, people: Sequence[Person], recorded: Sequence[Person]) -> None:
    rows: list[tuple[str, str, object, object]] = []
    for true, record in zip(people, recorded, strict=True):
        if record.gender != true.gender:
            rows.append((true.id, "gender", GENDERS[record.gender], GENDERS[true.gender]))
        if record.age != true.age:
            rows.append((true.id, "age", record.age, true.age))
    _write_csv(folder / "hidden/wrong.csv", ("id", "attribute", "recorded", "true"), rows)


# --------------------------------------------------------------------------------------------------------- photos


def _train_paths(recorded: Person) -> list[Path]:
    folder = Path("train/images", _folder_name(recorded))
    return [folder / f"{name}.jpg" for name in PHOTO_NAMES]


def _eval_paths(person: Person, spec: SynthSpec) -> list[Path]:
    names = (f"{spec.seed}/{person.number}/{photo}" for photo in PHOTO_NAMES)
    return [Path("eval/images", hashlib.blake2b(name.encode(), digest_size=20).hexdigest() + ".jpg") for name in names]


def _draw_all(
    draw: Callable[[Person, list[Path]], None],
    people: list[Person],
    paths: list[list[Path]],
    num_workers: int,
) -> None:
    if num_workers == 1:
        list(map(draw, people, paths))
        return
    with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(draw, people, paths, chunksize=PEOPLE_A_TASK))


def _draw_person(folder: Path, spec: SynthSpec, person: Person, paths: Sequence[Path]) -> None:
    """Draw and write the seven photos of a person."""
    rng = person_rng(spec.seed, person.split, person.number)
    look = invent_look(rng, female=person.gender == 1, age=person.age)
    for path, mask in zip(paths, _plan_masks(rng), strict=True):
        pixels = draw_photo(look, mask, spec.height, spec.width, rng)
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(simplejpeg.encode_jpeg(pixels, quality=spec.quality))


def _plan_masks(rng: np.random.Generator) -> list[tuple[Design, Fit] | None]:
    """The mask in each photo of a person: the five designs in random order, one of them worn incorrectly, none."""
    designs = [list(Design)[place] for place in rng.permutation(len(Design))]
    worn = [(design, Fit.WORN) for design in designs]
    fit = Fit.NOSE_OUT if rng.random() < NOSE_OUT_SHARE else Fit.ON_CHIN
    return [*worn, (designs[rng.integers(len(designs))], fit), None]
