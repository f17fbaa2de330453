"""When what can run out does: the stored outlook's forecasts for the newest sample, and their cone to draw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tcptide import outlook as history
from tcptide.config import Privacy
from tcptide.model import Destination, Forecast, Sample
from tcptide.outlook import Outlook
from tcptide.series import point_of

from .masking import shown_destination

OTHERS = 2  # destinations beside the fullest: those that grow
CONE_STEPS = 10


@dataclass(frozen=True)
class Height:
    """When so much is used, in seconds from the newest sample: the ends of the 80 % interval and the likeliest."""

    share: float  # of the limit
    low: float
    seconds: float
    high: float | None  # None: maybe never


@dataclass(frozen=True)
class Ahead:
    """How something that can run out goes on."""

    resource: str  # as privacy lets it be shown
    used: float
    limit: float | None
    forecast: Forecast
    cone: tuple[Height, ...] = ()  # from now on; only of the fullest destination, and only with a forecast


def ahead(sample: Sample, outlook: Outlook | None, limits: Mapping[str, float], shown: Privacy) -> tuple[Ahead, ...]:
    """The fullest destination first, then those that grow, then what there is one of; without what was not seen.

    `sample` and `outlook` are whole: forecasts are found by address. limits: by resource, where no sample knows them.
    """
    return tuple(_all(sample, outlook, limits, shown))


def _all(sample: Sample, outlook: Outlook | None, limits: Mapping[str, float], shown: Privacy) -> Iterator[Ahead]:
    row, wall = point_of(sample), sample.origin.wall_seconds
    for number, one in enumerate(_destinations(sample, outlook)):
        resource, capacity = history.ports_resource(one), sample.ports.capacity if sample.ports else None
        found = history.ahead(outlook, resource, capacity, wall)
        cone = _cone(outlook, found, one.ports_used, capacity, wall) if not number else ()
        masked = history.ports_resource(shown_destination(one, sample, shown))
        yield Ahead(masked, one.ports_used, capacity, found._replace(resource=masked), cone)
    for resource, used_by, _ in reversed(history.RESOURCES):
        used = row.values[used_by]
        if used is not None:
            limit = history.limit_of(resource, row, limits)
            yield Ahead(resource, used, limit, history.ahead(outlook, resource, limit, wall))


def _destinations(sample: Sample, outlook: Outlook | None) -> list[Destination]:
    """The fullest, and others that grow."""
    worst = sample.ports.worst if sample.ports else ()
    growing = {trend.resource for trend in outlook.trends} if outlook else set()
    return [*worst[:1], *[one for one in worst[1:] if history.ports_resource(one) in growing][:OTHERS]]


def _cone(
    outlook: Outlook | None, found: Forecast, used: float, limit: float | None, wall: float
) -> tuple[Height, ...]:
    """The forecasts of heights on the way to the limit: growth need be no straight line."""
    if not limit or not found.seconds:
        return ()
    heights = [Height(used / limit, 0.0, 0.0, 0.0)]
    for step in range(1, CONE_STEPS + 1):
        height = used + (limit - used) * step / CONE_STEPS
        each = history.ahead(outlook, found.resource, height, wall)
        if each.seconds is not None and each.low is not None:
            heights.append(Height(height / limit, each.low, each.seconds, each.high))
    return tuple(heights)


def told(found: tuple[Ahead, ...], sample: Sample) -> list[Forecast]:
    """The forecasts that findings about `sample` may name: none of ports where masking made two destinations one."""
    names = [history.ports_resource(one) for one in sample.ports.worst] if sample.ports else []
    return [one.forecast for one in found if names.count(one.resource) < 2]
