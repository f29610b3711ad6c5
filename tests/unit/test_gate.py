"""The gate: a good submission passes, every planted fault is told, and the class mix goes by person."""

from __future__ import annotations

import json

import numpy as np
import pytest

from facetwise.core.labels import Attribute, LabelSpace
from facetwise.submission.gate import GateFinding, GateReport, check_submission
from facetwise.submission.mix import Mix, assumed_people, check_mix

SPACE = LabelSpace((Attribute("hat", ("none", "cap", "helmet")), Attribute("hue", ("red", "blue"))))

PEOPLE, IMAGES = 60, 6


def oof(seed: int = 0) -> Mix:
    draws = np.random.default_rng(seed)
    hue = np.repeat(draws.integers(0, 2, PEOPLE), IMAGES)
    true = np.tile(np.arange(IMAGES) % 3, PEOPLE) * 2 + hue
    predicted = np.where(draws.random(len(true)) < 0.8, true, draws.integers(0, 6, len(true)))
    return Mix(predicted, true, np.repeat(np.arange(PEOPLE), IMAGES))


EXPECTED = [f"{i}.jpg" for i in range(20 * IMAGES)]
DECIDED = oof(1).predicted[: len(EXPECTED)]


def rows(names: list[str], answers: list[object]) -> bytes:
    return ("ImageID,ans\n" + "".join(f"{n},{a}\n" for n, a in zip(names, answers, strict=True))).encode()


GOOD = rows(EXPECTED, DECIDED.tolist())


def gate(data: bytes, *, decided: np.ndarray = DECIDED, **more: dict[str, str]) -> GateReport:
    return check_submission(
        data, EXPECTED, SPACE, image_column="ImageID", answer_column="ans", decided=decided, oof=oof(), **more
    )


def codes(findings: tuple[GateFinding, ...]) -> list[str]:
    return [f.code for f in findings]


def test_a_good_submission_passes():
    report = gate(GOOD)
    assert not report.errors
    assert not report.warnings
    assert codes(report.findings) == ["names", "classes", "decisions", "mix", "never-predicted"]
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False)) == report.as_dict()


PLANTED = {
    "names-missing": (rows(EXPECTED[:-1], DECIDED[:-1].tolist()), "119.jpg"),
    "names-extra": (rows([*EXPECTED, "more.jpg"], [*DECIDED.tolist(), 0]), "more.jpg"),
    "names-twice": (rows([*EXPECTED, "7.jpg"], [*DECIDED.tolist(), 0]), "'7.jpg'"),
    "order": (rows(EXPECTED[::-1], DECIDED[::-1].tolist()), "the first is image '119.jpg'"),
    "not-integer": (rows(EXPECTED, [*DECIDED[:-1].tolist(), "2.0"]), "line 121"),
    "out-of-range": (rows(EXPECTED, [*DECIDED[:-1].tolist(), 6]), "6 for '119.jpg'"),
    "no-prediction": (rows(EXPECTED, ["", *DECIDED[1:].tolist()]), "'0.jpg' (damaged)"),
    "differs": (rows(EXPECTED, np.roll(DECIDED, 1).tolist()), "differ from the predictions"),
    "format": (GOOD.replace(b"ans", b"answer", 1), "no column `ans`"),
}


@pytest.mark.parametrize("code", PLANTED)
def test_planted_faults_are_errors(code):
    data, part = PLANTED[code]
    report = gate(data, reasons={"0.jpg": "damaged"})
    assert codes(report.errors) == [code]
    assert part in report.errors[0].message


def test_faults_of_different_kinds_are_all_told():
    report = gate(rows([*EXPECTED[1:], "more.jpg", "more.jpg"], [*DECIDED[1:].tolist(), 99, "x"]))
    found = codes(report.errors)
    assert found == ["names-missing", "names-extra", "names-twice", "not-integer", "out-of-range"]


def test_many_names_are_counted_not_listed():
    message = gate(rows(EXPECTED[:50], DECIDED[:50].tolist())).errors[0].message
    assert message.startswith("70 image(s) not in the file: '50.jpg', ")
    assert message.endswith(" and 65 more")


def test_an_answer_made_up_for_an_image_without_a_prediction():
    decided = DECIDED.copy()
    decided[3] = -1
    report = gate(GOOD, decided=decided)
    assert codes(report.errors) == ["no-prediction"]
    assert "3.jpg" in report.errors[0].message


def test_swapped_classes_are_a_warning():
    swapped = np.array([0, 1, 2, 3, 0, 1])[DECIDED]
    report = gate(rows(EXPECTED, swapped.tolist()), decided=swapped)
    assert not report.errors
    assert codes(report.warnings) == ["drift", "never-predicted"]
    assert "helmet/red" in report.warnings[1].message


def test_drift_goes_by_person():
    """One red person is no wonder where half are blue; two hundred red ones are: the same shares, other chances."""
    one_hue = np.tile(np.arange(IMAGES) % 3 * 2, 200)
    few, many = (check_mix(one_hue[: n * IMAGES], oof(), SPACE) for n in (1, 200))
    assert (few.num_people, many.num_people) == (1, 200)
    assert few.distance == pytest.approx(many.distance, abs=0.02)
    assert few.chance > 0.05 > 0.002 > many.chance
    assert few.usual > many.usual


def test_false_alarms_are_as_rare_as_they_say():
    """The chance of a test side from the same people is uniform: below 0.2 in a fifth of 100 sides, +- 3 errors."""
    draws, source = np.random.default_rng(5), oof()
    by_person = source.predicted.reshape(PEOPLE, IMAGES)
    chances = []
    for seed in range(100):
        known, fresh = draws.integers(0, PEOPLE, PEOPLE), draws.integers(0, PEOPLE, 20)
        again = Mix(by_person[known].ravel(), by_person[known].ravel(), source.groups)
        chances.append(check_mix(by_person[fresh].ravel(), again, SPACE, resamples=200, seed=seed).chance)
    assert abs(np.mean(np.array(chances) < 0.2) - 0.2) < 3 * (0.2 * 0.8 / 100) ** 0.5


def test_shares_of_the_mix():
    mix = check_mix(DECIDED, oof(), SPACE)
    assert [c.name for c in mix.classes] == list(SPACE.joint_names)
    for field, classes in (("test", DECIDED), ("predicted", oof().predicted), ("true", oof().true)):
        expected = np.bincount(classes, minlength=6) / len(classes)
        np.testing.assert_allclose([getattr(c, field) for c in mix.classes], expected)
    assert 0 <= mix.distance <= 1


def test_assumed_people():
    assert assumed_people(12600, 18900, 2700)[0] == 1800
    assert assumed_people(1, 70, 10) == (1, "1 test images at 7.0 images a person, as on the labelled side")
