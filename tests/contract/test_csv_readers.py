"""A battery for whatever reads a csv from outside: the same fault is told in the same words, whoever meets it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from made_project import PEOPLE, open_project, write_contest

import facetwise as fw
from facetwise.core.errors import InputError
from facetwise.core.project import Project
from facetwise.data.boxes.reading import read_boxes
from facetwise.data.labels.overlay import read_overlay
from facetwise.data.manifest import build_manifest, load_manifest
from facetwise.label_issues.list_csv import read_list_csv
from facetwise.submission.answers import read_answers
from facetwise.submission.folder import score_submission
from facetwise.submission.ledger.platform_table import import_table


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two test images, `a.jpg` and `b.jpg`."""
    base = tmp_path_factory.mktemp("csv")
    made = open_project(base / "project", write_contest(base / "contest"))
    build_manifest(made, workers=1)
    return made


def check(project: Project, file: Path) -> str:
    table = project.dataset_root / "train" / "train.csv"
    before = table.read_bytes()
    table.write_bytes(file.read_bytes())
    try:
        return "\n".join(map(str, fw.check(project, workers=1).findings))
    finally:
        table.write_bytes(before)
        fw.check(project, workers=1)


def gate(project: Project, file: Path) -> str:
    return "\n".join(finding.message for finding in fw.gate(project, file).findings)


def score(project: Project, file: Path) -> None:
    good = file.with_name("good.csv")
    good.write_text("ImageID,ans\na.jpg,1\nb.jpg,2\n", encoding="utf-8")
    score_submission(good, file, "ImageID", "ans", project.space)


def suspects(project: Project, file: Path) -> None:
    read_list_csv(file, project.space, load_manifest(project), "why", "me", 1.0)


ANSWERS = "ImageID,ans,more\na.jpg,1,x\nb.jpg,2,x\n"
OVERLAY = "image,group,attribute,value,reason,author\n,000001,gender,male,seen,me\n,000002,gender,male,seen,me\n"


class Reader(NamedTuple):
    """Something that reads a csv: what it says of a file, by its result or its error, and a file that it can read."""

    read: Callable[[Project, Path], object]
    good: str
    delimiter: str = ","


READERS = {
    "check": Reader(check, "\n".join(["id,gender,race,age,path", *PEOPLE, ""])),
    "overlay": Reader(lambda p, f: read_overlay(f, p.space, load_manifest(p)), OVERLAY),
    "boxes": Reader(
        lambda _, f: read_boxes(f, ["a", "b"], np.full((2, 2), 9.0)),
        "image,left,top,right,bottom\na,0,0,4,4\nb,0,0,4,4\n",
    ),
    "suspects": Reader(suspects, "attribute,group,image,given,value,accept\ngender,1,,male,female,n\nage,2,,x,y,n\n"),
    "gate": Reader(gate, ANSWERS),
    "import": Reader(lambda p, f: fw.import_predictions(p, f, name="mine"), ANSWERS),
    "answers": Reader(lambda p, f: read_answers(p, load_manifest(p), f), ANSWERS),
    "score": Reader(score, ANSWERS),
    "platform": Reader(
        lambda p, f: import_table(p.workspace, f, ZoneInfo("Asia/Seoul")), "id\tf1\tx\n1\t0.5\ta\n2\t0.4\tb\n", "\t"
    ),
}


class Fault(NamedTuple):
    """A way to break a file: from its text and delimiter to bytes, and the words that tell of it."""

    make: Callable[[str, str], bytes]
    told: str


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def shorter(text: str, delimiter: str) -> bytes:
    """The last row without its last cell."""
    return (text.rstrip("\n").rpartition(delimiter)[0] + "\n").encode()


def twice(text: str, delimiter: str) -> bytes:
    """Another column with the name of the first one that is needed, and a cell in every row."""
    header, *rows = text.splitlines()
    return "\n".join(
        [f"{header}{delimiter}{header.partition(delimiter)[0]}", *(f"{r}{delimiter}1" for r in rows)]
    ).encode()


def in_line_2(change: Callable[[str], str]) -> Callable[[str, str], bytes]:
    def make(text: str, _: str) -> bytes:
        head, row, *rest = lines(text)
        return "".join([head, change(row), *rest]).encode()

    return make


