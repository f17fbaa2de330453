"""Numbers and times as people read them; the same words in pictures, tables and sentences."""

import re
from datetime import datetime, tzinfo
from math import isfinite

from tcptide import text
from tcptide.model import ALARM_PATTERNS

NOT_SEEN = "–"  # noqa: RUF001 - for a value that was not seen


#: When a pattern began, as the words that were recorded of it have it.
_SINCE = re.compile(r"\b([a-z]+(?:_[a-z]+)*) since (?:[0-9]{4}-[0-9]{2}-[0-9]{2} )?[0-9]{2}:[0-9]{2}(?!:?[0-9])")


_NAMES = re.compile(rf"\b(?:{'|'.join(sorted(ALARM_PATTERNS))}|insufficient_data)\b")


def without_clock(message: str) -> str:
    """What was recorded, without a time of day in it, which is the machine's own and not the report's."""
    return _SINCE.sub(r"\1", message)


def patterns_named(message: str) -> str:
    """The names of patterns as the page has them: `level shift` for level_shift."""
    return _NAMES.sub(lambda found: found[0].replace("_", " "), message)


def count(value: float | None) -> str:
    """A number of things: 1,204; a mean below ten keeps a decimal."""
    if value is None or not isfinite(value):
        return NOT_SEEN
    if value != round(value) and abs(value) < 10:
        return f"{value:.1f}" if abs(value) >= 0.05 else f"{value:.2g}"
    return f"{value:,.0f}"


def counted(value: float | None, word: str) -> str:
    """A number with what it counts: 1 connection, 1,204 connections."""
    number = count(value)
    return f"{number} {word}" if number == "1" else f"{number} {word}s"


def percent(value: float | None) -> str:
    """A percentage as the checks write it: 92%, 3.1%, 0.12%."""
    return NOT_SEEN if value is None or not isfinite(value) else text.percent(value)


def per_second(value: float | None) -> str:
    """A rate: 12.3/s."""
    if value is None or not isfinite(value):
        return NOT_SEEN
    return f"{value:,.0f}/s" if value >= 100 or value == 0 else f"{value:.1f}/s" if value >= 0.95 else f"{value:.2g}/s"


def change(now: float | None, before: float | None) -> str:
    """How an amount has changed: `+12%`, `-3%`, `no change`, `12 times as much`; nothing where that can't be said."""
    if now is None or before is None or not (isfinite(now) and isfinite(before)):
        return ""
    if not before:
        return "no change" if not now else ""
    ratio = now / before
    if ratio >= 10:
        return f"{ratio:,.0f} times as much"
    return f"{ratio - 1:+.0%}" if abs(ratio - 1) >= 0.005 else "no change"


def points(now: float | None, before: float | None) -> str:
    """How a percentage has changed, in points of it: `+0.4 points`, `no change`."""
    if now is None or before is None or not (isfinite(now) and isfinite(before)):
        return ""
    difference = now - before
    if abs(difference) < 0.05:
        return "no change"
    return f"{difference:+.0f} points" if abs(difference) >= 9.95 else f"{difference:+.1f} points"


def stamp(wall: float, zone: tzinfo) -> str:
    """A moment of the report's period: Tue 18 Nov 14:03."""
    local = datetime.fromtimestamp(wall, zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def stretch(since: float, until: float, zone: tzinfo) -> str:
    """From one moment of the report's period to another: Tue 18 Nov 14:03 to 15:10."""
    begin, end = stamp(since, zone), stamp(until, zone)
    if begin == end:
        return begin
    day = begin.rpartition(" ")[0]
    return f"{begin} to {end.removeprefix(day + ' ')}"


def full_stamp(wall: float, zone: tzinfo) -> str:
    """A moment with its year and offset: Tue 18 Nov 2025 14:03 CET."""
    local = datetime.fromtimestamp(wall, zone)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M %Z}"


def machine_stamp(wall: float, zone: tzinfo) -> str:
    """A moment for programs: 2025-11-18T14:03:00+01:00."""
    return datetime.fromtimestamp(wall, zone).isoformat(timespec="seconds")


def duration(seconds: float) -> str:
    """A stretch of time in its two largest units: 3 h 5 min."""
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:.0f} ms"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
