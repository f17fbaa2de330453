"""Periods: calendar days, weeks and months of the report's zone, and what each is compared with.

A calendar period begins and ends at local midnight: a week in which clocks change has 167 or 169 hours. Weeks are ISO
8601's: they begin on Monday and are named after the year of their Thursday.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from math import ceil

from tcptide.errors import ConfigError

KINDS = ("day", "week", "month")
HOUR_SECONDS = 3600
WEEK_SECONDS = 7 * 86400
MONTH_DAYS = 28  # from a day of a month to one of the same weekday in the month before

_LABELS = {
    "day": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "week": re.compile(r"([0-9]{4})-W([0-9]{2})"),
    "month": re.compile(r"[0-9]{4}-[0-9]{2}"),
}


@dataclass(frozen=True)
class Period:
    """A calendar period: since <= wall clock seconds < until."""

    kind: str  # of KINDS
    label: str  # 2026-11-23, 2026-W47 or 2026-11
    since: float
    until: float


@dataclass(frozen=True)
class Earlier:
    """What a period is compared with: since <= wall clock seconds < until."""

    since: float
    until: float
    days: int  # so many later the weekday and the clock are those of the period
    words: str  # 'the week before'


def calendar(text: str, zone: tzinfo, now: float) -> Period:
    """The period that `text` names: the newest complete `day`, `week` or `month` of the zone, or a label.

    Raises ConfigError for what is neither, and for a period that is not over `now`.
    """
    if text in KINDS:
        today = datetime.fromtimestamp(now, zone).date()
        return _made(text, _first(text, _first(text, today) - timedelta(days=1)), zone)
    named = _named(text)
    if named is None:
        examples = "2025-11-18, 2025-W47 or 2025-11"
        raise ConfigError(f"--period: {text!r} is none of {', '.join(KINDS)} and no label such as {examples}")
    try:
        period = _made(*named, zone)
    except OverflowError:
        raise ConfigError(f"--period: {text!r} can't be reckoned with") from None
    if period.until > now:
        raise ConfigError(f"--period: {period.label} is not over yet; --since shows what there is of it")
    return period


def before(period: Period, zone: tzinfo) -> Period:
    """The period of the same kind before it."""
    first = datetime.fromtimestamp(period.since, zone).date()
    return _made(period.kind, _first(period.kind, first - timedelta(days=1)), zone)


def earlier(calendar: Period | None, since: float, until: float, zone: tzinfo) -> Earlier:
    """What the period from `since` to `until` is compared with: a week or a month with the one before it.

    Any other with the same weekdays and times of so many weeks before that the two don't overlap.
    """
    if calendar and calendar.kind == "month":
        month = before(calendar, zone)
        return Earlier(month.since, month.until, MONTH_DAYS, "the month before")
    weeks = max(1, ceil((until - since - HOUR_SECONDS) / WEEK_SECONDS))  # a week may have an hour more
    begin, end = (_days_earlier(wall, 7 * weeks, zone) for wall in (since, until))
    if calendar and calendar.kind == "week":
        return Earlier(begin, end, 7, "the week before")
    what = "day" if calendar else "time"
    return Earlier(begin, end, 7 * weeks, f"the same {what} {'a week' if weeks == 1 else f'{weeks} weeks'} before")


def _days_earlier(wall: float, days: int, zone: tzinfo) -> float:
    """The moment at which clocks of the zone showed the same, so many days before."""
    local = datetime.fromtimestamp(wall, zone)
    return (local.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=zone, fold=local.fold).timestamp()


def _named(text: str) -> tuple[str, date] | None:
    """The kind and the first day that a label names."""
    for kind, pattern in _LABELS.items():
        found = pattern.fullmatch(text)
        if found:
            try:
                if kind == "week":
                    return kind, date.fromisocalendar(int(found[1]), int(found[2]), 1)
                return kind, date.fromisoformat(text if kind == "day" else f"{text}-01")
            except ValueError:
                return None
    return None


def _first(kind: str, day: date) -> date:
    """The first day of the period that a day is in."""
    if kind == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind == "month" else day


def _made(kind: str, first: date, zone: tzinfo) -> Period:
    label = first.isoformat()
    if kind == "week":
        year, week, _ = first.isocalendar()
        label = f"{year}-W{week:02}"
    elif kind == "month":
        label = label[:7]
    after = {"day": first + timedelta(days=1), "week": first + timedelta(days=7)}.get(kind)
    return Period(kind, label, _midnight(first, zone), _midnight(after or _next_month(first), zone))


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _midnight(day: date, zone: tzinfo) -> float:
    """When a day begins; where clocks skip its midnight, with the skip."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
