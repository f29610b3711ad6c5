"""The project file `facetwise.toml`: where the data is and what its labels are. Everything contest-specific is here."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from facetwise.core.errors import SettingError, did_you_mean
from facetwise.core.files.filekinds import OTHER_TABLES
from facetwise.core.files.settings import LISTED, Spec
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.namepattern import NamePattern
from facetwise.core.people import person
from facetwise.core.text.spelling import Spellings, normal
from facetwise.core.text.subject import PERSON, Subject, plural
from facetwise.core.workspace import content_hash

_NEW_KEYS: dict[str, Any] = {
    "same_person": [],
    "delimiter": ",",
    "encoding": "utf-8",
    "where": {},
    "pattern": None,
    "split": None,
    "listed": [],
    "unknown": [""],
    "item": None,
}
"""Keys of a side or an attribute that came after the first version, with their defaults."""


class AttributeSpec(Spec):
    """One attribute of the label: exactly one of `column` and `files` says where its class comes from."""

    name: str
    """Name of the attribute."""
    classes: Annotated[list[str], Field(min_length=2)]
    """Class names, in the order of their numbers."""
    column: str | None = None
    """Column of the training table: a class name, or a number when there are `cuts`."""
    values: dict[str, str] = Field(default_factory=dict)
    """Spellings in that column other than the class names: spelling -> class name."""
    files: dict[str, str] = Field(default_factory=dict)
    """For a folder a group: file stem -> class name. Other files in the folder are not images of the dataset."""
    cuts: list[float] | None = None
    """For an ordinal attribute: the true cuts; class = number of cuts <= value."""
    valid: Annotated[tuple[float, float], LISTED] | None = None
    """For an ordinal attribute: smallest and largest value that is believable."""
    split: Annotated[str, Field(min_length=1)] | None = None
    """What stands between several findings in one cell of the column, such as `/`. Each class becomes an attribute of
    its own, with the classes `no` and `yes`."""
    item: str | None = None
    """With `split`: the one finding that this attribute is about; its classes are then those of absent and present."""

    @model_validator(mode="after")
    def _one_source(self) -> AttributeSpec:
        if (self.column is None) == (not self.files):
            raise ValueError("give exactly one of `column` and `files`")
        if self.cuts is not None and self.column is None:
            raise ValueError("`cuts` need a `column` of numbers")
        if self.valid is not None and self.cuts is None:
            raise ValueError("`valid` is for numbers, and so needs `cuts`")
        if self.valid is not None and self.valid[0] > self.valid[1]:
            raise ValueError("`valid` is the smallest and then the largest value")
        if self.values and self.files:
            raise ValueError("`values` are spellings in a `column`, this attribute comes from `files`")
        if (self.split is None) != (self.item is None):
            raise ValueError("`item` is the finding of a `split` cell: give both")
        if self.split is not None and (self.column is None or self.cuts or self.values or len(self.classes) != 2):
            raise ValueError("`split` needs a `column`, two classes (absent and present), and no `cuts` or `values`")
        known = Spellings(self.classes)
        for source in (self.values, self.files):
            source.update({spelling: known.find(name) for spelling, name in source.items()})
            if unknown := sorted(set(source.values()) - set(self.classes)):
                raise ValueError(f"unknown class {unknown[0]!r}; classes: {', '.join(self.classes)}")
        return self


Noun = Annotated[str, Field(pattern=r"^[^\W\d_]+([ '-][^\W\d_]+)*$", max_length=40)]
"""One word of letters, or several."""
NO_GROUP = "none"
"""In the place of the column of the group: there is none."""
Delimiter = Literal[",", ";", "\t", "|"]
Encoding = Literal["utf-8", "utf-16", "cp949", "cp1252"]


class Side(Spec):
    """What both sides of a dataset have."""

    table: str | None = None
    """The table, relative to the dataset, or where it is not there, to the project folder: csv, or by its ending
    `.jsonl`, `.parquet` or `.json`: annotations of Label Studio, FiftyOne or COCO-like."""
    images: str
    """The folder of images, relative to the dataset."""
    delimiter: Delimiter = ","
    """What stands between the cells of a csv."""
    encoding: Encoding = "utf-8"
    """What a csv is written in: `utf-16` of spreadsheets, `cp949` of Korean and `cp1252` of western Windows."""
    pattern: str | None = None
    """Layout `names`, in place of a table: what the parts of an image's path below `images` mean, such as
    `"{mask}_{gender}/{person}_{n:int}.jpg"`. Each `{name}` is a column and stands for one or more letters, as many as
    can be, but no `/`; `{name:int}` for digits, `{name:path}` for anything."""
    where: dict[str, list[str]] = Field(default_factory=dict)
    """Which rows belong to this side: column -> the values that it has in them. Left out, all do."""

    listed: list[str] = Field(default_factory=list)
    """Text files in the dataset with the name of an image a line, as its column has it, or without a table its path
    below `images`, with or without the ending: only these images are of this side. Left out, all are."""

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            NamePattern(pattern)
        return pattern

    @field_validator("where")
    @classmethod
    def _one_spelling(cls, where: dict[str, list[str]]) -> dict[str, list[str]]:
        return {column: [person(value) for value in values] for column, values in where.items()}


class TrainSide(Side):
    """The labelled side of the dataset."""

    group: str
    """Column that names the group (the person): what must never stand on both sides of a split. `"none"`: there is
    none, each image is taken as its own group, and an estimate is too high where they are not."""
    split: str | None = None
    """Column with a given split: `facetwise folds` makes a fold of each of its values in place of dealing."""
    folder: str | None = None
    """Layout `folders`: column with the group's folder under `images`, a row a group."""
    image: str | None = None
    """Layout `images`: column with the image's path under `images`, a row an image."""
    unknown: list[str] = Field(default_factory=lambda: [""])
    """Cells of attributes that say nothing: that attribute of the row is not known, and the others count all the same.
    With an empty list, an empty cell is an error."""
    same_person: list[Annotated[list[str], Field(min_length=2)]] = Field(default_factory=list)
    """Names of one person, a list a person, whose rows count as hers under the first name of the list. Spellings that
    differ in Unicode normal form, in blanks or in the `.0` of a whole number are one without it; `facetwise check`
    lists what else may be one."""

    @model_validator(mode="after")
    def _one_layout(self) -> TrainSide:
        if [self.folder, self.image, self.pattern].count(None) != 2:
            raise ValueError(
                "give exactly one of `folder` (a row a group), `image` (a row an image) and `pattern` (labels in names)"
            )
        if (self.table is None) == (self.pattern is None):
            raise ValueError("give a `table`, or a `pattern` in its place")
        return self

    @property
    def group_column(self) -> str | None:
        """Column of the group; None where each image is its own."""
        return None if normal(self.group).casefold() == NO_GROUP else self.group

    @field_validator("same_person")
    @classmethod
    def _each_name_once(cls, lists: list[list[str]]) -> list[list[str]]:
        names = [person(name) for one in lists for name in one]
        if "" in names:
            raise ValueError("a name is empty")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"`{twice[0]}` stands there twice; write all names of one {PERSON} in one list")
        return lists


