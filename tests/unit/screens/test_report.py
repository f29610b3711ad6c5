"""The report: one view, the same numbers in text, JSON and on the page; and a page that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import simplejpeg
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from made_project import attribute, photo_project
from made_records import write_run_record
from made_tables import rows as rows_of
from made_tables import without
from rich.cells import cell_len
from rich.console import Console

from facetwise.core.errors import MismatchError
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.project import Project
from facetwise.core.runs import RunFolder
from facetwise.core.tables import PREDICTIONS, write_table
from facetwise.core.text.printable import printable
from facetwise.core.workspace import lock, mark_done
from facetwise.data.images.store import VIEW, prepare_store
from facetwise.data.manifest import Manifest, build_manifest
from facetwise.evaluate.further.one_against_rest import Measured
from facetwise.evaluate.intervals import Interval
from facetwise.results.mistakes import worst_mistakes
from facetwise.results.runs import RunView, build_run_view, build_runs_view
from facetwise.results.wording import DASH, amount, duration, interval, measured, percent, score, with_interval
from facetwise.screens.pages.html import run_page, script_json, write_run_page
from facetwise.screens.pages.pictures import shrink, thumbnails
from facetwise.screens.pages.plots import run_figures
from facetwise.screens.pages.theme import label
from facetwise.screens.text.runs.run import bar, run_text, runs_text, scorecard_text

HOSTILE = "</script><b>"
PEOPLE, EACH, FOLDS = 16, 2, 4
ATTRIBUTES = attribute("안경", "없음", HOSTILE, column="glasses") + attribute("age", "<30", ">=30", cuts=[30])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Manifest]:
    """A project with a small drawn dataset, its manifest made."""
    names = [(person, f"{person:02d}_{picture}.jpg") for person in range(PEOPLE) for picture in range(EACH)]
    rows = [
        f"사람 {person:02d},{name},{['없음', HOSTILE][person % 2]},{20 + 20 * (person // 2 % 2)}"
        for person, name in names
    ]
    project = photo_project(
        tmp_path_factory.mktemp("project"),
        ["person,file,glasses,age", *rows],
        [f"photos/{name}" for _, name in names],
        name="우리 팀 <i>",
        attributes=ATTRIBUTES,
        size=(240, 320),
    )
    manifest = build_manifest(project)
    assert not manifest.errors
    return project, manifest


@pytest.fixture
def project(drawn: tuple[Project, Manifest]) -> Project:
    """The project without runs."""
    project = drawn[0]
    for path in sorted(project.workspace.runs.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return project


@pytest.fixture
def manifest(drawn: tuple[Project, Manifest]) -> Manifest:
    return drawn[1]


def predictions(manifest: Manifest, space: LabelSpace, names: tuple[str, ...], seed: int = 0) -> pl.DataFrame:
    """An out-of-fold table: right more often than not, four folds by person."""
    rng, codes, rows = np.random.default_rng(seed), manifest.codes(space), manifest.train
    fold = [int(g.split()[1]) % FOLDS for g in rows["group"]]
    blocks: dict[str, Any] = {}
    for name in names:
        logits = rng.normal(size=(len(codes), space.attribute(name).size))
        logits[np.arange(len(codes)), codes[:, space.index(name)]] += 1
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        blocks |= {c: logs[:, i].astype(np.float32) for i, c in enumerate(space.columns(name))}
    keys = {"fold": pl.Series(fold, dtype=pl.Int32), "repeat": pl.Series([0] * len(fold), dtype=pl.Int32)}
    return rows.select("image", "group").with_columns(**keys).hstack(pl.DataFrame(blocks))


def epochs(folds: list[int], validated: bool = True) -> list[dict[str, Any]]:
    return [
        {
            "event": "epoch",
            "fold": k,
            "epoch": e,
            "train_loss": 1.0 / e,
            "val_loss": 1.1 / e if validated else None,
            "val_macro_f1": 0.5 + 0.01 * e if validated else None,
            "lr": 0.001,
            "seconds": 1.5,
            "images_per_second": 100.0,
            "time": "2026-01-01T00:00:00+00:00",
        }
        for k in folds
        for e in (1, 2, 3)
    ]


def write_run(
    project: Project,
    manifest: Manifest,
    *,
    name: str = "01-우리-v0",
    attributes: tuple[str, ...] | None = None,
    plan: int | str = FOLDS,
    split: str = "group",
    folds_done: int | None = None,
    copies: dict[str, Any] | None = None,
) -> RunFolder:
    """A run as `train` leaves it: finished, or with `folds_done` folds."""
    run, names = RunFolder(project.workspace.runs / name), attributes or project.space.names
    run.path.mkdir(parents=True)
    folds = list(range(plan)) if isinstance(plan, int) else [0]
    recipe = {"model": {"backbone": HOSTILE}, "folds": {"plan": plan}, "train": {"select": "last"}}
    record = {
        "fingerprint": "f00d",
        "fingerprint_fields": {
            "manifest": manifest.hash,
            "labels": manifest.labels_hash,
            "label space": project.space_hash,
        },
        "recipe": recipe,
        "attributes": list(names),
        "folds": folds,
        "num_folds": FOLDS,
        "fold_name": "default",
        "split": split,
        "copies": copies,
        "choices": {"device": {"value": "cpu", "reason": f"no GPU {HOSTILE}"}},
        "provenance": {"made": "2026-01-01T00:00:00+00:00", "versions": {"python": "3.11"}},
    }
    write_run_record(run.path, **record)
    run.recipe_file.write_text(tomli_w.dumps(recipe), encoding="utf-8")
    done = folds if folds_done is None else folds[:folds_done]
    told = [*epochs(done, plan != "none"), *([{"event": "done", "run": name}] if folds_done is None else [])]
    run.events_file.write_text("".join(json.dumps(e) + "\n" for e in told), encoding="utf-8")
    table = predictions(manifest, project.space, names)
    for k in done:
        run.fold(k).mkdir()
        write_table(table.filter(pl.col("fold") == k), run.fold(k) / "oof.parquet", PREDICTIONS)
        run.weights_file(k).write_bytes(b"")
        mark_done(run.fold(k), {})
    if folds_done is None:
        columns = [c for c in table.columns if "=" in c]
        held_out = pl.col("fold").is_in(folds)
        if plan != "none":
            nan = pl.lit(float("nan"), dtype=pl.Float32)
            table = table.with_columns(pl.when(held_out).then(pl.col(columns)).otherwise(nan))
            write_table(table, run.path / "oof.parquet", PREDICTIONS)
        mark_done(run.path, run.hashes(), hash_files=False)
    return run


def as_text(renderable: Any, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


class Page(HTMLParser):
    """Tags, attributes, and the text of scripts, styles and the rest, as a browser would split them."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.words = ""
        self._inside = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.words += " " if tag in ("td", "th") else ""
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._inside = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")
        if tag == "style":
            self.styles.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the signature is the library's
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles[-1] += data
        else:
            self.words += data

    def values(self, name: str) -> list[str]:
        return [v for _, n, v in self.attributes if n == name]


