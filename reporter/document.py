"""The report as data: everything that the page shows, and what the pictures are drawn from.

docs/report-json.md tells what is in it, docs/report.schema.json is its schema.
"""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from tcptide.codec import Top
from tcptide.model import NOT_CONNECTIONS, STATES, Event, Sample

from . import words
from .ahead import Ahead
from .alerts import Alert
from .attention import SEVERITIES, Attention
from .coordinates import comparison, hours, series
from .encoding import number, stretch, time
from .events import STATES as LEVELS
from .figures import Figure, Measured, column
from .frames import History
from .page import Page
from .tables import Cell, Table

SCHEMA = 1
RECENT_ROWS = 10  # that the change of connections is told of


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
        "made": time(data.made_wall, zone),
        "period": {
            "kind": loaded.calendar.kind if loaded.calendar else None,
            "label": loaded.calendar.label if loaded.calendar else None,
            **stretch(history.since, history.until, zone),
            "timezone": page.zone,
        },
        "monitoring_duration": number(history.until - history.since),
        "total_data_points": len(history.values),
        "lacking": page.lacking,
        "stale": page.stale or None,
        "newest": time(loaded.newest.origin.wall_seconds, zone) if loaded.newest else None,
        "summary": {
            "severity": page.summary.severity,
            "text": page.summary.text,
            "first": page.summary.first or None,
            "judged": page.judged or None,
        },
        "findings": [_finding(one, zone) for one in page.attention],
        "figures": [_figure(one, zone) for one in page.figures],
        "comparison": comparison(page, zone),
        "stats": _stats(history, data.last),
        "history_summary": {
            "max_connections": number(total.highest),
            "min_connections": number(_lowest(history)),
            "avg_connections": number(total.mean),
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
        "hours_of_the_week": hours(history, zone),
        "series": series(history, zone),
        "quality": _quality(page, zone),
        "limits": page.limits,
    }


def _finding(one: Attention, zone: tzinfo) -> dict[str, Any]:
    return {
        "number": one.number,
        "code": one.code,
        "severity": one.severity,
        "state": one.state,
        "goes_on": one.goes_on,
        "subject": one.subject,
        "who": one.who or None,
        "values": {name: number(value) if isinstance(value, float) else value for name, value in one.values.items()},
        "what": one.what,
        "when": [stretch(each.since, each.until, zone) for each in one.stretches],
        "evidence": one.evidence,
        "also": list(one.also),
        "next_step": one.next_step or None,
    }


def _figure(one: Figure, zone: tzinfo) -> dict[str, Any]:
    of = one.of or Measured(None, None, None, None)
    return {
        "name": one.name,
        "title": one.title,
        "unit": one.unit,
        "now": number(of.now),
        "mean": number(of.mean),
        "highest": number(of.highest),
        "highest_at": time(of.when, zone),
        "before": {"mean": number(one.before.mean), "highest": number(one.before.highest)} if one.before else None,
        "change": one.change or None,
        "severity": SEVERITIES[one.severity] if one.severity else None,
        "words": [f"{one.value} {one.meaning}", *one.details],
    }


def _stats(history: History, lists: Sample | Top | None) -> dict[str, Any]:
    """Of the newest sample; of a period in the past of its last row, which has the five first of each kind."""
    last = history.values.iloc[-1]
    by_state = {state: number(last[state.lower()]) for state in STATES}
    listed: dict[str, Any] = {"by_local_port": {}, "by_remote_address": {}, "by_process": {}}
    if lists:
        listed["by_local_port"] = {str(port): number for port, number in lists.local_ports}
        listed["by_remote_address"] = dict(lists.remotes)
        listed["by_process"] = {
            holder.name: sum(holder.states.values()) for holder in lists.holders if holder.kind == "process"
        }
    return {
        "total_connections": number(last["total"]),
        "by_state": {state: number for state, number in by_state.items() if number is not None},
        **listed,
        "sockstat": {
            "inuse": number(sum(last[state.lower()] for state in STATES if state not in ("TIME_WAIT", "BOUND"))),
            "orphan": number(last["orphans"]),
            "tw": number(last["time_wait"]),
            "mem_pages": number(last["memory_pages"]),
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
        "change_per_sample": number(change),
        "mean_time_wait": number(recent["time_wait"].mean()),
        "busiest_local_ports": [
            {"port": port, "connections": number} for port, number in (data.last.local_ports if data.last else ())[:10]
        ],
        "in_period": [
            {"pattern": one.pattern, **stretch(one.since, one.until, zone), "what": one.what or None}
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
        "total_ports": number(column(data.history, "capacity").now),
        "used_ports": number(used.now),
        "usage_percent": number(share.now),
        "highest_percent": number(share.highest),
        "highest_at": time(share.when, zone),
        "warning_percent": number(warning),
        "warning": warning is not None and (share.highest or 0.0) > warning,
    }


def _forecast(one: Ahead) -> dict[str, Any]:
    return {
        "resource": one.resource,
        "used": number(one.used),
        "limit": number(one.limit),
        "seconds": number(one.forecast.seconds),
        "low_seconds": number(one.forecast.low),
        "high_seconds": number(one.forecast.high),
        "reason": one.forecast.reason,
        "cone": [
            {
                "share": number(each.share),
                "low_seconds": number(each.low),
                "seconds": number(each.seconds),
                "high_seconds": number(each.high),
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
        "seconds": number(one.until - one.since),
    }


def _level_row(row: Sequence[Cell]) -> Iterator[tuple[str, Any]]:
    for key, cell in zip(("level", "alerts", "seconds", "longest_seconds"), row, strict=True):
        yield key, cell.text if cell.value is None else number(cell.value)


def _event(event: Event, zone: tzinfo) -> dict[str, Any]:
    return {
        "at": time(event.wall_seconds, zone),
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
        yield key, cell.text if cell.value is None else number(cell.value)
        if cell.note:
            yield f"{key}_note", cell.note


def _quality(page: Page, zone: tzinfo) -> dict[str, Any]:
    history, quality = page.data.history, page.quality
    rolled = int((history.ends > history.begins).sum())
    coverage = history.coverage
    return {
        "samples": len(history.begins) - rolled,
        "quarters": rolled,
        "spacing_seconds": number(history.spacing_seconds),
        "covered_percent": None if coverage is None else number(100 * coverage),
        "gaps": [stretch(gap.since, gap.until, zone) for gap in history.gaps],
        "restarts": [{"at": time(one.wall_seconds, zone), "kind": one.kind} for one in history.restarts],
        "looked": quality.looked,
        "unseen": quality.unseen,
        "never": quality.never,
    }
