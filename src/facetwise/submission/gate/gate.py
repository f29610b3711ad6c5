"""The gate: the last check of a submission before it uses up one of the day's few; a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from facetwise.core.errors import InputError
from facetwise.core.files.answers_csv import attributes_alone
from facetwise.core.files.csvtable import read_csv
from facetwise.core.labels import IntArray, LabelSpace
from facetwise.core.text.counting import count
from facetwise.core.text.subject import PEOPLE
from facetwise.evaluate.agreement import disagreement
from facetwise.evaluate.metrics import MISSING
from facetwise.submission.gate.finding import GateFinding, listed, listed_names
from facetwise.submission.gate.form import answer_findings, column_findings, name_findings
from facetwise.submission.gate.mapping import exchanged_classes, people_of
from facetwise.submission.gate.misplaced import ProjectAnswers, others_that_say, same_in_another_order
from facetwise.submission.gate.mix import MixCheck, check_mix
from facetwise.submission.gate.opinions import Opinion, TrainingSide, Verdict, judge

MAX_CHANCE = 0.01
MIN_DISTANCE = 0.05
"""A class mix drifts when chance rarely (`MAX_CHANCE`) moves it as far, and when it moves by at least this share of the
images: with many people any difference is beyond chance, and averaged fold models predict rare classes a little less
often than single ones."""
MIN_DISTANCE_UNKNOWN = 0.3
"""The same for a file without out-of-fold predictions, whose mix is compared with that of the labels: an honest weak
model gives a fifth of the images other classes than the labels have."""
BY_OPINION = frozenset({"class-mapping", "likely-fault", "at-chance", "reordered"})
"""Errors that rest on other predictions, which may themselves be wrong; they can be overruled."""
ABSENT_PEOPLE = 5.0
"""Expected people with a class above which its absence is suspicious: by chance it is absent in exp(-5) < 1 %."""
NEVER_CHANCE = 0.05
"""Classes that are never predicted are a warning when chance leaves out any class, by how many there are, as rarely."""


@dataclass(frozen=True)
class GateReport:
    """All findings, errors first, and the comparison of class mixes (None for an invalid file)."""

    findings: tuple[GateFinding, ...]
    mix: MixCheck | None = None
    verdicts: tuple[Verdict, ...] = ()
    """Agreement with each other opinion."""

    @property
    def errors(self) -> tuple[GateFinding, ...]:
        """Findings of level `error`."""
        return tuple(f for f in self.findings if f.level == "error")

    @property
    def warnings(self) -> tuple[GateFinding, ...]:
        """Findings of level `warning`."""
        return tuple(f for f in self.findings if f.level == "warning")

    @property
    def may_be_sent(self) -> bool:
        """Whether there are no errors and no warnings."""
        return not self.errors and not self.warnings

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        findings = [asdict(f) for f in self.findings]
        mix = None if self.mix is None else self.mix.as_dict()
        opinions = [v.as_dict() for v in self.verdicts]
        return {"may_be_sent": self.may_be_sent, "findings": findings, "mix": mix, "opinions": opinions}


@dataclass(frozen=True)
class ExpectedFile:
    """The organisers' csv, as far as it is known."""

    images: Sequence[str]
    """Image names, in order."""
    image_column: str
    answer_column: str
    columns: Sequence[str] = ()
    """All columns; empty if they are not known."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Why images have no prediction (`damaged`, `missing`), by name."""


def check_submission(
    data: bytes,
    expected: ExpectedFile,
    known: TrainingSide,
    space: LabelSpace,
    *,
    decided: IntArray | None = None,
    opinions: Sequence[Opinion] = (),
    answers_here: Sequence[ProjectAnswers] = (),
) -> GateReport:
    """Check a filled-in csv (`data`, the bytes to be sent).

    `decided`: the answer that the predictions give each expected image, shape (n,), as `LabelSpace.answer_of` numbers
    it, -1 where there is none, or None for a file of which only the bytes are known; `opinions`: predictions of the
    same images; `answers_here`: answers of everything else in the project. Never raises for what is in `data`.
    """
    possible, space = space, space.product
    try:
        file = read_csv(data, "submission", (expected.image_column, expected.answer_column))
        names, answers = file.column(expected.image_column), file.column(expected.answer_column)
    except InputError as error:
        return GateReport((GateFinding("error", "format", "; ".join(p for p in (str(error), error.hint) if p)),))
    findings = [
        *column_findings([name.strip() for name in file.header], expected.columns),
        *name_findings(names, expected.images),
        *answer_findings(file, names, answers, space, expected.unreadable),
    ]
    if any(f.level == "error" for f in findings):
        return GateReport(_errors_first(findings))
    classes = np.array([int(a) for a in answers], dtype=np.int64)
    findings += [*_specialist_findings(classes, space), *_impossible_findings(names, classes, possible)]
    findings += [] if decided is None else [_decision_finding(names, classes, decided)]
    mix = check_mix(classes, known.mix(space), space)
    found = [judge(classes, names, o, known, space, mix.num_people) for o in opinions]
    verdicts = tuple(v for v in found if v is not None)
    vouched = decided is None and any(v.word == "agrees" for v in verdicts)
    least = MIN_DISTANCE_UNKNOWN if known.oof is None else MIN_DISTANCE
    findings += [_drift_finding(mix, least, vouched=vouched), _never_finding(mix)]
    codes = space.decode(classes)
    findings += _reordered_findings(codes, answers_here, opinions, space)
    findings += _absent_findings(codes, answers_here, known, space)
    findings += _combined_opinions(codes, verdicts, opinions, known, space)
    return GateReport(_errors_first(findings), mix, verdicts)


