"""What a person sees of what epochs hold."""

import io
from dataclasses import replace

import numpy as np

from facetwise.cli.display import TrainingDisplay, epoch_line
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.screens.text.runs.epochs import compared_line, content_lines
from facetwise.train.sampling import Pool, epoch_content

SPACE = LabelSpace(
    (
        Attribute("mask", ("wear", "incorrect", "normal")),
        Attribute("gender", ("male", "female")),
        Attribute("age", ("<30", "30-59", ">=60"), cuts=(30, 60)),
    )
)


def pool_of(space: LabelSpace, *classes: tuple[int, ...]) -> Pool:
    """An image each of these classes, every one of another person."""
    codes = np.array(classes, np.int64)
    return Pool(codes, np.array([f"person {i}" for i in range(len(codes))]), space)


def event_of(pool: Pool, rows: list[int], fold: int = 0, **more: object) -> dict[str, object]:
    return {"event": "content", "fold": fold, **epoch_content(pool, np.array(rows)).as_dict(), **more}


POOL = pool_of(SPACE, (0, 0, 0), (0, 0, 0), (0, 1, 1), (1, 0, 0), (2, 1, 0))


def test_without_sampling_attributes_say_it_and_an_absent_class_is_a_caution():
    assert content_lines(event_of(POOL, [0, 1, 2, 3, 4])) == [
        "an epoch holds 5 images of 5 people",
        "  mask: wear 3, incorrect 1, normal 1",
        "  gender: male 3, female 2",
        "  age: <30 4, 30-59 1, >=60 0",
        "  caution: no image of age `>=60` is trained on",
    ]


def test_joint_classes_that_sampling_changed_are_a_table():
    lines = content_lines(event_of(POOL, [0, 1, 2, 2, 3, 3, 3, 4] + [4] * 1200))
    assert lines[4:11] == [
        "  joint:                <30  30-59  >=60",
        "    wear/male             2      -     -",
        "    wear/female           -      2     -",
        "    incorrect/male        3      -     -",
        "    incorrect/female      -      -     -",
        "    normal/male           -      -     -",
        "    normal/female     1,201      -     -",
    ]
    assert lines[11].startswith("  caution")


def test_joint_classes_that_are_all_alike_are_a_line():
    assert "  joint: 4 classes with 2 each" in content_lines(event_of(POOL, [0, 1, 2, 2, 3, 3, 4, 4]))


def test_of_many_joint_classes_the_smallest_and_the_largest_are_told():
    large = LabelSpace(tuple(Attribute(name, tuple(f"{name}{i}" for i in range(18))) for name in "abc"))
    pool = pool_of(large, *((i % 18, i // 18, i % 7) for i in range(324)))
    lines = content_lines(event_of(pool, [*range(324), 5, 5, 7]))
    assert lines[-2:-1] == ["  joint: 324 classes; a0/b0/c0 has 1, a5/b0/c5 3"]
    assert max(map(len, lines)) < 400


def test_a_space_of_one_attribute_says_it_once():
    space = LabelSpace((Attribute("mask", ("wear", "normal")),))
    assert content_lines(event_of(pool_of(space, (0,), (1,)), [0, 1, 1]))[1:] == ["  mask: wear 1, normal 2"]


def test_another_fold_is_a_line_with_the_class_that_is_least_alike():
    first = event_of(POOL, [0, 1, 2, 3, 4])
    same = compared_line(event_of(POOL, [4, 3, 2, 1, 0], fold=1), first)
    assert same == "5 images of 5 people, of each class as many as in fold 0"
    other = pool_of(SPACE, (0, 0, 0), (0, 0, 0), (0, 1, 1), (1, 0, 1), (2, 1, 2), (2, 1, 2))
    line = compared_line(event_of(other, [0, 1, 2, 3, 4, 5], fold=1), first)
    assert line == "6 images of 6 people; most unlike fold 0: age >=60 2, not 0"


def shown(*events: dict[str, object]) -> list[str]:
    stream = io.StringIO()
    display = TrainingDisplay(stream)
    for event in events:
        display.event(event)
    return stream.getvalue().splitlines()


def test_a_run_tells_of_its_first_fold_at_length_and_of_the_others_in_a_line():
    lines = shown(
        {"event": "run", "run": "01-a"},
        event_of(POOL, [0, 1, 2, 3, 4], run="01-a"),
        event_of(replace(POOL, codes=np.zeros_like(POOL.codes)), [0, 1, 2], fold=1, run="01-a"),
    )
    assert lines[:2] == ["run 01-a", "fold 0: an epoch holds 5 images of 5 people"]
    assert lines[6].startswith("fold 1: 3 images of 3 people; most unlike fold 0: gender female 0, not 2")
    assert "  caution: no image of mask `incorrect`, `normal` is trained on" in lines[7:]


EPOCH = {
    "event": "epoch", "fold": 19, "epoch": 100, "train_loss": 3.5512, "val_loss": 1.0612, "val_macro_f1": 0.4312,
    "images_per_second": 12345.6,
}  # fmt: skip


def test_an_epoch_is_a_line_of_80_columns_and_the_speed_is_told_where_there_is_room():
    begun = {"event": "fold", "fold": 19, "epochs": 500, "from_epoch": 0}
    (wide,) = shown(begun, EPOCH)
    assert wide == ("fold 19  epoch 100/500  train loss 3.5512  val log loss 1.0612  macro F1 0.4312  12,346 images/s")
    assert len(epoch_line(EPOCH, 500, 80)) <= 80
    assert wide.startswith(epoch_line(EPOCH, 500, 80))


def test_the_pass_over_a_frozen_backbone_is_told_where_there_are_no_bars():
    stream = io.StringIO()
    display = TrainingDisplay(stream)
    display.event({"event": "features", "images": 2000})
    for done in range(64, 2001, 64):
        display.preparing(done, 2000)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "the frozen backbone looks once at 2,000 images"
    assert lines[1] == "computing features: 256 of 2,000"
    assert len(lines) == 10


def test_a_study_tells_only_what_is_new():
    """Of heads that train together, all runs begin before any of them tells what its epochs hold."""
    other = event_of(POOL, [0, 0, 3, 4], run="03-c")
    lines = shown(
        *({"event": "run", "run": run} for run in ("01-a", "02-b", "03-c")),
        *(event_of(POOL, [0, 1, 2, 3, 4], run=run) for run in ("01-a", "02-b")),
        other,
    )
    told = [line for line in lines if "an epoch holds" in line]
    assert told == [
        "run 01-a, fold 0: an epoch holds 5 images of 5 people",
        "fold 0: an epoch holds 4 images of 3 people",
    ]
