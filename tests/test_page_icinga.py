"""docs/icinga.md, followed word by word on a host of its own, and what Icinga says meanwhile."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from contrib.generate import checks

from . import hosts, pages
from .hosts import Host
from .pages import Step
from .worlds import World, eventually

pytestmark = pytest.mark.root

STEPS = pages.steps("docs/icinga.md")
RUNNING, OWN, AGENTS = (
    [step for step in STEPS if step.section in sections]
    for sections in (("", "Commands and services"), ("Which services", "Options and thresholds"), ("Agents",))
)
REST = [step for step in STEPS if step not in (*RUNNING, *OWN, *AGENTS)]
KEYS = {spec.key for spec in checks()}
THEIRS = "/etc/icingaweb2/modules/graphite/templates/tcp.ini"
PASSWORD = "$(grep -oP 'password = \"\\K[^\"]+' /etc/icinga2/conf.d/api-users.conf)"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    needed = {"/lib/systemd/systemd": "systemd", "/usr/sbin/icinga2": "icinga2", "/usr/bin/curl": "curl"}
    for path, package in needed.items():
        if shutil.which(path) is None:
            pytest.skip(f"needs {path}: apt install {package}")
    with World(), hosts.installed("monitor") as host:
        # Files of the layer below can't be copied as Icinga's boost::filesystem does it: all of its are made anew.
        anew = "cp -a /etc/icinga2 /root && rm -r /etc/icinga2 && cp -a /root/icinga2 /etc"
        assert host.run(anew).returncode == 0
        assert host.run(f"install -D /dev/null {THEIRS}").returncode == 0
        yield host


def name_of(step: Step) -> str:
    return step.command or step.path


def services(host: Host, value: str) -> dict[str, Any]:
    """An expression of each tcptide service `s`, by its full name."""
    found = f'get_objects(Service).filter(s => match("*tcp*", s.name)).map(s => [ s.__name, {value} ])'
    console = f'icinga2 console --connect "https://root:{PASSWORD}@localhost/"'
    done = host.run(f"{console} --eval 'Json.encode({found})'")
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(json.loads(done.stdout)))


@pytest.mark.parametrize("step", RUNNING, ids=name_of)
def test_step_to_the_first_answers(step: Step, host: Host) -> None:
    pages.follow(step, host)


def test_all_is_green_but_what_watches_samples_that_were_not_yet_taken(host: Host) -> None:
    states = "s.last_check_result.state"
    names = {f"monitor!{key}" for key in KEYS}
    eventually(lambda: None not in {state for name, state in services(host, states).items() if name in names}, True, 30)
    found = {name: state for name, state in services(host, states).items() if name in names}
    assert {name: state for name, state in found.items() if name != "monitor!tcptide"} == dict.fromkeys(
        names - {"monitor!tcptide"}, 0
    )
    said = services(host, "s.last_check_result.output")["monitor!tcptide"]
    assert said.startswith(("TCPTIDE OK - last sample ", "TCPTIDE UNKNOWN - /var/lib/tcptide: no samples yet"))


@pytest.mark.parametrize("step", OWN, ids=name_of)
def test_step_to_roles_and_a_service_of_ones_own(step: Step, host: Host) -> None:
    pages.follow(step, host)


def test_roles_and_own_services_are_there(host: Host) -> None:
    wanted = {f"monitor!{name}" for name in ("tcp_connections_web", "tcp_connections_database", "tcp_close_wait")}
    assert eventually(lambda: wanted <= set(services(host, "s.state")), True, 30)
    assert services(host, "s.command_endpoint")["monitor!tcp_close_wait"] == ""


@pytest.mark.parametrize("step", AGENTS, ids=name_of)
def test_step_to_agents(step: Step, host: Host) -> None:
    pages.follow(step, host)


def test_services_of_the_host_with_an_agent_are_run_by_it(host: Host) -> None:
    eventually(lambda: host.run("curl -sk https://localhost:5665").returncode, 0, 30)
    endpoints = services(host, "s.command_endpoint")
    of_web1 = {name.removeprefix("web1!"): each for name, each in endpoints.items() if name.startswith("web1!tcp")}
    assert of_web1 == dict.fromkeys([*KEYS, "tcp_connections_web"], "web1")
    assert "monitor!tcp_close_wait" in endpoints


@pytest.mark.parametrize("step", REST, ids=name_of)
def test_step_of_the_rest(step: Step, host: Host) -> None:
    pages.follow(step, host)


def test_what_is_removed_is_all_of_it_and_nothing_else(host: Host) -> None:
    left = host.run("find /etc/icinga2 /etc/icingaweb2 /etc/cron.d -name '*tcp*'").stdout.split()
    assert left == [THEIRS]
