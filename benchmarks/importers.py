"""How long the rows of a dataset take by every door, to a listing of images, and a tool's labels as corrections.

    python benchmarks/importers.py                # 18,900 rows of two attributes
    python benchmarks/importers.py --rows 100000

Processor seconds, the median of three. Names are found on the disk, so there are files, empty ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
from printed import machine_line, table

from facetwise.core.files.annotations.annotated import AnnotatedImage, Said
from facetwise.core.files.annotations.formats import FORMATS
from facetwise.core.labels import Attribute
from facetwise.core.project import Project
from facetwise.data.labels.overlay import Overlay
from facetwise.data.manifest import Manifest
from facetwise.data.reading.readers import Listing, read_dataset
from facetwise.data.reading.recognising.newproject import write_project_file
from facetwise.label_issues.import_labels import import_labels

ATTRIBUTES = {"crop": Attribute("crop", ("bean", "maize", "rice")), "state": Attribute("state", ("ill", "well"))}
TABLES = {"csv": ".csv", "JSON lines": ".jsonl", "Parquet": ".parquet"}
ENDINGS: dict[str, str] = TABLES | dict.fromkeys(FORMATS, ".json")


def rows_of(number: int) -> pl.DataFrame:
    """Photos of plants, seven a plant."""
    k = pl.int_range(number, eager=True)
    return pl.DataFrame({
        "file": [f"photos/{i // 1000:03d}/{i:06d}.jpg" for i in k],
        "plant": [f"p{i // 7}" for i in k],
        "crop": [ATTRIBUTES["crop"].classes[i // 7 % 3] for i in k],
        "state": [ATTRIBUTES["state"].classes[i % 2] for i in k],
    })  # fmt: skip


def write(rows: pl.DataFrame, path: Path, door: str) -> None:
    """The rows as the file of a door."""
    match door:
        case "csv":
            rows.write_csv(path)
        case "JSON lines":
            rows.write_ndjson(path)
        case "Parquet":
            rows.write_parquet(path)
        case _:
            images = [
                AnnotatedImage("", file, {"crop": Said(crop), "state": Said(state)}, {"plant": plant})
                for file, plant, crop, state in rows.iter_rows()
            ]
            path.write_text(json.dumps(FORMATS[door].write(images, ATTRIBUTES)), encoding="utf-8")  # type: ignore[index]


def seconds(work: Callable[[], object]) -> str:
    """Processor seconds, the median of three."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return f"{statistics.median(taken):.2f}"


def manifest_of(listing: Listing) -> Manifest:
    """The manifest of images that nobody looked into."""
    read = {"sha256": pl.col("image"), "status": pl.lit("ok"), "width": pl.lit(1), "height": pl.lit(1)}
    return Manifest.of(listing.table.with_columns(**read))


def measure(rows: pl.DataFrame, root: Path, door: str) -> tuple[str, str, str, str]:
    """A row of the table."""
    data, path = root / "data", root / "data" / f"labels{ENDINGS[door]}"
    write(rows, path, door)
    own, made = root / door.replace(" ", "-"), list[Path]()

    def init() -> None:
        made.append(write_project_file(own / str(len(made)), data, tell=lambda _: None))

    recognised = seconds(init)
    project = Project.open(made[0].parent)
    read = seconds(lambda: read_dataset(project))
    imported = ""
    if door in FORMATS:
        manifest = manifest_of(read_dataset(project))
        said_by = Said("", "me", "")
        imported = seconds(lambda: import_labels(project, manifest, Overlay(), path, door, said_by))  # type: ignore[arg-type]
    path.unlink()
    return door, recognised, read, imported


def main() -> None:
    """Print the machine and a row a door."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=18_900)
    rows = rows_of(parser.parse_args().rows)
    print(machine_line(), "", sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        for file in rows["file"]:
            (path := Path(folder, "data", file)).parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found = [measure(rows, Path(folder), door) for door in ENDINGS]
    print(table(("rows by", "init, s", "as a table, s", "as corrections, s"), found))


if __name__ == "__main__":
    main()
