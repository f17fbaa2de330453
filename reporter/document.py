"""The report as data: everything that the page shows, and what the pictures are drawn from.

docs/report-json.md tells what is in it, docs/report.schema.json is its schema.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from tcptide.codec import Top
from tcptide.model import NOT_CONNECTIONS, STATES, Event, Sample
from tcptide.series import BY_NAME

from . import frames, heat, words
from .ahead import Ahead
from .alerts import Alert
from .attention import SEVERITIES, Attention
from .events import STATES as LEVELS
from .figures import Figure, Measured, column
from .frames import EXPECTED, History
from .page import Page
from .rendering import printable
from .tables import Cell, Table

SCHEMA = 1
RECENT_ROWS = 10  # that the change of connections is told of
DIGITS = 3  # behind the point

#: What the pictures are drawn from, beside the states.
DRAWN = (
    *("total", EXPECTED, "time_wait_limit", "time_wait_created", "worst_destination", "worst_destination_ports"),
    *("worst_bind", "worst_listener", "listen_overflows", "active_opens", "passive_opens", "retrans_segs"),
    *("attempt_fails", "estab_resets", "conntrack", "conntrack_limit"),
)


def document(page: Page) -> dict[str, Any]:
    """What is written as JSON: numbers are numbers, a time is {"time": ISO 8601, "epoch": seconds}."""
    data, zone = page.data, page.data.zone
    history, loaded = data.history, data.loaded
    total = column(history, "total")
    return {
        "schema": SCHEMA,
        "generator": {"name": "tcptide", "version": page.version},
        "simulated": page.simulated,
        "title": page.title,
        "hostname": page.hostname,
        "source": page.source,
        "timestamp": page.made.machine,
        "made": _time(data.made_wall, zone),
        "period": {
            "kind": loaded.calendar.kind if loaded.calendar else None,
            "label": loaded.calendar.label if loaded.calendar else None,
            **_stretch(history.since, history.until, zone),
            "timezone": page.zone,
        },
        "monitoring_duration": _number(history.until - history.since),
        "total_data_points": len(history.values),
        "lacking": page.lacking,
        "stale": page.stale or None,
        "newest": _time(loaded.newest.origin.wall_seconds, zone) if loaded.newest else None,
        "summary": {
            "severity": page.summary.severity,
            "text": page.summary.text,
            "first": page.summary.first or None,
            "judged": page.judged or None,
        },
        "findings": [_finding(one, zone) for one in page.attention],
        "figures": [_figure(one, zone) for one in page.figures],
        "comparison": _comparison(page, zone),
        "stats": _stats(history, data.last),
        "history_summary": {
            "max_connections": _number(total.highest),
            "min_connections": _number(_lowest(history)),
            "avg_connections": _number(total.mean),
        },
        "patterns": _patterns(page, zone),
        "port_info": _port_info(page, zone),
        "forecasts": [_forecast(one) for one in loaded.ahead],
        "recorded_forecasts": _table(page.foretold),
        "alerts": [_alert(one, zone) for one in data.alerts],
        "alerts_by_level": [dict(_level_row(row)) for row in page.levels.rows],
        "events": [_event(event, zone) for event in loaded.events],
        "states": _table(page.states),
        "tables": [_table(table) for table in page.tops],
        "means": page.means or None,
        "pictures": [
            {"name": one.name, "title": one.title, "finding": one.finding, "how": one.how, "marked": one.marked or None}
            for one in page.pictures
        ],
        "resolution": page.resolution or None,
        "hours_of_the_week": _hours(history, zone),
        "series": _series(history, zone),
        "quality": _quality(page, zone),
        "limits": page.limits,
    }


def written(document: Mapping[str, Any]) -> bytes:
    """The file, in UTF-8 that people can read."""
    text = json.dumps(_harmless(document), ensure_ascii=False, allow_nan=False, indent=1)
    return f"{text}\n".encode()


def _harmless(value: Any) -> Any:
    """The same without characters that a terminal or an editor would act on."""
    if isinstance(value, dict):
        return {printable(key): _harmless(each) for key, each in value.items()}
    return [_harmless(each) for each in value] if isinstance(value, list | tuple) else printable(value)


def _number(value: float | None) -> float | int | None:
    """None for what was not seen; whole numbers without a point."""
    if value is None or not isfinite(value):
        return None
    rounded = round(float(value), DIGITS)
    return int(rounded) if rounded.is_integer() else rounded


def _numbers(values: pd.Series | np.ndarray) -> list[float | int | None]:
    return [_number(value) for value in np.asarray(values, dtype=float).tolist()]


def _time(wall: float | None, zone: tzinfo) -> dict[str, Any] | None:
    return None if wall is None else {"time": words.machine_stamp(wall, zone), "epoch": _number(wall)}


def _stretch(since: float, until: float, zone: tzinfo) -> dict[str, Any]:
    return {"since": _time(since, zone), "until": _time(until, zone), "seconds": _number(until - since)}


def _finding(one: Attention, zone: tzinfo) -> dict[str, Any]:
    return {
        "number": one.number,
        "code": one.code,
        "severity": one.severity,
        "state": one.state,
        "goes_on": one.goes_on,
        "subject": one.subject,
        "who": one.who or None,
        "values": {name: _number(value) if isinstance(value, float) else value for name, value in one.values.items()},
        "what": one.what,
        "when": [_stretch(each.since, each.until, zone) for each in one.stretches],
        "evidence": one.evidence,
        "also": list(one.also),
        "next_step": one.next_step or None,
    }


def _hours(history: History, zone: tzinfo) -> list[list[float | int | None]] | None:
    """Mean connections by weekday, Monday first, and hour."""
    found = heat.heat_of(history, zone)
    return None if found is None else [_numbers(day) for day in found.mean]


def _figure(one: Figure, zone: tzinfo) -> dict[str, Any]:
    of = one.of or Measured(None, None, None, None)
    return {
        "name": one.name,
        "title": one.title,
        "unit": one.unit,
        "now": _number(of.now),
        "mean": _number(of.mean),
        "highest": _number(of.highest),
        "highest_at": _time(of.when, zone),
        "before": {"mean": _number(one.before.mean), "highest": _number(one.before.highest)} if one.before else None,
        "change": one.change or None,
        "severity": SEVERITIES[one.severity] if one.severity else None,
        "words": [f"{one.value} {one.meaning}", *one.details],
    }


def _comparison(page: Page, zone: tzinfo) -> dict[str, Any] | None:
    """What the period is compared with; its total at the moments that it is compared with."""
    before = page.data.before
    if before is None:
        return {"with": None, "words": page.compared} if page.compared else None
    total = before.total(zone)
    return {
        "with": before.words,
        "words": page.compared,
        **_stretch(before.history.since, before.history.until, zone),
        "total": {"epoch": _numbers(total.index.to_numpy()), "mean": _numbers(total)},
    }


def _stats(history: History, lists: Sample | Top | None) -> dict[str, Any]:
    """Of the newest sample; of a period in the past of its last row, which has the five first of each kind."""
    last = history.values.iloc[-1]
    by_state = {state: _number(last[state.lower()]) for state in STATES}
    listed: dict[str, Any] = {"by_local_port": {}, "by_remote_address": {}, "by_process": {}}
    if lists:
        listed["by_local_port"] = {str(port): number for port, number in lists.local_ports}
        listed["by_remote_address"] = dict(lists.remotes)
        listed["by_process"] = {
            holder.name: sum(holder.states.values()) for holder in lists.holders if holder.kind == "process"
        }
    return {
        "total_connections": _number(last["total"]),
        "by_state": {state: number for state, number in by_state.items() if number is not None},
        **listed,
        "sockstat": {
            "inuse": _number(sum(last[state.lower()] for state in STATES if state not in ("TIME_WAIT", "BOUND"))),
            "orphan": _number(last["orphans"]),
            "tw": _number(last["time_wait"]),
            "mem_pages": _number(last["memory_pages"]),
        },
        "not_connections": list(NOT_CONNECTIONS),
    }


def _lowest(history: History) -> float | None:
    """The lowest row; of a quarter of an hour its mean."""
    total = history.values["total"]
    return float(total.min()) if total.notna().any() else None


def _patterns(page: Page, zone: tzinfo) -> dict[str, Any]:
    data = page.data
    recent = data.history.values.tail(RECENT_ROWS)
    total = recent["total"].dropna()
    change = float(total.iloc[-1] - total.iloc[0]) / (len(total) - 1) if len(total) > 1 else None
    return {
        "pattern": page.pattern.code if page.pattern else "insufficient_data",
        "meaning": page.pattern.meaning if page.pattern else None,
        "details": page.pattern.details if page.pattern else [],
        "alarm": page.pattern.alarm if page.pattern else False,
        "change_per_sample": _number(change),
        "mean_time_wait": _number(recent["time_wait"].mean()),
        "busiest_local_ports": [
            {"port": port, "connections": number} for port, number in (data.last.local_ports if data.last else ())[:10]
        ],
        "in_period": [
            {"pattern": one.pattern, **_stretch(one.since, one.until, zone), "what": one.what or None}
            for one in data.marked
        ],
    }


def _port_info(page: Page, zone: tzinfo) -> dict[str, Any]:
    """Of the ports towards the destination that was fullest."""
    data = page.data
    used, share = (column(data.history, name) for name in ("worst_destination_ports", "worst_destination"))
    host = data.loaded.host  # whose range is that of its newest sample, whenever that was
    warning = data.limits.of("tcp_port_exhaustion", "worst_destination").warning
    return {
        "port_range": list(host.limits.port_range) if host else None,
        "total_ports": _number(column(data.history, "capacity").now),
        "used_ports": _number(used.now),
        "usage_percent": _number(share.now),
        "highest_percent": _number(share.highest),
        "highest_at": _time(share.when, zone),
        "warning_percent": _number(warning),
        "warning": warning is not None and (share.highest or 0.0) > warning,
    }


def _forecast(one: Ahead) -> dict[str, Any]:
    return {
        "resource": one.resource,
        "used": _number(one.used),
        "limit": _number(one.limit),
        "seconds": _number(one.forecast.seconds),
        "low_seconds": _number(one.forecast.low),
        "high_seconds": _number(one.forecast.high),
        "reason": one.forecast.reason,
        "cone": [
            {
                "share": _number(each.share),
                "low_seconds": _number(each.low),
                "seconds": _number(each.seconds),
                "high_seconds": _number(each.high),
            }
            for each in one.cone
        ],
    }


def _alert(one: Alert, zone: tzinfo) -> dict[str, Any]:
    return {
        "timestamp": words.machine_stamp(one.since, zone),
        "level": one.level,
        "type": one.kind,
        "name": one.name,
        "message": one.message or f"{one.name}: {one.level} since before the period",
        "begun": one.begun,
        "seconds": _number(one.until - one.since),
    }


def _level_row(row: Sequence[Cell]) -> Iterator[tuple[str, Any]]:
    for key, cell in zip(("level", "alerts", "seconds", "longest_seconds"), row, strict=True):
        yield key, cell.text if cell.value is None else _number(cell.value)


def _event(event: Event, zone: tzinfo) -> dict[str, Any]:
    return {
        "at": _time(event.wall_seconds, zone),
        "kind": event.kind,
        "name": event.name,
        "old": None if event.old is None else _level(event.old) if event.kind == "threshold" else bool(event.old),
        "new": _level(event.new) if event.kind == "threshold" else bool(event.new),
        "code": event.code,
        "message": event.message,
    }


def _level(state: int) -> str:
    return LEVELS[state] if state in range(len(LEVELS)) else str(state)


def _table(table: Table) -> dict[str, Any]:
    return {"title": table.title, "rows": [dict(_record(table.columns, row)) for row in table.rows], "more": table.more}


def _record(columns: Sequence[str], row: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """`{"to": "10.0.0.5:5432", "to_note": "from 10.0.0.1", "used": 3.9, ...}`."""
    for column_name, cell in zip(columns, row, strict=True):
        key = column_name.lower().replace(" ", "_")
        yield key, cell.text if cell.value is None else _number(cell.value)
        if cell.note:
            yield f"{key}_note", cell.note


def _series(history: History, zone: tzinfo) -> dict[str, Any]:
    """The blocks that pictures are drawn in."""
    blocks = frames.blocks(history)
    names = [*DRAWN, *(state.lower() for state in STATES)]
    seen = [name for name in names if blocks.mean[name].notna().any()]
    return {
        "since": _time(float(blocks.edges[0]), zone),
        "step_seconds": _number(blocks.seconds),
        "edges": _numbers(blocks.edges),
        "values": {
            name: {
                "unit": _unit(name),
                "mean": _numbers(blocks.mean[name]),
                "highest": _numbers(blocks.highest[name]),
            }
            for name in seen
        },
    }


def _unit(name: str) -> str:
    if name == EXPECTED:
        return ""
    return "per second" if BY_NAME[name].kind == "counter" else BY_NAME[name].unit


def _quality(page: Page, zone: tzinfo) -> dict[str, Any]:
    history, quality = page.data.history, page.quality
    rolled = int((history.ends > history.begins).sum())
    coverage = history.coverage
    return {
        "samples": len(history.begins) - rolled,
        "quarters": rolled,
        "spacing_seconds": _number(history.spacing_seconds),
        "covered_percent": None if coverage is None else _number(100 * coverage),
        "gaps": [_stretch(gap.since, gap.until, zone) for gap in history.gaps],
        "restarts": [{"at": _time(one.wall_seconds, zone), "kind": one.kind} for one in history.restarts],
        "looked": quality.looked,
        "unseen": quality.unseen,
        "never": quality.never,
    }