class TestSide(Side):
    """The side to predict: its table is the template of a submission, and its order that of the submission. Without a
    `table` it is all images in `images`, by name."""

    __test__ = False  # not a test class for pytest

    image: str = "image"
    """Column with the image's path under `images`."""
    answer: str = "answer"
    """Column to fill with the joint class; added when the table lacks it."""

    @property
    def is_of_its_own_form(self) -> bool:
        """Whether the table is no csv of this side alone in UTF-8 with commas, as a submission is."""
        plain = (self.delimiter, self.encoding, self.where, self.listed) == (",", "utf-8", {}, [])
        return not plain or str(self.table).lower().endswith(OTHER_TABLES)

    @model_validator(mode="after")
    def _one_list(self) -> TestSide:
        if self.table is not None and self.pattern is not None:
            raise ValueError("give a `table`, or a `pattern` in its place, or neither")
        return self

    @model_validator(mode="after")
    def _two_columns(self) -> TestSide:
        if normal(self.image) == normal(self.answer):
            raise ValueError("`image` and `answer` are one column: answers would be written over the images' names")
        return self


Layout = Literal["folders", "images", "names"]
"""How a training side lies on the disk: each has a reader in `data.reading.layouts`."""


class DatasetSpec(Spec):
    """Where the dataset is; it is never written to."""

    path: str
    """Folder of the dataset: absolute, or relative to the project."""
    subject: Noun | None = None
    """What one of those behind the images is called on every screen, such as `patient` or `plant`. Left out it is
    `person`, or `subject` where there is no group."""
    subjects: Noun | None = None
    """Its plural, where that is not what English makes of it."""
    layout: Layout
    """`folders`: the training table has a row a group with a folder; `images`: a row an image; `names`: there is no
    table, labels are in the names of folders and files, see `dataset.train.pattern`."""
    train: TrainSide
    """The labelled side."""
    test: TestSide | None = None
    """The side to predict, if there is one."""

    @model_validator(mode="after")
    def _plural_of_a_subject(self) -> DatasetSpec:
        if self.subjects is not None and self.subject is None:
            raise ValueError("`subjects` is the plural of `subject`: give both")
        return self

    @property
    def words(self) -> Subject:
        """What the groups are called."""
        one = self.subject or ("person" if self.train.group_column else "subject")
        return Subject(one, self.subjects or plural(one))


