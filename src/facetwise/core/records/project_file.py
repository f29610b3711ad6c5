"""The project file `facetwise.toml`: where the data is and what its labels are. Everything contest-specific is here."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from facetwise.core.errors import SettingError, did_you_mean
from facetwise.core.files.settings import LISTED, Spec
from facetwise.core.labels import Attribute, LabelSpace
from facetwise.core.namepattern import NamePattern
from facetwise.core.records.dataset import DatasetSpec, TrainSide
from facetwise.core.records.scoring import ScoreSpec
from facetwise.core.text.spelling import Spellings
from facetwise.core.workspace import content_hash

_NEW_KEYS: dict[str, Any] = {
    "same_person": [],
    "delimiter": ",",
    "encoding": "utf-8",
    "where": {},
    "pattern": None,
    "split": None,
    "listed": [],
    "join": [],
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


SEEN, ALL = "seen", "all"
"""Which combinations of classes can occur: those of the training labels, or every one."""


class ProjectLabels(Spec):
    """What is known of the label as a whole."""

    combinations: Annotated[str, Field(min_length=1)] | None = None
    """Which combinations of the attributes' classes can occur: `seen`, those of the training images; `all`; or a table
    with a column an attribute and a row a combination, found as `dataset.train.table` is. Scores are over these, and
    nothing else is predicted; in files of answers the numbers stay those among all products. Left out, it is `seen`
    where a table or names give the labels of single images and there is no test table."""


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
        _check_combinations(self)
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
        if not self.dataset.follow_links:
            del file["dataset"]["follow_links"], file["dataset"]["links_root"]
        for part in filter(None, (file["dataset"]["train"], file["dataset"]["test"], *file["attributes"])):
            for key, default in _NEW_KEYS.items():  # files without them have the hash that they always had
                if part.get(key) == default:
                    part.pop(key, None)
            for join in part.get("join", ()):
                if not join["loosely"]:
                    del join["loosely"]
        if file["labels"] is None:
            del file["labels"]
        return content_hash(file)


def _check_combinations(file: ProjectFile) -> None:
    """Combinations are left out where a label has several attributes."""
    if file.labels is not None and file.labels.combinations not in (None, ALL) and len(file.attributes) == 1:
        raise ValueError("`labels.combinations` is about several attributes, and there is one: take it out")


def _check_stems(named: list[AttributeSpec]) -> None:
    """Attributes that come from file names must name the same files: an image has a class of each."""
    for other in named[1:]:
        for one, two in ((named[0], other), (other, named[0])):
            if lacking := [stem for stem in one.files if stem not in two.files]:
                raise ValueError(f"`{two.name}` has no class for the file {lacking[0]!r} that `{one.name}` lists")


def _check_fields(side: TrainSide, columns: list[str]) -> None:
    """What stands for columns in a project without a table must be fields of its pattern."""
    if side.pattern is None or side.join:  # a joined table may have the columns
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
