"""Whether a file has the form that the organisers ask for: their columns and images, and a class for each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from facetwise.core.files.answers_csv import answer_fault, counted_from_one, fault_of_all
from facetwise.core.files.csvtable import CsvTable
from facetwise.core.labels import LabelSpace
from facetwise.core.text.counting import count
from facetwise.core.text.spelling import Spellings
from facetwise.submission.gate.finding import GateFinding, listed, listed_names

_SPELT = "spelt differently than asked for (Unicode normal form, blanks), and a platform compares every byte"


def column_findings(found: Sequence[str], wanted: Sequence[str]) -> list[GateFinding]:
    """Exactly the organisers' columns, in order: some platforms refuse files with more."""
    extra, lacking = [c for c in found if c not in wanted], [c for c in wanted if c not in found]
    if not wanted or list(found) == list(wanted):
        return []
    faults = [
        *([f"{listed_names(extra)} not asked for"] if extra else []),
        *([f"{listed_names(lacking)} missing"] if lacking else []),
    ]
    message = f"columns: {', '.join(faults) or 'in another order'}; the organisers' csv has {listed_names(wanted)}"
    index = "" if not any(not c or c.startswith("Unnamed:") for c in extra) else "; leave the index out (`index=False`)"
    return [GateFinding("warning", "columns", message + index)]


def name_findings(names: Sequence[str], expected: Sequence[str]) -> list[GateFinding]:
    """Exactly the expected images, each once, in the expected order."""
    known, often, wanted = Spellings(expected), Counter(names), set(expected)
    meant = {n: known.find(n) for n in often if n not in wanted and known.find(n) in wanted}
    faults = (
        ("names-spelling", _SPELT, list(meant)),
        ("names-missing", "not in the file", [n for n in expected if n not in often and n not in meant.values()]),
        ("names-extra", "not asked for", [n for n in often if n not in wanted and n not in meant]),
        ("names-twice", "in the file more than once", [n for n, times in often.items() if times > 1]),
    )
    findings = [
        GateFinding("error", code, f"{count(len(found), 'image')} {what}: {listed_names(found)}")
        for code, what, found in faults
        if found
    ]
    if findings:
        return findings
    moved = [n for n, e in zip(names, expected, strict=True) if n != e]
    if moved:
        message = f"{count(len(moved), 'row')} not in the organisers' order; the first is image {moved[0]!r}"
        return [GateFinding("error", "order", message)]
    return [GateFinding("ok", "names", f"all {len(names):,} images once, in the organisers' order")]


def answer_findings(
    file: CsvTable, names: Sequence[str], answers: Sequence[str], space: LabelSpace, reasons: Mapping[str, str]
) -> list[GateFinding]:
    """An integer class of the label space in every row."""
    rows = list(zip(names, answers, file.lines, strict=True))
    empty = [f"{n!r} ({reasons[n]})" if n in reasons else repr(n) for n, a, _ in rows if not a.strip()]
    faulty = [f"{fault} (line {line})" for _, a, line in rows if a.strip() and (fault := answer_fault(a))]
    outside = [
        f"{a} for {n!r} (line {line})" for n, a, line in rows if not answer_fault(a) and int(a) >= space.num_joint
    ]
    alike, shifted = fault_of_all(answers), counted_from_one(answers, space.num_joint)
    range_text = f"0..{space.num_joint - 1}"
    faults = (
        ("no-prediction", f"{count(len(empty), 'image')} without a prediction", empty),
        (
            "not-integer",
            count(len(faulty), "answer is no integer", "answers are no integers"),
            faulty if alike is None else [],
        ),
        (
            "out-of-range",
            f"{count(len(outside), 'answer')} outside {range_text}",
            outside if shifted is None else [],
        ),
    )
    findings = [GateFinding("error", code, f"{what}: {listed(found)}") for code, what, found in faults if found]
    findings += [] if alike is None else [GateFinding("error", "not-integer", alike)]
    findings += [] if shifted is None else [GateFinding("error", "out-of-range", shifted)]
    return findings or [GateFinding("ok", "classes", f"every answer is an integer of {range_text}")]
