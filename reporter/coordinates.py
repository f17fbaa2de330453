"""What the pictures are drawn from, as data for the report's JSON."""

from datetime import tzinfo
from typing import Any

from tcptide.model import STATES
from tcptide.series import BY_NAME

from . import frames, heat
from .encoding import number, numbers, stretch, time
from .frames import EXPECTED, History
from .page import Page

#: What the pictures are drawn from, beside the states.
DRAWN = (
    *("total", EXPECTED, "time_wait_limit", "time_wait_created", "worst_destination", "worst_destination_ports"),
    *("worst_bind", "worst_listener", "listen_overflows", "active_opens", "passive_opens", "retrans_segs"),
    *("attempt_fails", "estab_resets", "conntrack", "conntrack_limit"),
)


def hours(history: History, zone: tzinfo) -> list[list[float | int | None]] | None:
    """Mean connections by weekday, Monday first, and hour."""
    found = heat.heat_of(history, zone)
    return None if found is None else [numbers(day) for day in found.mean]


def comparison(page: Page, zone: tzinfo) -> dict[str, Any] | None:
    """What the period is compared with; its total at the moments that it is compared with."""
    before = page.data.before
    if before is None:
        return {"with": None, "words": page.compared} if page.compared else None
    total = before.total(zone)
    return {
        "with": before.words,
        "words": page.compared,
        **stretch(before.history.since, before.history.until, zone),
        "total": {"epoch": numbers(total.index.to_numpy()), "mean": numbers(total)},
    }


def series(history: History, zone: tzinfo) -> dict[str, Any]:
    """The blocks that pictures are drawn in."""
    blocks = frames.blocks(history)
    names = [*DRAWN, *(state.lower() for state in STATES)]
    seen = [name for name in names if blocks.mean[name].notna().any()]
    return {
        "since": time(float(blocks.edges[0]), zone),
        "step_seconds": number(blocks.seconds),
        "edges": numbers(blocks.edges),
        "values": {
            name: {
                "unit": _unit(name),
                "mean": numbers(blocks.mean[name]),
                "highest": numbers(blocks.highest[name]),
            }
            for name in seen
        },
    }


def _unit(name: str) -> str:
    if name == EXPECTED:
        return ""
    return "per second" if BY_NAME[name].kind == "counter" else BY_NAME[name].unit
