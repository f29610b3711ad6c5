"""The text of `init`: each fact beside the key that it comes from, and nothing of it read as markup."""

from __future__ import annotations

import io

from facetwise.data.findings import Finding
from facetwise.data.reading.recognising.understood import Understood, UnderstoodAttribute
from facetwise.screens.kit import Printer
from facetwise.screens.text.understood import MAX_CLASSES, understood_text


def text_of(**changes: object) -> str:
    usual: dict[str, object] = {
        "title": "a folder a class", "dataset": "/photos", "group": None, "groups": 3, "train": 3, "test": None,
        "attributes": (UnderstoodAttribute("crop", (("[red]", 1), ("rice", 2000))),), "folds": (), "notes": (),
        "findings": (), "known": 3,
    }  # fmt: skip
    console = Printer(io.StringIO())
    console.print(understood_text(Understood(**{**usual, **changes})))  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_each_fact_stands_beside_its_key():
    lines = [line.split("  ") for line in text_of(group="plant", test=7).splitlines()]
    told = {words[0].strip(): [w.strip() for w in words[1:] if w.strip()] for words in lines[1:]}
    assert told == {
        "train": ["3 images of 3 people by `plant`", 'group = "plant", subject = "person"'],
        "test": ["7 images", "[dataset.test]"],
        "crop": ["2 classes, in this order: [red] 1, rice 2,000", "[[attributes]] classes"],
    }
    assert 'group = "none", subject = "person"' in text_of()


def test_many_classes_are_cut_and_counted():
    many = UnderstoodAttribute("kind", tuple((f"k{i}", 1) for i in range(MAX_CLASSES + 5)))
    told = " ".join(text_of(attributes=(many,)).split())
    assert f"{MAX_CLASSES + 5} classes, in this order: k0 1," in told
    assert "and 5 more" in told


def test_notes_and_the_first_finding_of_a_kind_are_told():
    found = tuple(Finding("error", "unknown-class", f"labels.csv:{k}", "`x`") for k in (2, 3, 4))
    info = Finding("info", "respelt-name", "labels.csv", "found")
    told = text_of(notes=("one thing",), findings=(*found, info)).splitlines()
    assert told[-2:] == ["note: one thing", "error: unknown-class: labels.csv:2: `x` (and 2 more)"]
