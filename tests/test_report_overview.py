"""The overview of a report: one picture from its JSON document, or from that of a simpler monitor."""

import io
from typing import Any

import pytest
from PIL import Image

from reporter.document import document
from reporter.overview import overview
from reporter.palette import LIGHT

from .reporting import built, exhausted_hour, quiet_hour

#: What a monitor of another make saves.
FOREIGN: dict[str, Any] = {
    "timestamp": "2025-11-18T12:00:00",
    "monitoring_duration": 60.0,
    "total_data_points": 12,
    "stats": {"total_connections": 320, "by_state": {"ESTABLISHED": 250, "TIME_WAIT": 70}},
    "alerts": [{"timestamp": "2025-11-18T11:59:00", "level": "critical", "message": "too many"}, {"level": "warning"}],
    "patterns": {"pattern": "rapid_increase"},
    "port_info": {"total_ports": 28232, "used_ports": 25000, "usage_percent": 88.5, "warning": True},
    "history_summary": {"max_connections": 320, "min_connections": 300, "avg_connections": 310.5},
}


def colours(file: bytes) -> dict[str, int]:
    """How many pixels there are of each colour of the palette."""
    with Image.open(io.BytesIO(file)) as picture:
        assert picture.size == (3125, 2343)
        assert [round(dots) for dots in picture.info["dpi"]] == [300, 300]
        found = picture.convert("RGB").getcolors(1 << 16) or []
    counted = {bytes(colour).hex(): number for number, colour in found if isinstance(colour, tuple)}
    return {role: counted.get(colour[1:], 0) for role, colour in LIGHT.items()}


def test_overview_is_drawn_from_the_history_of_a_report() -> None:
    quiet, exhausted = (colours(overview(document(built(hour())))) for hour in (quiet_hour, exhausted_hour))
    assert quiet["established"] > 50_000 and quiet["time_wait"] > 1_000
    assert exhausted["close_wait"] > quiet["close_wait"] + 50_000  # ports over their limit


def test_simulated_report_says_so_on_the_overview() -> None:
    plain, simulated = (
        colours(overview(document(built(quiet_hour(), simulated=simulated)))) for simulated in (False, True)
    )
    assert simulated["close_wait"] > plain["close_wait"] + 1_000


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="foreign"),
        pytest.param({"stats": {}, "alerts": [], "patterns": {}, "port_info": {}, "history_summary": {}}, id="empty"),
        pytest.param({"series": {"edges": [0], "values": {"total": {"mean": [1], "highest": [1]}}}}, id="bad-edges"),
        pytest.param({"series": {"edges": [], "values": {}}, "period": {"timezone": "Nowhere/Land"}}, id="no-series"),
        pytest.param({"hostname": "web\x1b\udcff\u202e전각" * 30, "patterns": {"pattern": "\x00" * 99}}, id="hostile"),
    ],
)
def test_document_of_another_make_has_its_numbers_drawn(changes: dict[str, Any]) -> None:
    drawn = colours(overview(FOREIGN | changes))
    assert drawn["text"] > 1_000
    if not changes:
        assert drawn["established"] > 10_000 and drawn["close_wait"] > 100_000 and drawn["time_wait"] > 10_000
