"""Notices about the reliability of a score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from facetwise.core.choices import Metric
from facetwise.core.labels import JOINT
from facetwise.core.text.counting import count, listed
from facetwise.core.text.scored import SCORE
from facetwise.core.text.subject import A_PERSON, PEOPLE, PERSON, count_people
from facetwise.data.folds import making_again

if TYPE_CHECKING:
    from facetwise.core.records.data import FoldCopies
    from facetwise.core.records.run import FingerprintFields, RunRecord
    from facetwise.data.manifest import Manifest
    from facetwise.evaluate.scorecard import AttributeScore, Scorecard

Estimate = Literal["cross-validation", "hold-out", "none"]
SCORED_BY: dict[Metric, str] = {
    "accuracy": "Accuracy is the share of images that are right: a common class weighs more than a rare one.",
    "balanced_accuracy": "Balanced accuracy is the mean over the classes that occur of the share of their images that "
    "are right: a rare class weighs as much as a common one.",
}
"""What a score other than macro F1 says."""
SPECIALIST = (
    "This is a specialist: it predicts no joint class, so its score is not comparable with one over joint classes."
)


@dataclass(frozen=True)
class Notice:
    """A remark on the reliability of a number."""

    kind: Literal["unsafe", "caution", "note"]
    """`unsafe`: do not use the number; `caution`: it may mislead; `note`: for information."""
    text: str


@dataclass(frozen=True)
class CurrentData:
    """The current dataset, to be compared with the data of a run."""

    manifest_hash: str
    labels_hash: str
    num_people: int
    each_its_own: bool = False
    """Whether each image is taken as its own subject."""

    @classmethod
    def of(cls, manifest: Manifest) -> CurrentData:
        return cls(manifest.hash, manifest.labels_hash, manifest.train["group"].n_unique(), manifest.each_its_own)


def unsafe_split(of_whom: str, then: str) -> Notice:
    """The notice that folds (`of_whom`, such as ` of run A`) were split by image, with the consequence (`then`)."""
    text = f"UNSAFE: the folds{of_whom} were split by image, so the same {PEOPLE} stand in training and validation."
    return Notice("unsafe", f"{text} {then}")


def own_subjects(each_its_own: bool) -> tuple[Notice, ...]:
    """The notice that belongs to every estimate on data without groups."""
    text = (
        f"Each image is taken as its own {PERSON}, because the dataset names no group. If several images show one, "
        f"models are validated on {PEOPLE} that they were trained on, and the score is too high."
    )
    return (Notice("caution", text),) if each_its_own else ()


def method(estimate: Estimate, record: RunRecord, card: Scorecard | None) -> tuple[str, ...]:
    """How the score was computed: sentences for the report."""
    if estimate == "none":
        return (
            f"One model was trained on all {PEOPLE}. Nobody was held out, so there is no honest estimate of its score.",
        )
    by = "image" if record.by_image else str(PERSON)
    lines = [_held_out(estimate, record, by)]
    lines.append(
        "Truth is the dataset's own labels with the true cuts. What a recipe does to its training labels "
        "(moved cuts, corrections) never reaches them."
    )
    if card is not None:
        lines.append(_what_is_scored(card))
    lines.append(_selected_epoch(record))
    return tuple(lines)


def estimate_of(record: RunRecord) -> Estimate:
    """How a run's score comes about, from its recipe's fold plan."""
    return "none" if record.fold_plan == "none" else "hold-out" if record.fold_plan == "holdout" else "cross-validation"


def interval_meaning(card: Scorecard, record: RunRecord) -> str:
    """The meaning of a scorecard's interval."""
    if record.by_image:
        return (
            f"This is no estimate for new {PEOPLE}: the models were trained on other pictures of the very {PEOPLE} "
            "they are scored on. The interval shows only how the number scatters; what it is too high by is not in it."
        )
    level, images = f"{card.score_interval.level * 100:.0f} %", f"{card.num_covered:,} images"
    if card.by != "person":
        return (
            f"The {level} interval comes from drawing the {images} again (BCa bootstrap). It takes images of one "
            f"{PERSON} as independent and is too narrow."
        )
    gain = "" if estimate_of(record) == "hold-out" else ", and what averaging fold models gains on it is not included"
    return (
        f"The {level} interval says where the score plausibly lies for the population that these "
        f"{count_people(card.num_people)} were drawn from: {PEOPLE} are drawn again and again, each "
        f"with all of their images (BCa bootstrap). A test set is one more draw and scatters more than this{gain}."
    )


def notices(
    estimate: Estimate, record: RunRecord, card: Scorecard | None, state: str, current: CurrentData
) -> tuple[Notice, ...]:
    """All notices about a score, most severe first."""
    found: list[Notice] = []
    if record.by_image:
        then = "This estimate is known to be too high. It is for teaching only; it cannot be blended or submitted."
        found.append(unsafe_split("", then))
    found += copies_notices([record])
    if state != "finished":
        what = (
            "is still training"
            if state == "training"
            else f"did not finish (`facetwise fit --resume {record.id}` does)"
        )
        found.append(Notice("caution", f"This run {what}: its numbers are of the folds done so far."))
    if estimate == "none":
        found.append(
            Notice(
                "caution",
                f"Trained on all {PEOPLE}: this run has no estimate. Judge its recipe by a cross-validated run.",
            )
        )
    else:
        found += own_subjects(current.each_its_own)
    if card is not None:
        found += _card_notices(card, estimate, current)
    found += _changed_since(record.fingerprint_fields, current)
    return (*found, *base_notices([record]))


