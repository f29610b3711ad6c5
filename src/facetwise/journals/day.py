"""A day of the contest: midnight to midnight in the contest's time zone, independent of the machine's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property

from facetwise.core.errors import InputError, SettingError
from facetwise.submission.ledger.events import moment_of as read_moment


@dataclass(frozen=True)
class Day:
    """One day in one time zone: 23 or 25 hours long when clocks change."""

    date: date
    zone: tzinfo

    @cached_property
    def start(self) -> datetime:
        """The first moment, UTC."""
        return datetime.combine(self.date, time(), self.zone).astimezone(UTC)

    @cached_property
    def end(self) -> datetime:
        """The first moment of the next day, UTC."""
        return datetime.combine(self.date + timedelta(days=1), time(), self.zone).astimezone(UTC)

    @property
    def name(self) -> str:
        """`2026-11-25`."""
        return self.date.isoformat()

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in the day."""
        return self.start <= moment < self.end

    def clock(self, moment: datetime) -> str:
        """`14:05`; preceded by the date for a moment of another day."""
        local = moment.astimezone(self.zone)
        return f"{local:%H:%M}" if local.date() == self.date else f"{local:%Y-%m-%d %H:%M}"


FIRST_YEAR = 1970
"""Earlier years are taken for typing errors."""


def read_day(text: str | None, zone: tzinfo, now: datetime) -> Day:
    """Parse a day: `2026-11-25`, `today` or `yesterday`; None is today.

    Raises SettingError for anything else, InputError for a day in the future.
    """
    today = now.astimezone(zone).date()
    match text:
        case None | "today":
            return Day(today, zone)
        case "yesterday":
            return Day(today - timedelta(days=1), zone)
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        day = Day(date.fromisoformat(text), zone)
        if day.date.year < FIRST_YEAR:
            raise ValueError
    except ValueError:
        hint = "write it as 2026-11-25, `today` or `yesterday`"
        raise SettingError(f"`{text}` is not a day", hint=hint) from None
    if day.date > today:
        raise InputError(f"{day.name} has not begun yet: in {zone} it is {today.isoformat()}")
    return day


def days_between(first: Day, last: Day) -> Iterator[Day]:
    """Every day from the first to the last, both included; raises SettingError when the first is later."""
    if first.date > last.date:
        hint = "`--since` is the first day, `--day` the last"
        raise SettingError(f"{first.name} is later than {last.name}", hint=hint)
    for number in range((last.date - first.date).days + 1):
        yield Day(first.date + timedelta(days=number), first.zone)


def moment_of(text: object) -> datetime | None:
    """A time as stored in records (ISO 8601 with an offset), in UTC; None for anything else."""
    return read_moment(text) if isinstance(text, str) else None
