"""A report that was saved as JSON, read again: what it sums up to, and what its picture is drawn from.

Beside our own it reads what has only the keys REQUIRED, such as reports of simpler monitors: each number in `stats`
is a bar, and names that differ a little are understood.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tcptide.errors import TcptideError
from tcptide.text import one_line

from . import words

#: Key -> the type of its value.
REQUIRED: Mapping[str, type | tuple[type, ...]] = {
    "timestamp": str,
    "monitoring_duration": (int, float),
    "total_data_points": int,
    "stats": dict,
    "alerts": list,
    "patterns": dict,
    "port_info": dict,
    "history_summary": dict,
}
_TYPES = {str: "text", (int, float): "a number", int: "a whole number", dict: "an object", list: "an array"}

#: Names for the same, the first that is there counts.
PATTERN = ("pattern", "pattern_type", "type", "status", "classification", "class")
PORT_PERCENT = ("highest_percent", "usage_percent", "usage_percentage", "port_usage_percent", "utilization_percent")
WARNED = ("warning", "is_warning", "warned")

MAX_NUMBER = 10**18  # nothing that is counted, or timed, is beyond
MAX_DIGITS = 20
MAX_SECONDS = 1000 * 366 * 86400

NEWEST_SCHEMA = 1  # the highest number of `schema` that is understood


class SavedError(TcptideError):
    """A file that is no report: 'FILE: REASON'."""


@dataclass(frozen=True)
class Saved:
    """What a saved report sums up to; None for what it does not say."""

    hostname: str  # '' if it does not say, as the next two
    source: str
    label: str  # of the period: 2026-W47
    simulated: bool
    made: str
    seconds: float
    points: int
    most: float | None  # connections
    least: float | None
    mean: float | None
    alerts: Mapping[str, int]  # by level, the most first
    pattern: str
    statistics: Mapping[str, float]  # connections by state, or each number there is
    port_percent: float | None  # of the fullest destination at its highest, or as it was saved
    port_warned: bool


def read(path: str) -> dict[str, Any]:
    """The parsed file. Raises OSError, and SavedError for what is no report."""
    with open(path, "rb") as file:
        raw = file.read()
    try:
        data = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_decimal, parse_int=_whole)
    except UnicodeDecodeError:
        raise SavedError(f"{path}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise SavedError(f"{path}:{error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise SavedError(f"{path}: {error}") from None
    if not isinstance(data, dict):
        raise SavedError(f"{path}: no report: it is no JSON object")
    missing = [key for key in REQUIRED if key not in data]
    if missing:
        raise SavedError(f"{path}: no report: it lacks {', '.join(missing)}")
    for key, type_ in REQUIRED.items():
        if not isinstance(data[key], type_) or isinstance(data[key], bool):
            raise SavedError(f"{path}: no report: {key} is not {_TYPES[type_]}")
    for key in ("monitoring_duration", "total_data_points"):
        if data[key] < 0:
            raise SavedError(f"{path}: no report: {key} is below zero")
    if data["monitoring_duration"] > MAX_SECONDS:
        raise SavedError(f"{path}: no report: monitoring_duration is more than 1000 years, in seconds")
    if isinstance(data.get("schema"), int) and data["schema"] > NEWEST_SCHEMA:
        raise SavedError(f"{path}: schema {data['schema']} of a newer tcptide")
    return data


def saved(data: Mapping[str, Any]) -> Saved:
    """What it sums up to."""
    summary, ports = data["history_summary"], data["port_info"]
    period = data.get("period")
    label = period.get("label") if isinstance(period, dict) else None
    levels = Counter(str(one.get("level", "unknown")).lower() for one in data["alerts"] if isinstance(one, dict))
    percent = next((_number(ports[name]) for name in PORT_PERCENT if name in ports), None)
    return Saved(
        _name(data.get("hostname")),
        _name(data.get("source")),
        _name(label),
        data.get("simulated") is True,
        one_line(data["timestamp"]),
        float(data["monitoring_duration"]),
        data["total_data_points"],
        _number(summary.get("max_connections")),
        _number(summary.get("min_connections")),
        _number(summary.get("avg_connections")),
        {one_line(level): number for level, number in levels.most_common()},
        _pattern(data["patterns"]),
        dict(_statistics(data["stats"])),
        percent,
        any(ports.get(name) is True for name in WARNED),
    )


def lines(of: Saved) -> Iterator[str]:
    """The summary, for a terminal."""
    if of.simulated:
        yield "SIMULATED: no such host exists"
    if of.hostname:
        yield ", ".join(filter(None, [of.hostname, "" if of.source == "host" else of.source, of.label]))
    yield f"made: {of.made}"
    yield f"duration: {words.duration(of.seconds)}"
    yield f"data points: {of.points:,}"
    yield f"connections: max {words.count(of.most)}, min {words.count(of.least)}, avg {words.count(of.mean)}"
    yield f"alerts: {', '.join(f'{number:,} {level}' for level, number in of.alerts.items()) or 'none'}"
    yield f"pattern: {of.pattern}"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _decimal(text: str) -> float:
    number = float(text)
    if abs(number) > MAX_NUMBER:
        raise _too_large(text)
    return number


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS or abs(int(text)) > MAX_NUMBER:
        raise _too_large(text)
    return int(text)


def _too_large(text: str) -> ValueError:
    return ValueError(f"{text if len(text) <= MAX_DIGITS else f'{text[:MAX_DIGITS]}...'} is too large a number")


def _name(value: Any) -> str:
    return one_line(value) if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _pattern(patterns: Mapping[str, Any]) -> str:
    found = next((patterns[name] for name in PATTERN if isinstance(patterns.get(name), str)), "unknown")
    return one_line(found)


def _statistics(stats: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Connections by state if they are there, else each number."""
    by_state = stats.get("by_state")
    other = stats.get("not_connections")
    left_out = other if isinstance(other, list) else ()
    for name, value in (by_state if isinstance(by_state, dict) and by_state else stats).items():
        number = _number(value)
        if number is not None and name not in left_out:
            yield one_line(name), number
