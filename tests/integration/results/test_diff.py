"""`facetwise diff`: one view in text, JSON and on a page; runs, submissions and csv files; and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_project import open_project, write_contest, write_table
from made_records import blend_record, submission_record, write_run_record
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

import facetwise as fw
from facetwise.cli.main import app
from facetwise.core.errors import ArtefactError, InputError
from facetwise.core.labels import IntArray
from facetwise.core.project import Project
from facetwise.core.records.base import write_record
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS
from facetwise.core.tables import write_table as write_parquet
from facetwise.core.workspace import file_hash, mark_done, write_json
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.evaluate.metrics import accuracy
from facetwise.predictors.answers import Answers, answers_of_classes
from facetwise.predictors.external import import_predictions
from facetwise.results.differences.diff import DiffView, build_diff_view, listed, only
from facetwise.results.wording import interval, score
from facetwise.screens.pages.diff_page import diff_figures, diff_page, photo_groups
from facetwise.screens.text.diff import diff_text

TESTS = tuple(f"{i:02d}.jpg" for i in range(12))
HOSTILE = '</script><b>"한글"'
AGES = (22, 25, 33, 41, 52, 60, 64, 66)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    """A project of eight people and twelve test images, with runs 1 to 4: alike but for some images."""
    root = tmp_path_factory.mktemp("diff")
    people = tuple(f"{i:06d},{'male' if i % 2 else 'female'},Asian,{a},{i:06d}_x_Asian_{a}" for i, a in enumerate(AGES))
    project = open_project(root / "project", write_contest(root / "contest", people, tests=TESTS))
    manifest = build_manifest(project, workers=1)
    space = project.space
    codes = manifest.codes(space)
    for number in (1, 2, 3):
        names = ("age",) if number == 3 else space.names
        write_run(project, manifest, f"0{number}-made", names, noisy(codes, number), made_codes(project, number))
    write_run(project, manifest, "04-all", space.names, None, made_codes(project, 4))
    return project, manifest


@pytest.fixture
def project(drawn: tuple[Project, Manifest]) -> Project:
    return drawn[0]


@pytest.fixture
def manifest(drawn: tuple[Project, Manifest]) -> Manifest:
    return drawn[1]


def noisy(codes: IntArray, seed: int) -> IntArray:
    """Some other class in one cell of four."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(codes.shape) < 0.25, rng.integers(0, 2, codes.shape), codes)


def made_codes(project: Project, seed: int) -> IntArray:
    return noisy(project.space.decode(np.arange(len(TESTS)) % project.space.num_joint), seed)


def blocks(codes: IntArray, project: Project, names: tuple[str, ...], seed: int) -> pl.DataFrame:
    """Probabilities whose most probable class is that of `codes`, more or less surely."""
    rng, found = np.random.default_rng(seed), {}
    for name in names:
        size, own = project.space.attribute(name).size, codes[:, project.space.index(name)]
        sure = rng.uniform(0.6, 0.99, len(codes))
        logs = np.log(np.where(np.arange(size) == own[:, None], sure[:, None], (1 - sure[:, None]) / (size - 1)))
        found |= {c: logs[:, i].astype(np.float32) for i, c in enumerate(project.space.columns(name))}
    return pl.DataFrame(found)


def write_run(
    project: Project, manifest: Manifest, name: str, names: tuple[str, ...], oof: IntArray | None, test: IntArray
) -> None:
    """A finished run with these answers; without `oof` one trained on everybody."""
    run = project.workspace.runs / name
    run.mkdir(parents=True)
    fields = {"manifest": manifest.hash, "labels": manifest.labels_hash, "label space": project.space_hash}
    split = "none" if oof is None else "group"
    write_run_record(run, fingerprint_fields=fields, folds=[], attributes=list(names), split=split)
    keys = {"fold": pl.lit(0, dtype=pl.Int32), "repeat": pl.lit(0, dtype=pl.Int32)}
    for side, rows, codes in (("oof", manifest.train, oof), ("test", manifest.test, test)):
        if codes is not None:
            table = rows.select("image", "group").with_columns(**keys).hstack(blocks(codes, project, names, len(name)))
            write_parquet(table, run / f"{side}.parquet", PREDICTIONS)
    mark_done(run, {"fingerprint": "f", **RunFolder(run).hashes()}, hash_files=False)