FAULTS = {
    "UTF-16": Fault(lambda t, _: t.encode("utf-16"), "UTF-16 text, expected UTF-8"),
    "UTF-16 without a mark": Fault(lambda t, _: t.encode("utf-16-le"), "UTF-16 text, expected UTF-8"),
    "UTF-32": Fault(lambda t, _: t.encode("utf-32"), "UTF-32 text, expected UTF-8"),
    "cp949": Fault(
        lambda t, _: t.replace("\n", "\n가", 1).encode("cp949"),
        r"not UTF-8 text \(byte 0xb0, it reads as cp949 of Korean Windows\)",
    ),
    "latin-1": Fault(
        lambda t, _: t.replace("\n", "\né", 1).encode("latin-1"), r"not UTF-8 text \(byte 0xe9, it reads as cp1252"
    ),
    "line ends of an old Mac, latin-1": Fault(
        lambda t, _: t.replace("\n", "\né", 1).replace("\n", "\r").encode("latin-1"), "line 2: |:2: "
    ),
    "zip": Fault(lambda *_: b"PK\x03\x04" + bytes(60), "an archive, expected a csv"),
    "gzip": Fault(lambda *_: b"\x1f\x8b" + bytes(60), "an archive, expected a csv"),
    "Excel": Fault(lambda *_: b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "an Office file, expected a csv"),
    "a page": Fault(
        lambda *_: b"<!DOCTYPE html><html>", "an HTML page, as a failed download leaves it, expected a csv"
    ),
    "a NUL": Fault(in_line_2(lambda row: f"\0{row}"), "a NUL character: not a text file"),
    "an escape": Fault(in_line_2(lambda row: f"\x1b[31m{row}"), r"a control \(0x1b\) character: not a text file"),
    "an open quote": Fault(in_line_2(lambda row: f'"{row}'), "not readable as csv from here"),
    "nothing": Fault(lambda *_: b"", "the file is empty, expected a header with column names"),
    "blank lines": Fault(lambda *_: b"\xef\xbb\xbf\n \r\n", "the file is empty, expected a header with column names"),
    "semicolons": Fault(
        lambda t, d: t.replace(d, ";").encode(), "seems to be separated by `;`, expected (commas|tabs)"
    ),
    "another column": Fault(lambda t, _: f"x{t}".replace("xi", "x", 1).encode(), r"no column `\w+` \(columns: "),
    "a column twice": Fault(twice, r"column `\w+` is there twice"),
    "a short row": Fault(shorter, r"\d cells?, the header has \d"),
    "short rows": Fault(
        lambda t, d: "".join([lines(t)[0], *(f"{d.join(r.split(d)[:2])}\n" for r in lines(t)[1:])]).encode(),
        "all 2 rows have other numbers of cells than the header, such as line 2: 2, the header has",
    ),
    "an endless cell": Fault(in_line_2(lambda row: "x" * 5000 + row), r"`\w+` has more than 4096 characters"),
}


def told(reader: Reader, project: Project, file: Path) -> str:
    """What a reader says, in one line, without the file's own name."""
    try:
        said = str(reader.read(project, file))
    except InputError as error:
        said = f"{error} {error.hint}"
    return " ".join(said.split())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("reader", READERS)
def test_a_fault_is_told_in_the_same_words(reader: str, fault: str, project: Project, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(FAULTS[fault].make(READERS[reader].good, READERS[reader].delimiter))
    assert re.search(FAULTS[fault].told, told(READERS[reader], project, file)), told(READERS[reader], project, file)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("change", ["as it is", "mark", "crlf", "blank lines", "empty cells"])
def test_what_editors_and_spreadsheets_do_is_no_fault(
    reader: str, change: str, project: Project, tmp_path: Path
) -> None:
    good, delimiter, file = READERS[reader].good, READERS[reader].delimiter, tmp_path / "file.csv"
    changed = {
        "as it is": good,
        "mark": f"\ufeff{good}",
        "crlf": good.replace("\n", "\r\n"),
        "blank lines": good.replace("\n", "\n\n"),
        "empty cells": "".join([lines(good)[0], *(f"{r[:-1]}{delimiter * 2}\n" for r in lines(good)[1:])]),
    }[change]
    file.write_text(changed, encoding="utf-8", newline="")
    said = told(READERS[reader], project, file)
    assert [words for words in (f.told for f in FAULTS.values()) if re.search(words, said)] == []
