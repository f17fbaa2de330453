"""Zones, moments that people type, and the places of ticks on a time axis; a moment is seconds since 1970."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tcptide.errors import ConfigError

MINUTE, HOUR, DAY = 60, 3600, 86400

#: Distances between ticks that a reader can count in; from a day on they are multiples of a day.
STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 4, 6, 12)),
    *(days * DAY for days in (1, 2, 4, 7, 14, 28, 56)),
)


def zone(
    name: str | None, environ: Mapping[str, str], localtime: str = "/etc/localtime", named_by: str = "--timezone"
) -> tzinfo:
    """The zone of that name; without one the machine's ($TZ, then /etc/localtime), and UTC if that can't be told.

    Raises ConfigError for a name that the zone database does not have.
    """
    if name is not None:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigError(f"{named_by}: {name!r} is no known time zone, such as Europe/Berlin or UTC") from None
    found = environ.get("TZ", "").removeprefix(":") or localtime
    try:
        return _of_file(found) if os.path.isabs(found) else ZoneInfo(found)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _of_file(path: str) -> ZoneInfo:
    """The zone that a file of the zone database has, by its name there; one that was copied from it has none."""
    _, inside, name = os.path.realpath(path).rpartition("zoneinfo/")
    if inside:
        return ZoneInfo(name)
    with open(path, "rb") as file:
        return ZoneInfo.from_file(file, key=path)


def moment(text: str, option: str, zone: tzinfo) -> float:
    """An ISO 8601 time as people type it; one without an offset is in `zone`. Raises ConfigError."""
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        example = "2025-11-18 or 2025-11-18T14:00+01:00"
        raise ConfigError(f"{option}: {text!r} is no ISO 8601 time, such as {example}") from None


def ticks(since: float, until: float, zone: tzinfo, most: int) -> list[tuple[float, str]]:
    """At most `most` moments from `since` to `until` with labels: round hours of the zone, midnights as days."""
    step = next(step for step in chain(STEPS, _doubled(STEPS[-1])) if (until - since) / step <= most)
    return [
        (wall, _label(wall, step, zone)) for wall in _round_times(since, until, step, zone) if since <= wall <= until
    ]


def _doubled(step: int) -> Iterator[int]:
    while True:
        yield (step := 2 * step)


def _label(wall: float, step: float, zone: tzinfo) -> str:
    local = datetime.fromtimestamp(wall, zone)
    if step > STEPS[-1]:
        return f"{local:%b %Y}"
    if step >= 7 * DAY:
        return f"{local.day} {local:%b}"
    if step >= DAY or (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{local:%a} {local.day}"
    return f"{local:%H:%M:%S}" if step < MINUTE else f"{local:%H:%M}"


def _round_times(since: float, until: float, step: int, zone: tzinfo) -> Iterator[float]:
    """Round local times: the days that clocks change on have ticks at the same hours as the others."""
    day = datetime.fromtimestamp(since, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    last = -float("inf")
    while (midnight := day.replace(tzinfo=zone).timestamp()) <= until:
        first = 0 if step >= DAY else max(0, int((since - midnight - HOUR) // step) * step)
        for seconds in range(first, DAY, min(step, DAY)):
            wall = (day + timedelta(seconds=seconds)).replace(tzinfo=zone).timestamp()
            if wall > until:
                return
            if wall > last:  # an hour that the clocks skip
                yield (last := wall)
        day += timedelta(days=max(1, step // DAY))
