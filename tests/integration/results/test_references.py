"""How people name things: every kind by every form, in any order, and what names nothing."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_blend import write_blend
from made_runs import add_run, made_contest
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import InputError
from facetwise.core.references import (
    KINDS,
    MAX_LENGTH,
    Reference,
    ReferenceKind,
    number_of,
    parse_reference,
    pick,
    short_name,
)

NUMBERS = st.integers(1, 999_999_999)
NUMBERED: tuple[ReferenceKind, ...] = ("run", "blend", "submission")
NOTHING = (
    *("", "  ", "\n", "run:", "blend: ", "submission:", "foreign:"),
    *("0", "000", "b0", "s0", "blend:0", "run:00", "submission:s0"),
    *("9" * 5000, "b" * (MAX_LENGTH + 1)),
)
LETTER = {"run": "", "blend": "b", "submission": "s"}
NAMES = st.from_regex(r"[A-Za-z_가-힣][\w.가-힣 -]{0,20}[\w가-힣]", fullmatch=True)
IDS = {
    "run": ("02-AdamW-StepLR", "03-AdamW", "10-03-AdamW", "baseline"),
    "blend": ("b01-soft-5", "b02-hard-3", "b11-soft-5"),
    "submission": ("01-03-AdamW", "02-b01-soft-5", "12-baseline"),
}


@given(st.sampled_from(NUMBERED), NUMBERS, st.integers(0, 3))
def test_numbers_of_each_kind_in_every_form(kind: ReferenceKind, number: int, zeros: int) -> None:
    digits = "0" * min(zeros, 9 - len(str(number))) + str(number)
    wanted = Reference(kind, number)
    for text in (
        f"{LETTER[kind]}{digits}",
        f"{kind}:{digits}",
        f"{kind}:{LETTER[kind]}{digits}",
        f"  {kind}:{digits} ",
    ):
        assert parse_reference(text) == wanted
    assert parse_reference(digits, [kind]) == wanted  # a bare number, where only one kind can stand
    assert wanted.means(f"{LETTER[kind].replace('s', '')}{digits}-of-something")
    assert not wanted.means(f"{LETTER[kind].replace('s', '')}{number + 1}-of-something")


@given(st.sampled_from(KINDS), NAMES)
def test_what_is_told_in_full_is_read_again(kind: ReferenceKind, name: str) -> None:
    named = parse_reference(f"{kind}:{name}")
    assert named.kind == kind
    assert parse_reference(str(named)) == named
    assert parse_reference(named) is named


@given(st.text())
def test_a_text_is_a_reference_or_an_error_that_says_what_would_be(text: str) -> None:
    named = hint = None
    try:
        named = parse_reference(text)
    except InputError as error:
        hint = error.hint
    if named is None:
        assert any(form in str(hint) for form in ("a run is `3`", "`b3`", "`s1`", "`foreign:NAME`"))
    else:
        assert parse_reference(str(named)) == named


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ("last", "run", "last"),
        ("run:last", "run", "last"),
        ("blend:last", "blend", "last"),
        ("submission:last", "submission", "last"),
        ("03-AdamW", "run", "03-AdamW"),
        ("b", "run", "b"),
        ("s", "run", "s"),
        ("s1-fine", "run", "s1-fine"),
        ("b3x", "run", "b3x"),
        ("b01-soft-5", "blend", "b01-soft-5"),
        ("b1-", "blend", "b1-"),
        ("run:b01-soft-5", "run", "b01-soft-5"),
        ("01-03-AdamW", "submission", "01-03-AdamW"),
        ("run:01-03-AdamW", "run", "01-03-AdamW"),
        ("foreign:alice", "foreign", "alice"),
        ("foreign:3", "foreign", "3"),
        ("foreign:last", "foreign", "last"),
        ("foreign:b0", "foreign", "b0"),
        ("foreign:민수.csv", "foreign", "민수.csv"),
        ("9" * 10, "run", "9" * 10),  # no number: nobody has as many
        ("b" + "9" * 200, "blend", "b" + "9" * 200),
    ],
)
def test_names(text: str, kind: str, key: str) -> None:
    named = parse_reference(text, submissions=IDS["submission"])
    assert (named.kind, named.key) == (kind, key)


@pytest.mark.parametrize("text", NOTHING)
def test_what_names_nothing(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_reference(text)
    assert error.value.hint
    assert len(str(error.value)) < 120


def test_the_first_kind_that_can_stand_is_meant_and_others_are_refused() -> None:
    for kind in NUMBERED:
        assert parse_reference("last", [kind]) == Reference(kind, "last")
        assert parse_reference(3, [kind]) == Reference(kind, 3)
        for other in set(NUMBERED) - {kind}:
            with pytest.raises(InputError, match=rf"`{other}:3` is a {other}, expected a {kind}$") as error:
                parse_reference(f"{other}:3", [kind])
            assert str(error.value.hint).startswith(f"a {kind} ")
    with pytest.raises(InputError, match="`s1` is a submission, expected a run or a blend"):
        parse_reference("s1", ["run", "blend"])


@given(st.sampled_from(NUMBERED), st.data())
def test_everything_is_found_by_its_id_its_number_and_its_short_name(kind: ReferenceKind, data: st.DataObject) -> None:
    ids = IDS[kind]
    thing = data.draw(st.sampled_from(ids))
    order = data.draw(st.permutations(ids))
    texts = [f"{kind}:{thing}", short_name(kind, thing)]
    texts += [str(Reference(kind, number_of(kind, thing)))] if number_of(kind, thing) else []
    for text in texts:
        assert pick(parse_reference(text), order) == thing
    assert pick(parse_reference("last", [kind]), order) == order[-1]


def test_ids_are_found_however_they_are_spelt() -> None:
    ids = ["01-가을", unicodedata.normalize("NFD", "02-겨울"), "03-e\u0301t", "04-\u00e9t"]
    for number, text in enumerate(("01-가을", "02-겨울")):
        for form in ("NFC", "NFD"):
            for written in (text, text[:-1]):
                assert pick(parse_reference(f"run:{unicodedata.normalize(form, written)}"), ids) == ids[number]
    with pytest.raises(InputError, match="no run"):
        pick(parse_reference("run:\u200b"), ids)


def test_beginnings_are_enough_where_only_one_begins_so() -> None:
    assert pick(parse_reference("base"), IDS["run"]) == "baseline"
    assert pick(parse_reference("b02-"), IDS["blend"]) == "b02-hard-3"
    assert pick(parse_reference("03-AdamW"), ["03-AdamW", "03-AdamW-again"]) == "03-AdamW"  # an id before beginnings
    with pytest.raises(InputError, match="run `03-A` is ambiguous: 03-AdamW, 03-AdamW-again"):
        pick(parse_reference("03-A"), ["03-AdamW", "03-AdamW-again"])
    with pytest.raises(InputError, match="blend `b3` is ambiguous"):
        pick(parse_reference("b3"), ["b03-soft-1", "b03-soft-2"])
    with pytest.raises(InputError, match="no run is called `1`"):  # a number is no beginning of another
        pick(parse_reference("1"), IDS["run"])
    with pytest.raises(InputError, match="no blend is called `b9`") as error:
        pick(parse_reference("b9"), IDS["blend"])
    assert "b01-soft-5" in str(error.value.hint)


# ------------------------------------------------------------------------------------------------- one grammar


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run 1 and 2, blend 1 of run 1, imported predictions, submission 1."""
    project, manifest = made_contest(tmp_path_factory.mktemp("references"))
    run, _ = add_run(project, manifest, 1, skill=6.0), add_run(project, manifest, 2, skill=6.0)
    write_blend(project.root, run)
    names = [f"{n},{i % project.space.num_joint}" for i, n in enumerate(manifest.test["name"].to_list())]
    file = project.root / "theirs.csv"
    file.write_text("ImageID,ans\n" + "\n".join(names) + "\n", encoding="utf-8")
    fw.import_predictions(project, file, name="alice.csv")
    fw.submit(project, "1", yes=True, against_others=True)
    return project


