"""The made contest: its layout, its truth, and the same bytes for the same seed."""

import csv
import math
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from facetwise.data.made import contest as synth
from facetwise.data.made.canvas import Pattern, Pen, Weave
from facetwise.data.made.contest import Contest, SynthSpec, check_spec, draw_contest
from facetwise.data.made.face import Design, Fit, draw_photo
from facetwise.data.made.look import invent_look, take_shot
from facetwise.data.made.people import QUOTAS, age_group, quotas

SMALL = SynthSpec(train_people=10, eval_people=6, seed=3, height=48, width=36, wrong_labels=0.3)
PHOTOS = ["incorrect_mask", "mask1", "mask2", "mask3", "mask4", "mask5", "normal"]


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    return draw_contest(tmp_path_factory.mktemp("synth") / "contest", SMALL, workers=1)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    """The same contest without label errors."""
    root = tmp_path_factory.mktemp("synth") / "honest"
    return draw_contest(root, replace(SMALL, wrong_labels=0.0), workers=1)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# --------------------------------------------------------------------------------------------------------- layout


def test_training_table_names_a_folder_of_seven_photos_a_person(contest: Contest) -> None:
    table = rows(contest.root / "train/train.csv")
    assert list(table[0]) == ["id", "gender", "race", "age", "path"]
    assert [row["id"] for row in table] == [f"{number:06d}" for number in range(1, 11)]
    folders = contest.root / "train/images"
    assert sorted(folder.name for folder in folders.iterdir()) == sorted(row["path"] for row in table)
    for row in table:
        assert row["path"] == "_".join([row["id"], row["gender"], row["race"], row["age"]])
        assert sorted(photo.stem for photo in (folders / row["path"]).iterdir()) == PHOTOS


def test_evaluation_is_flat_blank_and_shuffled(contest: Contest) -> None:
    table = rows(contest.root / "eval/info.csv")
    names = [row["ImageID"] for row in table]
    assert list(table[0]) == ["ImageID", "ans"]
    assert {row["ans"] for row in table} == {"0"}
    assert all(re.fullmatch(r"[0-9a-f]{40}\.jpg", name) for name in names)
    assert sorted(names) == sorted(path.name for path in (contest.root / "eval/images").iterdir())
    assert names != sorted(names)
    people = [row["person"] for row in rows(contest.labels)]
    assert sum(first == second for first, second in pairwise(people)) < len(people) / 2


def test_photos_are_jpegs_of_the_asked_size(contest: Contest) -> None:
    for path in contest.root.rglob("*.jpg"):
        height, width, colours, _ = simplejpeg.decode_jpeg_header(path.read_bytes())
        assert (height, width, colours) == (48, 36, "YCbCr")


def test_no_label_lies_inside_the_contest_folders(contest: Contest) -> None:
    assert {path.name for path in contest.root.iterdir()} == {"train", "eval", "hidden"}
    assert {path.name for path in (contest.root / "eval").iterdir()} == {"info.csv", "images"}
    assert {path.name for path in (contest.root / "hidden").iterdir()} == {"labels.csv", "wrong.csv"}


# --------------------------------------------------------------------------------------------------------- truth


def test_hidden_labels_are_the_classes_of_the_evaluation_people(contest: Contest) -> None:
    table = rows(contest.labels)
    assert list(table[0]) == ["ImageID", "ans", "person", "mask", "gender", "age"]
    assert [row["ImageID"] for row in table] == [row["ImageID"] for row in rows(contest.root / "eval/info.csv")]
    for row in table:
        mask = ["wear", "incorrect", "normal"].index(row["mask"])
        gender = ["male", "female"].index(row["gender"])
        age = int(row["age"])
        assert int(row["ans"]) == mask * 6 + gender * 3 + (age >= 30) + (age >= 60)


def test_each_evaluation_person_wears_five_masks_well_one_badly_and_none_once(contest: Contest) -> None:
    table = rows(contest.labels)
    people = {row["person"] for row in table}
    assert len(people) == SMALL.eval_people
    assert people.isdisjoint(row["id"] for row in rows(contest.root / "train/train.csv"))
    for person in people:
        own = [row for row in table if row["person"] == person]
        assert Counter(row["mask"] for row in own) == {"wear": 5, "incorrect": 1, "normal": 1}
        assert len({(row["gender"], row["age"]) for row in own}) == 1


def test_planted_label_errors_are_listed_and_are_all_there_are(contest: Contest, honest: Contest) -> None:
    truth = {row["id"]: row for row in rows(honest.root / "train/train.csv")}
    told = {row["id"]: row for row in rows(contest.root / "train/train.csv")}
    differing = {
        (name, attribute, told[name][attribute], truth[name][attribute])
        for name in truth
        for attribute in ("gender", "age")
        if told[name][attribute] != truth[name][attribute]
    }
    assert contest.wrong is not None
    listed = rows(contest.wrong)
    assert {tuple(row.values()) for row in listed} == differing
    assert len({row["id"] for row in listed}) == len(listed) == round(0.3 * 10)
    assert {row["attribute"] for row in listed} == {"gender", "age"}
    ages = [(int(row["recorded"]), int(row["true"])) for row in listed if row["attribute"] == "age"]
    assert all(age_group(recorded) != age_group(true) for recorded, true in ages)
    assert honest.wrong is None
    assert not (honest.root / "hidden/wrong.csv").exists()


