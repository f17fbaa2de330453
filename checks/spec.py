"""What a check says about itself, and what its judge returns.

A CheckSpec is the only source of the parser, of the help and of whatever else names a check's metrics and options.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from tcptide import levels
from tcptide.findings import Severity
from tcptide.model import Finding, Forecast
from tcptide.outlook import masked_resource
from tcptide.record import NamedTuple
from tcptide.saying import limit, time_left


class Metric(NamedTuple):
    """One number of the perfdata; label and unit never change their meaning."""

    label: str
    unit: str  # '', '%', 's', 'ms' or 'B'
    help: str
    minimum: float | None = 0
    maximum: float | None = None


def percent(label: str, help: str) -> Metric:
    """A metric from 0 to 100 %."""
    return Metric(label, "%", help, 0, 100)


class Option(NamedTuple):
    """One command line option."""

    flags: tuple[str, ...]  # the long one last
    help: str
    metavar: str | None = None  # None: takes no value, and is counted
    parse: Callable[[str], Any] = str  # raises ValueError with what is wrong
    repeatable: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()  # the words that can be given, where they are few


class CheckSpec(NamedTuple):
    """A check, as data."""

    name: str  # of the executable
    summary: str
    metrics: tuple[Metric, ...]  # the headline first
    options: tuple[Option, ...] = ()
    needs: tuple[str, ...] = ()  # 'sample', 'rates' (two samples), 'outlook' (history), 'state' (a state directory)

    @property
    def key(self) -> str:
        """The name in the configuration file and in levels.DEFAULTS."""
        return self.name.removeprefix("check_")

    @property
    def service(self) -> str:
        """What the first line begins with."""
        return self.key.upper()

    def levels(self, label: str, interval_seconds: float = 60.0) -> levels.Levels:
        """The default thresholds of one metric with such an interval between samples."""
        return levels.of(self.key, label, interval_seconds)


class Phrase(NamedTuple):
    """What line 1 says of one thing, in the parts that it can do without when the line is full."""

    what: str  # '92% of ports to 10.0.0.5:5432 used'
    detail: str = ""  # ' (25974/28231)'; empty in a breach: the threshold is named
    who: str = ""  # ' by app.service'
    ahead: str = ""  # ', full in 8-20 min'

    def __str__(self) -> str:
        return "".join(self)


class Judged(NamedTuple):
    """A judge's view of what was seen; the frame holds it against the thresholds."""

    summary: Phrase  # when nothing is wrong
    values: Mapping[str, float | None]  # by label; None: not known this time
    phrases: Mapping[str, Phrase] = {}  # by label: how a breach of it is said
    maxima: Mapping[str, float | None] = {}  # by label, where only the sample knows it
    too_few: Collection[str] = ()  # labels whose value rests on too little to raise a state
    at_least: Mapping[str, float | None] = {}  # by label: what it is at least, chance allowed for; this is what alarms
    details: tuple[str, ...] = ()  # the top lists that explain the numbers
    find: Callable[[Severity], Iterable[Finding]] = lambda severity: ()  # what is wrong, by the thresholds in force
    unknown: str | None = None  # why the headline cannot be known: UNKNOWN, unless something else is worse


def seconds(forecast: Forecast | None) -> int | None:
    """The forecast as a value: whole seconds, as it is no more exact than that."""
    return None if forecast is None or forecast.seconds is None else round(forecast.seconds)


def exhaustion(forecast: Forecast | None, shown: Callable[[str], str] = str, who: str = "") -> Phrase:
    """How a breach of exhaustion_seconds is said: `TIME_WAIT table full in 8-20 min`."""
    if forecast is None or forecast.seconds is None:
        return Phrase("")
    return Phrase(f"{limit(masked_resource(forecast.resource, shown))} {time_left(forecast)}", who=who)


def ahead(forecast: Forecast) -> str:
    """The part of a phrase that looks ahead; empty without a forecast."""
    left = time_left(forecast)
    return f", {left}" if left else ""
