"""What the history says beyond its numbers: the pattern, who is behind it, leaks, and how what can run out is growing.

An Outlook is of one history row. tcptide.lookout makes it, the appender stores it beside the row (tcptide.advance), and
checks and reports read the newest one. Only a check that can't read it judges the rows again itself.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tcptide import levels
from tcptide.errors import StoreError
from tcptide.model import ALARM_PATTERNS, Destination, Forecast, Leak, Point, Verdict
from tcptide.record import NamedTuple
from tcptide.text import endpoint

if TYPE_CHECKING:  # loaded by who looks ahead, which not every check does
    from tcptide.forecast import Trend

#: What can run out: name, Series of what is used, Series of the limit. Besides these the ports towards a destination,
#: `ports LOCAL REMOTE:PORT`.
RESOURCES = (
    ("connections", "total", None),  # only the configuration knows how many are too many
    ("conntrack", "conntrack", "conntrack_limit"),
    ("time_wait", "time_wait", "time_wait_limit"),
)

#: Those that a leak of connections is part of.
LEAKING = ("connections", "conntrack")

#: A limit is in reach when it is forecast within this time.
REACH_SECONDS = 86400.0

#: A leak with half of a limit used and all of it within the first is worth a warning, within the second it is critical.
PRESSING_SECONDS = (REACH_SECONDS, 7200.0)
USED_SHARE = 0.5


class Pressing(NamedTuple):
    """How pressing a limit is by the rows up to one, so that it doesn't come and go with noise."""

    resource: str
    limit: float
    level: int  # with USED_SHARE of it used, how many of PRESSING_SECONDS it is within; else 0


class Outlook(NamedTuple):
    """What the history says as of one row."""

    wall_seconds: float  # this and the next three: which row
    boottime_seconds: float
    boot_id: str
    netns_cookie: int | None
    verdict: Verdict
    change: float | None  # sockets more than usual (negative: fewer) in the state that grew; of a leak, left over
    per_hour: float | None  # of a slow leak that goes on: how many more sockets in an hour
    destination: tuple[str, int] | None  # (remote address, port) that most of the change is towards
    local_port: int | None  # where most of it came in
    trends: "tuple[Trend, ...]"  # destinations as full as they were, fullest first
    leaks: tuple[Leak, ...]
    pressing: tuple[Pressing, ...] = ()

    @property
    def syn_flood(self) -> bool:
        """Whether the pattern is one of connections that stay half-open, many of them."""
        risen = self.verdict.pattern in ("rapid_increase", "level_shift")
        return risen and self.verdict.grew == "SYN_RECV" and (self.change or 0.0) >= levels.MINIMUM_HALF_OPEN

    @property
    def alarm(self) -> bool:
        """Whether the pattern is one of ALARM_PATTERNS."""
        return self.verdict.pattern in ALARM_PATTERNS


def ports_resource(destination: Destination) -> str:
    """The name of the ports towards a destination, as a resource."""
    return f"ports {destination.local} {endpoint(destination.remote, destination.remote_port)}"


def current(outlook: Outlook | None, now: Point, most_seconds: float) -> Outlook | None:
    """The outlook if it is of this boot and namespace and at most so old, else None."""
    if outlook is None or (outlook.boot_id, outlook.netns_cookie) != (now.boot_id, now.netns_cookie):
        return None
    return outlook if now.boottime_seconds - outlook.boottime_seconds <= most_seconds else None


def ahead(outlook: Outlook | None, resource: str, limit: float | None, wall_seconds: float) -> Forecast:
    """When a resource reaches its limit, in seconds from wall_seconds; the reason without an outlook: `no history`."""
    if outlook is None:
        return Forecast(resource, None, None, None, "no history")
    from tcptide.forecast import forecast

    trend = next((trend for trend in outlook.trends if trend.resource == resource), None)
    return forecast(trend, resource, limit, wall_seconds)


def limit_of(resource: str, row: Point, limits: Mapping[str, float]) -> float | None:
    """The limit of a resource by a row, or by `limits` for what a row doesn't know."""
    series = next((series for name, _, series in RESOURCES if name == resource), "capacity")
    return row.values[series] if series else limits.get(resource)


