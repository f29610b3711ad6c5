"""Recognises a table with a row of each patient, plant or thing, whose key stands in the names of its images."""

from __future__ import annotations

from dataclasses import replace

from facetwise.core.errors import SettingError
from facetwise.core.namepattern import NamePattern
from facetwise.core.people import person
from facetwise.core.records.dataset import GROUP
from facetwise.data.reading.recognising.columns import Column, columns_of, is_labelled
from facetwise.data.reading.recognising.joins import joins_of
from facetwise.data.reading.recognising.lying import Lying, below, common_folder
from facetwise.data.reading.recognising.prefixes import group_patterns
from facetwise.data.reading.recognising.proposal import Ask, MadeProposal, TableChoices, toml_value
from facetwise.data.reading.recognising.roles import roles_of
from facetwise.data.reading.recognising.splits import sides_by


def recognise_keyed(lying: Lying, choices: TableChoices, ask: Ask) -> MadeProposal | None:
    """The project file for images in a folder for each patient, or with the patient at the beginning of their names,
    and a table with labels that has a row of each; None where no table has such a key.

    Raises as `roles_of`.
    """
    if choices.of_a_table or not lying.images:
        return None
    base, tables = common_folder(lying.images), list(lying.readable(lying.tables))
    names = [path.removeprefix(below(base, "")) for path in lying.images]
    for text in group_patterns(names) if tables else ():
        try:
            pattern = NamePattern(text)
        except SettingError:  # nothing stands between two parts
            continue
        cells = [pattern.cells(name) for name in names]
        if None in cells:
            continue
        said = tuple(person(cell[pattern.fields.index(GROUP)]) for cell in cells if cell is not None)
        columns = {GROUP: Column(GROUP, said)}
        joins, _ = joins_of(columns, "", base, tables, tell_all=False)
        joins = [join for join in joins if columns_of(join.found.table)[join.key].numbers_things]
        added = {name: column for join in joins for name, column in join.added.items()}
        if joins and (choices.attributes or is_labelled(added.values(), "")):
            key = joins[0].key if joins[0].key.isidentifier() and joins[0].key not in pattern.fields else GROUP
            joins = [replace(join, on=key) for join in joins]
            pattern = NamePattern(text.replace(f"{{{GROUP}", f"{{{key}", 1))
            columns = {key: Column(key, said), **added}
            roles = roles_of(columns, "", joins[0].found.path, replace(choices, group=choices.group or key), ask)
            keys = {"images": base, "pattern": pattern.text, "join": [join.setting for join in joins]}
            train, notes = (
                {**keys, **roles.keys},
                [f"{join.told}: `join = {toml_value([join.setting])}`" for join in joins],
            )
            test = None if roles.split is None else sides_by(roles.split, train, {**keys, "image": "image name"}, notes)
            title = f"a table with a row of each `{key}`, `{joins[0].found.path}`, and images called `{pattern.text}`"
            return MadeProposal(title, "names", train, roles.attributes, test, (*notes, *roles.notes))
    return None