def write_csv(path: Path, joint: list[Any], names: tuple[str, ...] = TESTS, header: str = "ImageID,ans") -> Path:
    write_table(path, header, *(f"{n},{j}" for n, j in zip(names, joint, strict=True)))
    return path


def text_of(view: DiffView, width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(diff_text(view))
    return capture.get()


def call(project: Project, *arguments: object) -> str:
    words = ["--project", str(project.root), "diff", *map(str, arguments)]
    found = CliRunner().invoke(app, words, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


def bare(project: Project, *joints: list[int]) -> list[Answers]:
    """Sides that say classes only."""
    return [answers_of_classes("file", f"{i}.csv", np.array(j), project.space) for i, j in enumerate(joints)]


def test_text_json_page_and_python_say_the_same(project: Project) -> None:
    view = fw.diff(project, "1", "2", oof=True)
    text, data = text_of(view), json.loads(call(project, "1", "2", "--oof", "--json"))
    assert data == view.as_dict()
    assert call(project, "1", "2", "--oof") == text_of(view, 100)
    words = re.sub(r"<[^>]+>", " ", diff_page(view, {}).split("</style>")[1].split("<script")[0])
    words = " ".join(words.split())
    (pair,) = view.pairs
    for a, right in zip(pair.agreements, pair.right, strict=True):
        assert f"{score(a.share)} {interval(a.interval)}" in text
        assert f"{score(a.share)} {interval(a.interval)} {score(a.kappa)} {a.num_different} {a.num_images}" in words
        assert re.search(rf"{a.name} +{right.first} +{right.second} +{right.neither} ", text)
    assert f"{view.num_different} of {view.num_answered} images out of fold" in text
    assert f"{view.num_different} of {view.num_answered} images out of fold differ" in words
    assert all(d.image in text for d in view.disagreements[:5])


def test_the_numbers_are_those_of_the_tables(project: Project, manifest: Manifest) -> None:
    space, codes = project.space, manifest.codes(project.space)
    view = fw.diff(project, "1", "2", oof=True)
    one, two, true = (space.encode(c) for c in (noisy(codes, 1), noisy(codes, 2), codes))
    (pair,) = view.pairs
    assert pair.whole.share == accuracy(one, two, space.num_joint)
    assert (view.num_images, view.num_people) == (len(AGES) * 7, len(AGES))
    assert view.num_different == pair.whole.num_different == sum(k.num_images for k in view.kinds)
    assert pair.right[0].first == int(((one == true) & (two != true)).sum())
    assert [a.name for a in pair.agreements] == ["joint", *space.names]
    assert [np.array(m.counts).sum() for m in pair.matrices] == [len(true)] * 3
    for d in view.disagreements:
        i = manifest.train["image"].to_list().index(d.image)
        assert d.answers == tuple(tuple(space.joint_name(j).split("/")) for j in (one[i], two[i]))
        assert d.group == manifest.train["group"][i]
        assert d.right == tuple(letter for letter, j in zip("AB", (one[i], two[i]), strict=True) if j == true[i])
        assert d.sure == min(p for p in d.probabilities if p is not None)
    assert [d.sure for d in view.disagreements] == sorted((d.sure or 0 for d in view.disagreements), reverse=True)
    images = {p.group: (p.num_different, p.num_images) for p in view.people}
    for group, (different, total) in images.items():
        mine = (manifest.train["group"] == group).to_numpy()
        assert (different, total) == (int((one != two)[mine].sum()), int(mine.sum()))


def test_the_order_in_which_two_are_given_only_swaps_them(project: Project) -> None:
    one, two = (fw.diff(project, *pair, oof=True) for pair in (("1", "2"), ("2", "1")))
    assert [a.share for a in one.pairs[0].agreements] == [a.share for a in two.pairs[0].agreements]
    assert one.pairs[0].moved == two.pairs[0].moved
    assert [d.image for d in one.disagreements] == [d.image for d in two.disagreements]
    for a, b in zip(one.pairs[0].right, two.pairs[0].right, strict=True):
        assert (a.first, a.second, a.neither) == (b.second, b.first, b.neither)
    steps = {(s.what, s.after, s.before): s.num_images for s in one.pairs[0].steps}
    assert steps == {(s.what, s.before, s.after): s.num_images for s in two.pairs[0].steps}


def test_a_csv_is_read_in_any_order_and_is_not_sure(project: Project, tmp_path: Path) -> None:
    joint = [int(j) for j in project.space.encode(made_codes(project, 2))]
    mixed = write_csv(tmp_path / "mixed up.csv", joint[::-1], TESTS[::-1])
    view = fw.diff(project, "1", mixed)
    assert [(s.kind, s.has_probabilities) for s in view.sides] == [("run", True), ("file", False)]
    assert [p.whole.num_different for p in view.pairs] == [p.whole.num_different for p in fw.diff(project, 1, 2).pairs]
    assert all(d.sure == d.probabilities[0] and d.probabilities[1] is None for d in view.disagreements)
    assert "B has classes only: how sure a disagreement is comes from A alone." in text_of(view, 200)
    assert (view.num_people, view.people, view.pairs[0].people, view.pairs[0].right) == (None, (), (), ())
    assert view.pairs[0].whole.interval is None
    assert "Whose images the test images are is not known" in text_of(view, 200)
    same = fw.diff(project, "2", mixed)
    assert (same.num_different, same.disagreements, diff_figures(same)) == (0, (), {})
    assert "A and B give the same answers throughout." in text_of(same)
    assert "the same answers throughout" in diff_page(same, {})


def test_files_alone_stand_in_their_own_order(project: Project, manifest: Manifest) -> None:
    view = build_diff_view(project, manifest, bare(project, [0] * 12, [1] * 6 + [6] * 6))
    assert [d.image for d in view.disagreements] == manifest.test["image"].to_list()
    assert "nobody knows how sure they are" in text_of(view, 200)
    assert [(s.title, s.num_images) for s in photo_groups(view)] == [("only mask", 6), ("only age", 6)]
    few = build_diff_view(project, manifest, bare(project, [0] * 12, [1] * 6 + [6] * 6), limit=2)
    assert [(s.num_images, len(s.images)) for s in photo_groups(few)] == [(6, 2), (6, 2)]
    nothing = build_diff_view(project, manifest, bare(project, [0] * 12, [1] * 12), limit=0)
    assert (nothing.num_different, nothing.disagreements) == (12, ())
    assert "12 of 12 test images differ" in re.sub(r"\s+", " ", diff_page(nothing, {}))


def test_what_one_side_does_not_answer_is_left_out(project: Project, manifest: Manifest) -> None:
    sides = bare(project, [0, 0, -1, 5] + [0] * 8, [0, 1, 1, -1] + [0] * 8, [0, -1, -1, -1] + [0] * 8)
    view = build_diff_view(project, manifest, sides)
    by_pair = {p.first + p.second: (p.whole.num_images, p.whole.num_different) for p in view.pairs}
    assert by_pair == {"AB": (10, 1), "AC": (9, 0), "BC": (9, 0)}
    assert (view.num_answered, view.num_different) == (10, 1)
    assert [s.num_answered for s in view.sides] == [11, 11, 9]
    assert view.disagreements[0].answers[2] is None
    assert "Not all of the 12 images are answered by all (A 11, B 11, C 9)" in text_of(view, 200)
    assert "–" in diff_page(view, {})  # noqa: RUF001 - the sign for no value
    with pytest.raises(InputError, match="no image that two of them answer"):
        build_diff_view(project, manifest, bare(project, [0] + [-1] * 11, [-1, 0] + [-1] * 10))


def test_three_vote(project: Project, manifest: Manifest) -> None:
    view = build_diff_view(project, manifest, bare(project, [0] * 12, [0] * 10 + [1, 1], [2] * 4 + [0] * 6 + [1, 2]))
    assert view.voting is not None
    v = view.voting
    assert (v.num_unanimous, v.num_majority, v.num_tied) == (6, 5, 1)
    assert [(s.letter, s.num_outvoted, s.num_alone) for s in v.sides] == [("A", 1, 1), ("B", 0, 0), ("C", 4, 4)]
    assert [d.image for d in v.sides[2].images] == manifest.test["image"].to_list()[:4]
    assert all(d.outvoted == ("C",) and d.majority is not None for d in v.sides[2].images)
    text = text_of(view)
    assert "As votes, one a side: 6 unanimous, 5 by a majority, 1 tied" in text
    assert "C is outvoted, 3 of 4" in text
    assert re.search(r"A +· +0.833 +0.500", text)
    page = diff_page(view, {})
    assert "C is outvoted on 4 images" in page
    assert set(diff_figures(view)) >= {"agreement", "steps-B-2", "steps-C-2"}
    assert "steps-B-0" in page


def test_a_specialist_is_compared_by_what_it_answers(project: Project) -> None:
    view = fw.diff(project, "1", "3", "2", oof=True)
    assert (view.what, view.attributes) == ("age", ("age",))
    assert [s.attributes for s in view.sides] == [project.space.names, ("age",), project.space.names]
    assert all([a.name for a in p.agreements] == ["age"] for p in view.pairs)
    assert all(len(d.answers[0] or ()) == 1 for d in view.disagreements)
    assert "Compared by age alone" in text_of(view, 200)
    assert "steps-B-0" in diff_page(view, {})


def test_every_text_fits_eighty_columns(project: Project) -> None:
    for view in (fw.diff(project, 1, 2), fw.diff(project, 1, 2, oof=True), fw.diff(project, 1, 2, 3, oof=True)):
        assert max(cell_len(line) for line in text_of(view).splitlines()) <= 80


def test_names_from_outside_stay_text(project: Project, manifest: Manifest) -> None:
    sides = [
        answers_of_classes("file", HOSTILE + name, np.array(joint), project.space)
        for name, joint in (("[bold]", [0] * 12), ("2", [1] * 12), ("3", [2] * 12))
    ]
    view = build_diff_view(project, manifest, sides)
    page = diff_page(view, {view.disagreements[0].image: "data:image/jpeg;base64,AAAA"})
    assert HOSTILE not in page
    assert "&lt;/script&gt;&lt;b&gt;&#34;한글&#34;[bold]" in page
    assert page.count("<img ") == 1
    assert HOSTILE not in json.dumps(diff_figures(view), ensure_ascii=False)
    assert HOSTILE + "[bold]" in text_of(view)
    assert json.loads(re.findall(r'id="view">(.*?)</script>', page)[0]) == json.loads(json.dumps(view.as_dict()))


def test_the_page_has_photos_and_loads_nothing(project: Project, tmp_path: Path) -> None:
    call(project, 1, 2, "--html", tmp_path / "page.html", "--limit", 3)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    view = fw.diff(project, 1, 2, limit=3)
    assert page.count('<img src="data:image/jpeg;base64,') == len(view.disagreements) > 3
    sources = re.findall(r'\b(?:src|href|action)="([^"]*)"', re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    assert all(s.startswith(("data:image/jpeg", "#")) for s in sources)
    assert {s[1:] for s in sources if s.startswith("#")} <= set(re.findall(r'id="([^"]*)"', page))
    assert "default-src 'none'" in page
    assert set(re.findall(r'data-figure="([^"]*)"', page)) == set(diff_figures(view))


def test_what_cannot_be_compared(project: Project, tmp_path: Path) -> None:
    right = write_csv(tmp_path / "right.csv", [0] * 12)
    for given, how, said in (
        ((), {}, "0 given to compare: expected 2 to"),
        (("1",), {}, "1 given to compare: expected 2 to"),
        (("1", "01-made"), {}, "run `01-made` is given twice"),
        ((right, str(right)), {}, "is given twice"),
        (("1", "9"), {}, "no run is called `9`"),
        (("1", "s1"), {}, "no submissions yet"),
        (("1", "b1"), {}, "no blends yet"),
        (("1", right), {"oof": True}, "is a csv file: it answers the test images only"),
        (("1", "s1"), {"oof": True}, "`s1` is a submission: it answers the test images only"),
        (("1", "4"), {"oof": True}, "`04-all` was trained on all people"),
        (("1", tmp_path / "none.csv"), {}, "none.csv: cannot be read"),
        (("1", right), {"html": tmp_path / "no" / "page.html"}, "no such folder to write to"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            fw.diff(project, *given, **how)


def test_files_that_are_no_answers(project: Project, tmp_path: Path) -> None:
    good = [0] * 12
    for joint, names, header, said in (
        (good, TESTS, "image,ans", "no column `ImageID`"),
        (good[1:], TESTS[1:], "ImageID,ans", "'00.jpg' is among the expected images but not in the file"),
        (good, ("x.jpg", *TESTS[1:]), "ImageID,ans", "image 'x.jpg' is not among the expected images"),
        ([*good, 0], (*TESTS, "00.jpg"), "ImageID,ans", "again, first on line 2"),
        ([18, *good[1:]], TESTS, "ImageID,ans", "class 18, expected 0..17"),
        (["1.0", *good[1:]], TESTS, "ImageID,ans", "answer '1.0' is not an integer"),
        (["", *good[1:]], TESTS, "ImageID,ans", "no answer"),
    ):
        path = write_csv(tmp_path / "wrong.csv", joint, names, header)
        with pytest.raises(InputError, match=re.escape(said)):
            fw.diff(project, "1", path)
    (tmp_path / "wrong.csv").write_bytes("ImageID,ans\n한글.jpg,0\n".encode("cp949"))
    with pytest.raises(InputError, match="UTF-8"):
        fw.diff(project, "1", tmp_path / "wrong.csv")


def test_a_project_without_a_test_side_is_compared_out_of_fold_only(drawn: Any, tmp_path: Path) -> None:
    text = drawn[0].workspace.project_file.read_text("utf-8")
    start = text.index("[dataset.test]")
    (tmp_path / "facetwise.toml").write_text(text[:start] + text[text.index("[[attributes]]") :], encoding="utf-8")
    with pytest.raises(InputError, match="the dataset has no test side") as caught:
        fw.diff(tmp_path, "1", "2")
    assert "--oof" in str(caught.value.hint)


@pytest.fixture
def submission(project: Project, manifest: Manifest) -> Iterator[Path]:
    """A recorded submission with the answers of run 2; gone after the test."""
    folder = project.workspace.submissions / "01-02-made"
    folder.mkdir(parents=True)
    csv = write_csv(folder / "submission.csv", project.space.encode(made_codes(project, 2)).tolist())
    made_from = {
        "kind": "run", "id": "02-made", "tta": "none", "parts": [], "manifest": manifest.hash,
        "test_sha256": file_hash(project.workspace.runs / "02-made" / "test.parquet"), "label_space": None,
        "template_sha256": None, "decision": "argmax", "filled": None,
    }  # fmt: skip
    write_record(folder / "record.json", submission_record(made_from, file_hash(csv)))
    mark_done(folder, {})
    yield folder
    shutil.rmtree(folder.parent)


def test_a_submission_is_the_one_that_was_recorded(project: Project, submission: Path) -> None:
    for reference in ("s1", "submission:last", "submission:1", "01-02-made"):
        view = fw.diff(project, "2", reference)
        assert (view.sides[1].kind, view.sides[1].name, view.num_different) == ("submission", "01-02-made", 0)
        assert view.sides[1].has_probabilities
    own, sent = fw.diff(project, "1", "2"), fw.diff(project, "1", "s1")
    assert own.disagreements == sent.disagreements
    record = json.loads((submission / "record.json").read_text("utf-8"))
    record["made_from"]["test_sha256"] = "another"
    write_json(submission / "record.json", record)
    assert not fw.diff(project, "1", "s1").sides[1].has_probabilities
    write_csv(submission / "submission.csv", [0] * 12)
    with pytest.raises(ArtefactError, match="changed since it was made"):
        fw.diff(project, "2", "s1")


def test_a_blend_is_what_it_decided(project: Project, manifest: Manifest) -> None:
    folder, codes = project.workspace.blends / "b01-soft-2", made_codes(project, 1)
    folder.mkdir(parents=True)
    hashes = {"manifest": manifest.hash, "label_space": project.space_hash}
    write_record(folder / "blend.json", blend_record(hashes))
    nothing = pl.lit(None, dtype=pl.Int32)
    table = manifest.test.select("image", "group", fold=nothing, repeat=nothing)
    decided = pl.Series("decided", project.space.encode(made_codes(project, 2)), dtype=pl.Int32)
    decided[0] = None
    table = table.hstack(blocks(codes, project, project.space.names, 0)).with_columns(decided)
    write_parquet(table, folder / "test.parquet", PREDICTIONS)
    mark_done(folder, hashes)
    view = fw.diff(project, "2", "b1")
    assert (view.sides[1].kind, view.sides[1].num_answered, view.num_different) == ("blend", len(TESTS) - 1, 0)
    other = fw.diff(project, "1", "blend:last")
    moved = project.space.encode(codes) != project.space.encode(made_codes(project, 2))
    assert other.num_different == int(moved[1:].sum()) > 0
    assert all((d.probabilities[1] or 1) < 0.5 for d in other.disagreements)  # not its most probable class
    with pytest.raises(InputError, match="without out-of-fold predictions"):
        fw.diff(project, "1", "b1", oof=True)
    shutil.rmtree(folder.parent)


def test_classes_from_elsewhere_are_not_sure_and_probabilities_are(
    project: Project, manifest: Manifest, tmp_path: Path
) -> None:
    space, codes = project.space, made_codes(project, 2)
    bare_csv = write_csv(tmp_path / "bare.csv", space.encode(codes).tolist())
    table = blocks(codes, project, space.names, 0)
    table.select(pl.Series("ImageID", TESTS), pl.all().exp()).write_csv(tmp_path / "soft.csv")
    for name, path in (("bare", bare_csv), ("soft", tmp_path / "soft.csv")):
        import_predictions(project, manifest, path, name)
    view = fw.diff(project, "1", "foreign:bare", "foreign:soft")
    assert [s.has_probabilities for s in view.sides] == [True, False, True]
    assert view.pair("B", "C").whole.num_different == 0
    assert view.num_different == fw.diff(project, "1", "2").num_different
    with pytest.raises(InputError, match="`foreign:bare` has predictions of the test side only"):
        fw.diff(project, "1", "foreign:bare", oof=True)
    shutil.rmtree(project.workspace.external)


def test_small_words() -> None:
    assert [listed(w) for w in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert [only(m, ("a", "b")) for m in (("a",), ("a", "b"))] == ["only a", "a and b"]
    assert only(("a",), ("a",)) == "a"