def _errors_first(findings: Sequence[GateFinding]) -> tuple[GateFinding, ...]:
    order = ("error", "warning", "ok")
    return tuple(sorted(findings, key=lambda f: order.index(f.level)))


def _specialist_findings(classes: IntArray, space: LabelSpace) -> list[GateFinding]:
    """A warning when the answers look like classes of one attribute instead of joint classes."""
    if not (alone := attributes_alone(classes, space)):
        return []
    seem = " or ".join(f"`{name}`" for name in alone)
    what = f"all answers are from 0 to {classes.max()}, of {space.num_joint} classes"
    message = f"{what}: they seem to be those of {seem} alone"
    return [GateFinding("warning", "one-attribute", message)]


def _impossible_findings(names: Sequence[str], classes: IntArray, possible: LabelSpace) -> list[GateFinding]:
    """A warning for answers that are combinations which cannot occur: these are wrong."""
    odd = np.flatnonzero(possible.joint_of_answer(classes) == MISSING).tolist()
    if not odd:
        return []
    first = f"image {names[odd[0]]!r} has {possible.product.joint_name(int(classes[odd[0]]))}"
    what = f"{count(len(odd), 'answer')} with a combination that cannot occur by `labels.combinations`"
    return [GateFinding("warning", "impossible", f"{what}: {first}")]


def _decision_finding(names: Sequence[str], classes: IntArray, decided: IntArray) -> GateFinding:
    """Whether the file agrees with the predictions, which rules out a wrong mapping or order between them."""
    differs = classes != np.asarray(decided)
    lacking = np.asarray(decided) == MISSING
    if lacking.any():
        found = [n for n, lacks in zip(names, lacking, strict=True) if lacks]
        return GateFinding(
            "error", "no-prediction", f"{count(len(found), 'answer')} without a prediction: {listed_names(found)}"
        )
    if differs.any():
        first = int(np.flatnonzero(differs)[0])
        message = f"{int(differs.sum())} of {len(classes)} answers differ from the predictions; the first is image "
        message += f"{names[first]!r}: {classes[first]} in the file, {decided[first]} predicted"
        return GateFinding("error", "differs", message)
    return GateFinding("ok", "decisions", "every answer is what the predictions say")


def _drift_finding(mix: MixCheck, least: float, *, vouched: bool) -> GateFinding:
    """`least`: the distance from which it is reported.

    `vouched`: other predictions agree with a file from elsewhere, whose mix may differ from that of the labels.
    """
    drifts = not vouched and mix.chance < MAX_CHANCE and mix.distance >= least
    worst = ", ".join(
        f"{c.name} {c.test:.1%} against {c.predicted:.1%} (z {c.z:+z.1f})"
        for c in sorted(mix.classes, key=lambda c: -abs(c.test - c.predicted))[:3]
    )
    message = (
        f"class mix: {mix.distance:.1%} of the images stand in other classes than out of fold "
        f"({mix.usual:.1%} is usual for {mix.num_people} {PEOPLE}, chance {mix.chance:.3f})"
    )
    return GateFinding("warning", "drift", f"{message}: {worst}") if drifts else GateFinding("ok", "mix", message)


def _never_finding(mix: MixCheck) -> GateFinding:
    never = [c for c in mix.classes if c.test == 0 and c.predicted > 0]
    odd = [c for c in never if c.never_chance < NEVER_CHANCE / len(mix.classes)]
    if odd:
        found = [f"{c.name} ({c.predicted:.1%} out of fold, chance {c.never_chance:.3f})" for c in odd]
        return GateFinding(
            "warning", "never-predicted", f"{count(len(odd), 'class', 'classes')} never predicted: {listed(found)}"
        )
    if never:
        message = f"never predicted, as chance would have it: {listed([c.name for c in never])}"
        return GateFinding("ok", "never-predicted", message)
    return GateFinding("ok", "never-predicted", "every class that is predicted out of fold is predicted here")