def view_of(project: Project, manifest: Manifest, **how: Any) -> RunView:
    return build_run_view(project, write_run(project, manifest, **how), manifest)


def notices_of(view: RunView) -> str:
    return " ".join(f"{n.kind}: {n.text}" for n in view.warnings)


def test_text_json_and_page_say_the_same_numbers(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest)
    text, page = as_text(run_text(view)), Page(run_page(view, {}))
    card = view.scorecard
    assert card is not None
    assert card.what == "joint"
    assert json.loads(page.scripts[0]) == json.loads(json.dumps(view.as_dict()))
    assert json.loads(page.scripts[0])["scorecard"]["macro_f1"] == card.macro_f1
    assert with_interval(card.macro_f1, card.macro_f1_interval) in text
    assert with_interval(card.accuracy, card.accuracy_interval) in text
    for number in (score(card.macro_f1), interval(card.macro_f1_interval), score(card.accuracy)):
        assert number in page.words
    for a in card.attributes:
        assert with_interval(a.macro_f1, a.interval) in text
        assert f"{score(a.macro_f1)} {interval(a.interval)}" in page.words
    words = " ".join(page.words.split())
    assert view.further is not None
    assert [s.name for s in view.further.scores] == ["joint", *(a.name for a in card.attributes)]
    for s in view.further.scores:
        shown = [measured(found) for found in (s.balanced_accuracy, s.auroc, s.sensitivity)]
        assert re.search(r"\s+".join(map(re.escape, [f"\n{s.name}", *shown])), text)
        assert " ".join([s.name, *shown]) in words
        for c in s.classes:
            row = " ".join([f"{s.name}={c.name}", measured(c.auroc), measured(c.sensitivity)])
            assert row in words
            assert row in " ".join(text.split())
    for s in view.further.ordinal:
        assert re.search(rf"\n{s.name}\s+{re.escape(measured(s.kappa))}\s+{amount(s.absolute_error)}\n", text)
    for c in card.classes:
        row = re.search(rf"{re.escape(c.name)}\s+(\S+)\s.*\s(\S+)\s+(\S+)\s+(\S+)\n", text)
        assert row is not None
        assert row.groups() == (score(c.f1), score(c.precision), score(c.recall), f"{c.support:,}")
        assert " ".join([c.name, *row.groups()]) in words
    listed = build_runs_view(project, manifest)
    assert listed.runs[0].score == card.macro_f1
    assert with_interval(card.macro_f1, card.macro_f1_interval) in as_text(runs_text(listed))