@pytest.mark.parametrize("text", ["", " ", "b0", "0", "run:", "9" * 5000])
@pytest.mark.parametrize(
    "command",
    [("show",), ("blend",), ("submit",), ("forecast",), ("rules",), ("diff", "1"), ("note",), ("ledger", "sent")],
)
def test_no_command_takes_what_names_nothing(contest: Any, command: tuple[str, ...], text: str) -> None:
    more = ["words"] if command == ("note",) else []
    result = CliRunner().invoke(app, ["--project", str(contest.root), *command, text, *more])
    assert result.exit_code != 0
    assert isinstance(result.exception, InputError)
    assert any(said in str(result.exception) for said in ("names nothing", "no name is that long"))


def test_predictions_whose_name_looks_like_a_file_are_not_taken_for_one(contest: Any) -> None:
    assert fw.diff(contest, "1", "foreign:alice.csv").as_dict()["sides"]


def test_weights_name_members_by_number_where_all_runs_are_in_it(contest: Any) -> None:
    view = fw.blend(contest, weights=["2=3"], rules=["argmax"])
    assert {m.name: next(iter(m.weights.values())) for m in view.members} == {"01-made": 0.25, "02-made": 0.75}
    with pytest.raises(InputError, match="`9`, which is not in the blend"):
        fw.blend(contest, weights=["9=3"])
