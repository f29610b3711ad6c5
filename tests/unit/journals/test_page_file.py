"""The page of a day: what is made is made again, what people wrote stays byte for byte, whatever it is."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetwise.core.errors import InputError, ProblemsError
from facetwise.journals.page_file import merge, new_page, readable, write_page

DAY = date(2026, 11, 25)
PARTS = {"day": "contest, times in UTC.", "runs": "## Runs\n\n- run 1", "blends": "", "open": "## Open\n\n- s1"}

LETTERS = st.characters(exclude_categories=("Cs",))
FREE = st.text(LETTERS, max_size=60) | st.sampled_from(
    [
        "<!-- a comment -->",
        "## Runs",
        "```\ncode\n```",
        "> quoted\n",
        "\r\n\r\n",
        "\u2028\u0085\x0b\x0c",
        "한국어로 쓴 글",
        "- [ ] todo\n",
    ]
)
BODIES = st.text(LETTERS.filter(lambda c: c not in "\r\n"), max_size=40).map(lambda t: t.strip().replace("<!--", ""))


def with_words(page: str, words: list[str], newline: str = "\n") -> str:
    """The page with these words between its lines, but never inside a part."""
    lines, inside, left = [], False, list(words)
    for line in page.split("\n"):
        if not inside and left:
            lines += left.pop().split("\n")
        inside = (inside or "facetwise:begin" in line) and "facetwise:end" not in line
        lines.append(line)
    return newline.join([*lines, *left])


def outside(page: str) -> str:
    """All of a page but for what stands between facetwise's comments, and these."""
    kept, inside = [], False
    for line in page.split("\n"):
        if "facetwise:begin" in line:
            inside = True
            kept.append("---")
        elif "facetwise:end" in line:
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


@settings(max_examples=100)
@given(words=st.lists(FREE, max_size=12), bodies=st.lists(st.tuples(BODIES, BODIES), min_size=1, max_size=4))
def test_what_people_write_survives_any_number_of_remakes(words: list[str], bodies: list[tuple[str, str]]) -> None:
    page = with_words(new_page(DAY, PARTS), words)
    mine = outside(page)
    for body in bodies:
        parts = {"day": "day", "runs": "\n".join(body).strip(), "blends": body[0], "open": "open"}
        merged = merge(page, parts)
        assert merged.edited == ()
        assert outside(merged.text) == mine
        assert merge(merged.text, parts).text == merged.text, "made twice is the same"
        page = merged.text
    back = merge(page, PARTS)
    assert back.text == with_words(new_page(DAY, PARTS), words), "and it comes back as it was"


def test_a_new_page_has_every_part_and_room_to_write() -> None:
    page = new_page(DAY, PARTS)
    assert page.startswith("# 2026-11-25, Wednesday\n")
    assert merge(page, PARTS).text == page
    assert page.index("begin runs") < page.index("## Thoughts") < page.index("begin open") < page.index("## Tomorrow")
    shown = readable(page)
    assert "facetwise" not in shown
    assert "\n\n\n" not in shown
    assert "- run 1" in shown


def test_editors_of_other_systems_do_no_harm() -> None:
    """Windows line ends, a byte order mark, space at the ends of lines: nobody wrote inside a part."""
    page = "\ufeff" + new_page(DAY, PARTS).replace("\n", "\r\n")
    merged = merge(page, {**PARTS, "runs": "## Runs\n\n- run 2"})
    assert merged.edited == ()
    assert merged.text == page.replace("run 1", "run 2").replace(_mark(page), _mark(merged.text))
    assert "\n" not in merged.text.replace("\r\n", "")
    trimmed = new_page(DAY, {**PARTS, "runs": "- one  \n- two"}).replace("one  \n", "one\n")
    assert merge(trimmed, PARTS).edited == ()


def _mark(page: str) -> str:
    return next(line for line in page.splitlines() if "begin runs" in line)


def test_parts_may_be_moved_and_taken_out() -> None:
    page = new_page(DAY, PARTS)
    lines = page.split("\n")
    begin, end = (next(i for i, line in enumerate(lines) if f"{kind} runs" in line) for kind in ("begin", "end"))
    runs = lines[begin : end + 1]
    del lines[begin : end + 1]
    without = "\n".join(lines)
    assert merge(without, PARTS).text == without
    moved = "\n".join([*lines, *runs, ""])
    assert merge(moved, {**PARTS, "runs": "- other"}).text.endswith("- other\n\n<!-- facetwise:end runs -->\n")