def forecasts(outlook: Outlook, now: Point, limits: Mapping[str, float]) -> list[tuple[Forecast, float]]:
    """Every limit that will be reached, the soonest first, with the share of it that is used."""
    from tcptide.forecast import forecast

    found = []
    for trend in outlook.trends:
        limit = limit_of(trend.resource, now, limits)
        reached = forecast(trend, trend.resource, limit, now.wall_seconds)
        if limit and reached.seconds is not None:
            found.append((reached.seconds, trend.resource, reached, trend.used / limit))
    return [(reached, used_share) for _, _, reached, used_share in sorted(found)]


def leaking(outlook: Outlook, now: Point, limits: Mapping[str, float]) -> tuple[int, Forecast | None]:
    """How pressing the worst limit is that a leak runs into, as Pressing.level has it, and when that is reached.

    What leaks are connections, and where all go to one destination its ports. A limit that the history doesn't know is
    judged by this row alone.
    """
    settled = {(one.resource, one.limit): one.level for one in outlook.pressing}
    ahead = {one.resource: (one, used_share) for one, used_share in forecasts(outlook, now, limits)}
    ports = "" if outlook.destination is None else f" {endpoint(*outlook.destination)}"
    worst: tuple[int, Forecast | None] = (0, None)
    for resource in dict.fromkeys((*ahead, *(one.resource for one in outlook.pressing))):
        if resource in LEAKING or (ports and resource.endswith(ports)):
            reached, used_share = ahead.get(resource, (None, 0.0))
            level = 0
            if reached and reached.seconds is not None and used_share >= USED_SHARE:
                level = sum(reached.seconds <= each for each in PRESSING_SECONDS)
            level = settled.get((resource, limit_of(resource, now, limits) or 0.0), level)
            worst = max(worst, (level, reached), key=lambda each: each[0])
    return worst


def masked(outlook: Outlook, mask: Callable[[str], str]) -> Outlook:
    """The outlook with its remote addresses masked."""
    destination = outlook.destination and (mask(outlook.destination[0]), outlook.destination[1])
    trends = (trend._replace(resource=masked_resource(trend.resource, mask)) for trend in outlook.trends)
    pressing = (each._replace(resource=masked_resource(each.resource, mask)) for each in outlook.pressing)
    return outlook._replace(destination=destination, trends=tuple(trends), pressing=tuple(pressing))


def masked_resource(resource: str, mask: Callable[[str], str]) -> str:
    """The resource with its remote address masked, if it has one: as ports_resource names a masked destination."""
    kind, *ends = resource.split(" ")
    if not ends:
        return resource
    address, _, port = ends[-1].rpartition(":")
    return f"{kind} {ends[0]} {endpoint(mask(address.strip('[]')), int(port))}"


def to_json(outlook: Outlook) -> str:
    """The outlook as one line."""
    return json.dumps([_shape(), outlook], separators=(",", ":"))


def from_json(text: str) -> Outlook:
    """The outlook of to_json. Raises StoreError if it was written by a program whose Outlook is another."""
    from tcptide.forecast import Trend

    try:
        shape, fields = json.loads(text)
        if shape != _shape():
            raise StoreError("a stored outlook is of another version")
        raw = Outlook(*map(_tupled, fields))
        return raw._replace(
            verdict=Verdict(*raw.verdict),
            trends=tuple(Trend(*trend) for trend in raw.trends),
            leaks=tuple(Leak(*leak) for leak in raw.leaks),
            pressing=tuple(Pressing(*each) for each in raw.pressing),
        )
    except (TypeError, ValueError) as error:
        raise StoreError(f"a stored outlook is malformed: {error}") from None


def _shape() -> int:
    """A checksum of what there is to be known of the types, as the codec of samples has it."""
    from tcptide.forecast import Trend

    return zlib.crc32(";".join(",".join(kind._fields) for kind in (Outlook, Verdict, Trend, Leak, Pressing)).encode())


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value
