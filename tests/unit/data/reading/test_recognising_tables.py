"""What `init` recognises of tables that people have, and the project file that it writes."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_init import HEADER, PHOTOS, ROWS, init, labels, leaves, notes, photos, refused
from made_project import write_table

from facetwise.core.errors import InputError, SettingError
from facetwise.data.reading.recognising.newproject import propose
from facetwise.data.reading.recognising.proposal import TableChoices, toml_value


def test_a_table_is_understood_and_told(tmp_path):
    project, told = init(leaves(tmp_path))
    assert labels(project) == {"disease": ["rust", "well"], "crop": ["bean", "maize", "rice"]}
    train = project.file.dataset.train
    assert (train.table, train.images, train.image, train.group) == ("labels.csv", ".", "file", "plant")
    assert (told.train, told.test, told.group, told.groups) == (12, None, "plant", 4)
    assert [dict(a.classes) for a in told.attributes] == [{"rust": 6, "well": 6}, {"bean": 4, "maize": 4, "rice": 4}]
    assert told.findings == ()


WRITTEN = {
    "cp949": "건강",
    "cp932": "みどり",
    "gb18030": "正常",
    "cp1252": "gesünd",
    "cp1250": "zółty",
    "cp1254": "sa\u011fl\u0131kl\u0131",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", *WRITTEN])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_what_a_table_is_written_in_is_said_and_kept(delimiter, encoding, tmp_path):
    data = leaves(tmp_path)
    well = WRITTEN.get(encoding, "건강")
    lines = [HEADER, *(",".join(row).replace("well", well) for row in ROWS)]
    (data / "labels.csv").write_bytes("\r\n".join(lines).replace(",", delimiter).encode(encoding))
    project, told = init(data)
    train = project.file.dataset.train
    assert (train.delimiter, train.encoding) == (delimiter, encoding.removesuffix("-be"))
    assert labels(project)["disease"] == sorted(["rust", well])
    assert (told.train, told.findings) == (12, ())
    assert ("`delimiter`, `encoding`" in notes(told)) == ((delimiter, encoding) != (",", "utf-8"))


@pytest.mark.parametrize(
    ("encoding", "well", "ill", "seems"),
    [
        ("koi8-r", "красный", "синий", "not UTF-8"),
        ("mac_roman", "Größe", "Blätter", "not UTF-8"),
        ("cp1250", "řeka", "les", "cp1252 of western Windows (`øeka`) or cp1250 of central European Windows (`řeka`)"),
    ],
)
def test_letters_that_make_no_words_or_several_are_refused_not_read(encoding, well, ill, seems, tmp_path):
    data = leaves(tmp_path)
    text = (data / "labels.csv").read_text(encoding="utf-8").replace("well", well).replace("rust", ill)
    (data / "labels.csv").write_bytes(text.encode(encoding))
    error = str(refused(data))
    assert "labels.csv (unreadable: " in error
    assert seems in error
    assert "save it as UTF-8" in error
    assert "`--encoding cp1250`" in error


def test_the_encoding_that_is_told_is_taken_and_kept(tmp_path):
    data = leaves(tmp_path)
    text = (data / "labels.csv").read_text(encoding="utf-8").replace("well", "řeka")
    (data / "labels.csv").write_bytes(text.encode("cp1250"))
    project, _ = init(data, encoding="cp1250")
    assert project.file.dataset.train.encoding == "cp1250"
    assert labels(project)["disease"] == ["rust", "řeka"]


def test_a_line_that_tells_a_spreadsheet_the_separator_is_no_header(tmp_path):
    data = leaves(tmp_path)
    text = (data / "labels.csv").read_text(encoding="utf-8").replace(",", ";")
    (data / "labels.csv").write_text(f"sep=;\n{text}", encoding="utf-8")
    project, told = init(data)
    assert (project.file.dataset.train.delimiter, told.train, told.findings) == (";", 12, ())


def test_a_table_that_is_not_read_is_told_beside_folders(tmp_path):
    photos(tmp_path, "red/1.png", "red/2.png", "blue/1.png")
    (tmp_path / "data" / "labels.csv").write_bytes("file,y\n1.png,řeka\n2.png,les\n".encode("cp1250"))
    _, told = init(tmp_path / "data")
    assert told.title == "a folder a class"
    assert "`labels.csv` is not read: labels.csv:2: not UTF-8" in notes(told)


@pytest.mark.parametrize(
    "well", ["gesünd", "en bonne santé", "São Paulo", "œuf d\u2019été", "100 \u00b5m", "n° 5", "À"]
)
def test_western_words_are_read_and_shown(well, tmp_path):
    data = leaves(tmp_path)
    text = (data / "labels.csv").read_text(encoding="utf-8").replace("well", well)
    (data / "labels.csv").write_bytes(text.encode("cp1252"))
    project, told = init(data)
    assert labels(project)["disease"] == sorted(["rust", well])
    assert f"in cp1252 (`{well}`)" in notes(told)


def test_a_text_file_with_columns_is_a_table_and_others_are_not(tmp_path):
    data = leaves(tmp_path)
    (data / "labels.csv").rename(data / "labels.txt")
    (data / "README.txt").write_text("Photos of leaves,\nall of them.\n", encoding="utf-8")
    project, told = init(data)
    assert (project.file.dataset.train.table, told.train) == ("labels.txt", 12)
    assert "README" not in notes(told)


def test_a_spreadsheet_is_named_with_what_to_do(tmp_path):
    data = photos(tmp_path, *PHOTOS)
    (data / "labels.xlsx").write_bytes(b"PK")
    assert "save `labels.xlsx` as `CSV UTF-8`" in str(refused(data).hint)


def test_images_are_found_wherever_their_column_counts_from(tmp_path):
    rows = [(file.removeprefix("img/"), *rest) for file, *rest in ROWS]
    project, _ = init(leaves(tmp_path, rows=rows))
    assert project.file.dataset.train.images == "img"


def test_hugging_faces_metadata_is_a_table_a_part(tmp_path):
    data = photos(tmp_path, *(f"{part}/{name}" for part in ("train", "test") for name in PHOTOS))
    for part in ("train", "test"):
        rows = [{"file_name": name, "label": k % 2, "text": f"leaf {k}"} for k, name in enumerate(PHOTOS)]
        (data / part / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    project, told = init(data)
    assert project.file.dataset.train.table == "train/metadata.jsonl"
    assert project.file.dataset.test is not None
    assert project.file.dataset.test.table == "test/metadata.jsonl"
    assert (told.train, told.test, told.group) == (12, 12, None)
    assert labels(project) == {"label": ["0", "1"]}
    assert "`text` (12 different values)" in notes(told)
    assert [f for f in told.findings if f.level == "error"] == []


def test_a_table_of_photos_without_labels_is_the_test_side(tmp_path):
    data = leaves(tmp_path)
    photos(tmp_path, "new/a.jpg", "new/b.jpg")
    write_table(data / "sample.csv", "id,disease", "a.jpg,0", "b.jpg,0")
    project, told = init(data)
    side = project.file.dataset.test
    assert side is not None
    assert (side.table, side.images, side.image, side.answer) == ("sample.csv", "new", "id", "disease")
    assert told.test == 2


def test_several_tables_with_labels_are_asked_about(tmp_path):
    data = leaves(tmp_path)
    (data / "other.csv").write_bytes((data / "labels.csv").read_bytes())
    error = refused(data)
    assert "`labels.csv`, `other.csv`" in str(error)
    assert "--table labels.csv" in str(error.hint)
    project, _ = init(data, table="other.csv")
    assert project.file.dataset.train.table == "other.csv"


def test_a_table_without_a_header_is_refused(tmp_path):
    data = leaves(tmp_path)
    table = data / "labels.csv"
    table.write_text(table.read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8")
    error = refused(data)
    assert "labels.csv:1: no header: its first line names the image `img/p0_0.jpg`" in str(error)


@pytest.mark.parametrize(
    "spell",
    [
        lambda name: name.removesuffix(".jpg"),
        lambda name: f"C:\\photos\\{name}",
        lambda name: f"/mnt/ann/{name}",
        lambda name: f" {name} ",
    ],
)
def test_names_in_other_words_are_still_the_column_of_images(spell, tmp_path):
    rows = [(str(k), *row[1:], spell(PHOTOS[k])) for k, row in enumerate(ROWS)]
    project, told = init(leaves(tmp_path, "number,plant,disease,crop,photo", rows))
    assert (project.file.dataset.train.image, project.file.dataset.train.images) == ("photo", "img")
    assert labels(project)["disease"] == ["rust", "well"]
    assert told.train == 12 or "in other words than the disk: 12 of 12 rows" in notes(told)


def test_images_beside_their_table_may_be_named_in_other_words(tmp_path):
    data = photos(tmp_path, *PHOTOS)
    write_table(
        data / "labels.csv", HEADER, *(",".join((name[:-4], *row[1:])) for name, row in zip(PHOTOS, ROWS, strict=True))
    )
    project, told = init(data)
    assert project.file.dataset.train.images == "."
    assert (told.train, [f.code for f in told.findings]) == (12, ["names-matched"])


def test_a_table_of_the_same_images_is_no_test_side_wherever_its_names_count_from(tmp_path):
    data = leaves(tmp_path)
    write_table(data / "img" / "test.csv", "id,sharp", *(f"{name},{k}" for k, name in enumerate(PHOTOS)))
    project, told = init(data)
    assert project.file.dataset.test is None
    assert "other tables left out: img/test.csv" in notes(told)


@pytest.mark.parametrize("way", ["relative", "absolute", "in the project"])
def test_a_table_that_lies_elsewhere_is_copied_into_the_project_and_one_there_is_read(way, tmp_path):
    data = leaves(tmp_path)
    place = tmp_path / ("project" if way == "in the project" else "tables") / "my labels.csv"
    place.parent.mkdir()
    (data / "labels.csv").rename(place)
    project, told = init(data, table="../tables/my labels.csv" if way == "relative" else str(place))
    assert (told.train, told.groups, [f.level for f in told.findings]) == (12, 4, ["info"])
    assert project.file.dataset.train.table == "my labels.csv"
    assert (project.root / "my labels.csv").read_bytes() == place.read_bytes()
    assert f"{place} is read in the project, as `my labels.csv`" in notes(told)


def test_a_table_from_elsewhere_is_read_although_the_dataset_has_one_of_its_name(tmp_path):
    data = leaves(tmp_path)
    (tmp_path / "mended").mkdir()
    table = (data / "labels.csv").read_text(encoding="utf-8").replace("rust", "blight")
    (tmp_path / "mended" / "labels.csv").write_text(table, encoding="utf-8")
    project, _ = init(data, table="../mended/labels.csv")
    assert labels(project)["disease"] == ["blight", "well"]


def test_another_table_of_that_name_in_the_project_is_not_written_over(tmp_path):
    data = leaves(tmp_path)
    for folder, text in {"tables": (data / "labels.csv").read_text(encoding="utf-8"), "project": "mine"}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "labels.csv").write_text(text, encoding="utf-8")
    assert "another table of that name" in str(refused(data, table="../tables/labels.csv"))
    assert (tmp_path / "project" / "labels.csv").read_text(encoding="utf-8") == "mine"


def test_a_list_without_a_header_beside_the_table_of_labels_is_passed_over(tmp_path):
    data = leaves(tmp_path)
    write_table(data / "test.csv", *(row[0] for row in ROWS[:3]))
    _, told = init(data)
    assert (told.train, told.test) == (12, None)


def test_a_table_that_cannot_be_read_is_told_with_the_reason(tmp_path):
    data = photos(tmp_path, "a.jpg", "b.jpg")
    (data / "labels.csv").write_bytes(b'file,label\n"a.jpg,1\n')
    assert "labels.csv (unreadable: labels.csv:2: not readable as csv" in str(refused(data))


# --- what is written


PLAIN = st.text() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.recursive(PLAIN, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(), s, max_size=3), max_leaves=5))
def test_any_value_is_written_as_it_is_read(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "한글 이름", "a=b:c", "joint", "{brace}", "#"])
def test_columns_and_classes_of_any_name_give_a_file_that_reads_the_dataset(name, tmp_path):
    data = photos(tmp_path, *(f"img/{photo}" for photo in PHOTOS))
    quoted = '"' + name.replace('"', '""') + '"'
    rows = [f"{photo},{quoted if k % 2 else 'other'}" for k, photo in enumerate(PHOTOS)]
    write_table(data / "labels.csv", f"file,{quoted}", *rows)
    project, told = init(data)
    assert set(next(iter(labels(project).values()))) == {name, "other"}
    assert (told.train, [f.level for f in told.findings]) == (12, [])


def test_a_shipped_layout_goes_before_a_table_unless_something_was_chosen(tmp_path):
    data = photos(tmp_path, "train/images/a/mask1.jpg")
    write_table(data / "train" / "train.csv", "id,gender,race,age,path", "1,male,Asian,29,a")
    assert propose(data, TableChoices()).title == "the layout `mask-contest`"
    with pytest.raises((InputError, SettingError)):
        propose(data, TableChoices(attributes=("gender",)))
