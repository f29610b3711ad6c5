"""Adding to the overlay: rows at the end, what stands there keeps its bytes, all or nothing."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made_project import open_project, write_contest

from facetwise.core.errors import InputError, LockedError, ProblemsError
from facetwise.core.files.csvrecords import CONTROL
from facetwise.core.project import Project
from facetwise.core.workspace import lock
from facetwise.data.labels.corrections import Added, ProposedCorrection, add_corrections, appended
from facetwise.data.labels.overlay import Correction, read_overlay
from facetwise.data.manifest import Manifest, build_manifest

IMAGE = "train/images/000001_male_Asian_29/normal.jpg"
HEADER = "image,group,attribute,value,reason,author"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    folder = tmp_path_factory.mktemp("corrections")
    project = open_project(folder / "project", write_contest(folder / "data"))
    return project, build_manifest(project, workers=1)


def correction(
    value: str = "female", *, group: str = "000001", image: str = "", attribute: str = "gender", weight: float = 1.0
) -> Correction:
    return Correction(image, "" if image else group, attribute, value, "seen", "ann", weight)


def add(path: Path, opened: tuple[Project, Manifest], *corrections: Correction) -> Added:
    wanted = [ProposedCorrection(f"rank {i}", c) for i, c in enumerate(corrections, start=1)]
    return add_corrections(path, wanted, opened[0].space, opened[1])


def test_a_new_file_has_a_header_and_is_read_back(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    path = tmp_path / "labels" / "overlay.csv"
    given = (correction(), correction("wear", image=IMAGE, attribute="mask"), correction("41.50", attribute="age"))
    added = add(path, opened, *given)
    assert path.read_text(encoding="utf-8").splitlines()[0] == f"{HEADER},weight"
    assert [c.value for c in added.written] == ["female", "wear", "41.5"]
    assert added.already == ()
    assert (len(added.before), len(added.after)) == (0, 3)
    assert read_overlay(path, opened[0].space, opened[1]) == added.after
    assert add(path, opened, *given).written == ()


TEXT = (
    st.text(st.characters(codec="utf-8"), max_size=40).filter(str.strip).filter(lambda t: not CONTROL.search(t.strip()))
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@example("two\rlines", "a \r\n b", 1.0)
@given(TEXT, TEXT, st.one_of(st.just(1.0), st.floats(0, 100)))
def test_any_text_and_weight_is_read_back_as_it_was(
    tmp_path: Path, opened: tuple[Project, Manifest], reason: str, author: str, weight: float
) -> None:
    path = tmp_path / "labels" / "overlay.csv"
    path.unlink(missing_ok=True)
    one = Correction("", "000002", "gender", "male", reason, author, weight)
    (written,) = add(path, opened, one).written
    assert (written.reason, written.author, written.weight) == (reason.strip(), author.strip(), weight)
    (again,) = read_overlay(path, opened[0].space, opened[1]).corrections
    assert again == written


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x9b"])
@pytest.mark.parametrize("cell", ["reason", "author"])
def test_text_that_no_table_may_have_is_refused_before_anything_is_written(
    cell: str, character: str, tmp_path: Path, opened: tuple[Project, Manifest]
) -> None:
    path = tmp_path / "overlay.csv"
    bad = replace(correction(), **{cell: f"a{character}b"})
    with pytest.raises(ProblemsError, match=f"rank 2: `{cell}` has a control character"):
        add(path, opened, correction("male", group="000002"), bad)
    assert not path.exists()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ended", [True, False])
def test_what_stands_there_keeps_its_bytes(
    newline: str, mark: str, ended: bool, tmp_path: Path, opened: tuple[Project, Manifest]
) -> None:
    lines = ["group, mine,attribute,image,value,author,reason", '000002,"x, y",gender,,male,나,"two', 'lines"', ""]
    lines += [f",,mask,{IMAGE},wear,me,ok"]
    before = (mark + newline.join(lines) + (newline if ended else "")).encode()
    path = tmp_path / "overlay.csv"
    path.write_bytes(before)
    added = add(path, opened, correction())
    after = path.read_bytes()
    assert after.startswith(before)
    assert after[len(before) :].decode().strip() == "000001,,gender,,female,ann,seen"
    assert after.endswith(newline.encode())
    assert after.count(b"\r\n") == (after.count(b"\n") if newline == "\r\n" else 0)
    assert added.after.corrections[:2] == added.before.corrections


def test_a_weight_adds_its_column_and_nothing_else(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    path = tmp_path / "overlay.csv"
    rows = f'{HEADER}\n\n,000002,gender,male,"two\n\nlines",me\n,,,,,\n{IMAGE},,mask,wear,ok,"me"\n'
    path.write_text(rows, encoding="utf-8")
    added = add(path, opened, correction(weight=0.00001))
    assert [c.weight for c in added.after.corrections] == [1, 1, 0.00001]
    text = path.read_text(encoding="utf-8")
    assert (
        text == f'{HEADER},weight\n\n,000002,gender,male,"two\n\nlines",me,\n,,,,,\n{IMAGE},,mask,wear,ok,"me",\n'
        ",000001,gender,female,seen,ann,0.00001\n"
    )
    assert [r["weight"] for r in csv.DictReader(text.splitlines()) if r["group"] == "000001"] == ["0.00001"]


def test_what_is_said_already_is_not_written_again(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    path = tmp_path / "overlay.csv"
    add(path, opened, correction(), correction("29.0", attribute="age"))
    before = path.read_bytes()
    added = add(path, opened, correction(" female "), correction("29", attribute="age"))
    assert (added.written, len(added.already)) == ((), 2)
    assert path.read_bytes() == before
    twice = add(path, opened, correction("male", group="000002"), correction("male", group="000002"))
    assert (len(twice.written), len(twice.already)) == (1, 1)


def test_contradictions_name_the_line_and_nothing_is_written(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    path = tmp_path / "labels" / "overlay.csv"
    add(path, opened, correction())
    before = path.read_bytes()
    with pytest.raises(ProblemsError) as told:
        add(
            path,
            opened,
            correction("wear", image=IMAGE, attribute="mask"),
            correction("male"),
            correction("incorrect", image=IMAGE, attribute="mask"),
            correction(weight=0.5),
            correction("female", group="999"),
            correction("old", attribute="age"),
        )
    problems = told.value.problems
    assert [p.split(":")[0] for p in problems] == ["rank 2", "rank 3", "rank 4", "rank 5", "rank 6"]
    assert "`gender` of person 000001 becomes `male`, labels/overlay.csv:2 says `female`" in problems[0]
    assert "rank 1 says `wear`" in problems[1]
    assert "becomes `female` with weight 0.5" in problems[2]
    assert path.read_bytes() == before


def test_an_image_may_differ_from_its_person(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    added = add(tmp_path / "overlay.csv", opened, correction(), correction("male", image=IMAGE))
    assert len(added.written) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{HEADER}\n,000001,gender,femal,seen,me\n", "overlay.csv:2: attribute `gender` has no class `femal`"),
        ("image,group\n", "no column `attribute`"),
        (f"{HEADER}\n,000001,gender\n", "3 cells, the header has 6"),
    ],
)
def test_a_file_with_errors_is_not_added_to(
    content: str, words: str, tmp_path: Path, opened: tuple[Project, Manifest]
) -> None:
    path = tmp_path / "overlay.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ProblemsError, match="nothing was added") as told:
        add(path, opened, correction("male", group="000002"))
    assert words in str(told.value)
    assert path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("reason", ["a\0b", "x" * 5000, "\udce9"])
def test_what_could_not_be_read_back_is_refused(reason: str, tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    path = tmp_path / "labels" / "overlay.csv"
    with pytest.raises(InputError):
        add(path, opened, Correction("", "000001", "gender", "female", reason, "ann"))
    assert not path.exists()
    assert [p.name for p in path.parent.iterdir()] == [".overlay.csv.lock"]


def test_a_link_stays_a_link(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    real, link = tmp_path / "shared" / "overlay.csv", tmp_path / "overlay.csv"
    real.parent.mkdir()
    link.symlink_to(real)
    add(link, opened, correction())
    assert link.is_symlink()
    assert len(read_overlay(real, opened[0].space, opened[1])) == 1


def test_a_blank_file_gets_a_header(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    path = tmp_path / "overlay.csv"
    path.write_text("\n  \n", encoding="utf-8")
    add(path, opened, correction())
    assert path.read_text(encoding="utf-8") == f"{HEADER},weight\n,000001,gender,female,seen,ann,\n"


def test_one_process_writes_at_a_time(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    path = tmp_path / "overlay.csv"
    with lock(tmp_path / ".overlay.csv.lock", "a test"), pytest.raises(LockedError):
        add(path, opened, correction())
    assert not path.exists()


def test_writers_at_once_lose_nothing_and_write_nothing_twice(tmp_path: Path, opened: tuple[Project, Manifest]) -> None:
    def write(number: int) -> int:
        done = 0
        for group in (("000001", "000002") * 3)[:: 1 if number % 2 else -1]:
            with suppress(LockedError):
                done += len(add(path, opened, correction("male", group=group)).written)
        return done

    path = tmp_path / "overlay.csv"
    with ThreadPoolExecutor(4) as pool:
        written = sum(pool.map(write, range(4)))
    groups = [c.group for c in read_overlay(path, opened[0].space, opened[1]).corrections]
    assert sorted(groups) == ["000001", "000002"]
    assert written == 2


def test_the_order_of_columns_is_the_files_own() -> None:
    data = appended(b"author,value,reason,group,image,attribute\n", [correction()])
    assert data.splitlines()[1] == b"ann,female,seen,000001,,gender"