SEEN, ALL = "seen", "all"
"""Which combinations of classes can occur: those of the training labels, or every one."""


class ProjectLabels(Spec):
    """What is known of the label as a whole."""

    combinations: Annotated[str, Field(min_length=1)] | None = None
    """Which combinations of the attributes' classes can occur: `seen`, those of the training images; `all`; or a table
    with a column an attribute and a row a combination, found as `dataset.train.table` is. Scores are over these, and
    nothing else is predicted. Left out, it is `seen` where a table or names give the labels of single images and there
    is no test table, whose answers number every combination."""


class ContestSpec(Spec):
    """The rules of a contest on when and how often something may be submitted."""

    submissions_per_day: Annotated[int, Field(ge=1)] | None = None
    """How many files may be sent a day."""
    time_zone: str = "UTC"
    """Where that day begins at midnight: a name of the time zone database, such as `Asia/Seoul`."""
    public_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the test images whose score is shown while the contest lasts; the others decide it."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        zones = available_timezones()  # empty on a system without the database: then it is told where it is needed
        if name != "UTC" and zones and name not in zones:
            close = get_close_matches(name, zones, n=3)
            raise ValueError("no such time zone" + (f"; did you mean {', '.join(close)}?" if close else ""))
        return name


class ScoreSpec(Spec):
    """What is scored beside macro F1 and accuracy."""

    specificity: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """`facetwise show` tells the sensitivity at this specificity: the share of a class that is found when this share of
    all other images stays below the threshold."""


