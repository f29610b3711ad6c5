"""The remaining submissions of a day in the contest's time zone, counted from the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from facetwise.core.errors import SettingError
from facetwise.core.project import Project
from facetwise.core.records.project_file import ContestSpec
from facetwise.submission.ledger.ledger import Ledger


@dataclass(frozen=True)
class Quota:
    """The quota of a day."""

    per_day: int
    sent: int
    """Files sent on this day, as far as recorded."""
    day: str
    """The day in the contest's time zone, such as `2026-11-25`."""
    time_zone: str
    renews: str
    """Start of the next day: UTC, ISO 8601."""
    renews_there: str
    """The same moment in the contest's time zone, such as `2026-11-26 00:00`."""
    undated: int = 0
    """Sendings without a time, which are not counted."""

    @property
    def left(self) -> int:
        """Remaining submissions, 0 or more."""
        return max(0, self.per_day - self.sent)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "left": self.left}

    def text(self) -> str:
        """The quota on one line."""
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
    """The contest's time zone from `facetwise.toml`, default UTC; raises as `zone`."""
    contest = project.file.contest
    return zone("UTC" if contest is None else contest.time_zone)


def quota_left(ledger: Ledger, contest: ContestSpec | None, moment: datetime) -> Quota | None:
    """The quota of the contest's day that contains `moment` (with an offset); None without a limit."""
    if contest is None or contest.submissions_per_day is None:
        return None
    there = zone(contest.time_zone)
    today = moment.astimezone(there).date()
    days = [datetime.fromisoformat(e.sent).astimezone(there).date() for e in ledger.entries if e.sent is not None]
    # Midnight of tomorrow's date, not 24 hours from today's: clocks may change in the night.
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
