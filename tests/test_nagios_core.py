"""contrib/nagios under a real Nagios Core: it runs every service, knows what the checks say, and pages once."""

import re
import time
from collections.abc import Iterator

import pytest

from contrib.generators.services import CAUSES, SERVICES

from . import nagioscore
from .hosts import Host
from .nagioscore import HOSTS, WITHIN_SECONDS, Case, Status, cases, directly, status, tell
from .worlds import eventually

pytestmark = pytest.mark.root

CASES = list(cases())
EVIDENCE = {service.name for service in SERVICES if not service.pages}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with nagioscore.running() as host:
        yield host


@pytest.fixture(scope="module")
def seen(host: Host) -> Status:
    """Each service has been checked."""
    for case in CASES:
        tell(host, f"SCHEDULE_FORCED_SVC_CHECK;{case.host};{case.description};{time.time():.0f}")

    def left() -> list[str]:
        found = status(host)
        return [str(case) for case in CASES if found[case.host, case.description]["has_been_checked"] != "1"]

    assert eventually(left, [], WITHIN_SECONDS) == []
    return status(host)


def test_nagios_finds_no_fault(host: Host) -> None:
    done = host.run("nagios4 -v /etc/nagios4/nagios.cfg")
    assert done.returncode == 0
    assert re.findall(r"^(?:Warning|Error).*|^Total .*", done.stdout, re.MULTILINE) == [
        "Total Warnings: 0",
        "Total Errors:   0",
    ]


def test_each_host_has_the_services_of_its_roles(seen: Status) -> None:
    assert {key for key in seen if key[0] in HOSTS and key[1].startswith(("tcp", "own"))} == {
        (case.host, case.description) for case in CASES
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nagios_knows_what_the_check_says(case: Case, host: Host, seen: Status) -> None:
    """Its state, its line, its performance data and its long output."""
    done = directly(host, case.command)
    first, *more = done.stdout.rstrip("\n").split("\n")
    text, _, performance = first.partition(" | ")
    found = seen[case.host, case.description]
    shown = [found[name] for name in ("current_state", "plugin_output", "performance_data", "long_plugin_output")]
    expected = [str(done.returncode), text.replace(";", ":"), performance, "\\n".join(more)]  # Nagios's own doing
    if case.description == "tcptide":  # its age and its file grow meanwhile
        shown, expected = ([re.sub(r"[\d.]+", "N", part) for part in parts] for parts in (shown, expected))
    assert [part.removesuffix("\\n") for part in shown] == expected


def test_states_are_recorded_under_the_services_names(host: Host, seen: Status) -> None:
    """Of what Nagios runs under the service's, of what NRPE runs under the command's."""
    ask = "import sqlite3; print(*(n for n, in sqlite3.connect('/var/lib/tcptide/tcptide.db').execute("
    done = host.run(f"python3 -c \"{ask}'SELECT name FROM standing')))\"", user="nagios")
    recorded = {service.name for service in SERVICES} | {service.description for service in SERVICES}
    assert set(done.stdout.split()) & recorded == recorded


def test_evidence_does_not_notify(seen: Status) -> None:
    silent = {key for key, fields in seen.items() if key[0] in HOSTS and fields["notifications_enabled"] == "0"}
    assert {key for key in silent if key[1].startswith("tcp")} == {(host, name) for host in HOSTS for name in EVIDENCE}


def notified(host: Host) -> list[str]:
    """Host and service of each notification, in order."""
    log = host.read("/var/log/nagios4/nagios.log")
    return re.findall(r"SERVICE NOTIFICATION: \w+;(\w+;\w+);CRITICAL;", log)


def critical(host: Host, name: str, service: str) -> None:
    """Tell Nagios that a service is, so often that it believes it."""
    for _ in range(3):
        tell(host, f"PROCESS_SERVICE_CHECK_RESULT;{name};{service};2;CRITICAL - a test says so")

    def hard() -> tuple[str, str]:
        fields = status(host)[name, service]
        return fields["current_state"], fields["state_type"]

    assert eventually(hard, ("2", "1"), WITHIN_SECONDS) == ("2", "1")


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize(("name", "cause"), list(zip(HOSTS, CAUSES, strict=True)))
def test_incident_pages_once_even_where_evidence_notifies(name: str, cause: str, host: Host) -> None:
    tell(host, "STOP_EXECUTING_SVC_CHECKS")
    tell(host, "STOP_EXECUTING_HOST_CHECKS")
    for one in HOSTS:
        tell(host, f"PROCESS_HOST_CHECK_RESULT;{one};0;up")
    for evidence in EVIDENCE:
        tell(host, f"ENABLE_SVC_NOTIFICATIONS;{name};{evidence}")
    alone = "tcp_quality"
    critical(host, name, alone)
    assert eventually(lambda: notified(host)[-1:], [f"{name};{alone}"], WITHIN_SECONDS) == [f"{name};{alone}"]
    critical(host, name, cause)
    assert eventually(lambda: notified(host)[-1:], [f"{name};{cause}"], WITHIN_SECONDS) == [f"{name};{cause}"]
    for evidence in EVIDENCE - {alone}:
        critical(host, name, evidence)
    critical(host, name, "tcp_errors")
    assert eventually(lambda: notified(host)[-1:], [f"{name};tcp_errors"], WITHIN_SECONDS) == [f"{name};tcp_errors"]
    assert [line for line in notified(host) if line.startswith(name)] == [
        f"{name};{service}" for service in (alone, cause, "tcp_errors")
    ]
