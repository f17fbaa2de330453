"""What the history says, in words: for a check's line, the event history and reports. Times are the machine's own."""

import time

from tcptide.model import Forecast
from tcptide.outlook import Outlook
from tcptide.text import duration, endpoint, number, within


def pattern(outlook: Outlook) -> str:
    """`normal`, `slow_leak since 13:05: CLOSE_WAIT +120/h`, `rapid_increase since 13:05: SYN_RECV +4300`."""
    verdict = outlook.verdict
    if not outlook.alarm:
        return verdict.pattern
    since = "" if verdict.since is None else f" since {moment(verdict.since, outlook.wall_seconds)}"
    grew = outlook.change if outlook.per_hour is None else outlook.per_hour
    if not verdict.grew or grew is None:
        return f"{verdict.pattern}{since}"
    flood = ", as in a SYN flood" if outlook.syn_flood else ""
    return f"{verdict.pattern}{since}: {verdict.grew} {grew:+.0f}{'' if outlook.per_hour is None else '/h'}{flood}"


def whose(outlook: Outlook) -> str:
    """` by app.service to 10.0.0.5:5432`, ` by nginx.service on :443`; empty where nobody stands out."""
    by = f" by {outlook.verdict.holder}" if outlook.verdict.holder else ""
    if outlook.destination:
        return f"{by} to {endpoint(*outlook.destination)}"
    return f"{by} on :{outlook.local_port}" if outlook.local_port else by


def connections(total: float | None, outlook: Outlook) -> str:
    """`1204 connections, expected 900`."""
    expected = "" if outlook.verdict.expected is None else f", expected {outlook.verdict.expected:.0f}"
    return f"{number(total)} connection{'' if total == 1 else 's'}{expected}"


def time_left(forecast: Forecast) -> str:
    """`full in 8-20 min`, `reached in 2 h at the earliest`, `full now`; empty without a forecast."""
    if forecast.seconds is None or forecast.low is None:
        return ""
    how = "reached" if forecast.resource == "connections" else "full"
    return f"{how} in {within(forecast.low, forecast.high)}" if forecast.seconds else f"{how} now"


def sentence(forecast: Forecast, what: str = "") -> str:
    """`forecast: full in 8-20 min, most likely in 12 min`, or why there is none: `no forecast: no growth`."""
    left = time_left(forecast)
    if not left or forecast.seconds is None:
        return f"no forecast: {forecast.reason or 'not known'}"
    likely = f", most likely in {duration(forecast.seconds)}" if forecast.seconds else ""
    return f"forecast: {what and f'{what} '}{left}{likely}"


def change(outlook: Outlook, before: str | None) -> str:
    """What an event says of a pattern that there is, or of one that is over: `normal after slow_leak`."""
    if not outlook.alarm:
        return f"{outlook.verdict.pattern} after {before}"
    return f"{pattern(outlook)} ({connections(outlook.verdict.seen, outlook)}){whose(outlook)}"


def reach(forecast: Forecast) -> str:
    """What an event says of a limit that is in reach, or no longer is."""
    return f"{limit(forecast.resource)} {time_left(forecast) or 'no longer in reach'}"


def limit(resource: str) -> str:
    """A resource as people call it: `conntrack table`, `ports to 10.0.0.5:5432`."""
    kind, *ends = resource.split(" ")
    if ends:
        return f"{kind} to {ends[-1]}"
    names = {"connections": "connection limit", "conntrack": "conntrack table", "time_wait": "TIME_WAIT table"}
    return names.get(kind, kind)


def moment(wall_seconds: float, now_seconds: float) -> str:
    """`13:05`, or with its date when it is not of the last twelve hours."""
    near = abs(now_seconds - wall_seconds) < 43200
    return time.strftime("%H:%M" if near else "%Y-%m-%d %H:%M", time.localtime(wall_seconds))