class ProjectFile(Spec):
    """Everything in `facetwise.toml`."""

    schema_version: Literal[1] = 1
    """Version of this file's format."""
    name: str
    """A name for people."""
    dataset: DatasetSpec
    """Where the data is."""
    attributes: Annotated[list[AttributeSpec], Field(min_length=1)]
    """The label, most significant attribute first."""
    labels: ProjectLabels | None = None
    """What is known of the label as a whole."""
    contest: ContestSpec | None = None
    """The contest's rules, if it is one."""
    score: ScoreSpec = Field(default_factory=ScoreSpec)
    """How predictions are scored."""

    @field_validator("schema_version", mode="before")
    @classmethod
    def _integer_version(cls, version: object) -> object:
        if type(version) is not int:  # true and 1.0 are equal to 1
            raise ValueError("expected an integer")
        return version

    @field_validator("attributes", mode="before")
    @classmethod
    def _an_attribute_a_finding(cls, given: object) -> object:
        if not isinstance(given, list):
            return given
        return [own for one in given for own in (_findings(one) if isinstance(one, dict) else [one])]

    @model_validator(mode="after")
    def _consistent(self) -> ProjectFile:
        wanted = {"folders": "folder", "images": "image", "names": "pattern"}[self.dataset.layout]
        if getattr(self.dataset.train, wanted) is None:
            raise ValueError(f"layout `{self.dataset.layout}` needs `dataset.train.{wanted}`")
        if self.dataset.layout != "folders" and any(a.files for a in self.attributes):
            layout = self.dataset.layout
            raise ValueError(f"layout `{layout}` has a row an image: every attribute needs a `column`, not `files`")
        _check_stems([a for a in self.attributes if a.files])
        _check_fields(self.dataset.train, [str(a.column) for a in self.attributes])
        split = self.dataset.train.split
        if split is not None and split in (self.dataset.train.group_column, *(a.column for a in self.attributes)):
            raise ValueError(f"`split` is `{split}`, which is the group's or an attribute's column already")
        _check_unknown(self.dataset.train.unknown, self.attributes)
        try:
            _label_space(self)
        except SettingError as error:
            raise ValueError(str(error)) from None
        return self

    @cached_property
    def space(self) -> LabelSpace:
        """The label space with the true cuts and every combination of classes."""
        return _label_space(self)

    @property
    def combinations(self) -> str:
        """`labels.combinations`, or what it is where it is left out."""
        if self.labels is not None and self.labels.combinations is not None:
            return self.labels.combinations
        is_contest = self.dataset.test is not None and self.dataset.test.table is not None
        return ALL if self.dataset.layout == "folders" or is_contest or len(self.attributes) == 1 else SEEN

    @cached_property
    def data_hash(self) -> str:
        """Hash of what a manifest is made by: `dataset`, `attributes` and `labels`."""
        file = self.model_dump(mode="json", include={"dataset", "attributes", "labels"})
        for word in ("subject", "subjects"):  # what something is called changes nothing
            del file["dataset"][word]
        for part in filter(None, (file["dataset"]["train"], file["dataset"]["test"], *file["attributes"])):
            for key, default in _NEW_KEYS.items():  # files without them have the hash that they always had
                if part.get(key) == default:
                    part.pop(key, None)
        if file["labels"] is None:
            del file["labels"]
        return content_hash(file)


def _check_stems(named: list[AttributeSpec]) -> None:
    """Attributes that come from file names must name the same files: an image has a class of each."""
    for other in named[1:]:
        for one, two in ((named[0], other), (other, named[0])):
            if lacking := [stem for stem in one.files if stem not in two.files]:
                raise ValueError(f"`{two.name}` has no class for the file {lacking[0]!r} that `{one.name}` lists")


def _check_fields(side: TrainSide, columns: list[str]) -> None:
    """What stands for columns in a project without a table must be fields of its pattern."""
    if side.pattern is None:
        return
    named = [*columns, *side.where, *(name for name in (side.group_column, side.split) if name is not None)]
    fields = NamePattern(side.pattern).fields
    if unknown := [name for name in named if name not in fields]:
        raise ValueError(f"`pattern` has no field `{unknown[0]}`; {did_you_mean(unknown[0], fields)}")


def _findings(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The attributes that one with `split` stands for: one a class, unless it names its own `item`."""
    if given.get("split") is None or given.get("item") is not None or not isinstance(given.get("classes"), list):
        return [given]
    return [{**given, "name": item, "item": item, "classes": ["no", "yes"]} for item in given["classes"]]


def _check_unknown(words: list[str], attributes: list[AttributeSpec]) -> None:
    """A word for "not known" cannot be a class, nor a spelling of one."""
    for attribute in attributes:
        own = {attribute.item} if attribute.item is not None else {*attribute.classes, *attribute.values}
        known = Spellings(own) if attribute.column is not None else ()
        if both := [word for word in words if word in known]:
            raise ValueError(f"`unknown` has {both[0]!r}, which is a class of `{attribute.name}`")


def _label_space(file: ProjectFile) -> LabelSpace:
    return LabelSpace(
        tuple(
            Attribute(a.name, tuple(a.classes), None if a.cuts is None else tuple(a.cuts), a.valid)
            for a in file.attributes
        )
    )
