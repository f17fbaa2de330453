"""What the number of connections is doing: leaks, floods, outages, lasting changes, and what they run into."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NoReturn

from tcptide import outlook as history
from tcptide import saying
from tcptide.findings import Severity, of_limit
from tcptide.history_findings import of_outlook
from tcptide.model import ALARM_PATTERNS, Finding, Forecast, Look, Point, Rates
from tcptide.outlook import REACH_SECONDS, Outlook, masked_resource

from . import spec
from .frame import Context, run, sampled
from .output import Answer
from .ranges import CRITICAL, OK, WARNING
from .spec import CheckSpec, Judged, Metric, Option, Phrase

NO_FORECAST = "no forecast: nothing that has a limit grows"

_STATES = {"warning": WARNING, "critical": CRITICAL}


def _alerts(text: str) -> list[tuple[str, int]]:
    """The patterns to alert on, with the state that each gives."""
    alerts = []
    for part in text.split(","):
        name, given, state = part.partition("=")
        if name not in (*ALARM_PATTERNS, "all"):
            raise ValueError(f"{name!r} is none of {', '.join(ALARM_PATTERNS)}, all")
        if given and state not in _STATES:
            raise ValueError(f"{state!r} is neither warning nor critical")
        alerts += [(each, _STATES[state or "warning"]) for each in (ALARM_PATTERNS if name == "all" else (name,))]
    return alerts


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= 10**9):
        raise ValueError(f"{text!r} is not a number of connections")
    return int(text)


SPEC = CheckSpec(
    name="check_tcp_pattern",
    summary="What the number of connections is doing, by the history: normal, periodic, spike, level_shift, "
    "rapid_increase, rapid_decrease or slow_leak, or insufficient_data. A pattern is named and OK, but for a leak that "
    "has used half of a limit and reaches all of it within a day (WARNING) or two hours (CRITICAL).",
    metrics=(
        Metric("severity", "", "0 nothing, 1 a pattern is named, 2 it is worth a warning, 3 it is critical", 0, 3),
        Metric("total", "", "connections in all states but LISTEN and bound-idle"),
        Metric("expected", "", "connections that the history makes expect"),
        Metric("deviation", "", "how many there are more than expected; negative: fewer", None),
        Metric("exhaustion_seconds", "s", "time until the nearest limit is reached, where a forecast is known"),
    ),
    options=(
        Option(
            ("--alert-on",),
            f"WARNING, or with =critical CRITICAL, while there is such a pattern: {', '.join(ALARM_PATTERNS)} or all; "
            "a list with commas, or repeated",
            "PATTERN[=STATE]",
            _alerts,
            repeatable=True,
            choices=(*ALARM_PATTERNS, "all"),
        ),
        Option(
            ("--limit",),
            "how many connections are too many, for the forecast (default: the threshold of tcp_connections for total "
            "in the configuration file, if any)",
            "CONNECTIONS",
            _whole_number,
        ),
    ),
    needs=("sample", "outlook"),
)


def judge(look: Look, rates: Rates, point: Point, outlook: Outlook | None, options: Namespace) -> Judged:
    """Patterns are for people to know; only a leak with its end in sight, or what was asked for, is worth a state."""
    total = point.values["total"]
    if outlook is None:
        return Judged(Phrase(""), {"total": total}, unknown="no history yet that could show a pattern")
    limits = {"connections": options.limit} if options.limit else {}
    ahead = history.forecasts(outlook, point, limits)
    soonest = ahead[0][0] if ahead else None
    level, reached = history.leaking(outlook, point, limits) if outlook.verdict.pattern == "slow_leak" else (OK, None)
    expected, named = outlook.verdict.expected, history.masked(outlook, look.shown)
    number = Phrase(saying.connections(total, outlook))
    near = _soon(reached if level else soonest, look.shown)
    phrase = Phrase(saying.pattern(outlook), f" ({number})", saying.whose(named), near)
    return Judged(
        summary=phrase,
        values={
            "severity": _severity(outlook, level, options.alert_on) if outlook.alarm else 0,
            "total": total,
            "expected": expected,
            "deviation": None if total is None or expected is None else total - expected,
            "exhaustion_seconds": spec.seconds(soonest),
        },
        phrases={
            "severity": phrase,
            "exhaustion_seconds": spec.exhaustion(soonest, look.shown),
            **dict.fromkeys(("total", "expected", "deviation"), number),
        },
        details=(_sentence(soonest, look.shown),),
        find=partial(_find, outlook, look, soonest),
    )


def _severity(outlook: Outlook, level: int, alerts: Sequence[Sequence[tuple[str, int]]]) -> int:
    """1 for a pattern, and what the worst state that it is worth adds to that; `level`: of a leak's limit."""
    asked = (state for each in alerts for name, state in each if name == outlook.verdict.pattern)
    return 1 + max(level, *asked, OK)


def _find(outlook: Outlook, look: Look, soonest: Forecast | None, severity: Severity) -> Iterator[Finding]:
    """What the history says; and of a limit that is nearer than asked for."""
    yield from of_outlook(outlook, look.sample, look.shown)
    if soonest and soonest.seconds is not None and severity("tcp_pattern", "exhaustion_seconds", soonest.seconds):
        yield of_limit(soonest, look.sample, look.shown)


def _sentence(soonest: Forecast | None, shown: Callable[[str], str]) -> str:
    if soonest is None:
        return NO_FORECAST
    return saying.sentence(soonest, saying.limit(masked_resource(soonest.resource, shown)))


def _soon(soonest: Forecast | None, shown: Callable[[str], str]) -> str:
    """A limit that is farther away than a day has its line below."""
    if soonest is None or soonest.seconds is None or soonest.seconds >= REACH_SECONDS:
        return ""
    return f", {saying.reach(soonest._replace(resource=masked_resource(soonest.resource, shown)))}"


def _ask(context: Context, max_age_seconds: float) -> Answer:
    """The configuration may know how many connections are too many."""
    options = context.options
    if options.limit is None:
        options = Namespace(**{**vars(options), "limit": context.config.connection_limit})
    return sampled(judge)(context._replace(options=options), max_age_seconds)


def main() -> NoReturn:
    """The executable."""
    run(SPEC, _ask)
