"""Words in Markdown: a parser of Markdown reads back what was written, and nothing else."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from facetwise.core.text.markdown import code, one_line, quote, words

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKUP = st.text(st.sampled_from("\\`*_[]()<>#+-=.!|~&;:/\"' \n\t1aß한x"), max_size=30)
HOSTILE = st.sampled_from(
    [
        "<!-- facetwise:end runs -->", "<script>alert(1)</script>", "# heading", "- item", "1. item", "| cell |", "---",
        "===", "[text](javascript:alert(1))", "![x](http://example.com/x.png)", "&lt;b&gt;", "**bold**", "~~gone~~",
        "a\n\nb", "```", "    code", "<http://example.com>", "&#60;", "\u2028# x", "\x85- x", "> quoted",
    ]
)  # fmt: skip
TEXTS = MARKUP | HOSTILE | st.text(max_size=30)


def inline(token: Token) -> str:
    """The text of inline Markdown; fails where there is anything but text."""
    children = token.children or []
    assert [c.type for c in children if c.type not in ("text", "text_special")] == []
    return "".join(c.content for c in children)


@settings(max_examples=150)
@given(TEXTS)
def test_words_read_as_they_are_written_at_the_beginning_and_behind_others(text: str) -> None:
    line = one_line(text)
    assert "\n" not in line
    for before in ("", "at 14:05: "):
        tokens = [t for t in PARSER.parse(before + words(text)) if line or before]
        if not line and not before:
            continue
        assert [t.type for t in tokens] == ["paragraph_open", "inline", "paragraph_close"]
        assert inline(tokens[1]) == f"{before}{line}".strip()


@settings(max_examples=150)
@given(TEXTS)
def test_words_and_code_are_one_cell_of_a_table(text: str) -> None:
    page = f"| a | b | c |\n| --- | --- | --- |\n| {code(text)} | {words(text)} | end |\n"
    cells = [t for t in PARSER.parse(page) if t.type == "inline"]
    assert [inline(c) for c in cells[:3]] == ["a", "b", "c"]
    assert len(cells) == 6
    assert "".join(c.content for c in cells[3].children or []) == one_line(text)
    assert inline(cells[4]) == one_line(text)
    assert inline(cells[5]) == "end"


@settings(max_examples=100)
@example("__0__")
@given(TEXTS)
def test_a_quote_holds_its_lines_and_nothing_else(text: str) -> None:
    lines = quote(text)
    assert all("\n" not in line and line.startswith(">") for line in lines)
    tokens = PARSER.parse("\n".join([*lines, "", "after"]))
    assert tokens[-2].content == "after"
    kinds = {t.type for t in tokens[:-3]}
    assert kinds <= {"blockquote_open", "blockquote_close", "paragraph_open", "paragraph_close", "inline"}
    breaks = {c.type for t in tokens if t.children for c in t.children}
    assert breaks <= {"text", "text_special", "hardbreak"}


def test_most_words_stay_as_they_are() -> None:
    for text in ("12:05, run 3 of hold_out: +0.012 [no]", "학습률을 낮춰 보자, 왜?", "what's this (and that)?"):
        assert words(text).replace("\\", "") == text
    assert words("hold_out is 0.5 or -1") == "hold_out is 0.5 or -1"
    assert code("augment.mixup") == "`augment.mixup`"
