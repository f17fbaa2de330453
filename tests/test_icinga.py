"""contrib/icinga in a real Icinga 2, which runs the checks on real sockets; one start for all cases."""

import json
import os
import pwd
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from checks import options
from contrib.generate import checks
from tcptide.store import Reader

from .icinga import NODE, Icinga, prepared, read_perfdata, running
from .worlds import World

pytestmark = pytest.mark.root

KEYS = [spec.key for spec in checks()]
SYMPTOMS = ["tcp_pattern", "tcp_quality", "tcp_time_wait"]
LOW, PORTS, SERVICE = 20000, 64, 5432  # of the world's range; the destination's port

COMMON = ["here!" + key for key in KEYS]
ROLES = ["here!tcp_connections_database", "here!tcp_connections_web"]
BEHIND = [f"{host}!behind-{cause}" for host in (NODE, "web1") for cause in ("tcp_listen_queue", "tcp_port_exhaustion")]
CASES = ["here!alerts", "here!alone", "here!filters", "here!mistyped", "here!unit"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """All ports to one destination are taken."""
    with World(ip_local_port_range=f"{LOW} {LOW + PORTS - 1}") as world:
        world.add_address("10.99.0.1")
        listener = world.listen("10.99.0.1", SERVICE)
        for _ in range(PORTS * 15 // 16):
            world.pair(listener)
        yield world


@pytest.fixture(scope="module")
def icinga(world: World, script: Callable[[str], str]) -> Iterator[Icinga]:
    """It has checked everything until each state is a hard one."""
    if shutil.which("icinga2", path="/usr/sbin") is None:
        pytest.skip("needs Icinga 2: apt install icinga2")
    with prepared(script) as (icinga, agent), running(icinga), running(agent):
        for _ in range(3):
            icinga.check_now(*COMMON, *ROLES, *CASES)
        yield icinga


def answer(icinga: Icinga, name: str) -> tuple[int, str, list[str]]:
    """State, line 1 without perfdata, and arguments of the last check."""
    service = icinga.service(f"here!{name}")
    result = service["last_check_result"]
    assert re.fullmatch(rf"{icinga.folder}/plugins/check_\w+", result["command"][0])
    line, *_ = result["output"].splitlines()  # Icinga leaves the space before the perfdata
    return int(service["state"]), line.rstrip(), result["command"][1:]


def test_services_are_those_of_the_host_itself_and_of_hosts_with_an_agent(icinga: Icinga) -> None:
    services = icinga.objects("services")
    assert sorted(services) == sorted(
        [*COMMON, *ROLES, *CASES, *BEHIND, *("web1!" + name for name in (*KEYS, "tcp_connections_web"))]
    )
    assert {services[f"here!{key}"]["command_endpoint"] for key in KEYS} == {""}
    assert {services[f"web1!{key}"]["command_endpoint"] for key in KEYS} == {"web1"}
    assert {services[name]["event_command"] for name in COMMON + ROLES} == {"tcptide_evidence"}


@pytest.mark.parametrize("spec", checks(), ids=lambda spec: spec.key)
def test_command_is_run_with_its_defaults_by(icinga: Icinga, spec: Any) -> None:
    state, output, arguments = answer(icinga, spec.key)
    assert arguments == {
        "tcp_listen_queue": ["--max-age", "0", "--record", spec.key],
        "tcp_port_exhaustion": ["--critical", "80", "--record", spec.key, "--warning", "50"],  # of the role
        "tcp_time_wait": ["--record", spec.key, "--warning", "time_wait=1000000:"],
    }.get(spec.key, ["--record", spec.key])
    expected = {"tcp_port_exhaustion": "CRITICAL", "tcp_time_wait": "WARNING"}.get(spec.key, "OK")
    assert output.startswith(f"{spec.service} {expected} - ")
    assert ["OK", "WARNING", "CRITICAL", "UNKNOWN"][state] == expected


@pytest.mark.parametrize("spec", checks(), ids=lambda spec: spec.key)
def test_perfdata_that_the_api_shows_is_read_with_its_numbers(icinga: Icinga, spec: Any) -> None:
    items = icinga.service(f"here!{spec.key}")["last_check_result"]["performance_data"]
    labels = [metric.label for metric in spec.metrics]
    read = read_perfdata(items)
    assert [each[0] for each in read] == [label for label in labels if label in {each[0] for each in read}]
    for item, (label, value, unit, warn, crit, low, high) in zip(items, read, strict=True):
        found = re.fullmatch(rf"{label}=(-?[\d.]+)(%|s|ms|B|);?([^;]*);?([^;]*);?([^;]*);?([^;]*)", item)
        assert found, item
        factor = 0.001 if found[2] == "ms" else 1
        numbers = [float(text) * factor if re.fullmatch(r"[\d.]+", text) else None for text in found.groups()[2:]]
        assert [value, warn, crit, low, high] == pytest.approx([float(found[1]) * factor, *numbers]), item
        assert unit == {"": "", "%": "percent", "s": "seconds", "ms": "seconds", "B": "bytes"}[found[2]]


def test_arrays_repeat_the_option_and_filters_narrow_down(icinga: Icinga) -> None:
    state, output, arguments = answer(icinga, "filters")
    assert arguments == [
        *("--critical", "total=1000", "--family", "4", "--record", "filters"),
        *("--remote", "10.99.0.1", "--remote", "192.0.2.0/24", "--remote-port", "5432"),
        *("--state", "ESTABLISHED", "--state", "close-wait", "--user", "root", "--verbose"),
        *("--warning", "10", "--warning", "close_wait=@1:5"),
    ]
    assert (state, output) == (1, "TCP_CONNECTIONS WARNING - 60 connections (limit 10), 60 by root")


def test_a_unit_without_sockets_lacks_its_listener(icinga: Icinga) -> None:
    state, output, arguments = answer(icinga, "unit")
    assert arguments == [
        *("--critical", "listen=1:", "--local-port", "80", "--local-port", "443", "--record", "pool"),
        *("--unit", "no such \\x2d\"$HOME';.service"),
    ]
    assert (state, output) == (2, "TCP_CONNECTIONS CRITICAL - 0 LISTEN (allowed 1:)")


def test_numbers_and_lists_reach_the_pattern_check(icinga: Icinga) -> None:
    state, output, arguments = answer(icinga, "alerts")
    assert arguments == [
        *("--alert-on", "slow_leak=critical", "--alert-on", "spike,level_shift", "--limit", "5000"),
        *("--max-age", "10", "--record", "alerts", "--timeout", "5"),
    ]
    assert state == 0 and output.startswith("TCP_PATTERN OK - ")


def test_a_mistyped_threshold_is_unknown_in_one_line(icinga: Icinga) -> None:
    state, output, _ = answer(icinga, "mistyped")
    assert state == 3
    assert output.startswith("TCP_TIME_WAIT UNKNOWN - usage: -w bucket_usge=80: 'bucket_usge' is no metric of ")


def test_services_of_the_roles_see_their_connections(icinga: Icinga) -> None:
    assert [answer(icinga, name.removeprefix("here!")) for name in ROLES] == [
        (
            0,
            "TCP_CONNECTIONS OK - 60 connections, 60 ESTABLISHED",
            [
                *("--critical", "400", "--record", "tcp_connections_database", "--remote-port", "5432"),
                *("--warning", "200"),
            ],
        ),
        (
            0,
            "TCP_CONNECTIONS OK - 0 connections",
            ["--critical", "8000", "--local-port", "443", "--record", "tcp_connections_web", "--warning", "5000"],
        ),
    ]


def test_one_incident_notifies_once(icinga: Icinga) -> None:
    """TIME_WAIT is as bad for `alone`; what is told apart is only that it depends on the ports."""
    services = icinga.objects("services")
    told = {name: (services[f"here!{name}"]["state_type"], services[f"here!{name}"]["last_reachable"]) for name in KEYS}
    assert told == {key: (1, key not in SYMPTOMS) for key in KEYS}
    icinga.wait(lambda: len(os.listdir(f"{icinga.folder}/out")) >= 2, "two notifications")
    noted = sorted(os.listdir(f"{icinga.folder}/out"))
    assert noted == ["alone PROBLEM", "tcp_port_exhaustion PROBLEM"]


def test_an_agent_runs_the_checks_of_its_host_and_keeps_what_they_find(icinga: Icinga) -> None:
    icinga.wait(lambda: bool(icinga.objects("endpoints")["web1"]["connected"]), "the agent")
    icinga.check_now("web1!tcp_port_exhaustion", "web1!tcp_connections_web")
    result = icinga.service("web1!tcp_port_exhaustion")["last_check_result"]
    home = f"{os.path.dirname(icinga.folder)}/web1"
    assert (result["check_source"], result["state"]) == ("web1", 2)
    assert result["output"].startswith(
        "TCP_PORT_EXHAUSTION CRITICAL - 93% of ports to 10.99.0.1:5432 used (60/64) by root"
    )
    events = recorded(f"{home}/state")
    assert events == {("tcp_port_exhaustion", None, 2)}
    icinga.wait(lambda: os.path.isdir(f"{home}/state/evidence"), "evidence")
    (name,) = os.listdir(f"{home}/state/evidence")
    assert name[17:] == "tcp_port_exhaustion-CRITICAL.txt"


def test_what_says_why_notifies_only_if_the_host_says_so(icinga: Icinga) -> None:
    services = icinga.objects("services")
    quiet = [key for key in KEYS if not services[f"here!{key}"]["enable_notifications"]]
    assert sorted(quiet) == ["tcp_pattern", "tcp_quality"]
    quiet = [key for key in KEYS if not services[f"web1!{key}"]["enable_notifications"]]
    assert sorted(quiet) == ["tcp_pattern", "tcp_quality", "tcp_time_wait"]


def recorded(state: str) -> set[tuple[str, int | None, int]]:
    """Changes of state in a state directory: service, old and new state."""
    with Reader(state) as reader:
        ((source, *_),) = reader.sources()
        events = reader.events(source, 0, 1e12)
    return {(event.name, event.old, event.new) for event in events if event.kind == "threshold"}


def test_changes_of_state_are_recorded_under_the_services_names(icinga: Icinga) -> None:
    assert {("tcp_port_exhaustion", None, 2), ("tcp_time_wait", None, 1)} <= recorded(f"{icinga.folder}/state")


def test_event_command_leaves_evidence_of_the_agents_user(icinga: Icinga) -> None:
    folder = f"{icinga.folder}/state/evidence"
    (name,) = os.listdir(folder)
    found = os.stat(f"{folder}/{name}")
    assert re.fullmatch(r"\d{8}T\d{6}Z-tcp_(port_exhaustion|time_wait)-(WARNING|CRITICAL)\.txt", name)
    assert (found.st_mode & 0o777, found.st_uid) == (0o640, pwd.getpwnam("nagios").pw_uid)
    assert os.stat(folder).st_mode & 0o777 == 0o750
    icinga.wait(lambda: read(f"{folder}/{name}").count("(exit status ") == len(KEYS) - 1, "all checks")
    assert "\nTCP_PORT_EXHAUSTION CRITICAL - 93% of ports to 10.99.0.1:5432 used" in read(f"{folder}/{name}")


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def objects(icinga: Icinga) -> Sequence[dict[str, Any]]:
    """What the daemon made of its configuration."""
    with open(f"{icinga.folder}/cache/icinga2.debug", "rb") as file:
        data = file.read()
    found = []
    while data:
        length, _, rest = data.partition(b":")
        found.append(json.loads(rest[: int(length)]))
        data = rest[int(length) + 1 :]
    return found


@pytest.mark.parametrize("spec", checks(), ids=lambda spec: spec.key)
def test_command_takes_the_options_of(icinga: Icinga, spec: Any) -> None:
    (command,) = (
        each["properties"] for each in objects(icinga) if (each["type"], each["name"]) == ("CheckCommand", spec.key)
    )
    assert command["vars"] == {f"{spec.key}_record": "$service.name$"}
    assert command["arguments"] == {
        option.flags[-1]: {
            "value" if option.metavar else "set_if": f"${spec.key}_{option.flags[-1][2:].replace('-', '_')}$",
            "description": option.help,
            **({"repeat_key": True} if option.repeatable else {}),
        }
        for option in options.of(spec)
        if option.flags[-1] != "--output"  # Icinga reads text
    }


def check_until(icinga: Icinga, name: str, state: int) -> None:
    """A check judges a sample of up to five seconds ago, which may be of before a change."""

    def checked() -> bool:
        icinga.check_now(f"here!{name}")
        return answer(icinga, name)[0] == state

    icinga.wait(checked, f"state {state} of {name}")


def test_a_symptom_that_outlives_its_cause_notifies_then(icinga: Icinga, world: World) -> None:
    world.reset(world.keep)
    check_until(icinga, "tcp_port_exhaustion", 0)
    icinga.check_now("here!tcp_time_wait")
    assert icinga.service("here!tcp_time_wait")["last_reachable"]
    icinga.wait(lambda: "tcp_time_wait PROBLEM" in os.listdir(f"{icinga.folder}/out"), "the notification")


def test_a_full_accept_queue_is_a_cause_as_well(icinga: Icinga, world: World) -> None:
    world.listen("10.99.0.1", SERVICE, backlog=9)
    for _ in range(12):
        world.connect("10.99.0.1", SERVICE, blocking=False)
    check_until(icinga, "tcp_listen_queue", 2)
    icinga.check_now(*("here!" + key for key in SYMPTOMS))
    assert [key for key in SYMPTOMS if icinga.service(f"here!{key}")["last_reachable"]] == []