def test_the_scores_of_the_view_are_those_of_its_rows(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest)
    card = view.scorecard
    assert card is not None
    assert card.num_covered == card.num_images == PEOPLE * EACH
    assert (view.folds_done, view.num_folds, len(card.folds)) == (FOLDS, FOLDS, FOLDS)
    assert view.seconds_total == pytest.approx(1.5 * 3 * FOLDS)
    assert view.seconds_per_epoch == pytest.approx(1.5)
    confusion = np.asarray(card.confusion)
    wrong = confusion.sum() - np.trace(confusion)
    assert sum(c.num_images for c in view.confused) <= wrong
    assert [c.num_images for c in view.confused] == sorted((c.num_images for c in view.confused), reverse=True)
    assert len(view.mistakes) <= wrong
    assert view.warnings == ()


def test_the_page_can_load_nothing_and_run_only_its_own_scripts(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest)
    pictures = thumbnails(project, manifest, [m.image for m in view.mistakes])
    source = run_page(view, pictures)
    page = Page(source)
    assert not {"link", "iframe", "object", "embed", "form", "base", "video"} & set(page.tags)
    assert page.tags.count("img") == len(view.mistakes) > 0
    for name in ("src", "srcset", "href", "action", "data", "poster", "xlink:href"):
        assert all(v.startswith(("data:image/jpeg;base64,", "#")) for v in page.values(name))
    assert not any(n.startswith("on") for _, n, _ in page.attributes)
    for style in (*page.styles, *page.values("style")):
        assert "url(" not in style
        assert "@import" not in style
    outside = source
    for script in page.scripts:
        outside = outside.replace(script, "")
    assert not re.search(r"https?://", outside)
    assert all(a == f"#{i}" for a in page.values("href") for i in [a[1:]] if i in page.values("id"))
    assert {a[1:] for a in page.values("href")} <= set(page.values("id"))
    policy = next(v for v in page.values("content") if v.startswith("default-src"))
    running = [s for s in page.scripts if not s.lstrip().startswith("{")]
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in running}
    assert len(running) == 2
    assert set(re.findall(r"'sha256-[^']+'", policy)) == hashes
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_names_from_outside_stay_text(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest)
    image = f'a"onerror="x{HOSTILE}\u2028.jpg'
    view = replace(view, mistakes=(replace(view.mistakes[0], image=image, group="<i>[bold]"),))
    page = Page(run_page(view, {image: "data:image/jpeg;base64,AAAA"}))
    assert page.tags.count("b") == 3  # the mark on the scale and the scores of two attributes
    assert page.tags.count("i") == 1
    assert page.tags.count("script") == 4
    assert HOSTILE in page.words
    assert printable(image) in page.words
    for script in page.scripts[:2]:
        assert not set("<>&\u2028") & set(script)
        assert json.loads(script)
    texts = json.dumps(run_figures(view), ensure_ascii=False)
    assert HOSTILE not in texts
    assert "&lt;/script&gt;&lt;b&gt;" in texts
    assert "[bold]" not in as_text(run_text(view)).replace(printable(image), "")
    assert HOSTILE in as_text(run_text(view))


def test_pictures_must_be_in_the_page(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest)
    with pytest.raises(ValueError, match="may load nothing"):
        run_page(view, {view.mistakes[0].image: "https://example.org/a.jpg"})


def test_any_language_survives(project: Project, manifest: Manifest, tmp_path: Path) -> None:
    view = view_of(project, manifest)
    write_run_page(view, {}, tmp_path / "결과.html")
    words = Page((tmp_path / "결과.html").read_text(encoding="utf-8")).words
    text = as_text(run_text(view))
    for name in ("01-우리-v0", "안경", "없음"):
        assert name in words
        assert name in text
    assert "우리 팀 <i>" in words
    assert "사람 0" in words or "사람 1" in words


