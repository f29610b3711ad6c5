"""The font of a contact sheet, and what to write where it lacks letters.

It is the one that comes with Pillow, so that a sheet looks alike on every machine. It has no Hangul, for one, and would
draw an empty box a letter.
"""

from __future__ import annotations

from functools import cache

from PIL import ImageFont

from facetwise.core.labels import LabelSpace

FONT_SIZE = 12
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_NO_LETTER = "\U0010ffff"
"""What no font has: it is drawn as all letters are that a font lacks."""


@cache
def sheet_font() -> Font:
    """The font, loaded once."""
    return ImageFont.load_default(FONT_SIZE)


def drawable(text: str) -> bool:
    """Whether the font has every letter of `text`."""
    return all(_has(letter) for letter in set(text))


def drawable_name(space: LabelSpace, joint: int) -> str:
    """The name of a joint class; the number of its class, `#1`, for an attribute whose name the font lacks."""
    codes = space.decode(joint).tolist()
    names = (a.classes[code] for a, code in zip(space.attributes, codes, strict=True))
    return "/".join(name if drawable(name) else f"#{code}" for name, code in zip(names, codes, strict=True))


def escaped(text: str) -> str:
    r"""The text, with letters that the font lacks as escapes: `\ub9c8`."""
    return "".join(c if _has(c) else c.encode("ascii", "backslashreplace").decode("ascii") for c in text)


@cache
def _has(letter: str) -> bool:
    return letter.isascii() or _drawn(letter) not in (None, _drawn(_NO_LETTER))


def _drawn(letter: str) -> tuple[tuple[int, int], bytes] | None:
    """Size and pixels of a letter; None where the font cannot even try."""
    try:
        mask = sheet_font().getmask(letter)
    except UnicodeEncodeError:  # Pillow without FreeType has a font of Latin letters only
        return None
    return mask.size, bytes(mask)