def scored_alone(scores: Sequence[AttributeScore]) -> tuple[Notice, ...]:
    """Why there is no score of all attributes, and what to do, where only these are scored, each alone."""
    if not scores:
        return ()
    names = listed((f"`{score.name}`" for score in scores), 8)
    alone = f'head = {{ name = "single", attribute = "{scores[0].name}" }}'
    text = (
        "No predicted image has a known class of every attribute, so there is no score over all of them, and nothing "
        f"to choose runs by. Each of {names} is scored on the images of which it is known. To choose by one, train it "
        f"alone, with `{alone}` in its recipe; or label some images in full."
    )
    return (Notice("caution", text),)


def copies_notices(records: Iterable[RunRecord]) -> tuple[Notice, ...]:
    """The notice that belongs to every estimate by runs on folds that part copies; one for all runs on the same."""
    return tuple(dict.fromkeys(_parted(r, r.copies) for r in records if r.copies is not None and r.copies.across))


def _parted(record: RunRecord, copies: FoldCopies) -> Notice:
    pairs = f"{count(copies.across, 'pair')} of copies between {PEOPLE} ({copies.shown})"
    again = making_again(record.fold_name or "default", record.num_folds, joined=True, features=copies.features)
    remedy = "" if record.by_image else f" `{again}` keeps them together."
    return Notice("caution", f"On both sides of the split: {pairs}, so estimates are too high.{remedy}")


def base_notices(records: Iterable[RunRecord]) -> tuple[Notice, ...]:
    """The notice of whose weights runs, or what was made of them, started from, and under which licences."""
    told = dict.fromkeys(record.base.told for record in records if record.base is not None)
    return (Notice("note", f"Started from weights of others: {'; '.join(told)}."),) if told else ()


def _changed_since(fields: FingerprintFields, current: CurrentData) -> list[Notice]:
    found = []
    if fields.manifest != current.manifest_hash:
        text = (
            f"The images or {PEOPLE} of the dataset changed since this run was trained. Rows are matched by image name."
        )
        found.append(Notice("caution", text))
    if fields.labels != current.labels_hash:
        text = "The dataset's labels changed since this run was trained. The scores are on the labels as they are now."
        found.append(Notice("caution", text))
    return found


def _card_notices(card: Scorecard, estimate: Estimate, current: CurrentData) -> list[Notice]:
    found = []
    if card.num_unknown:
        lacking = f"{card.num_unknown:,} of {count(card.num_images, 'image')}"
        each = "each attribute is scored on the images where it is known"
        text = (
            f"{lacking} lack the class of an attribute and are left out of the score over {card.what} classes; {each}."
        )
        found.append(Notice("note", text if len(card.attributes) > 1 else f"{lacking} have no known class: left out."))
    if card.num_covered + card.num_unknown < card.num_images:
        why = (
            f"a hold-out predicts only its held-out {PEOPLE}"
            if estimate == "hold-out"
            else "the other folds are missing"
        )
        people = f"{card.num_people:,} of {count_people(current.num_people)}"
        images = f"{card.num_covered:,} of {count(card.num_images, 'image')}"
        found.append(Notice("caution", f"Scored on {people} ({images}): {why}."))
    if card.by != "person":
        found.append(Notice("caution", f"The intervals draw images, not {PEOPLE}: they are too narrow."))
    if absent := [c.name for c in card.classes if c.support == 0]:
        listed = ", ".join(absent[:4]) + (", …" if len(absent) > 4 else "")
        found.append(
            Notice(
                "caution",
                f"No scored image shows {count(len(absent), 'class', 'classes')} ({listed}); {_of_absent(card)}.",
            )
        )
    return found


def _of_absent(card: Scorecard) -> str:
    return "each counts as F1 0" if card.metric == "macro_f1" else f"{SCORE} leaves out what nobody shows"


def _held_out(estimate: Estimate, record: RunRecord, by: str) -> str:
    name = record.fold_name
    if estimate == "hold-out":
        return (
            f"Hold-out: one model was trained on all folds of `{name}` but fold 0, and predicted the {PEOPLE} of fold "
            f"0. Folds are split by {by}."
        )
    folds = record.num_folds or len(record.folds)
    kept = f"no model predicts {A_PERSON} it was trained on" if not record.by_image else f"{PEOPLE} are on both sides"
    return (
        f"Cross-validation: {folds} models, one a fold of `{name}`; each image was predicted once, by the model "
        f"of the fold that held it out. Folds are split by {by}: {kept}."
    )


def _what_is_scored(card: Scorecard) -> str:
    if card.metric != "macro_f1":
        return SCORED_BY[card.metric] + ("" if card.what == JOINT else f" {SPECIALIST}")
    if len(card.attributes) > 1:
        classes = f"all {len(card.classes)} joint classes" if card.classes else "all joint classes"
        return f"Macro F1 is the plain mean of the F1 of {classes}: a rare class weighs as much as a common one."
    mean = f"Macro F1 is the plain mean of the F1 of the classes of {card.attributes[0].name}"
    if card.what == JOINT:  # the label has no other attribute
        return f"{mean}: a rare class weighs as much as a common one."
    return f"{mean}. {SPECIALIST}"


def _selected_epoch(record: RunRecord) -> str:
    weights = "the moving average of the weights at" if record.setting("train", "ema") else ""
    if record.setting("train", "select") == "best":
        return f"Kept: {weights} the epoch at which the other folds score best, never the fold's own best.".replace(
            ":  ", ": "
        )
    return f"Kept: {weights} the last epoch. No epoch was picked by its validation score.".replace(":  ", ": ")