def test_every_text_fits_eighty_columns(project: Project, manifest: Manifest) -> None:
    long = "10-AdamP-StepLR-FL-v0-age_group_5fold-with-a-very-long-tail-of-words-that-does-not-end-here-at-all"
    view = view_of(project, manifest, name=long, split="image")
    for renderable in (run_text(view), runs_text(build_runs_view(project, manifest))):
        lines = as_text(renderable).splitlines()
        assert max(cell_len(line) for line in lines) <= 80
    assert long in as_text(runs_text(build_runs_view(project, manifest)), width=200)


def test_a_specialist_says_so(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest, attributes=("age",))
    card = view.scorecard
    assert card is not None
    assert (view.what, [a.name for a in card.attributes]) == ("age", ["age"])
    assert set(run_figures(view)) == {"loss", "f1", "folds", "confusion-0"}
    assert all(m.attributes == ("age",) for m in view.mistakes)
    words = " ".join(Page(run_page(view, {})).words.split())
    assert "predicts age (a specialist)" in words
    assert "not comparable with one over joint classes" in words
    assert "2 classes of age" in as_text(scorecard_text(card))


def test_a_hold_out_says_how_much_it_covers(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest, plan="holdout")
    people = PEOPLE // FOLDS
    assert view.scorecard is not None
    assert view.scorecard.num_covered == people * EACH
    said = f"Scored on {people} of {PEOPLE} people ({people * EACH} of {PEOPLE * EACH} images)"
    assert said in notices_of(view)
    assert said in Page(run_page(view, {})).words
    assert said in " ".join(as_text(run_text(view)).split())
    assert "hold-out" in build_runs_view(project, manifest).runs[0].flags
    assert all(m.fold == 0 for m in view.mistakes)


def test_a_run_trained_on_all_has_no_score(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest, plan="none", split="none")
    assert view.scorecard is None
    assert view.mistakes == ()
    assert "no estimate" in notices_of(view)
    assert "no estimate: nobody was held out" in Page(run_page(view, {})).words
    assert set(run_figures(view)) == {"loss"}
    row = build_runs_view(project, manifest).runs[0]
    assert (row.score, row.flags) == (None, ("trained on all",))
    assert DASH in as_text(runs_text(build_runs_view(project, manifest)))


@pytest.mark.parametrize("folds_done", [0, 1, 2])
def test_an_unfinished_run_is_scored_on_what_it_has(project: Project, manifest: Manifest, folds_done: int) -> None:
    run = write_run(project, manifest, folds_done=folds_done)
    view = build_run_view(project, run, manifest)
    assert (view.state, view.folds_done, view.num_folds) == ("unfinished", folds_done, FOLDS)
    covered = 0 if view.scorecard is None else view.scorecard.num_covered
    assert covered == folds_done * PEOPLE // FOLDS * EACH
    assert view.scorecard is None or view.scorecard.num_images == PEOPLE * EACH
    assert "did not finish" in notices_of(view)
    assert "unfinished" in Page(run_page(view, {})).words
    assert "unfinished" in as_text(run_text(view))
    with lock(run.lock_file, "test"):
        assert build_run_view(project, run, manifest).state == "training"


def test_an_image_split_is_marked_everywhere(project: Project, manifest: Manifest) -> None:
    view = view_of(project, manifest, split="image")
    assert view.warnings[0].kind == "unsafe"
    assert "known to be too high" in notices_of(view)
    assert view.interval_meaning is not None
    assert view.interval_meaning.startswith("This is no estimate")
    page = Page(run_page(view, {}))
    assert "headline tainted" in page.values("class")
    assert "UNSAFE" in page.words
    assert "never saw the person" not in page.words
    assert "UNSAFE" in as_text(run_text(view))
    assert build_runs_view(project, manifest).runs[0].flags == ("UNSAFE image split",)


