"""Who is behind a change: named only when most of it is theirs."""

import json

import pytest

from tcptide.codec import Top
from tcptide.growth import ROWS, Usual
from tcptide.model import Destination, Holder

APP = Holder("unit", "app.service", {"ESTABLISHED": 300, "CLOSE_WAIT": 4})
WEB = Holder("unit", "nginx.service", {"ESTABLISHED": 700})
USER = Holder("user", "www-data", {"ESTABLISHED": 1000, "CLOSE_WAIT": 4})
PROCESS = Holder("process", "python3", {"ESTABLISHED": 1000, "CLOSE_WAIT": 4})
STATES = {"ESTABLISHED": 1000.0, "CLOSE_WAIT": 4.0, "TIME_WAIT": 500.0}


def top(
    *holders: Holder, destinations: tuple[tuple[str, int], ...] = (), ports: tuple[tuple[int, int], ...] = ()
) -> Top:
    toward = tuple(Destination("10.0.0.1", remote, 5432, used, 0, 1.0, None) for remote, used in destinations)
    return Top(toward, (), (), ports, (), holders, ())


def usual(rows: int = 100) -> Usual:
    found = Usual()
    for _ in range(rows):
        found.see(STATES, top(APP, WEB, USER, PROCESS, destinations=(("10.0.0.5", 300),), ports=((443, 700),)))
        found.settle()
    return found


def test_the_unit_that_most_of_the_growth_is_in_is_named() -> None:
    found = usual()
    leaking = APP._replace(states={"ESTABLISHED": 300, "CLOSE_WAIT": 104})
    found.see({**STATES, "CLOSE_WAIT": 104.0}, top(leaking, WEB, USER))
    assert found.change("CLOSE_WAIT") == pytest.approx(100)
    assert found.holder("CLOSE_WAIT") == "app.service"


def test_the_user_is_named_where_no_unit_is_it() -> None:
    found = usual()
    leaking = USER._replace(states={"ESTABLISHED": 1000, "CLOSE_WAIT": 104})
    found.see({**STATES, "CLOSE_WAIT": 104.0}, top(APP, WEB, leaking))
    assert found.holder("CLOSE_WAIT") == "www-data"


def test_nobody_is_named_where_all_grew() -> None:
    found = usual()
    both = (APP._replace(states={"ESTABLISHED": 800}), WEB._replace(states={"ESTABLISHED": 1200}))
    found.see({**STATES, "ESTABLISHED": 2000.0}, top(*both))
    assert found.holder("ESTABLISHED") is None


def test_who_lost_most_is_named() -> None:
    found = usual()
    found.see({**STATES, "ESTABLISHED": 310.0}, top(APP, WEB._replace(states={"ESTABLISHED": 10}), USER))
    assert found.change("ESTABLISHED") == pytest.approx(-690)
    assert found.holder("ESTABLISHED") == "nginx.service"


def test_destination_and_local_port_of_a_change() -> None:
    found = usual()
    grown = top(APP, WEB, USER, destinations=(("10.0.0.5", 5300),), ports=((443, 700),))
    found.see({**STATES, "TIME_WAIT": 5500.0}, grown)
    assert (found.destination(5000.0), found.local_port(5000.0)) == (("10.0.0.5", 5432), None)
    assert found.holder("TIME_WAIT") is None  # the kernel keeps no owner for them
    found.see({**STATES, "SYN_RECV": 4000.0}, top(APP, WEB, USER, ports=((443, 4700),)))
    assert (found.destination(4000.0), found.local_port(4000.0)) == (None, 443)


def test_nothing_changed_is_nobody() -> None:
    found = usual()
    found.see(STATES, top(APP, WEB, USER))
    assert found.change("ESTABLISHED") == pytest.approx(0)
    assert found.holder("ESTABLISHED") is None


def test_what_is_usual_follows_slowly_and_only_when_told() -> None:
    found = usual()
    grown = {**STATES, "ESTABLISHED": 1600.0}
    found.see(grown, top())
    assert found.change("ESTABLISHED") == pytest.approx(600)
    found.see(grown, top())
    assert found.change("ESTABLISHED") == pytest.approx(600)
    found.settle()
    assert found.change("ESTABLISHED") == pytest.approx(600 * (1 - 1 / ROWS))


def test_the_first_rows_are_usual_at_once() -> None:
    found = usual(rows=1)
    assert found.change("ESTABLISHED") == 0


def test_who_is_gone_is_forgotten() -> None:
    found = usual()
    for _ in range(8 * ROWS):
        found.see(STATES, top(WEB))
        found.settle()
    assert "app.service" not in json.dumps(found.dump())


def test_it_goes_on_from_its_dump_through_json() -> None:
    found = usual()
    again = Usual.load(json.loads(json.dumps(found.dump())))
    for one in (found, again):
        one.see({**STATES, "CLOSE_WAIT": 104.0}, top(APP, WEB))
        one.settle()
    assert again.dump() == found.dump()


@pytest.mark.parametrize("dumped", [None, [], [1], [1, [["state", "ESTABLISHED"]]], "usual"])
def test_what_is_no_dump_is_refused(dumped: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        Usual.load(dumped)
