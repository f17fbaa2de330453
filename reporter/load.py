"""What a report needs from the state, read at once and with the configuration's privacy already applied."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tcptide import privacy, trends
from tcptide.codec import Top
from tcptide.config import Privacy
from tcptide.errors import ConfigError, NoDataError, StoreError
from tcptide.model import Destination, Listener, Point, Rates, Sample
from tcptide.schema import Source
from tcptide.series import point_of
from tcptide.store import Reader, StateError

DEFAULT_SECONDS = 86400.0
DEFAULT_SOURCE = "host"
RATE_POINTS = 20  # enough for one that is 30 to 900 s older


@dataclass(frozen=True)
class Loaded:
    """A period, its points, and who is behind the numbers now and at the peaks."""

    source: Source
    since: float  # wall clock seconds
    until: float
    points: list[Point]
    newest: Sample | None  # None: it is not of this period, or of another version
    rates: Rates  # of `newest`
    fullest_destination: Destination | None  # when the ports towards one were used most
    fullest_listener: Listener | None


def load(directory: str, name: str | None, since: float | None, until: float | None, shown: Privacy) -> Loaded:
    """The period from `since` to `until`, both inclusive; by default the last 24 hours of what there is.

    Raises StoreError where the state can't be read, NoDataError where it has nothing for the period, ConfigError for a
    source that it does not know.
    """
    with Reader(directory) as reader:
        source = _source(directory, reader.sources(), name)
        last = reader.recent(source.name, RATE_POINTS)
        latest = reader.latest(source.name)
        rates = trends.rates(point_of(latest), last) if latest else Rates(0.0, {}, "first")
        if latest and (not last or latest.origin.wall_seconds > last[-1].wall_seconds):
            last.append(point_of(latest))  # too soon after the last row for one of its own
        if not last:
            raise NoDataError(f"{directory}: no samples of {source.name!r} yet")
        end = last[-1].wall_seconds if until is None else until
        begin = end - DEFAULT_SECONDS if since is None else since
        points = reader.points(source.name, begin, math.nextafter(end, math.inf))
        if last[-1].id is None and begin <= last[-1].wall_seconds <= end:
            points.append(last[-1])
        if not points:
            raise NoDataError(f"{directory}: no samples of {source.name!r} in this period")
        newest = latest if latest and begin <= latest.origin.wall_seconds <= end else None
        destinations = _at_peak(reader, source.name, points, "worst_destination")
        listeners = _at_peak(reader, source.name, points, "worst_listener")
    destination = destinations.destinations[0] if destinations and destinations.destinations else None
    listener = listeners.listeners[0] if listeners and listeners.listeners else None
    return Loaded(
        source,
        min(point.wall_seconds for point in points) if since is None else begin,
        end,
        points,
        privacy.shown(newest, shown) if newest else None,
        rates,
        _shown(destination, latest, shown),
        listener,
    )


def _source(directory: str, sources: Sequence[Source], name: str | None) -> Source:
    """The one that is asked for; else the host, or the only one there is."""
    if name is None and len(sources) == 1:
        return sources[0]
    for source in sources:
        if source.name == (name or DEFAULT_SOURCE):
            return source
    if not sources:
        raise NoDataError(f"{directory}: no samples yet")
    known = ", ".join(source.name for source in sources)
    raise ConfigError(f"--source: {directory} has none named {name or DEFAULT_SOURCE!r}, only {known}")


def _at_peak(reader: Reader, source: str, points: Sequence[Point], series: str) -> Top | None:
    """The top lists of the row in which a series was highest; None where an older version wrote them differently."""
    wall = max(points, key=lambda point: point.values[series] or 0.0).wall_seconds
    try:
        tops = reader.tops(source, wall, math.nextafter(wall, math.inf))
    except StateError:
        raise
    except StoreError:
        return None
    return tops[0][1] if tops else None


def _shown(destination: Destination | None, sample: Sample | None, shown: Privacy) -> Destination | None:
    """Privacy is applied to whole samples: the destination as one of `sample`."""
    if destination is None or sample is None or sample.ports is None:
        return None
    holding = sample._replace(ports=sample.ports._replace(worst=(destination,)))
    ports = privacy.shown(holding, shown).ports
    return ports.worst[0] if ports else None