def test_label_errors_leave_the_pictures_alone(contest: Contest, honest: Contest) -> None:
    assert photos_by_id(honest.root) == photos_by_id(contest.root)


def photos_by_id(root: Path) -> dict[tuple[str, str], bytes]:
    return {(path.parent.name[:6], path.name): path.read_bytes() for path in root.rglob("*.jpg")}


@pytest.mark.parametrize("num_people", [1, 5, 6, 12, 30, 60, 200, 800])
def test_quotas_keep_the_proportions(num_people: int) -> None:
    counts = np.array(quotas(num_people))
    wanted = np.ravel(QUOTAS) / np.sum(QUOTAS) * num_people
    assert counts.sum() == num_people
    assert np.abs(counts - wanted).max() < 2
    if num_people >= 6:
        assert counts.min() >= 1


def test_default_training_people_fill_every_cell() -> None:
    assert min(quotas(SynthSpec().train_people)) >= 5
    assert quotas(800) == list(np.ravel(QUOTAS))


# --------------------------------------------------------------------------------------------------- reproducible


def test_same_bytes_on_each_call_and_with_any_number_of_workers(contest: Contest, tmp_path: Path) -> None:
    parallel = draw_contest(tmp_path / "parallel", SMALL, workers=2)
    assert contents(parallel.root) == contents(contest.root)


def test_another_seed_draws_other_people(contest: Contest, tmp_path: Path) -> None:
    other = draw_contest(tmp_path / "other", replace(SMALL, seed=4, train_people=6, eval_people=1), workers=1)
    assert set(contents(other.root).values()).isdisjoint(contents(contest.root / "train/images").values())
    assert photos_by_id(other.root).keys().isdisjoint(photos_by_id(contest.root / "eval").keys())


def test_masks_and_labels_change_the_picture_and_identity_does_not() -> None:
    look = invent_look(np.random.default_rng(0), female=True, age=40)
    masks = [None, *((design, fit) for design in Design for fit in Fit)]
    photos = [draw_photo(look, mask, 48, 36, np.random.default_rng(1)) for mask in masks]
    assert len({photo.tobytes() for photo in photos}) == len(masks)
    wall_corners = {photo[0, 0].tobytes() for photo in photos}
    assert len(wall_corners) == 1


def test_pattern_reaches_every_corner_in_any_pose() -> None:
    wall = Pattern(Weave.STRIPES, base=(250, 0, 0), accent=(0, 0, 250), pitch=1.0, slant=math.pi / 4)
    rng = np.random.default_rng(0)
    for _ in range(300):
        pen = Pen(32, 24, take_shot(rng))
        pen.cover(wall)
        blue = np.asarray(pen.canvas)[..., 2] > 0
        a_stripe = round(0.95 * blue.shape[1] / 2)
        for rows_seen in (slice(None, a_stripe), slice(-a_stripe, None)):
            assert blue[rows_seen, :a_stripe].any()
            assert blue[rows_seen, -a_stripe:].any()


# -------------------------------------------------------------------------------------------------------- refusals


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        draw_contest(tmp_path, SMALL)
    with pytest.raises(FileExistsError, match=r"mine\.txt"):
        draw_contest(tmp_path / "mine.txt", SMALL)
    assert contents(tmp_path) == {"mine.txt": b"mine"}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    drawn = draw_contest(tmp_path / "empty", SynthSpec(1, 1, height=16, width=16), workers=1)
    assert len(list(drawn.root.rglob("*.jpg"))) == 14


def test_nothing_is_left_behind_when_drawing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = 0

    def fail_at_the_tenth(*_args: object) -> np.ndarray:
        nonlocal drawn
        drawn += 1
        if drawn == 10:
            raise OSError("disk full")
        return np.zeros((16, 16, 3), np.uint8)

    monkeypatch.setattr(synth, "draw_photo", fail_at_the_tenth)
    with pytest.raises(OSError, match="disk full"):
        draw_contest(tmp_path / "contest", SMALL, workers=1)
    assert drawn == 10
    assert list(tmp_path.iterdir()) == []


def test_every_field_out_of_range_is_named_at_once() -> None:
    bad = SynthSpec(0, -1, seed=-1, height=8, width=9999, wrong_labels=float("nan"), quality=0)
    with pytest.raises(ValueError, match="cannot be drawn") as caught:
        check_spec(bad)
    fields = ["train_people", "eval_people", "seed", "height", "width", "wrong_labels", "quality"]
    assert all(f"{field} is " in str(caught.value) for field in fields)
    check_spec(SynthSpec())


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers is 0"):
        draw_contest(tmp_path / "contest", SMALL, workers=0)
