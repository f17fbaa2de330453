"""What a report needs from the state, read at once and with the configuration's privacy already applied."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import partial

from tcptide import outlook, privacy, trends
from tcptide.codec import Top
from tcptide.config import Config, Privacy
from tcptide.errors import NoDataError, StoreError
from tcptide.far import own_addresses
from tcptide.model import ALARM_PATTERNS, Destination, Event, Listener, Looks, Point, Rates, Sample, Source, Verdict
from tcptide.outlook import Outlook
from tcptide.schema import QUARTER_SECONDS
from tcptide.series import point_of
from tcptide.store import Reader, StateError

from . import quarters, words
from .ahead import Ahead, ahead
from .attempt import source_of
from .columns import NAMES
from .held import Row, chosen
from .masking import shown_destination, shown_event, shown_top
from .period import Earlier, Period, earlier
from .quarters import Quarters

DEFAULT_SECONDS = 86400.0
LATER_SECONDS = 86400.0  # after a period: until when something went on that did at its end
RATE_POINTS = int(trends.MAX_SECONDS) + 2  # a row a second, and there is one that is 30 to 900 s older


@dataclass(frozen=True)
class Loaded:
    """A period, its points, and who is behind the numbers now and at the peaks."""

    source: Source
    since: float  # wall clock seconds
    until: float
    begins_late: bool  # it was asked for from an earlier time, from which nothing is stored
    points: list[Point]
    rollups: Quarters  # before the first point
    newest: Sample | None  # None: it is not of this period, or of another version
    rates: Rates  # of `newest`
    fullest_destination: Destination | None  # when the ports towards one were used most
    fullest_listener: Listener | None
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)  # by the point's id
    events: Sequence[Event] = ()  # of the period, in the order in which they were stored
    outlook: Outlook | None = None  # as of `newest`
    ahead: tuple[Ahead, ...] = ()  # likewise
    calendar: Period | None = None  # where the period is one of the calendar
    earlier: Earlier | None = None  # what the period is compared with
    earlier_rollups: Quarters = quarters.NONE  # of that
    rows: Sequence[Row] = ()  # the top lists of some of the points, oldest first
    first: bool = False  # nothing was ever stored before the period
    host: Sample | None = None  # the newest sample, whether or not it is of this period
    later: Sequence[Point] = ()  # of the day after a period whose end is in the past
    later_verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    later_events: Sequence[Event] = ()
    looks: Sequence[Looks] = ()  # how the points were taken
    standing: Sequence[Event] = ()  # from before the period: what was the case when it began
    rows_of: Callable[[Sequence[int]], Sequence[Row]] = lambda ids: ()  # more of `rows`, by the ids of points

    @property
    def seconds(self) -> float:
        """How long the period is."""
        return self.until - self.since


def load(
    directory: str,
    name: str | None,
    since: float | None,
    until: float | None,
    settings: Config,
    now: float,
    zone: tzinfo = UTC,
    calendar: Period | None = None,
) -> Loaded:
    """The period from `since` to `until`, both inclusive; by default the last 24 hours of what there is.

    It begins with what is stored and ends `now` at the latest. Without an end it has the events up to `now`: a check
    records what it makes of a sample after it was taken. A `calendar` period, instead, is whole whatever there is of
    it, and its end belongs to the next one. Points are pruned before rollups are: where the period begins before the
    oldest point there are rollups up to it.

    Raises StoreError where the state can't be read, NoDataError where it has nothing for the period, ConfigError for a
    source that it does not know.
    """
    shown = settings.privacy
    if calendar:
        since, until = calendar.since, calendar.until
    with Reader(directory) as reader:
        source = source_of(directory, reader.sources(), name)
        last = reader.recent(source.name, RATE_POINTS)
        latest = reader.latest(source.name)
        rates = trends.rates(point_of(latest), last) if latest else Rates(0.0, {}, "first")
        if latest and (not last or latest.origin.wall_seconds > last[-1].wall_seconds):
            last.append(point_of(latest))  # too soon after the last row for one of its own
        if not last:
            raise NoDataError(f"{directory}: no samples of {source.name!r} yet")
        newest_wall = last[-1].wall_seconds
        end = newest_wall if until is None else min(until, max(now, newest_wall))
        begin = end - DEFAULT_SECONDS if since is None else since
        after = end if calendar else math.nextafter(end, math.inf)
        points = reader.points(source.name, begin, after, NAMES)
        if last[-1].id is None and begin <= newest_wall < after:
            points.append(last[-1])
        older = reader.before(source.name, begin)
        rollups = quarters.NONE
        if older is None:
            points, rollups = _with_rollups(reader, source.name, begin, end, points)
        nothing_before = older is None and not reader.rollups_before(source.name, begin)
        if not points and not rollups:
            period = calendar.label if calendar else "this period"
            raise NoDataError(f"{directory}: no samples of {source.name!r} in {period}")
        newest = latest if latest and begin <= latest.origin.wall_seconds < after else None
        destinations = _at_peak(reader, source.name, points, rollups, "worst_destination")
        listeners = _at_peak(reader, source.name, points, rollups, "worst_listener")
        verdicts = reader.verdicts(source.name, begin, after)
        events = reader.events(source.name, begin, max(after, now) if until is None else after)
        before = _standing(reader, source.name, begin, points, verdicts)
        late = after + LATER_SECONDS
        later = reader.points(source.name, after, late, NAMES) if newest is None else []
        later_verdicts = reader.verdicts(source.name, after, late) if later else {}
        later_events = reader.events(source.name, after, late) if later else []
        looks = reader.looks(source.name, begin, after)
        rows = _rows(reader, points)
        found = outlook.current(reader.outlook(source.name), point_of(newest), trends.MAX_SECONDS) if newest else None
        begins = rollups.begins.tolist()
        first = min([*begins, *(point.wall_seconds for point in points)])
        if calendar or (since is not None and older is not None):
            first = begin
        if not calendar and not points and end - begins[-1] < 2 * QUARTER_SECONDS:
            end = begins[-1] + QUARTER_SECONDS  # of the last whole quarter
        compared = earlier(calendar, first, end, zone)
        past = quarters.read(reader, source.name, compared.since, compared.until)
    destination = destinations.destinations[0] if destinations and destinations.destinations else None
    listener = listeners.listeners[0] if listeners and listeners.listeners else None
    own = own_addresses(latest) if latest else set()
    return Loaded(
        source,
        first,
        end,
        since is not None and first - since > QUARTER_SECONDS,
        points,
        rollups,
        privacy.shown(newest, shown) if newest else None,
        rates,
        shown_destination(destination, latest, shown) if destination and latest and latest.ports else None,
        listener,
        verdicts,
        [_told(shown_event(event, shown, own)) for event in events],
        privacy.shown_outlook(found, shown) if found else None,
        ahead(newest, found, _limits(settings), shown) if newest else (),
        calendar,
        compared,
        past,
        [Row(wall, even, shown_top(top, shown)) for wall, even, top in rows],
        nothing_before,
        privacy.shown(latest, shown) if latest else None,
        later,
        later_verdicts,
        [shown_event(event, shown, own) for event in later_events],
        looks,
        [_told(shown_event(event, shown, own)) for event in before],
        partial(_rows_of, directory, shown),
    )


def _rows_of(directory: str, shown: Privacy, ids: Sequence[int]) -> list[Row]:
    """The top lists of those rows, of no equal distances; without what is gone meanwhile."""
    with suppress(StoreError), Reader(directory) as reader:
        return [Row(wall, False, shown_top(top, shown)) for _, wall, top in reader.tops_of(ids)]
    return []


def _standing(
    reader: Reader, source: str, begin: float, points: Sequence[Point], verdicts: Mapping[int, Verdict]
) -> list[Event]:
    """What went on when the period began, by its last change: only what is known to be watched still.

    A service that no check has recorded since is gone, and so may be a pattern that no verdict tells of.
    """
    watched = {one.name for one in reader.standing(source) if one.seen_seconds >= begin}
    first = verdicts.get(points[0].id or 0) if points else None
    if first and first.pattern in ALARM_PATTERNS:
        watched.add("pattern")
    return [event for event in reader.last_events(source, begin) if event.new and event.name in watched]


def _told(event: Event) -> Event:
    return event._replace(message=words.without_clock(event.message))


def _rows(reader: Reader, points: Sequence[Point]) -> list[tuple[float, bool, Top]]:
    """Wall clock seconds, whether means are taken of it, and the lists of the rows that are worth reading."""
    even = chosen(points)
    return [(wall, even[id], top) for id, wall, top in reader.tops_of(list(even))]


def _limits(settings: Config) -> dict[str, float]:
    """Those that no sample knows."""
    return {} if settings.connection_limit is None else {"connections": settings.connection_limit}


def _with_rollups(
    reader: Reader, source: str, begin: float, end: float, points: list[Point]
) -> tuple[list[Point], Quarters]:
    """The points, and the rollups of the period's whole quarters before them, if there are any.

    Then the quarter of the first point, most of whose points are gone, is a rollup too.
    """
    first = points[0].wall_seconds if points else quarters.last_before(end)
    rollups = quarters.read(reader, source, begin, first)
    if not points or not rollups or (last := trends.quarter_of(rollups.begins[-1])) < trends.quarter_of(first):
        return points, rollups
    if len(rollups) == 1:  # nothing is gone
        return points, quarters.NONE
    return [point for point in points if trends.quarter_of(point.wall_seconds) > last], rollups


def _at_peak(reader: Reader, source: str, points: Sequence[Point], rollups: Quarters, series: str) -> Top | None:
    """The top lists of the row in which a series was highest.

    None where that is a rollup, which has none, or where an older version wrote them differently.
    """
    if not points:
        return None
    peak = max(points, key=lambda point: point.values[series] or 0.0)
    if rollups.most(series) > (peak.values[series] or 0.0):
        return None
    wall = peak.wall_seconds
    try:
        tops = reader.tops(source, wall, math.nextafter(wall, math.inf))
    except StateError:
        raise
    except StoreError:
        return None
    return tops[0][1] if tops else None
