"""Drawing a contact sheet as a PNG: rows of pictures with their classes below, small ones enlarged."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from facetwise.train.augment.contact import Cell, Sheet
from facetwise.train.augment.lettering import Font, escaped, sheet_font

LEAST_WIDTH = 150
"""Smallest width of a picture in pixels; smaller images are enlarged by an integer factor."""
LINE, MARGIN = 15, 8
INK, PALE, PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)


def sheet_png(sheet: Sheet) -> bytes:
    """The sheet as PNG bytes; the stored images are in a separate column on the left."""
    height, width = sheet.rows[0][0].pixels.shape[:2]
    factor = -(-LEAST_WIDTH // width)
    size = width * factor, height * factor
    lines = max(len(cell.caption) for row in sheet.rows for cell in row)
    step_x, step_y = size[0] + MARGIN, size[1] + lines * LINE + MARGIN
    top = 2 * LINE + 2 * MARGIN
    canvas = Image.new("RGB", (3 * MARGIN + step_x * len(sheet.rows[0]), top + step_y * len(sheet.rows)), PAPER)
    draw, font = ImageDraw.Draw(canvas), sheet_font()
    draw.text((MARGIN, MARGIN), fitted(escaped(sheet.title), canvas.width - 2 * MARGIN, draw, font), INK, font)
    for column in range(len(sheet.rows[0])):
        left = MARGIN + column * step_x + (MARGIN if column else 0)
        heading = "as stored" if column == 0 else f"augmented {column}"
        draw.text((left, MARGIN + LINE + MARGIN // 2), fitted(heading, size[0], draw, font), PALE, font)
        for row, cells in enumerate(sheet.rows):
            _draw_cell(canvas, draw, font, cells[column], (left, top + row * step_y), size)
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


def _draw_cell(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: Font,
    cell: Cell,
    place: tuple[int, int],
    size: tuple[int, int],
) -> None:
    left, top = place
    canvas.paste(Image.fromarray(cell.pixels).resize(size, Image.Resampling.NEAREST), place)
    for i, line in enumerate(cell.caption):
        draw.text((left, top + size[1] + i * LINE), fitted(line, size[0], draw, font), INK, font)


def fitted(text: str, width: float, draw: ImageDraw.ImageDraw, font: Font) -> str:
    """The text, truncated to a width of `width` pixels."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "...", font) > width:
        text = text[:-1]
    return text + "..."