def test_a_part_of_another_version_is_left_as_it_is() -> None:
    page = new_page(DAY, {**PARTS, "weather": "sunny"}).replace("sunny", "rain")
    assert merge(page, PARTS) == merge(page, {**PARTS})
    assert "rain" in merge(page, PARTS).text
    assert merge(page, PARTS).edited == ()


# ------------------------------------------------------------------------------------------------ written inside


def test_what_somebody_wrote_inside_a_part_is_kept_beside(tmp_path: Path) -> None:
    file = tmp_path / "2026-11-25.md"
    assert write_page(file, DAY, PARTS).backup is None
    edited = file.read_text(encoding="utf-8").replace("- run 1", "- run 1\n- slow, the machine was busy")
    file.write_text(edited, encoding="utf-8")
    written = write_page(file, DAY, PARTS)
    assert written.edited == ("runs",)
    assert written.backup == tmp_path / "2026-11-25.edited-1.md"
    assert written.backup.read_text(encoding="utf-8") == edited
    assert file.read_text(encoding="utf-8") == new_page(DAY, PARTS)
    assert write_page(file, DAY, PARTS).backup is None
    file.write_text(edited, encoding="utf-8")
    assert write_page(file, DAY, PARTS).backup == tmp_path / "2026-11-25.edited-2.md"
    assert sorted(p.name for p in tmp_path.glob("[!.]*")) == [
        "2026-11-25.edited-1.md",
        "2026-11-25.edited-2.md",
        "2026-11-25.md",
    ]


def test_a_checksum_that_is_gone_counts_as_written_inside() -> None:
    page = new_page(DAY, PARTS)
    without = page.replace(_mark(page), "<!-- facetwise:begin runs -->")
    assert merge(without, PARTS).edited == ("runs",)
    assert merge(without, PARTS).text == page


# ------------------------------------------------------------------------------------------------ broken pages


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("<!-- facetwise:end runs -->\n", "", "the part `runs` lacks its end"),
        ("<!-- facetwise:end open -->", "", "the part `open` lacks its end"),
        ("<!-- facetwise:end runs -->", "<!-- facetwise:end rusn -->", "ends the part `rusn`, which was not started"),
        ("<!-- facetwise:end runs -->", "<!-- facetwise:end runs", "one of facetwise's comments was changed"),
        (
            "<!-- facetwise:end runs -->",
            "done <!-- facetwise:end runs -->",
            "one of facetwise's comments was changed",
        ),
        ("<!-- facetwise:begin runs", "<!-- facetwise:begin day", "line"),
        ("begin runs", "begun runs", "was changed"),
    ],
)
def test_comments_that_do_not_pair_up_are_told_and_nothing_is_touched(
    old: str, new: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "2026-11-25.md"
    write_page(file, DAY, PARTS)
    broken = file.read_text(encoding="utf-8").replace(old, new)
    file.write_text(broken, encoding="utf-8")
    with pytest.raises(ProblemsError) as error:
        write_page(file, DAY, PARTS)
    assert told in str(error.value)
    assert str(file) in str(error.value)
    assert "line " in str(error.value)
    assert file.read_text(encoding="utf-8") == broken
    assert [p.name for p in tmp_path.glob("[!.]*")] == [file.name]


def test_a_part_that_is_there_twice_is_told() -> None:
    page = new_page(DAY, PARTS)
    with pytest.raises(ProblemsError, match="`runs` is there twice"):
        merge(page + page, PARTS)


@pytest.mark.parametrize("content", [b"my own journal\n", b"\xff\xfe\x00"])
def test_a_file_that_is_no_page_is_not_touched(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "2026-11-25.md"
    file.write_bytes(content)
    with pytest.raises(InputError):
        write_page(file, DAY, PARTS)
    assert file.read_bytes() == content


def test_an_empty_file_is_a_new_page_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, file = tmp_path / "elsewhere" / "vault.md", tmp_path / "2026-11-25.md"
    real.write_bytes(b"\n")
    file.symlink_to(real)
    write_page(file, DAY, PARTS)
    assert file.is_symlink()
    assert real.read_text(encoding="utf-8") == new_page(DAY, PARTS)
    with pytest.raises(InputError, match="is a folder"):
        write_page(tmp_path / "elsewhere", DAY, PARTS)


def test_a_page_that_is_the_same_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "2026-11-25.md"
    write_page(file, DAY, PARTS)
    before = file.stat()
    write_page(file, DAY, PARTS)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
