"""Settings without effect: each would cost a whole run that repeats the one without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from facetwise.core.errors import SettingError
from facetwise.core.labels import JOINT
from facetwise.model.heads import HeadLayout
from facetwise.recipe import Recipe
from facetwise.recipe.augment import Mix
from facetwise.recipe.optim import StepLR
from facetwise.recipe.sampling import AllImages


def refuse_unused(recipe: Recipe, layout: HeadLayout, steps_per_epoch: Iterable[int]) -> None:
    """Raise SettingError listing every setting that has no effect together with the others, with a remedy.

    `steps_per_epoch`: of each fold. `labels.drop` always has an effect, and so does `head_lr` with a frozen backbone.
    """
    steps = list(steps_per_epoch)
    schedule = _schedule(recipe, steps)
    if problems := [
        *_labels(recipe, layout),
        *_frozen(recipe),
        *_resting(recipe, steps),
        *_patience(recipe, steps),
        *schedule,
    ]:
        raise SettingError("\n".join(problems))


def _labels(recipe: Recipe, layout: HeadLayout) -> Iterator[str]:
    labels, used = recipe.labels, _used(recipe, layout)
    for key, names in (("cuts", labels.cuts), ("soften", labels.soften)):
        for name in names:
            if name not in used:
                yield (
                    f"`labels.{key}.{name}` has no effect: neither `model.head`, `sampling` nor rare partners use "
                    f"`{name}`; leave it out"
                )
    if labels.overlay_weight != 1 and not labels.overlay:
        yield (
            f"`labels.overlay_weight` is {labels.overlay_weight:g}, which has no effect with `labels.overlay=false`; "
            "set `labels.overlay_weight=1`"
        )


def _used(recipe: Recipe, layout: HeadLayout) -> set[str]:
    """Attributes whose training-view classes are used."""
    sampling = recipe.sampling
    by = None if isinstance(sampling, AllImages) else sampling.by
    rare = any(isinstance(spec, Mix) and spec.partner == "rare" for spec in recipe.augment)
    if rare or by == JOINT or sampling.per_person is not None:
        return set(layout.space.names)
    return {*layout.attributes, *([] if by is None else [by])}


def _frozen(recipe: Recipe) -> Iterator[str]:
    if recipe.model.freeze_norms and recipe.model.weights == "none":
        yield (
            "`model.freeze_norms` keeps the statistics of pretrained weights, and `model.weights` is none; leave it out"
        )
    if recipe.model.freeze != "backbone":
        return
    why = 'has no effect with `model.freeze="backbone"`: only the head trains; set'
    if recipe.optimizer.layer_decay != 1:
        yield f"`optimizer.layer_decay` is {recipe.optimizer.layer_decay:g}, which {why} `optimizer.layer_decay=1`"
    if recipe.model.drop_path:
        yield f"`model.drop_path` is {recipe.model.drop_path:g}, which {why} `model.drop_path=0`"
    if recipe.model.activation_checkpointing:
        yield f"`model.activation_checkpointing` is true, which {why.removesuffix(' set')} leave it out"
    if recipe.model.freeze_norms:
        yield f"`model.freeze_norms` is true, which {why.removesuffix(' set')} leave it out"
    if recipe.model.head_first:
        yield f"`model.head_first` is {recipe.model.head_first}, which {why.removesuffix(' set')} leave it out"


def _resting(recipe: Recipe, steps_per_epoch: Iterable[int]) -> Iterator[str]:
    first, length = recipe.model.head_first or 0, recipe.train.length
    if recipe.model.freeze != "backbone" and any(first >= length.epochs(steps) for steps in steps_per_epoch):
        yield (
            f"`model.head_first` is {first}, and `train.length` is {length}: the backbone would never train; "
            'set `model.freeze="backbone"`, or a longer `train.length`'
        )


def _patience(recipe: Recipe, steps_per_epoch: Iterable[int]) -> Iterator[str]:
    patience, length = recipe.train.patience, recipe.train.length
    if patience is not None and any(patience >= length.epochs(steps) - 1 for steps in steps_per_epoch):
        yield (
            f"`train.patience` is {patience}, and `train.length` is {length}: no fold would stop before its end; "
            "leave it out, or give a longer `train.length`"
        )


def _schedule(recipe: Recipe, steps_per_epoch: Iterable[int]) -> Iterator[str]:
    schedule, length = recipe.schedule, recipe.train.length
    ends = [(steps, length.epochs(steps) * steps) for steps in steps_per_epoch]
    if isinstance(schedule, StepLR) and any(schedule.every.steps(steps) >= end for steps, end in ends):
        shorter = min(end for _, end in ends) // 2
        cure = f"`--set schedule.every={shorter}st`" if shorter else "`--set schedule=constant`"
        yield (
            f"`schedule.every` is {schedule.every}, but must be shorter than `train.length`, {length}: the learning "
            f"rate would stay as with `schedule=constant`; {cure} would do, or a longer `train.length`"
        )
