"""What is kept of an outlook, how it is read back, and what follows from it without judging anything again."""

import json
from typing import Any

import pytest

from tcptide import outlook as history
from tcptide.config import Privacy
from tcptide.errors import StoreError
from tcptide.model import Forecast, Leak
from tcptide.outlook import Outlook, from_json, to_json
from tcptide.privacy import shown_outlook

from .samples import DATABASE, ORIGIN, outlook, point, trend

PORTS = history.ports_resource(DATABASE)
LEAK = Leak("unit", "app.service", "CLOSE_WAIT", 120, 7200.0, 60.0, 1000.0)
WHOLE = outlook(
    "slow_leak",
    trend("connections", 1204, 120)._replace(base=(1.0, -2.5)),
    trend(PORTS, 20_000, 3000),
    holder="app.service",
    grew="CLOSE_WAIT",
    change=204.0,
    per_hour=120.0,
    destination=("10.0.0.5", 5432),
    local_port=443,
    leaks=(LEAK,),
)


def test_an_outlook_comes_back_from_json_as_it_was() -> None:
    again = from_json(to_json(WHOLE))
    assert again == WHOLE
    assert hash(again) == hash(WHOLE)  # no list is left in it
    assert from_json(to_json(outlook("insufficient_data"))) == outlook("insufficient_data")


@pytest.mark.parametrize("text", ["", "[]", "[1, []]", "null", to_json(WHOLE)[:-1], to_json(WHOLE).replace("[[", "[")])
def test_what_is_no_outlook_is_refused(text: str) -> None:
    with pytest.raises(StoreError):
        from_json(text)


def test_an_outlook_of_other_types_is_not_read() -> None:
    shape, fields = json.loads(to_json(WHOLE))
    with pytest.raises(StoreError, match="another version"):
        from_json(json.dumps([shape + 1, fields]))


@pytest.mark.parametrize(
    ("changes", "is_current"),
    [
        pytest.param({}, True, id="of-this-row"),
        pytest.param({"boottime_seconds": ORIGIN.boottime_seconds + 900}, True, id="a-quarter-of-an-hour-old"),
        pytest.param({"boottime_seconds": ORIGIN.boottime_seconds + 901}, False, id="older"),
        pytest.param({"boot_id": "other"}, False, id="of-another-boot"),
        pytest.param({"netns_cookie": 2}, False, id="of-another-namespace"),
        pytest.param({"wall_seconds": 0.0}, True, id="the-clock-was-set-back"),
    ],
)
def test_what_is_current(changes: dict[str, Any], is_current: bool) -> None:
    assert history.current(WHOLE, point(**changes), 900.0) == (WHOLE if is_current else None)


def test_no_outlook_is_not_current() -> None:
    assert history.current(None, point(), 900.0) is None


def test_a_forecast_is_to_the_limit_that_is_asked_for() -> None:
    near = history.ahead(WHOLE, "connections", 1444.0, ORIGIN.wall_seconds)
    assert near.seconds == pytest.approx(7200, rel=0.1)
    assert near.low is not None and near.high is not None and near.low < 7200 < near.high
    far = history.ahead(WHOLE, "connections", 2404.0, ORIGIN.wall_seconds)
    assert (far.seconds or 0) > 4 * 7200
    later = history.ahead(WHOLE, "connections", 1444.0, ORIGIN.wall_seconds + 600)
    assert later.seconds == pytest.approx(near.seconds - 600 if near.seconds else None)


@pytest.mark.parametrize(
    ("found", "resource", "limit", "reason"),
    [
        (None, "connections", 1444.0, "no history"),
        (WHOLE, "time_wait", 65536.0, "no growth"),
        (WHOLE, "connections", None, "no limit"),
    ],
)
def test_no_forecast_says_why(found: Outlook | None, resource: str, limit: float | None, reason: str) -> None:
    assert history.ahead(found, resource, limit, 0.0) == Forecast(resource, None, None, None, reason)


def test_the_limits_that_will_be_reached_soonest_first() -> None:
    now = point()  # capacity 28231
    assert history.forecasts(outlook(), now, {}) == []
    assert history.forecasts(outlook("normal", WHOLE.trends[0]), now, {}) == []  # no limit of connections is known
    ports = (history.ahead(WHOLE, PORTS, 28_231, ORIGIN.wall_seconds), 20_000 / 28_231)
    assert history.forecasts(WHOLE, now, {}) == [ports]
    for limit, place in ((5000.0, 1), (1264.0, 0)):
        connections = (history.ahead(WHOLE, "connections", limit, ORIGIN.wall_seconds), 1204 / limit)
        found = history.forecasts(WHOLE, now, {"connections": limit})
        assert (found[place], found[1 - place]) == (connections, ports)


@pytest.mark.parametrize(
    ("remote_addresses", "resource", "destination"),
    [
        ("full", "ports 10.0.0.1 10.0.0.5:5432", ("10.0.0.5", 5432)),
        ("masked", "ports 10.0.0.1 10.0.0.0/24:5432", ("10.0.0.0/24", 5432)),
        ("none", "ports 10.0.0.1 *:5432", ("*", 5432)),
    ],
)
def test_remote_addresses_are_shown_as_configured(
    remote_addresses: str, resource: str, destination: tuple[str, int]
) -> None:
    shown = shown_outlook(WHOLE, Privacy(remote_addresses))
    assert [one.resource for one in shown.trends] == ["connections", resource]
    assert shown.destination == destination
    assert shown._replace(trends=WHOLE.trends, destination=WHOLE.destination) == WHOLE


def test_a_masked_ipv6_destination_is_found_by_its_masked_name() -> None:
    resource = history.ports_resource(DATABASE._replace(remote="2001:db8:1:2::5"))
    assert resource == "ports 10.0.0.1 [2001:db8:1:2::5]:5432"
    shown = shown_outlook(outlook("normal", trend(resource, 1, 1)), Privacy("masked"))
    assert shown.trends[0].resource == history.ports_resource(DATABASE._replace(remote="2001:db8:1::/48"))
