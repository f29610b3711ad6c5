"""All rows of a table wrong before the first is looked at: one cause, told once, with what would match."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from made_project import open_project, photo_project, replace_in, write_contest

from facetwise.core.errors import MAX_LISTED, InputError, ProblemsError, closest, did_you_mean
from facetwise.core.project import Project
from facetwise.data.findings import Finding
from facetwise.data.manifest import build_manifest, list_images
from facetwise.data.reading.labelcells import proposed_cuts
from facetwise.data.reading.on_disk.notfound import why_not_found
from facetwise.data.reading.readers import read_dataset
from facetwise.data.reading.recognising.newproject import propose
from facetwise.data.reading.recognising.proposal import TableChoices

STEMS = ("p0_0", "p0_1", "p1_0", "p1_1")


def made(folder: Path, cells: Sequence[str], files: Sequence[str], labels: Sequence[str] = ("no", "yes")) -> Project:
    """A project whose table has these `cells`, and whose dataset these `files`."""
    rows = [f"{cell},{STEMS[k % 4][:2]},{labels[k % len(labels)]}" for k, cell in enumerate(cells)]
    return photo_project(folder, ["file,person,glasses", *rows], files, folder="project")


def told(project: Project) -> list[Finding]:
    return [f for f in build_manifest(project).findings if f.level != "info"]


def each(pattern: str) -> list[str]:
    return [pattern.format(stem, stem[:2]) for stem in STEMS]


@pytest.mark.parametrize("written", ["{}.png", "{}.PNG", "./{}.png", '" {}.png"', "{}.Png "])
def test_another_case_and_blanks_are_found(tmp_path: Path, written: str) -> None:
    project = made(tmp_path, each(written), each("photos/{}.png"))
    assert told(project) == []
    assert build_manifest(project).train["image"].to_list() == each("photos/{}.png")


def test_of_two_files_that_differ_in_case_none_is_taken(tmp_path: Path) -> None:
    project = made(tmp_path, ["A.PNG", "b.png"], ["photos/a.png", "photos/A.png", "photos/b.png"])
    found = told(project)[0]
    assert (found.level, found.code, found.where) == ("error", "two-images-fit", "labels.csv:2")
    assert "`A.PNG` fits 2 paths alike: `photos/A.png`, `photos/a.png`" in found.message


@pytest.mark.parametrize(
    ("written", "on_disk", "cause", "way"),
    [
        ("{}", "photos/{}.png", "it has no ending", "add `.png` to the names"),
        ("{}.jpg", "photos/{}.png", "it ends in `.jpg`", "write `.png` for `.jpg`"),
        ("{1}\\{0}.png", "photos/{1}/{0}.png", "it has back slashes", "write `/` for `\\`"),
        ("photos/{}.png", "photos/{}.png", "it begins with `photos/`", 'take `photos/` off .* `images = "."`'),
        ("./photos/{}.png", "photos/{}.png", "it begins with `photos/`", "take `photos/` off"),
        ("/srv/kim/photos/{}.png", "photos/{}.png", "it begins with `/srv/kim/photos/`", "`/srv/kim/photos/` off"),
        ("D:\\x\\{}.png", "photos/{}.png", "it begins with `D:\\x\\`", "take `D:\\x\\` off"),
        ("D:\\x\\{}", "photos/{}.png", "begins with `D:\\x\\` and has no ending", "off .* add `.png`"),
        (
            "https://example.org/{}.png",
            "photos/{}.png",
            "it begins with `https://example.org/`",
            "take `https://example.org/` off",
        ),
        ("{1}/{0}.png", "photos/{0}.png", "it begins with `p0/`", "take the folders off"),
        ("{}.png", "photos/all/{}.png", "it lies in `photos/all`", 'set `images = "photos/all"`'),
        ("{}.png", "photos/{1}/{0}.png", "it lies in `photos/p0`", "write the path from `photos` on"),
        ("{}.png", "img/{}.png", "it lies in `img`, not in `photos`", 'set `images = "img"`'),
    ],
)
def test_the_one_cause_is_named_with_the_way_on(
    tmp_path: Path, written: str, on_disk: str, cause: str, way: str
) -> None:
    found = why_not_found(each(written), made(tmp_path, ["q"], each(on_disk)).dataset_root, "photos")
    assert found is not None
    assert f"`{written.format('p0_0', 'p0')}` seems to be `{on_disk.format('p0_0', 'p0')}`" in found.message
    assert cause in found.message
    for part in way.split(" .* "):
        assert part in str(found.hint)


@pytest.mark.parametrize("way", ["img", "."])
def test_the_way_on_works(tmp_path: Path, way: str) -> None:
    names = each("{}.png") if way != "." else each("img/{}.png")
    project = made(tmp_path, names, each("img/{}.png"))
    assert told(project)[0].code == "names-not-found"
    replace_in(project.workspace.project_file, {'images = "photos"': f'images = "{way}"'})
    assert told(Project.open(project.root)) == []


def test_names_like_nothing_on_the_disk(tmp_path: Path) -> None:
    found = told(made(tmp_path, ["q", "r"], ["photos/a.png"]))
    assert [f.code for f in found] == ["names-not-found"]
    assert "`q` is not in `photos`, which has `photos/a.png`" in found[0].message


def test_some_names_with_one_cause_are_a_warning(tmp_path: Path) -> None:
    cells = [*each("{}.png")[:2], *each("C:\\x\\{}.png")[2:]]
    found = told(made(tmp_path, cells, each("photos/{}.png")))
    (cause,) = (f for f in found if f.code == "names-not-found")
    assert cause.level == "warning"
    assert "2 of 4 names" in cause.message
    assert {f.code for f in found} == {"names-not-found", "unlisted-image", "train-image-missing"}


def test_folders_of_people_are_explained_too(tmp_path: Path) -> None:
    dataset = write_contest(tmp_path / "data")
    (dataset / "train" / "images").rename(dataset / "train" / "people")
    (dataset / "train" / "images").mkdir()
    (found,) = read_dataset(open_project(tmp_path / "project", dataset)).findings
    assert (found.code, found.where) == ("names-not-found", "train/train.csv")
    assert "it lies in `train/people`" in found.message


def test_a_fault_of_all_rows_is_told_once_with_their_cells(tmp_path: Path) -> None:
    (found,) = told(made(tmp_path, each("{}.png"), each("photos/{}.png"), ("NO", "yess")))
    assert (found.code, found.where) == ("unknown-class", "labels.csv")
    assert found.message.startswith("all 4 rows, such as line 2: `glasses` is `NO`")
    assert '`values = { "NO" = "no", "yess" = "yes" }`' in str(found.hint)


def test_a_column_of_numbers_without_cuts_says_how_to_cut_it(tmp_path: Path) -> None:
    stems = [f"p{k}" for k in range(12)]
    numbers = [f"{20 + 3.3 * k:g}" for k in range(12)]
    files = [f"photos/{stem}.png" for stem in stems]
    project = made(tmp_path, [f"{stem}.png" for stem in stems], files, numbers)
    (found,) = told(project)
    assert (found.code, found.where) == ("unknown-class", "labels.csv")
    assert "`cuts = [40]` would make about equally many images of each of 2" in str(found.hint)
    replace_in(project.workspace.project_file, {'column = "glasses"': 'column = "glasses"\ncuts = [40]'})
    assert told(Project.open(project.root)) == []


def test_proposed_cuts_part_numbers_evenly() -> None:
    assert proposed_cuts([float(v) for v in range(18, 78)], 3) == [38, 58]
    assert proposed_cuts([0.01 * v for v in range(100)], 4) == [0.25, 0.5, 0.75]
    assert proposed_cuts([12345.0 * v for v in range(31)], 2) == [190000]
    assert proposed_cuts([0.0] * 90 + [1.0] * 10, 3) == []  # no cut parts them evenly
    assert proposed_cuts([7.0, 7.0], 3) == []


def test_rows_that_were_refused_are_listed_all_the_same(tmp_path: Path) -> None:
    found = told(made(tmp_path, each("{}.png"), [*each("photos/{}.png"), "photos/more.png"], ("no", "maybe")))
    assert [(f.code, f.where) for f in found] == [
        ("unknown-class", "labels.csv:3"),
        ("unknown-class", "labels.csv:5"),
        ("unlisted-image", "photos"),
    ]
    assert found[2].message.startswith("1 image")


def test_rows_of_another_length_than_the_header(tmp_path: Path) -> None:
    project = made(tmp_path, each("{}.png"), each("photos/{}.png"))
    replace_in(tmp_path / "data" / "labels.csv", {",no\n": ",no,x\n", ",yes\n": ",yes,x\n"})
    assert [(f.code, f.where) for f in told(project)] == [("ragged-row", "labels.csv")]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_column_of_joint_classes_alone(delimiter: str, tmp_path: Path) -> None:
    project = made(tmp_path, each("{}.png"), each("photos/{}.png"), ("0", "1"))
    replace_in(tmp_path / "data" / "labels.csv", {",glasses": ",ans"})
    replace_in(tmp_path / "data" / "labels.csv", {",": delimiter})
    table = 'table = "labels.csv"'
    replace_in(project.workspace.project_file, {table: f'{table}\ndelimiter = "{delimiter}"'})
    project = Project.open(project.root)
    (found,) = told(project)
    assert (found.code, found.where) == ("joint-class", "labels.csv:1")
    assert "`ans` holds whole numbers from 0 to 1" in found.message
    way = 'values = { "0" = "no", "1" = "yes" }'
    assert way in str(found.hint)
    replace_in(project.workspace.project_file, {'column = "glasses"': f'column = "ans"\n{way}'})
    assert told(Project.open(project.root)) == []


def test_a_side_behind_a_link_out_of_the_dataset(tmp_path: Path) -> None:
    project = made(tmp_path, each("{}.png"), each("photos/{}.png"))
    (tmp_path / "data" / "photos").rename(tmp_path / "disk")
    (tmp_path / "data" / "photos").symlink_to(tmp_path / "disk")
    (found,) = told(project)
    assert found.code == "leaves-dataset"
    assert f'set `path = "{tmp_path}"`' in str(found.hint)
    assert '"disk" for this one, "data/..." for the others' in str(found.hint)
    assert f'`follow_links = true` and `links_root = "{tmp_path / "disk"}"`' in str(found.hint)
    ways = {'"../data"': f'"{tmp_path}"', '"labels.csv"': '"data/labels.csv"', '"photos"': '"disk"'}
    replace_in(project.workspace.project_file, ways)
    assert told(Project.open(project.root)) == []


def test_an_archive_and_a_file_are_no_folders(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for kind in ("zip", "gztar", "tar"):
        archive = Path(shutil.make_archive(str(tmp_path / kind), kind, tmp_path / "data"))
        for read in (lambda folder: propose(folder, TableChoices()), list_images):
            with pytest.raises(InputError, match="an archive: unpack it"):
                read(archive)
    (tmp_path / "file").write_text("text", encoding="utf-8")
    with pytest.raises(InputError, match="a file, expected a folder"):
        propose(tmp_path / "file", TableChoices())


@pytest.mark.parametrize(
    ("word", "options", "expected"),
    [
        ("1.0", ["1", "10"], "1"),
        ("10.0", ["1", "10"], "10"),
        ("01", ["1", "10"], "1"),
        ("12", ["1", "2"], None),
        (" Yes ", ["no", "yes", "yess"], "yes"),
        ("flpi", ["flip", "cutout"], "flip"),
        ("xyz", ["flip"], None),
    ],
)
def test_what_a_word_seems_to_mean(word: str, options: list[str], expected: str | None) -> None:
    assert closest(word, options) == expected
    assert did_you_mean(word, options).startswith("allowed" if expected is None else f"did you mean `{expected}`? ")


def test_a_long_list_of_problems_is_cut_in_the_text_alone() -> None:
    error = ProblemsError("many", [f"line {k}" for k in range(140)])
    assert len(error.problems) == 140
    assert len(str(error).splitlines()) == 2 + MAX_LISTED
    assert str(error).endswith("and 120 more")
