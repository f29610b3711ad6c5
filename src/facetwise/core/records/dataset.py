"""The section `[dataset]` of the project file: where the data lies and how its two sides are read."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from facetwise.core.choices import Encoding
from facetwise.core.files.filekinds import OTHER_TABLES
from facetwise.core.files.settings import Spec
from facetwise.core.namepattern import NamePattern
from facetwise.core.people import person
from facetwise.core.text.spelling import normal
from facetwise.core.text.subject import PERSON, Subject, plural

Noun = Annotated[str, Field(pattern=r"^[^\W\d_]+([ '-][^\W\d_]+)*$", max_length=40)]
"""One word of letters, or several."""
NO_GROUP = "none"
"""In the place of the column of the group: there is none."""
GROUP = "group"
"""The field of a pattern in the place of that column which names the group."""
Delimiter = Literal[",", ";", "\t", "|"]


class Join(Spec):
    """Another table, whose columns a side's table gets by a key."""

    table: str
    """That table; it is looked for as the side's `table` is."""
    on: str
    """Column of the key in the side's table, or in one joined before. Of a row whose key the other table does not have,
    what that says is not known."""
    key: str | None = None
    """Column of the key in the other table, which has one row of each; left out, it is called as `on`."""
    delimiter: Delimiter = ","
    """What stands between the cells of a csv."""
    encoding: Encoding = "utf-8"
    """What a csv is written in."""
    loosely: bool = False
    """Whether keys are one that differ in case, in zeros in front of numbers, and in what is no letter or digit alone:
    `P-07` and `p7`."""

    @property
    def there(self) -> str:
        """Column of the key in the other table."""
        return self.on if self.key is None else self.key


