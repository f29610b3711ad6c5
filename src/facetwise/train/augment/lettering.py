"""The font of contact sheets, and replacements for characters that it lacks.

It is the font bundled with Pillow, so that sheets look the same on every machine. It lacks Hangul, for example, and
would draw an empty box for each character.
"""

from __future__ import annotations

from functools import cache

from PIL import ImageFont

from facetwise.core.labels import LabelSpace

FONT_SIZE = 12
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_NO_LETTER = "\U0010ffff"
"""A character that no font has, drawn like every missing one."""


@cache
def sheet_font() -> Font:
    """The font, loaded once."""
    return ImageFont.load_default(FONT_SIZE)


def drawable(text: str) -> bool:
    """Whether the font has every character of `text`."""
    return all(_has(letter) for letter in set(text))


def drawable_name(space: LabelSpace, joint: int) -> str:
    """The name of a joint class, with class numbers (`#1`) in place of names that the font cannot draw."""
    codes = space.decode(joint).tolist()
    names = (a.classes[code] for a, code in zip(space.attributes, codes, strict=True))
    return "/".join(name if drawable(name) else f"#{code}" for name, code in zip(names, codes, strict=True))


def escaped(text: str) -> str:
    r"""The text with characters that the font lacks as escapes: `\ub9c8`."""
    return "".join(c if _has(c) else c.encode("ascii", "backslashreplace").decode("ascii") for c in text)


@cache
def _has(letter: str) -> bool:
    return letter.isascii() or _drawn(letter) not in (None, _drawn(_NO_LETTER))


def _drawn(letter: str) -> tuple[tuple[int, int], bytes] | None:
    """Size and pixels of a character; None when the font cannot encode it."""
    try:
        mask = sheet_font().getmask(letter)
    except UnicodeEncodeError:  # Pillow without FreeType has a font of Latin letters only
        return None
    return mask.size, bytes(mask)
