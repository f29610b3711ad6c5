"""Projects on datasets that tests draw: people in the contest's layout, or a table of photos with any labels."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facetwise.core.project import Project
from facetwise.data.reading.recognising.newproject import write_project_file

STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
HEADER = "id,gender,race,age,path"
PEOPLE = ("000001,male,Asian,29,000001_male_Asian_29", "000002,female,White,60,000002_female_White_60")

PHOTOS = """
name = "{name}"
[dataset]
path = "{data}"
layout = "images"
[dataset.train]
table = "labels.csv"
images = "photos"
group = "person"
image = "file"
{more}
"""


def attribute(name: str, *classes: str, **more: object) -> str:
    """An attribute in a project file, by default of the column of its name; `more` are numbers, words or lists."""
    keys = {"name": name, "classes": classes, "column": name, **more}
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in keys.items())
    return "\n[[attributes]]\n" + "".join(lines)


GLASSES = attribute("glasses", "no", "yes")


def picture(seed: int, size: tuple[int, int] = (48, 64)) -> Image.Image:
    """Soft shapes, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without `share` of the width at the left and at the right, and of the height above and below."""
    x, y = round(image.width * share), round(image.height * share)
    return image.crop((x, y, image.width - x, image.height - y))


def exif_turned(image: Image.Image) -> bytes:
    """Stored turned by a quarter, with the orientation that turns it back."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image.transpose(Image.Transpose.ROTATE_90), quality=90, exif=exif.tobytes())


def write_contest(
    root: Path, people: tuple[str, ...] = PEOPLE, *, header: str = HEADER, tests: tuple[str, ...] = ("a.jpg", "b.jpg")
) -> Path:
    """A dataset with seven images a person (in the folder that the row's last cell names) and some to predict."""
    seed = 0
    for row in people:
        folder = root / "train" / "images" / row.split(",")[-1]
        folder.mkdir(parents=True)
        for stem in STEMS:
            (folder / f"{stem}.jpg").write_bytes(encoded(picture(seed := seed + 1)))
    write_table(root / "train" / "train.csv", header, *people)
    (root / "eval" / "images").mkdir(parents=True)
    for name in tests:
        (root / "eval" / "images" / name).write_bytes(encoded(picture(seed := seed + 1)))
    write_table(root / "eval" / "info.csv", "ImageID,ans", *(f"{name},0" for name in tests))
    return root


def photo_project(
    root: Path,
    table: Sequence[str],
    photos: Sequence[str],
    *,
    folder: str = "",
    name: str = "glasses",
    more: str = "",
    attributes: str = GLASSES,
    size: tuple[int, int] = (48, 64),
) -> Project:
    """A project, in `folder` below `root`, on a table in data/ (its header `file,person` and the attributes' columns)
    of photos in data/photos/, drawn. `more` goes into [dataset.train]; `size` is width x height."""
    for seed, photo in enumerate(photos):
        path = root / "data" / photo
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(seed, size), Path(photo).suffix[1:].upper().replace("JPG", "JPEG")))
    write_table(root / "data" / "labels.csv", *table)
    data = Path(*[".."] * len(Path(folder).parts), "data").as_posix()
    return project_at(root / folder, PHOTOS.format(name=name, data=data, more=more) + attributes)


def project_at(folder: Path, text: str) -> Project:
    """The project whose file says `text`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facetwise.toml").write_text(text, encoding="utf-8")
    return Project.open(folder)


def write_table(path: Path, *lines: str) -> None:
    """A csv of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def open_project(folder: Path, dataset: Path) -> Project:
    """A new project in `folder` for `dataset`."""
    return Project.open(write_project_file(folder, dataset).parent)


def replace_in(path: Path, changes: Mapping[str, str]) -> None:
    """Replace pieces of a text file."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
