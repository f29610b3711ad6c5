"""Text of `facetwise same-person`."""

from __future__ import annotations

from collections.abc import Iterator

from facetwise.core.text.counting import count
from facetwise.core.text.subject import A_PERSON, PEOPLE, PERSON, count_people
from facetwise.data.features.same_subject import DOUBLES, FEWEST, LIKELY, SameSubject, SubjectPair
from facetwise.data.people import same_person_line
from facetwise.results.wording import percent
from facetwise.screens.kit import Group, RenderableType, Text, paragraph, table_of


def same_person_text(found: SameSubject) -> RenderableType:
    """The pairs, how sure they are, what this can know, and the line that joins the likely ones."""
    table = table_of("#", "first", "second", "likeness", "sure", "photos")
    for pair in found.pairs:
        one, other = pair.num_images
        table.add_row(
            str(pair.rank), pair.first, pair.second, f"{pair.likeness:.3f}", sureness(pair), f"{one:,} and {other:,}"
        )
    told = [*notes(found), "Look at them: `--html pairs.html`."]
    return Group(Text(heading(found), style="bold"), table, *map(paragraph, told))


def heading(found: SameSubject) -> str:
    """How many names were compared, and by what."""
    most = f"the {count(len(found.pairs), 'pair')} most alike"
    return f"{count_people(found.num_subjects)} compared by {found.features}: {most}"


def sureness(pair: SubjectPair) -> str:
    """How sure it is that the two are one; a dash where it cannot be said."""
    return "-" if pair.sure is None else percent(pair.sure)


def notes(found: SameSubject) -> Iterator[str]:
    """What the list is worth, and what to do with it."""
    several = f"{count_people(found.num_several)} with several photos"
    if found.found_if_split is None:
        yield (
            f"How sure a likeness is cannot be said: only {several}, and it takes {FEWEST} to know how alike the "
            f"photos of {A_PERSON} are."
        )
    else:
        yield (
            f"`sure`: the probability of one {PERSON}, if {percent(DOUBLES)} of the {PEOPLE} have a second name, by "
            f"how alike two halves of somebody's photos are. Of {several} {percent(found.found_if_split)} would be "
            f"told with {percent(LIKELY)} or more, were half of their photos under another name: others may be there."
        )
    yield (
        "Likeness is that of whole photos as the features see them, with background and clothes: photos that were "
        "taken together are alike, and two of one taken far apart may not be."
    )
    if likely := [pair.rank for pair in found.pairs if pair.sure is not None and pair.sure >= LIKELY]:
        line = same_person_line(found.joined(likely))
        yield f"If the likely ones are each one {PERSON}, add to `[dataset.train]` in facetwise.toml: {line}"
        yield "`--join 1,3` prints the line for chosen pairs, with those that are joined already."
