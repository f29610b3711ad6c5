"""The gate: a good submission passes, every planted fault is told, and the class mix goes by person."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Ready
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.submission.gate.finding import GateFinding
from facetwise.submission.gate.gate import ExpectedFile, GateReport, check_submission
from facetwise.submission.gate.mix import Mix, assumed_people, check_mix
from facetwise.submission.gate.opinions import TrainingSide

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


def known() -> TrainingSide:
    mix = oof()
    return TrainingSide(SPACE.decode(mix.true), mix.groups, SPACE.decode(mix.predicted))


def gate(data: bytes, *, decided: np.ndarray = DECIDED, **more: object) -> GateReport:
    return check_submission(data, ExpectedFile(EXPECTED, "ImageID", "ans", **more), known(), SPACE, decided=decided)


def codes(findings: tuple[GateFinding, ...]) -> list[str]:
    return [f.code for f in findings]


def test_a_good_submission_passes():
    report = gate(GOOD)
    assert not report.errors
    assert not report.warnings
    assert codes(report.findings) == ["names", "classes", "decisions", "mix", "never-predicted", "opinions"]
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
    report = gate(data, unreadable={"0.jpg": "damaged"})
    assert codes(report.errors) == [code]
    assert part in report.errors[0].message


def test_columns_that_nobody_asked_for():
    asked = ("ImageID", "ans")
    assert "columns" not in codes(gate(GOOD, columns=asked).findings)
    index = b"\n".join(b"%s,%s" % (b"" if i == 0 else str(i).encode(), row) for i, row in enumerate(GOOD.splitlines()))
    (found,) = (f for f in gate(index, columns=asked).warnings if f.code == "columns")
    assert found.message == (
        "columns: '' not asked for; the organisers' csv has 'ImageID', 'ans'; leave the index out (`index=False`)"
    )
    (found,) = (f for f in gate(GOOD, columns=("id", *asked)).warnings if f.code == "columns")
    assert found.message == "columns: 'id' missing; the organisers' csv has 'id', 'ImageID', 'ans'"
    (found,) = (f for f in gate(GOOD, columns=asked[::-1]).warnings if f.code == "columns")
    assert found.message.startswith("columns: in another order;")


def test_names_in_another_spelling_are_told_as_such():
    asked, sent = ["é.jpg", "b c.jpg"], ["e\u0301.jpg", "b\u00a0c.jpg"]
    report = check_submission(rows(sent, [0, 1]), ExpectedFile(asked, "ImageID", "ans"), known(), SPACE)
    assert codes(report.errors) == ["names-spelling"]
    assert report.errors[0].message.startswith("2 images spelt differently than asked for")


def test_faults_of_different_kinds_are_all_told():
    report = gate(rows([*EXPECTED[1:], "more.jpg", "more.jpg"], [*DECIDED[1:].tolist(), 99, "x"]))
    found = codes(report.errors)
    assert found == ["names-missing", "names-extra", "names-twice", "not-integer", "out-of-range"]


def test_many_names_are_counted_not_listed():
    message = gate(rows(EXPECTED[:50], DECIDED[:50].tolist())).errors[0].message
    assert message.startswith("70 images not in the file: '50.jpg', ")
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
    """The chance of a test side from the same people is uniform: below 0.2 in a fifth of 100 sides, +- 4 errors."""
    draws, source = np.random.default_rng(5), oof()
    by_person = source.predicted.reshape(PEOPLE, IMAGES)
    chances = []
    for seed in range(100):
        known, fresh = draws.integers(0, PEOPLE, PEOPLE), draws.integers(0, PEOPLE, 20)
        again = Mix(by_person[known].ravel(), by_person[known].ravel(), source.groups)
        chances.append(check_mix(by_person[fresh].ravel(), again, SPACE, resamples=200, seed=seed).chance)
    assert abs(np.mean(np.array(chances) < 0.2) - 0.2) < 4 * (0.2 * 0.8 / 100) ** 0.5


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


# --- any file, on the command line ---

BROKEN = {
    "wrong header": (lambda text: text.replace("ans", "answer", 1).encode(), "line 1: no column `ans`"),
    "missing rows": (lambda text: text[: len(text) // 2].rpartition("\n")[0].encode(), "not in the file"),
    "duplicates": (lambda text: (text + text.splitlines()[1] + "\n").encode(), "1 image in the file more than once"),
    "floats": (lambda text: text.replace(",1\n", ",1.0\n").encode(), "answer '1.0' is not an integer"),
    "out of range": (lambda text: (text[: text.rfind(",")] + ",18\n").encode(), "1 answer outside 0..17: 18 for"),
    "other names": (lambda text: text.replace(".jpg", ".png").encode(), "images not asked for"),
    "other order": (lambda text: "\n".join([*text.splitlines()[:1], *text.splitlines()[:0:-1]]).encode(), "not in the"),
    "semicolons": (lambda text: text.replace(",", ";").encode(), "seems to be separated by `;`, expected commas"),
    "utf-16": (lambda text: text.encode("utf-16"), "UTF-16 text, expected UTF-8"),
    "korean encoding": (lambda text: text.replace("ans\n", "ans,비고\n", 1).encode("cp949"), "line 1: not UTF-8 text"),
    "no text": (lambda _: b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8 text"),
    "empty": (lambda _: b"", "the file is empty"),
    "header only": (lambda text: text.splitlines()[0].encode(), "not in the file"),
    "answers missing": (lambda text: text.replace(",1\n", ",\n").encode(), "without a prediction"),
}  # fmt: skip


def looked_at(project: Path, file: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["-p", str(project), "gate", str(file)], catch_exceptions=False)
    return result.exit_code, " ".join(result.stdout.split())


def true_answers(ready: Ready) -> str:
    """The best csv that could be sent."""
    truth = dict(row.split(",")[:2] for row in ready.labels.read_text(encoding="utf-8").splitlines()[1:])
    head, *rows = (ready.contest / "eval" / "info.csv").read_text(encoding="utf-8").splitlines()
    return "\n".join([head, *(f"{name},{truth[name]}" for name in (row.split(",")[0] for row in rows))]) + "\n"


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_files_are_told_and_end_with_code_2(finished, tmp_path, fault):
    text = true_answers(finished)
    path = tmp_path / "file.csv"
    change, words = BROKEN[fault]
    path.write_bytes(change(text))
    code, told = looked_at(finished.project, path)
    assert (code, "error" in told) == (2, True)
    assert words in told
    assert told.endswith("look first")
    path.write_text(text, encoding="utf-8")
    code, told = looked_at(finished.project, path)
    assert (code, told.endswith("may be sent")) == (0, True)


def test_what_is_no_file(finished, tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(InputError, match=r"cannot be read|not a regular file"):
            fw.gate(finished.project, path)


def test_the_gate_records_nothing(finished):
    before = sorted(finished.project.rglob("*"))
    report = fw.gate(finished.project, finished.contest / "eval" / "info.csv")  # every image is said to be class 0
    assert "never-predicted" in codes(report.findings)
    assert [p for p in sorted(finished.project.rglob("*")) if ".cache" not in p.parts] == [
        p for p in before if ".cache" not in p.parts
    ]


def test_answers_of_one_attribute_alone_are_told():
    answers = (np.arange(len(EXPECTED)) % 3).tolist()
    report = gate(rows(EXPECTED, answers), decided=np.array(answers))
    assert "one-attribute" in codes(report.warnings)
    assert "one-attribute" not in codes(gate(GOOD).findings)


def test_printed_lists_of_probabilities_are_one_fact():
    report = gate(rows(EXPECTED, ["[0.5 0.5]"] * len(EXPECTED)))
    assert codes(report.errors) == ["not-integer"]
    assert "printed lists: write probabilities as a column a class" in report.errors[0].message


def test_answers_counted_from_one_are_one_fact():
    answers = (1 + np.arange(len(EXPECTED)) % SPACE.num_joint).tolist()
    report = gate(rows(EXPECTED, answers))
    assert codes(report.errors) == ["out-of-range"]
    assert "the answers are from 1 to 6, the classes from 0 to 5: subtract 1" in report.errors[0].message


def test_what_is_only_odd_is_to_be_looked_at_first(finished, tmp_path):
    """Nobody is said to be `normal`: a warning, and `gate FILE && send` sends nothing."""
    path = tmp_path / "file.csv"
    head, *rows = true_answers(finished).splitlines()
    answers = [(name, int(answer)) for name, answer in (row.split(",") for row in rows)]
    path.write_text(
        "\n".join([head, *(f"{name},{a % 12 if a >= 12 else a}" for name, a in answers)]) + "\n", encoding="utf-8"
    )
    report = fw.gate(finished.project, path)
    assert (report.errors, report.may_be_sent) == ((), False)
    code, told = looked_at(finished.project, path)
    assert (code, told.endswith("look first")) == (2, True)


def test_submit_and_gate_judge_the_same_bytes_alike(own_finished):
    made = fw.submit(own_finished.project, "last", yes=True)
    again = fw.gate(own_finished.project, made.folder.csv_file)
    assert again == made.gate
    text = made.folder.csv_file.read_text(encoding="utf-8").splitlines()
    turned = own_finished.base / "turned.csv"
    names, answers = [row.split(",")[0] for row in text], [row.split(",")[1] for row in text]
    shifted = [answers[0], *answers[5:], *answers[1:5]]
    turned.write_text("\n".join(f"{n},{a}" for n, a in zip(names, shifted, strict=True)) + "\n", encoding="utf-8")
    assert not fw.gate(own_finished.project, turned).may_be_sent
