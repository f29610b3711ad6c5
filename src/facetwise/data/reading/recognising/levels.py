"""What folders in folders are: classes, whose images they hold, or what only a person can say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from facetwise.core.errors import InputError
from facetwise.core.text.counting import listed
from facetwise.core.text.spelling import folded
from facetwise.data.reading.recognising.columns import GROUPS, Column
from facetwise.data.reading.recognising.proposal import Ask, OpenQuestion, decided

UPPER = "upper"
"""The attribute that the folders above those are, where both are labels."""
LABEL = "label"
"""The attribute that folders are classes of; as Hugging Face's `imagefolder` calls it."""
CLASS_FOLDERS = f"{{{LABEL}}}/{{file:path}}"
_NO_CLASSES = frozenset({"images", "image", "imgs", "img", "photos", "pictures", "jpegimages", "frames"})
"""What a folder of images of all classes is called."""
_CODE = re.compile("[0-9a-f-]{6,}")


def pattern_of_folders(names: Sequence[str], before: str, ask: Ask) -> str:
    """The pattern of the paths `names`, each of an image in a folder: its field `label` is the folder of the class.

    Of several levels of folders the class is the top one, or the only one that is not numbered (`patient_07`, `0012`),
    below which or above which numbered ones say whose images they hold. Raises InputError for folders of images beside
    masks, and where nobody answers which of several levels are classes; `before` stands before patterns that are told.
    """
    depth = min(name.count("/") for name in names)
    levels = [sorted({name.split("/")[k] for name in names}) for k in range(depth)]
    several = [k for k, level in enumerate(levels) if len(level) > 1]
    named = [k for k in several if not _is_numbered(levels[k])] or [k for k in several if not _group_word(levels[k])]
    if depth == 1 or (named == [0] and not _crossed(names, levels)):
        _check_classes(levels[0], before)
        return CLASS_FOLDERS
    if len(named) == 1 and named[0] > 0:
        _check_classes(levels[named[0]], before)
        return _fields(levels[: named[0]]) + CLASS_FOLDERS
    return _asked(levels, before, ask)


def _is_numbered(level: Sequence[str]) -> bool:
    """Whether folders are called by one word and numbers, by the word for a group, or by codes."""
    numbered = all(re.search("[0-9]", name) for name in level)
    return _group_word(level) != "" or (
        numbered
        and (len({re.sub("[0-9]+", "", name) for name in level}) == 1 or all(_CODE.fullmatch(n.lower()) for n in level))
    )


def _group_word(level: Sequence[str]) -> str:
    """The word for a group that all folders are called by; empty if there is none."""
    words = [{word.removesuffix("s") for word in Column(name, ()).words} for name in level]
    return next(iter(sorted(set.intersection(*words) & GROUPS)), "")


def _crossed(names: Sequence[str], levels: Sequence[Sequence[str]]) -> bool:
    """Whether the same few folders, not called as a group, lie in each of the top ones: they may be the classes."""
    if len(levels) < 2 or _group_word(levels[1]) or len(levels[1]) < 2 or 2 * len(levels[1]) > len(names):
        return False
    return len({tuple(name.split("/")[:2]) for name in names}) == len(levels[0]) * len(levels[1])


def _fields(above: Sequence[Sequence[str]]) -> str:
    """The pattern of the levels above the class: the first that is numbered is the group."""
    pattern, group = "", False
    for k, level in enumerate(above):
        if len(level) == 1:
            pattern += f"{level[0]}/"
        else:
            pattern += f"{{in{k}}}/" if group else f"{{{_group_word(level) or 'group'}}}/"
            group = True
    return pattern


def _check_classes(level: Sequence[str], before: str) -> None:
    if found := [name for name in level if folded(name) in _NO_CLASSES]:
        others = listed((f"`{name}`" for name in level if name not in found), 4)
        raise InputError(
            f"the folders `{found[0]}` and {others} are no classes: they seem to hold images, and what belongs to them",
            hint="say where the labels are: `--table PATH`, or in names: `--pattern`; if the folders are the classes: "
            f"`--pattern {before}{CLASS_FOLDERS}`",
        )


def _asked(levels: Sequence[Sequence[str]], before: str, ask: Ask) -> str:
    """The pattern that somebody chose of those that may be meant."""
    told = " hold ".join(listed((f"`{name}`" for name in level), 2) for level in levels[:2])
    ways = (CLASS_FOLDERS, f"{{group}}/{CLASS_FOLDERS}", f"{{{UPPER}}}/{CLASS_FOLDERS}")
    text = (
        f"folders lie in folders, {told}: the upper are the classes, or say whose images they are, or both are labels "
        f"(the lower alone with `--attribute {LABEL}`)"
    )
    (chosen,) = decided(OpenQuestion(text, tuple(before + way for way in ways), "--pattern"), ask)
    return chosen.removeprefix(before)