@pytest.mark.parametrize("across", [0, 2])
def test_copies_on_both_sides_are_told_on_every_page(project: Project, manifest: Manifest, across: int) -> None:
    examples = [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"]][:across]
    copies = {"joined": False, "pairs": 3, "people": 6, "across": across, "examples": examples}
    view = view_of(project, manifest, copies=copies)
    page = Page(run_page(view, {}))
    assert ("On both sides of the split: 2 pairs of copies" in notices_of(view)) == (across > 0)
    assert ("a.jpg = b.jpg; c.jpg = d.jpg" in notices_of(view)) == (across > 0)
    assert ("never saw the person" in page.words) == (across == 0)


@pytest.mark.parametrize("own", [False, True])
def test_an_estimate_without_groups_says_that_each_image_is_its_own_subject(
    project: Project, manifest: Manifest, own: bool
) -> None:
    now = Manifest.of(manifest.table.with_columns(group="image")) if own else manifest
    run, told = write_run(project, manifest), "Each image is taken as its own person"
    view = build_run_view(project, run, now)
    assert now.each_its_own == own
    assert (told in notices_of(view)) == own
    words = Page(run_page(view, {})).words
    assert (told in words) == own
    assert ("never saw the person" in words) == (not own)
    assert ("each image its own person" in build_runs_view(project, now).runs[0].flags) == own


def test_a_changed_dataset_is_told(project: Project, manifest: Manifest) -> None:
    run = write_run(project, manifest)
    relabelled = replace(manifest, labels_hash="other")
    assert "labels changed" in notices_of(build_run_view(project, run, relabelled))
    fewer = Manifest.of(manifest.table[2:])
    with pytest.raises(MismatchError, match=r"2 images not in the manifest, the first is `photos/00_0.jpg`"):
        build_run_view(project, run, fewer)
    assert build_runs_view(project, fewer).runs[0].flags[0].startswith("cannot be used: ")


def test_a_project_without_runs(project: Project) -> None:
    assert build_runs_view(project).runs == ()
    assert "no runs yet" in as_text(runs_text(build_runs_view(project)))


SPACE = LabelSpace((Attribute("a", ("x", "y")), Attribute("b", ("p", "q", "r"))))


def some_table(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    blocks: dict[str, Any] = {}
    for name in SPACE.names:
        logs = np.log(rng.dirichlet(np.ones(SPACE.attribute(name).size), rows)).astype(np.float32)
        blocks |= {c: logs[:, i] for i, c in enumerate(SPACE.columns(name))}
    people = [f"p{i % max(1, rows // 4)}" for i in range(rows)]
    keys = {"image": [f"{i:03d}" for i in range(rows)], "group": people, "fold": [0] * rows, "repeat": [0] * rows}
    return pl.DataFrame(keys, schema_overrides=dict(PREDICTIONS)).hstack(pl.DataFrame(blocks))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40), limit=st.integers(1, 12), each=st.integers(1, 3))
def test_worst_mistakes_are_wrong_ordered_few_a_person_and_of_no_row_order(
    seed: int, rows: int, limit: int, each: int
) -> None:
    rng = np.random.default_rng(seed)
    table, codes = some_table(rng, rows), SPACE.decode(rng.integers(0, SPACE.num_joint, rows))
    found = worst_mistakes(rows_of(table, codes, space=SPACE), limit=limit, per_group=each)
    assert len(found) <= limit
    assert all(m.truth != m.predicted and m.margin >= 0 and m.probability <= 1 for m in found)
    assert [m.margin for m in found] == sorted((m.margin for m in found), reverse=True)
    people = [m.group for m in found]
    assert all(people.count(p) <= each for p in people)
    order = rng.permutation(rows)
    assert worst_mistakes(rows_of(table[order], codes[order], space=SPACE), limit=limit, per_group=each) == found


def test_mistakes_of_a_joint_head_equal_those_of_its_product() -> None:
    rng = np.random.default_rng(3)
    table, codes = some_table(rng, 30), SPACE.decode(rng.integers(0, SPACE.num_joint, 30))
    a, b = (table.select(SPACE.columns(n)).to_numpy().astype(float) for n in SPACE.names)
    joint = (a[:, :, None] + b[:, None, :]).reshape(30, -1).astype(np.float32)
    flat = table.select(*PREDICTIONS).hstack(pl.DataFrame(joint, schema=list(SPACE.joint_columns)))
    of_product, of_joint = (worst_mistakes(rows_of(t, codes, space=SPACE)) for t in (table, flat))
    assert [m.image for m in of_product] == [m.image for m in of_joint]
    assert [m.margin for m in of_product] == pytest.approx([m.margin for m in of_joint], abs=1e-5)


def test_rows_without_a_prediction_are_no_mistakes() -> None:
    table = some_table(np.random.default_rng(0), 6)
    nothing = rows_of(without(table, list(range(6))), SPACE.decode(np.zeros(6, int)), space=SPACE)
    assert worst_mistakes(nothing) == ()