def _reordered_findings(
    codes: IntArray, answers: Sequence[ProjectAnswers], opinions: Sequence[Opinion], space: LabelSpace
) -> list[GateFinding]:
    """The first answers of the project that equal this file's in another order, (n, num_attributes).

    Opinions decide which of the two is in order; without any, the older one is assumed to be.
    """
    joint = space.encode(codes)
    for other in answers:
        theirs = space.encode(other.codes, missing=True)
        rows = same_in_another_order(joint, theirs)
        if rows is None:
            continue
        asked = [o for o in opinions if o.name != other.name and disagreement(o.codes, other.codes) != 0]
        speaks = sum(disagreement(other.codes, o.codes) - disagreement(codes, o.codes) for o in asked)
        message = f"{rows:,} of the {len(joint):,} rows have the answers of `{other.name}` in another order"
        if speaks > 0:
            return [
                GateFinding("ok", "reordered", f"{message}; by the others it is `{other.name}` that is out of order")
            ]
        return [GateFinding("error", "reordered", f"{message}: each class as often as there, but for other images")]
    return []


def _absent_findings(
    codes: IntArray, answers: Sequence[ProjectAnswers], known: TrainingSide, space: LabelSpace
) -> list[GateFinding]:
    """Classes of an attribute that this file never answers and most others do, (n, num_attributes).

    Classes that the file's source never predicts out of fold either are not reported.
    """
    found = []
    for place, code, says, images in others_that_say(codes, answers):
        attribute = space.attributes[place]
        if known.oof is not None and not (known.oof[:, place] == code).any():
            continue
        people = people_of(images, known, place, (code,))
        who = f"{says} other answer{'s give' if says > 1 else ' gives'} it to {images:,}"
        message = f"`{attribute.name}`: no image is answered `{attribute.classes[code]}`; {who}"
        found.append(GateFinding("warning" if people >= ABSENT_PEOPLE else "ok", "class-absent", message))
    return found


def _combined_opinions(
    codes: IntArray, verdicts: Sequence[Verdict], opinions: Sequence[Opinion], known: TrainingSide, space: LabelSpace
) -> list[GateFinding]:
    """Findings from the opinions: exchanged classes only, unless another fault explains the whole file better."""
    found = _opinion_findings(verdicts)
    fault = next((v for v in verdicts if v.word == "fault"), None)
    if fault is not None and not fault.of_classes and any(f.code == "likely-fault" for f in found):
        return found
    exchanged = exchanged_classes(codes, opinions, known, space)
    named = [GateFinding("error", "class-mapping", one.text()) for one in exchanged]
    return named + [f for f in found if not named or f.level == "ok"]


def _opinion_findings(verdicts: Sequence[Verdict]) -> list[GateFinding]:
    """The combined opinions. If at least as many agree with the file as speak against it, it is accepted."""
    agreeing = [v for v in verdicts if v.word == "agrees"]
    against = [v for v in verdicts if v.word in ("fault", "chance")]
    doubting = [*against, *(v for w in ("misplaced", "disagrees") for v in verdicts if v.word == w)]
    listing = ", ".join(v.text("with" if i else "agrees with") for i, v in enumerate(agreeing))
    findings = [GateFinding("ok", "opinions", listing)] if agreeing else []
    if len(against) > len(agreeing):
        code = "likely-fault" if against[0].word == "fault" else "at-chance"
        findings.append(GateFinding("error", code, _against(doubting)))
    elif len(doubting) > len(agreeing):
        findings.append(GateFinding("warning", "opinions-differ", _against(doubting)))
    elif doubting:
        odd = listed([f"`{v.name}`" for v in doubting])
        findings.append(
            GateFinding("ok", "opinions-differ", f"the odd one is {odd}, not this file: {_against(doubting)}")
        )
    return findings or [_no_opinion(verdicts)]


def _no_opinion(verdicts: Sequence[Verdict]) -> GateFinding:
    """The finding without opinions for or against the file: there are none, or too few people."""
    if not verdicts:
        return GateFinding("ok", "opinions", "there are no other predictions to judge it by")
    best = max(verdicts, key=lambda v: v.kappa)
    message = f"the others cannot judge it; it {best.text('agrees best with')}"
    if best.at_chance:
        message += ", which is what chance gives"
    return GateFinding("warning" if best.at_chance else "ok", "opinions-unclear", message)


_DOUBTS = {
    "fault": "",
    "misplaced": "",
    "chance": ", which is what chance gives: are rows out of order, or classes mixed up?",
    "disagrees": ", less than these two should",
}


def _against(verdicts: Sequence[Verdict]) -> str:
    """The first verdict against the file, its meaning, and the number of others."""
    first, rest = verdicts[0], len(verdicts) - 1
    more = f" ({rest} other{'s' if rest > 1 else ''} likewise)" if rest else ""
    return f"{first.text()}{_DOUBTS[first.word]}{more}"