class Side(Spec):
    """What both sides of a dataset have."""

    table: str | None = None
    """The table, relative to the dataset, or where it is not there, to the project folder: csv, or by its ending
    `.jsonl`, `.parquet` or `.json`: annotations of Label Studio, FiftyOne or COCO-like. Of the training side it may be
    several tables of one kind in the dataset, read one below another: `"{part}/metadata.csv"` is that of each folder,
    and `part` a column of its rows, which `images = "{part}"`, `where` and `split` may name."""
    images: str
    """The folder of images, relative to the dataset."""
    delimiter: Delimiter = ","
    """What stands between the cells of a csv."""
    encoding: Encoding = "utf-8"
    """What a csv is written in: `utf-16` of spreadsheets; of Windows `cp949` Korean, `cp932` Japanese (Shift-JIS),
    `gb18030` Chinese, `cp1252` western, `cp1250` central European, `cp1251` Cyrillic, `cp1253` Greek, `cp1254` Turkish,
    `cp1257` Baltic; `big5` of Taiwan and Hong Kong, `latin2` (ISO 8859-2)."""
    pattern: str | None = None
    """Layout `names`, in place of a table: what the parts of an image's path below `images` mean, such as
    `"{mask}_{gender}/{person}_{n:int}.jpg"`. Each `{name}` is a column and stands for one or more letters, as many as
    can be, but no `/`; `{name:int}` for digits, `{name:word}` for letters and digits, `{name:path}` for anything."""
    where: dict[str, list[str]] = Field(default_factory=dict)
    """Which rows belong to this side: column -> the values that it has in them. Left out, all do."""

    join: list[Join] = Field(default_factory=list)
    """Other tables whose columns the table gets by a key, such as `[{ table = "patients.csv", on = "patient" }]`. A
    column that is there already becomes `patients.NAME`."""
    listed: list[str] = Field(default_factory=list)
    """Text files in the dataset with the name of an image a line, as its column has it, or without a table its path
    below `images`, with or without the ending: only these images are of this side. Left out, all are."""

    @cached_property
    def parts(self) -> NamePattern | None:
        """The pattern of the tables that are read one below another; None where there is one."""
        return NamePattern(self.table) if self.table is not None and "{" in self.table else None

    @property
    def images_base(self) -> str:
        """The folder that holds all its images: what of `images` stands before a field."""
        folders = self.images.split("/")
        whole = next((k for k, part in enumerate(folders) if "{" in part), len(folders)) if self.parts else len(folders)
        return "/".join(folders[:whole]) or "."

    @property
    def tables(self) -> list[str]:
        """All its tables."""
        return [*([self.table] if self.table is not None else []), *(join.table for join in self.join)]

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
    """Column that names the group (the person): what must never stand on both sides of a split. In layout `images` it
    may be a `pattern` of the image's path with the field `group`, such as `"{group}_{n}.jpg"`. `"none"`: nothing names
    it, each image is taken as its own group, and an estimate is too high where they are not."""
    split: str | None = None
    """Column with a given split: `facetwise folds` makes a fold of each of its values in place of dealing."""
    folder: str | None = None
    """Layout `folders`: column with the group's folder under `images`, a row a group."""
    image: str | None = None
    """Layout `images`: column with the image's path under `images`, a row an image."""
    unknown: list[str] = Field(default_factory=lambda: [""])
    """Cells of attributes that say nothing, in any case unless a class is spelt so: that attribute of the row is not
    known, and the others count all the same. With an empty list, an empty cell is an error."""
    same_person: list[Annotated[list[str], Field(min_length=2)]] = Field(default_factory=list)
    """Names of one person, a list a person, whose rows count as hers under the first name of the list. Spellings that
    differ in Unicode normal form, in blanks or in the `.0` of a whole number are one without it; `facetwise check`
    lists what else may be one."""

    @model_validator(mode="after")
    def _parts_of_one_pattern(self) -> TrainSide:
        fields = NamePattern(self.images).fields if self.parts is not None and "{" in self.images else ()
        if unknown := [name for name in fields if name not in self.parts.fields]:  # type: ignore[union-attr]
            raise ValueError(f"`images` has the field `{unknown[0]}`, which the pattern `table` does not have")
        return self

    @model_validator(mode="after")
    def _one_layout(self) -> TrainSide:
        if [self.folder, self.image, self.pattern].count(None) != 2:
            raise ValueError(
                "give exactly one of `folder` (a row a group), `image` (a row an image) and `pattern` (labels in names)"
            )
        if (self.table is None) == (self.pattern is None):
            raise ValueError("give a `table`, or a `pattern` in its place")
        return self

    @cached_property
    def group_column(self) -> str | None:
        """Column of the group; None where the image's name tells it, or nothing."""
        return None if normal(self.group).casefold() == NO_GROUP or self.group_pattern is not None else self.group

    @cached_property
    def group_pattern(self) -> NamePattern | None:
        """The pattern of images' paths whose field `group` names it."""
        return NamePattern(self.group) if "{" in self.group else None

    @property
    def has_groups(self) -> bool:
        """Whether anything names them."""
        return self.group_column is not None or self.group_pattern is not None

    @model_validator(mode="after")
    def _groups_by_names(self) -> TrainSide:
        if self.group_pattern is not None and GROUP not in self.group_pattern.fields:
            raise ValueError(f"`group` is a pattern of names: which part names the group, `{{{GROUP}}}`, is not in it")
        if self.group_pattern is not None and self.image is None:
            raise ValueError("`group` is a pattern of images' names, which rows name in layout `images` alone")
        if self.same_person and not self.has_groups:
            raise ValueError(f"`same_person` joins groups, and `group` is `{NO_GROUP}`")
        return self

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
        if self.parts is not None:
            raise ValueError("`table` is one table here; `{}` in its name is for `[dataset.train]`")
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
    follow_links: bool = False
    """Whether links to folders are followed, and links may lead out of the dataset, into `links_root`."""
    links_root: str | None = None
    """With `follow_links`: the folder that links may lead into, absolute or relative to the project; left out, they
    stay in the dataset."""
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

    @model_validator(mode="after")
    def _root_of_followed_links(self) -> DatasetSpec:
        if self.links_root is not None and not self.follow_links:
            raise ValueError("`links_root` is where followed links may lead: give `follow_links = true`")
        return self

    @property
    def words(self) -> Subject:
        """What the groups are called."""
        one = self.subject or ("person" if self.train.has_groups else "subject")
        return Subject(one, self.subjects or plural(one))
