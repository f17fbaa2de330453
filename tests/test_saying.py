"""What the history says, word for word."""

from collections.abc import Iterator

import pytest

from tcptide import saying
from tcptide.model import Forecast
from tcptide.outlook import Outlook

from .judging import utc
from .samples import ORIGIN, outlook

NOW = ORIGIN.wall_seconds  # 2025-10-09 08:53:20 UTC


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    with utc():
        yield


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param("normal", outlook(), id="normal"),
        pytest.param("insufficient_data", outlook("insufficient_data", expected=None), id="insufficient-data"),
        pytest.param("periodic", outlook("periodic"), id="periodic"),
        pytest.param(
            "slow_leak since 06:53: CLOSE_WAIT +120/h",
            outlook("slow_leak", grew="CLOSE_WAIT", change=200.0, per_hour=120.4),
            id="slow-leak",
        ),
        pytest.param(
            "rapid_increase since 06:53: SYN_RECV +4300, as in a SYN flood",
            outlook("rapid_increase", grew="SYN_RECV", change=4300.2),
            id="rapid-increase",
        ),
        pytest.param(
            "rapid_decrease since 06:53: ESTABLISHED -690",
            outlook("rapid_decrease", grew="ESTABLISHED", change=-690.0),
            id="rapid-decrease",
        ),
        pytest.param("level_shift since 06:53", outlook("level_shift"), id="nothing-known-of-who"),
        pytest.param("spike", outlook("spike", since=None), id="nothing-known-of-when"),
        pytest.param("slow_leak since 2025-10-08 06:53", outlook("slow_leak", since=NOW - 93_600), id="of-yesterday"),
    ],
)
def test_pattern(said: str, found: Outlook) -> None:
    assert saying.pattern(found) == said


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param("", outlook("rapid_increase"), id="nobody"),
        pytest.param(" by app.service", outlook("slow_leak", holder="app.service"), id="holder"),
        pytest.param(" to 10.0.0.5:5432", outlook("rapid_increase", destination=("10.0.0.5", 5432)), id="destination"),
        pytest.param(
            " by nginx.service on :443", outlook("rapid_increase", holder="nginx.service", local_port=443), id="both"
        ),
    ],
)
def test_whose(said: str, found: Outlook) -> None:
    assert saying.whose(found) == said


def test_connections() -> None:
    assert saying.connections(1204, outlook()) == "1204 connections, expected 900"
    assert saying.connections(1, outlook("insufficient_data", expected=None)) == "1 connection"


@pytest.mark.parametrize(
    ("left", "sentence", "forecast"),
    [
        pytest.param(
            "full in 8-20 min",
            "forecast: full in 8-20 min, most likely in 12 min",
            Forecast("time_wait", 720.0, 480.0, 1200.0, None),
            id="interval",
        ),
        pytest.param(
            "full in 2 h at the earliest",
            "forecast: full in 2 h at the earliest, most likely in 5 h",
            Forecast("time_wait", 18_000.0, 7200.0, None, None),
            id="maybe-never",
        ),
        pytest.param("full now", "forecast: full now", Forecast("time_wait", 0.0, 0.0, 0.0, None), id="full"),
        pytest.param(
            "reached in 8-20 min",
            "forecast: reached in 8-20 min, most likely in 12 min",
            Forecast("connections", 720.0, 480.0, 1200.0, None),
            id="a-limit-is-reached",
        ),
        pytest.param("", "no forecast: no growth", Forecast("time_wait", None, None, None, "no growth"), id="none"),
    ],
)
def test_forecast(left: str, sentence: str, forecast: Forecast) -> None:
    assert (saying.time_left(forecast), saying.sentence(forecast)) == (left, sentence)


def test_events() -> None:
    leak = outlook("slow_leak", grew="CLOSE_WAIT", per_hour=120.0, holder="app.service")
    assert saying.change(leak, None) == (
        "slow_leak since 06:53: CLOSE_WAIT +120/h (1204 connections, expected 900) by app.service"
    )
    assert saying.change(outlook(), "slow_leak") == "normal after slow_leak"
    near = Forecast("ports 10.0.0.9 10.0.0.5:5432", 720.0, 480.0, 1200.0, None)
    assert saying.reach(near) == "ports to 10.0.0.5:5432 full in 8-20 min"
    assert saying.reach(Forecast("conntrack", None, None, None, None)) == "conntrack table no longer in reach"


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ("connections", "connection limit"),
        ("conntrack", "conntrack table"),
        ("time_wait", "TIME_WAIT table"),
        ("ports 10.0.0.9 [2001:db8::5]:5432", "ports to [2001:db8::5]:5432"),
    ],
)
def test_limit(resource: str, said: str) -> None:
    assert saying.limit(resource) == said
