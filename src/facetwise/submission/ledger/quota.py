"""How many files may still be sent today: a day of the contest's own time zone, counted by what was sent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from facetwise.core.errors import SettingError
from facetwise.core.project import ContestSpec, Project
from facetwise.submission.ledger.ledger import Ledger


@dataclass(frozen=True)
class Quota:
    """What is left of a day."""

    per_day: int
    sent: int
    """Files sent on this day; the ledger may lack some."""
    day: str
    """The day there, such as `2026-11-25`."""
    time_zone: str
    renews: str
    """When the next day begins there: UTC, ISO 8601."""
    renews_there: str
    """The same moment by the clock there, such as `2026-11-26 00:00`."""
    undated: int = 0
    """Sendings whose time is not known, and which are not counted."""

    @property
    def left(self) -> int:
        """Files that may still be sent, 0 or more."""
        return max(0, self.per_day - self.sent)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "left": self.left}

    def text(self) -> str:
        """In a line."""
        undated = f"; {self.undated} in the ledger have no time and are not counted" if self.undated else ""
        return (
            f"{self.left} of {self.per_day} submissions left today ({self.day} in {self.time_zone}; it renews at "
            f"{self.renews_there} there, {self.renews[:16].replace('T', ' ')} UTC){undated}"
        )


def zone(name: str) -> tzinfo:
    """The time zone called `name`; raises SettingError when this system does not know it."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "install the system's time zone data (`tzdata`), or correct `contest.time_zone` in facetwise.toml"
        raise SettingError(f"this system does not know the time zone `{name}`", hint=hint) from None


def contest_zone(project: Project) -> tzinfo:
    """The zone in which the contest counts days, UTC unless `facetwise.toml` says another; raises as `zone`."""
    contest = project.file.contest
    return zone("UTC" if contest is None else contest.time_zone)


def quota_left(ledger: Ledger, contest: ContestSpec | None, moment: datetime) -> Quota | None:
    """What is left on the contest's day that `moment` (with an offset) is in; None where no limit is set."""
    if contest is None or contest.submissions_per_day is None:
        return None
    there = zone(contest.time_zone)
    today = moment.astimezone(there).date()
    days = [datetime.fromisoformat(e.sent).astimezone(there).date() for e in ledger.entries if e.sent is not None]
    # The clock there may jump in the night: midnight of tomorrow's date, not 24 hours from today's.
    renews = datetime.combine(today + timedelta(days=1), time.min, there)
    return Quota(
        per_day=contest.submissions_per_day,
        sent=sum(day == today for day in days),
        day=today.isoformat(),
        time_zone=contest.time_zone,
        renews=renews.astimezone(UTC).isoformat(timespec="seconds"),
        renews_there=renews.strftime("%Y-%m-%d %H:%M"),
        undated=sum(e.sent is None for e in ledger.entries),
    )
