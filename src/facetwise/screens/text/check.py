"""Text of `facetwise check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from facetwise.core.records.project_file import ALL, SEEN
from facetwise.core.tables import TRAIN
from facetwise.core.text.counting import count
from facetwise.core.text.scored import SCORE, metric_in_use
from facetwise.core.text.subject import A_PERSON, PEOPLE, PERSON, count_people
from facetwise.data.audit import Audit, ClassCount, FindingGroup
from facetwise.data.images.copies import CopyPair
from facetwise.data.images.nearcopies import FURTHER, LOOKED_FOR
from facetwise.data.people import how_to_join
from facetwise.screens.kit import LEVEL_STYLES, Group, RenderableType, Table, Text

MAX_LISTED = 10
MAX_CLASSES = 64
"""Most rows of the table of joint classes."""
MAX_IN_LINE = 24
"""Most classes of an attribute in its line; of more the commonest half of these are."""


def audit_text(audit: Audit) -> RenderableType:
    """The audit, most important findings first."""
    return Group(*_sides(audit), *_findings(audit.findings), *_copies(audit), *_suspicious(audit), *_balance(audit))


def _sides(audit: Audit) -> Iterator[RenderableType]:
    for side in audit.sides:
        people = f" of {count_people(side.groups)}" if side.groups else ""
        states = ", ".join(f"{count:,} {status}" for status, count in side.status.items())
        yield Text.assemble((f"{side.split:<6}", "bold"), f"{side.images:,} images{people}: {states}")
    sizes = [f"{s.width}x{s.height} ({s.images:,})" for s in audit.sizes[:4]]
    more = f" and {len(audit.sizes) - 4} other sizes" if len(audit.sizes) > 4 else ""
    if sizes:
        yield Text.assemble(("sizes, width x height: ", "bold"), ", ".join(sizes) + more)
    if audit.shapes is not None and audit.shapes.differ:
        spread = f"{audit.shapes.narrow:.2f} to {audit.shapes.wide:.2f}"
        choice = "another shape than the input's is stretched, unless a recipe's `input.fit` says `letterbox` or `crop`"
        yield Text(f"  width / height of nine in ten is {spread}: {choice}", style="yellow")
    if audit.corrections:
        yield Text.assemble(("labels", "bold"), f" {audit.corrections} corrections in the overlay")


def _findings(findings: Sequence[FindingGroup]) -> Iterator[RenderableType]:
    for kind in findings:
        label = kind.level.upper() if kind.level == "error" else kind.level
        yield Text.assemble("\n", (f"{label}: {kind.code}", LEVEL_STYLES[kind.level]), f" ({kind.count})")
        for example in kind.examples:
            yield Text(f"  {example}")
        if kind.count > len(kind.examples):
            yield Text(f"  and {kind.count - len(kind.examples)} more", style="dim")
        if kind.hint:
            yield Text(f"  -> {kind.hint}", style="dim")


def _copies(audit: Audit) -> Iterator[RenderableType]:
    pairs = audit.copies.pairs
    if not pairs:
        yield Text(f"\nno copies found between {PEOPLE}, or between train and test", style="green")
        yield _looked_for(audit)
        yield from _not_looked_for(audit)
        return
    conflicts = len(audit.copies.conflicts)
    yield Text(f"\nwarning: {count(len(pairs), 'pair')} of copies, {conflicts} under different labels", style="yellow")
    for pair in pairs[:MAX_LISTED]:
        labels = ", labels differ" if pair.labels_differ else ""
        yield Text(f"  {pair.first} = {pair.second} ({pair.kind}, {_where(pair)}{labels})")
    if len(pairs) > MAX_LISTED:
        yield Text(f"  and {len(pairs) - MAX_LISTED} more (`--json` lists all)", style="dim")
    yield from _joining(audit)
    yield _looked_for(audit)
    yield from _not_looked_for(audit)


def _joining(audit: Audit) -> Iterator[Text]:
    """What to do about copies between people: deal them together, or say that two are one."""
    between = [pair for pair in audit.copies.pairs if pair.people is not None]
    if not between:
        return
    people = next(side.groups for side in audit.sides if side.split == TRAIN)
    yield Text(
        f"  -> {people:,} {PEOPLE} are {audit.joined_groups:,} where those who share a picture count as one: "
        "`facetwise folds --join-copies` deals them together; apart, pictures are on both sides and scores too high",
        style="dim",
    )
    if two := next((pair.people for pair in between if pair.people != (pair.first, pair.second)), None):
        yield Text(f"  -> may be one {PERSON}: {how_to_join(two)}", style="dim")


def _where(pair: CopyPair) -> str:
    if pair.people is not None:
        return f"between {PEOPLE} `{pair.people[0]}` and `{pair.people[1]}`"
    return "between train and test" if pair.between == "sides" else f"of one {PERSON}"


def _looked_for(audit: Audit) -> Text:
    """What copies were looked for, since no others can be ruled out."""
    left = f"; {count(audit.copies.not_compared, 'pair')} too many to compare" if audit.copies.not_compared else ""
    further = f"; {FURTHER} ({audit.copies.features})" if audit.copies.features else ""
    return Text(f"  looked for: {'; '.join(LOOKED_FOR.values())}{further}{left}", style="dim")


def _not_looked_for(audit: Audit) -> Iterator[Text]:
    """That one subject under two names is another matter than copies, and who looks for it."""
    if any(side.split == TRAIN and side.groups < side.images for side in audit.sides):
        told = (
            f"  not looked for: other pictures of {A_PERSON} under another name; `facetwise same-person FEATURES` does"
        )
        yield Text(told, style="dim")


def _suspicious(audit: Audit) -> Iterator[RenderableType]:
    suspicious = [s for s in audit.suspicious if not s.noted]
    if suspicious:
        yield Text(f"\nwarning: {count(len(suspicious), 'suspicious image')}", style="yellow")
        for found in suspicious[:MAX_LISTED]:
            yield Text(f"  {found.image}: {found.reason}")
        if len(suspicious) > MAX_LISTED:
            yield Text(f"  and {len(suspicious) - MAX_LISTED} more (`--json` lists all)", style="dim")


def _balance(audit: Audit) -> Iterator[RenderableType]:
    total = sum(c.images for c in audit.joint)
    images = sum(side.status.get("ok", 0) for side in audit.sides if side.split == TRAIN)
    if not images:
        return
    yield Text("\nclasses (training side)", style="bold")
    for name, classes in audit.balance.items():
        yield Text(f"  {name}: {_class_counts(classes, images)}")
    if total < images:
        yield Text(f"  every attribute known: {total:,} of {count(images, 'image')}")
    if not total:
        return
    if len(audit.balance) > 1 and audit.usable:
        yield from _combinations(audit)
    yield _joint_table(_commonest(audit.joint), total)
    if len(audit.joint) > MAX_CLASSES:
        yield Text(f"  and {len(audit.joint) - MAX_CLASSES:,} rarer ones (`--json` lists all)", style="dim")


def _combinations(audit: Audit) -> Iterator[Text]:
    """Which joint classes there are, and what those without an image cost."""
    absent = audit.num_joint - sum(c.images > 0 for c in audit.joint)
    there = f"{audit.num_joint:,} of {audit.products:,} combinations"
    if audit.combinations == SEEN and audit.num_joint < audit.products:
        yield Text(f"  {there} occur in these labels: no other is predicted or scored")
        yield Text(
            '  -> if others can occur: `combinations = "all"`, or a table of them, under `[labels]`', style="dim"
        )
    elif audit.combinations not in (SEEN, ALL):
        yield Text(f"  {there} can occur by {audit.combinations}: no other is predicted or scored")
    if absent:
        most = 1 - absent / audit.num_joint
        share = f"{absent:,} of {audit.num_joint:,} joint classes have no image"
        by_f1 = metric_in_use() == "macro_f1"
        most_f1 = f"each counts 0 in the macro F1 over joint classes, which is {most:.3f} at most"
        yield Text(f"  {share}: {most_f1 if by_f1 else f'{SCORE} leaves them out'}", style="yellow")
        if audit.combinations == ALL:
            yield Text('  -> if they cannot occur: `combinations = "seen"` under `[labels]`', style="dim")


def _class_counts(classes: Sequence[ClassCount], images: int) -> str:
    """The images of each class, with its share of those where the attribute is known."""
    known = sum(c.images for c in classes)
    shown, rare = list(classes), list[str]()
    if len(classes) > MAX_IN_LINE:
        ranked = sorted(classes, key=lambda c: -c.images)
        shown, last = ranked[: MAX_IN_LINE // 2], ranked[-1]
        rare = [f"and {len(classes) - len(shown):,} rarer ones down to {last.name} {last.images:,}"]
    counts = [*(f"{c.name} {c.images:,} ({c.images / max(known, 1):.1%})" for c in shown), *rare]
    counts += [f"not known {images - known:,}"] if known < images else []
    return ", ".join(counts)


def _commonest(classes: Sequence[ClassCount]) -> Sequence[ClassCount]:
    """All classes in order, or where they are many the commonest ones first."""
    return classes if len(classes) <= MAX_CLASSES else sorted(classes, key=lambda c: -c.images)[:MAX_CLASSES]


def _joint_table(classes: Sequence[ClassCount], total: int) -> Table:
    table = Table(ruled=False, pad_edge=True, padding=(0, 3, 0, 0))
    for heading, side in (("", "right"), ("joint class", "left"), ("images", "right"), (str(PEOPLE), "right")):
        table.add_column(heading, justify="left" if side == "left" else "right")
    table.add_column("share", justify="right")
    for c in classes:
        table.add_row(str(c.number), Text(c.name), f"{c.images:,}", f"{c.groups:,}", f"{c.images / total:.1%}")
    return table
