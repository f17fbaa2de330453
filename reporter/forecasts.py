"""When what can run out does, as a table."""

from datetime import tzinfo

from tcptide import saying
from tcptide.model import Forecast
from tcptide.text import duration, within

from . import words
from .ahead import Ahead
from .tables import Cell, Table

#: Why there is none, by the reasons of tcptide.forecast and tcptide.outlook.
REASONS = {
    "no growth": "does not grow",
    "no limit": "its limit is not known",
    "no history": "nothing that is stored tells of it yet",
    "too far ahead": "grows, but is not full for as long as can be foretold",
}


#: Samples below which growth can't be told from none.
FEW = 3


def table(found: tuple[Ahead, ...], now: float, zone: tzinfo, samples: int) -> Table:
    """What is full when; or why that can't be said. samples: how many the period has."""
    rows = [_row(one, now, zone, samples < FEW) for one in found]
    return Table("Forecast", ("What fills up", "Used", "Full in"), rows)


def _row(one: Ahead, now: float, zone: tzinfo, few: bool) -> tuple[Cell, ...]:
    name, local = saying.limit(one.resource).partition(" from ")[0], one.resource.partition(" ")[2].partition(" ")[0]
    used = Cell(words.count(one.used))
    if one.limit:
        percent = min(100.0, 100 * one.used / one.limit)
        used = Cell(words.percent(percent), f"{words.count(one.used)} of {words.count(one.limit)}", percent)
    return Cell(name[0].upper() + name[1:], f"from {local}" if local else ""), used, _full(one.forecast, now, zone, few)


def _full(forecast: Forecast, now: float, zone: tzinfo, few: bool) -> Cell:
    if forecast.seconds is None or forecast.low is None:
        reason = forecast.reason or "not known"
        if (forecast.resource, reason) == ("connections", "no limit"):
            return Cell("no forecast", "how many are too many is not configured")
        if few and reason == "no growth":
            return Cell("not known yet", "that takes a few samples")
        return Cell("no forecast", REASONS.get(reason, reason))
    if not forecast.seconds:
        return Cell("now")
    likely = f"most likely {words.stamp(now + forecast.seconds, zone)}, in {duration(forecast.seconds)}"
    return Cell(within(forecast.low, forecast.high), likely)