def test_thumbnails_come_from_the_view_store_or_else_from_the_dataset(project: Project, manifest: Manifest) -> None:
    names = manifest.train["image"].to_list()[:2]
    decoded = thumbnails(project, manifest, [*names, names[0], "photos/none.jpg", "../facetwise.toml"])
    assert list(decoded) == names
    prepare_store(project, manifest, VIEW)
    stored = thumbnails(project, manifest, names)
    for name in names:
        pictures = [_pixels(found[name]) for found in (decoded, stored)]
        assert [p.shape for p in pictures] == [(160, 120, 3)] * 2
        assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 3


def _pixels(address: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels: np.ndarray[Any, np.dtype[np.uint8]] = simplejpeg.decode_jpeg(base64.b64decode(address.split(",", 1)[1]))
    return pixels


@given(height=st.integers(1, 400), width=st.integers(1, 400), side=st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_shrinking_keeps_the_aspect_and_never_enlarges(height: int, width: int, side: int) -> None:
    small = shrink(np.zeros((height, width, 3), np.uint8), side)
    assert max(small.shape[:2]) == min(side, max(height, width))
    factor = max(small.shape[:2]) / max(height, width)
    assert abs(small.shape[0] - height * factor) <= 1
    assert abs(small.shape[1] - width * factor) <= 1


@given(st.dictionaries(st.text(), st.lists(st.text(alphabet="<>&/\u2028\u2029\\\"'!-script한"))))
@settings(max_examples=50, deadline=None)
def test_script_json_reads_back_and_cannot_end_a_script(value: Any) -> None:
    text = str(script_json(value))
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_small_words() -> None:
    assert [percent(x) for x in (0, 0.001, 0.5, 0.999, 1)] == ["0 %", "<1 %", "50 %", ">99 %", "100 %"]
    assert [duration(s) for s in (0.42, 12.34, 59.99, 304, 4800)] == [
        "0.42 s",
        "12.3 s",
        "1 min 00 s",
        "5 min 04 s",
        "1 h 20 min",
    ]
    assert score(None) == score(float("nan")) == DASH
    found = [Measured(v, Interval(v - v / 4, v + v / 4, 0.95)) for v in (4.3214, 0.00123, 12345.6, 0)]
    assert [amount(m) for m in (*found, None)] == [
        "4.32 [3.24, 5.40]",
        "0.00123 [0.00092, 0.00154]",
        "12,346 [9,259, 15,432]",
        "0.00 [0.00, 0.00]",
        DASH,
    ]
    assert [cell_len(bar(x).plain) for x in (0, 0.01, 0.5, 1)] == [8] * 4
    assert label("a<b&" + "x" * 60) == "a&lt;b&amp;" + "x" * 10 + "…" + "x" * 14


def test_classes_that_no_scored_image_shows_are_named_beside_further_scores(
    project: Project, manifest: Manifest
) -> None:
    view = view_of(project, manifest)
    assert view.further is not None
    joint, *others = view.further.scores
    absent = replace(joint, num_absent=6, absent=("a/b", "c/d"), auroc=None)
    changed = replace(view, further=replace(view.further, specificity=0.8, scores=(absent, *others)))
    for shown in (as_text(run_text(changed)), Page(run_page(changed, {})).words):
        words = " ".join(shown.split())
        assert "joint: 6 classes without a scored image left out of these means (a/b, c/d, …)." in words
        assert "sensitivity is at a specificity of 0.8" in words


def test_many_classes_stay_readable_on_every_screen(project: Project, manifest: Manifest) -> None:
    """Some rows in the text, all of them once more behind a summary on the page, and no matrix of a hundred columns."""
    view = view_of(project, manifest)
    assert view.scorecard is not None
    own = view.scorecard.attributes[0]
    many = tuple(replace(own.classes[0], name=f"kind{k:03}", support=k + 1, f1=k / 100) for k in range(100))
    card = replace(
        view.scorecard,
        attributes=(replace(own, classes=many, confusion=None), *view.scorecard.attributes[1:]),
    )
    text = as_text(scorecard_text(card))
    assert {f"kind{k:03}" for k in [*range(10), *range(90, 100)]} == set(re.findall(r"kind\d+", text))
    assert "The 10 commonest and the 10 worst of 100 classes" in " ".join(text.split())
    page = run_page(replace(view, scorecard=card), {})
    assert page.count("kind050</th>") == 1
    assert page.count("kind001</th>") == 2
    assert "All 100 classes; above are the commonest and the worst" in page
    assert "confusion-0" not in run_figures(replace(view, scorecard=card))
