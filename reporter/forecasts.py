"""When what can run out does, as a table."""

from collections.abc import Sequence
from datetime import tzinfo

from tcptide import saying
from tcptide.model import Forecast
from tcptide.text import duration, within

from . import words
from .ahead import Ahead
from .alerts import Alert
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
RECORDED = 8  # of those that were recorded, that are listed: the longest in reach


def table(found: tuple[Ahead, ...], now: float, zone: tzinfo, samples: int) -> Table:
    """What is full when; or why that can't be said. samples: how many the period has."""
    rows = [_row(one, now, zone, samples < FEW) for one in found]
    return Table("Forecast", ("What fills up", "Used", "Full in"), rows)


def recorded(alerted: Sequence[Alert], until: float, zone: tzinfo) -> Table:
    """The limits that came into reach: what was said of each when it did, and for how long it was so."""
    every = [one for one in alerted if one.kind == "forecast"]
    shown = sorted(sorted(every, key=lambda one: one.since - one.until)[:RECORDED], key=lambda one: one.since)
    rows = [_recorded(one, until, zone) for one in shown]
    return Table("Recorded forecasts", ("What was foretold", "When", "In reach for"), rows, len(every) - len(rows))


def _recorded(one: Alert, until: float, zone: tzinfo) -> tuple[Cell, ...]:
    local = one.name.split(" ")[1:-1]
    said = one.message or f"{saying.limit(one.name)} in reach"
    over = "at the end it still was" if one.until >= until else f"until {words.stamp(one.until, zone)}"
    long = Cell(words.duration(one.until - one.since), over, value=one.until - one.since)
    when = Cell(words.stamp(one.since, zone), "" if one.begun else "or before")
    return Cell(f"{said[:1].upper()}{said[1:]}", f"from {local[0]}" if local else ""), when, long


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
