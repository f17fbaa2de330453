"""How the samples of a period were taken, and what was foretold in it, is told of a past one too."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reporter import load, page
from reporter.document import document
from reporter.limits import Limits
from reporter.page import Page
from tcptide import statefiles
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.model import Looks
from tcptide.store import Reader
from tcptide.writer import Writer

from .reporting import MINUTE, WALL, minute, stored
from .storing import sql
from .test_report_message import part, sent

UTC = ZoneInfo("UTC")
BOUND = "bound-idle sockets (needs Linux 6.8)"


def past(directory: str) -> Page:
    """The first hour, seen from the third."""
    now = WALL + 180 * MINUTE
    loaded = load.load(directory, None, WALL, WALL + 60 * MINUTE, Config(), now, UTC)
    assert loaded.newest is None
    return page.build(loaded, 60.0, UTC, now, Limits({}))


def in_text(built: Page) -> str:
    """The words of its mail, without line ends."""
    return " ".join(part(sent(built), "plain").split())


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    """An hour as root, of which psutil took ten minutes as somebody else; then an hour as nobody in particular."""
    samples = [
        minute(
            number,
            method="psutil" if 10 <= number < 20 else "sock_diag",
            privileged=number < 10 or 20 <= number <= 60,
            unseen=(BOUND, "units (no cgroup2)") if 10 <= number < 20 else (BOUND,),
            dump_seconds=0.004 if number <= 60 else 1.0,
        )
        for number in range(121)
    ]
    return stored(str(tmp_path), samples)


def test_of_a_past_period_it_is_told_how_its_samples_were_taken(mixed: str) -> None:
    quality = past(mixed).quality
    assert quality.looked == [
        "the kernel's own socket table (sock_diag) (in 51 samples of 61)",
        "psutil and /proc/net/tcp, the slower way with less detail: sock_diag could not be had (in 10 samples of 61)",
        "with the privilege to name the processes of all users (in 51 samples of 61)",
        "without privileges (in 10 samples of 61)",
        "4 ms for a walk, on average",
    ]
    assert quality.unseen == [BOUND, "units (no cgroup2) (in 10 samples of 61)"]


def test_each_format_says_so(mixed: str) -> None:
    built = past(mixed)
    html, text = page.render(built), in_text(built)
    assert document(built)["quality"]["looked"] == built.quality.looked
    for said in (*built.quality.looked, *built.quality.unseen):
        assert said.replace("'", "&#39;") in html and said in text


def test_rows_of_an_older_version_do_not_tell_of_privileges(mixed: str) -> None:
    sql(mixed, "UPDATE sample SET privileged = NULL WHERE id <= 10")
    assert "with which privileges was not kept (in 10 samples of 61)" in past(mixed).quality.looked
    with Reader(mixed) as reader:
        (looks,) = reader.looks("host", WALL, WALL + 10 * MINUTE)
    assert looks._replace(dump_seconds=None) == Looks("sock_diag", None, (BOUND,), 10, None)


def test_of_quarters_alone_nothing_is_said_of_how(mixed: str) -> None:
    sql(mixed, f"DELETE FROM sample WHERE wall < {WALL + 90 * MINUTE}")
    quality = past(mixed).quality
    assert (quality.looked, quality.unseen) == (["not kept with quarters of an hour"], [])


def foretell(directory: str, *changes: tuple[float, int, int, str, str]) -> None:
    with statefiles.lock(directory, SYSTEM, 5.0), Writer(directory) as writer, writer.transaction():
        for when, old, new, name, said in changes:
            writer.add_event(1, WALL + when * MINUTE, name, "forecast", old, new, None, said, None)


def test_what_was_foretold_in_a_past_period_is_listed(mixed: str) -> None:
    ports = "ports 10.0.0.9 10.0.0.5:5432"
    foretell(
        mixed,
        (20, 0, 1, ports, "ports to 10.0.0.5:5432 full in 28-60 min"),
        (30, 1, 0, "time_wait", "TIME_WAIT table no longer in reach"),
        (40, 1, 0, ports, "ports to 10.0.0.5:5432 no longer in reach"),
        (55, 0, 1, "conntrack", "conntrack table full in 1-2 h"),
    )
    built = past(mixed)
    assert built.forecasts is None
    assert document(built)["recorded_forecasts"] == {
        "title": "Recorded forecasts",
        "rows": [
            {
                "what_was_foretold": "TIME_WAIT table in reach",
                "when": "Tue 18 Nov 00:00",
                "when_note": "or before",
                "in_reach_for": 1800,
                "in_reach_for_note": "until Tue 18 Nov 00:30",
            },
            {
                "what_was_foretold": "Ports to 10.0.0.5:5432 full in 28-60 min",
                "what_was_foretold_note": "from 10.0.0.9",
                "when": "Tue 18 Nov 00:20",
                "in_reach_for": 1200,
                "in_reach_for_note": "until Tue 18 Nov 00:40",
            },
            {
                "what_was_foretold": "Conntrack table full in 1-2 h",
                "when": "Tue 18 Nov 00:55",
                "in_reach_for": 300,
                "in_reach_for_note": "at the end it still was",
            },
        ],
        "more": 0,
    }
    html = page.render(built)
    assert "which is not of this period: below is what was recorded in it.</p>" in html
    text = in_text(built)
    for said in ("Ports to 10.0.0.5:5432 full in 28-60 min", "Conntrack table full in 1-2 h"):
        assert f"<bdi>{said}</bdi>" in html and said in text


def test_where_nothing_was_foretold_the_page_says_so(mixed: str) -> None:
    built = past(mixed)
    said = "A forecast is made for the newest sample only, which is not of this period"
    assert f"{said}, and none was recorded in it." in page.render(built)
    assert f"{said}, and none was recorded in it." in in_text(built)
    assert json.loads(json.dumps(document(built)["recorded_forecasts"]))["rows"] == []
