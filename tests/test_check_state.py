"""The installed checks on a state: what they take from it, what they leave in it, and what they say without one."""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tcptide.lingering import of_ages
from tcptide.model import Sample
from tcptide.store import Reader

from . import samples, worlds
from .checking import LOOKING, Check, aged, prefix, store
from .storing import sql
from .worlds import TREE

each_looking_check = pytest.mark.parametrize("name", LOOKING)


@each_looking_check
def test_looks_stores_and_answers(name: str, check: Check, state_dir: str) -> None:
    status, lines = check(name, "--source", "here")
    assert re.match(rf"{prefix(name)} (OK|WARNING|CRITICAL) - ", lines[0])
    assert status == ("OK", "WARNING", "CRITICAL").index(lines[0].split()[1])
    assert "no history" not in lines[0]
    with Reader(state_dir) as reader:
        assert len(reader.recent("here", 10)) == 1


@each_looking_check
def test_unusable_state_is_judged_live_with_a_notice(name: str, script: Callable[[str], str], tmp_path: Any) -> None:
    file = tmp_path / "state"
    file.write_text("")
    done = worlds.run([script(name), "--state-dir", str(file)])
    line = done.stdout.partition(" | ")[0]
    states = "UNKNOWN" if name == "check_tcp_pattern" else "(OK|WARNING|CRITICAL)"  # it has nothing but history
    assert re.match(rf"{prefix(name)} {states} - .*\(no history: (/.*: )?not a directory\)$", line)
    assert len(line) <= 120
    assert f"no history: {file}: not a directory" in done.stdout


def test_watcher_has_nothing_but_the_state(script: Callable[[str], str], check: Check, state_dir: str) -> None:
    assert check("check_tcptide") == (3, [f"TCPTIDE UNKNOWN - {state_dir}: no samples yet"])
    done = worlds.run([script("check_tcptide"), "--state-dir", "/dev/null/state"])
    assert (done.returncode, done.stdout) == (3, "TCPTIDE UNKNOWN - /dev/null/state: Not a directory\n")
    store(state_dir, aged(0, "there"))
    assert check("check_tcptide", "--source", "here") == (
        3,
        [f"TCPTIDE UNKNOWN - {state_dir}: no samples of here, only of there"],
    )
    for table in ("latest", "sample", "source"):  # as it is while the first sample is being written
        sql(state_dir, f"DELETE FROM {table}")
    assert check("check_tcptide") == (3, [f"TCPTIDE UNKNOWN - {state_dir}: no samples yet"])


def test_watcher_watches(check: Check, state_dir: str) -> None:
    for seconds in (720, 660, 600, 240):
        store(state_dir, aged(seconds, "here"))
    status, lines = check("check_tcptide", "--source", "here")
    assert status == 1
    assert re.match(
        r"TCPTIDE WARNING - no sample for 4 min \(limit 3 min\)"
        r" \| sample_age_seconds=24\d\.?\d*s;180;600;0 gap_percent=83\.\d+%;;;0;100"
        r" state_bytes=\d+B;;;0 damaged_files=0;;;0$",
        lines[0],
    )
    assert lines[1] == "sources: here"


def test_watcher_sees_an_outage_that_began_before_its_window(check: Check, state_dir: str) -> None:
    for seconds in (100_000, 90_000, 120, 60):
        store(state_dir, aged(seconds, "here"))
    status, lines = check("check_tcptide", "--source", "here", "-w", "gap_percent=10")
    assert (status, lines[0].partition(" | ")[0]) == (
        1,
        "TCPTIDE WARNING - 99% of the last 24 h without samples (limit 10%)",
    )


def test_rates_come_with_the_second_sample(check: Check, state_dir: str) -> None:
    sample = aged(60, "here")
    counters = {**sample.counters, "TcpExt.TW": sample.counters["TcpExt.TW"] - 60}
    store(state_dir, sample._replace(counters=counters))
    rate = re.compile(r" created_per_second=([\d.]+);")
    _, lines = check("check_tcp_time_wait", "--source", "here", "--max-age", "0")
    found = rate.search(lines[0])
    assert found
    assert float(found[1]) >= 0.9
    _, lines = check("check_tcp_time_wait", "--source", "there")
    assert not rate.search(lines[0])


FLOOD = {"states": {"CLOSE_WAIT": (70_000, 0)}}


@pytest.mark.parametrize(
    ("age", "state"), [(2, "CRITICAL"), (20, "OK")], ids=["crit-judged-as-it-is", "ok-looked-at-again"]
)
def test_alarm_from_an_old_sample_is_looked_at_again(age: float, state: str, check: Check, state_dir: str) -> None:
    store(state_dir, aged(age, "here", **FLOOD))
    status, lines = check("check_tcp_connections", "--source", "here", "-c", "close_wait=60000", "--output", "json")
    said = json.loads(lines[0])
    assert said["state"] == state
    assert status == said["exit_code"]
    assert (said["sample"]["age_seconds"] < 2) == (state == "OK")


def test_fresh_sample_is_used_until_max_age(check: Check, state_dir: str) -> None:
    store(state_dir, aged(20, "here", **FLOOD))
    _, lines = check("check_tcp_connections", "--source", "here")
    assert "70000 CLOSE_WAIT" in lines[0]
    _, lines = check("check_tcp_connections", "--source", "here", "--max-age", "10")
    assert "70000 CLOSE_WAIT" not in lines[0]


def test_filtered_look_is_its_own_and_stores_nothing(check: Check, state_dir: str) -> None:
    store(state_dir, aged(20, "here", **FLOOD))
    status, lines = check("check_tcp_connections", "--source", "here", "--state", "CLOSE_WAIT", "--output", "json")
    said = json.loads(lines[0])
    assert (status, said["sample"]["age_seconds"] < 2) == (0, True)
    assert said["metrics"]["close_wait"]["value"] < 60_000
    with Reader(state_dir) as reader:
        assert len(reader.recent("here", 10)) == 1


def test_network_that_is_none_is_named(check: Check) -> None:
    assert check("check_tcp_connections", "--remote", "10.0.0.0/33") == (
        3,
        [
            "TCP_CONNECTIONS UNKNOWN - --remote: '10.0.0.0/33' is no network: '10.0.0.0/33' does not appear to be an"
            " IPv4 or IPv6 network"
        ],
    )


def test_record_writes_changes_of_state_and_nothing_else_does(check: Check, state_dir: str) -> None:
    def events() -> list[tuple[str, int | None, int]]:
        with Reader(state_dir) as reader:
            return [(event.name, event.old, event.new) for event in reader.events("here", 0, time.time() + 60)]

    mine = ("check_tcp_connections", "--source", "here")
    check(*mine, "-c", "~:-1")
    assert events() == []
    for critical in ("", "", "~:-1", "~:-1", ""):
        check(*mine, "-c", f"total={critical}", "--record", "connections web1")
    assert events() == [("connections web1", 0, 2), ("connections web1", 2, 0)]


def test_two_checks_with_one_name_are_told_so(check: Check, state_dir: str) -> None:
    for _ in range(3):
        check("check_tcp_connections", "--source", "here", "-c", "~:-1", "--record", "tcp")
        status, lines = check("check_tcp_time_wait", "--source", "here", "--record", "tcp")
        assert status == 0
        assert " (not recorded: tcp is a service of check_tcp_connections) | " in lines[0]
    with Reader(state_dir) as reader:
        assert len(reader.events("here", 0, time.time() + 60)) == 1


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (b"caf\xe9", "is not one line of text"),
        (b"two\nlines", "is not one line of text"),
        (b"n" * 3000, "has over 255 characters"),
        (b" ", "is empty"),
    ],
    ids=["unknown-no-utf8", "unknown-two-lines", "unknown-long", "unknown-empty"],
)
def test_a_name_that_cannot_be_kept_is_refused(name: bytes, problem: str, script: Callable[[str], str]) -> None:
    command = [os.fsencode(script("check_tcp_time_wait")), b"--record", name]
    done = subprocess.run(command, capture_output=True, check=False)
    line = f"TCP_TIME_WAIT UNKNOWN - usage: argument --record: {problem}; see --help\n"
    assert (done.returncode, done.stdout.decode(), done.stderr) == (3, line, b"")


@pytest.mark.parametrize(
    ("arguments", "code", "severity"),
    [
        (("-w", "worst_bind=10"), "destination_range", 2),
        (("-w", "worst_destination=", "-c", "worst_destination="), "bind", 1),
        (("-w", "worst_bind=", "-c", "capacity=1", "-w", "worst_destination=", "-c", "worst_destination="), None, None),
    ],
    ids=["crit-destination", "warn-bind", "crit-nothing-explains"],
)
def test_recorded_finding_explains_the_worst_breach(
    arguments: tuple[str, ...], code: str | None, severity: int | None, check: Check, state_dir: str
) -> None:
    full = samples.sample(worst=(samples.destination(25_974),), bind=(("10.0.0.1", 95.0),))
    store(state_dir, aged(0, "here", ports=full.ports, limits=full.limits))
    check("check_tcp_port_exhaustion", "--source", "here", "--record", "ports", *arguments)
    with Reader(state_dir) as reader:
        (event,) = reader.events("here", 0, time.time() + 60)
    assert event.code == code
    assert (json.loads(event.finding)["severity"] if event.finding else None) == severity


def test_record_that_fails_is_a_notice(script: Callable[[str], str]) -> None:
    done = worlds.run([script("check_tcp_connections"), "--state-dir", "/dev/null/state", "--record", "x"])
    assert done.returncode == 0
    first, *rest = done.stdout.splitlines()
    assert first.partition(" | ")[0].endswith(" (no history, not recorded: /dev/null/state: Not a directory)")
    assert not [line for line in rest if "/dev/null/state" in line]


@pytest.mark.parametrize(
    ("origin", "mark"),
    [({"method": "psutil"}, " (seen by psutil)"), ({"simulated": True}, " (SIMULATED)")],
    ids=["fallback", "simulated"],
)
def test_first_line_says_how_it_was_looked(origin: dict[str, Any], mark: str, check: Check, state_dir: str) -> None:
    sample = aged(0, "here")
    store(state_dir, sample._replace(origin=sample.origin._replace(**origin)))
    _, lines = check("check_tcp_connections", "--source", "here")
    assert lines[0].partition(" | ")[0].endswith(mark)


@pytest.mark.root
def test_container_host_says_that_it_is_only_one_namespace_of_many(check: Check) -> None:
    with worlds.World():
        _, lines = check("check_tcp_port_exhaustion", "--source", "host")
        assert "host namespace only" not in lines[0]
        subprocess.run(["ip", "link", "add", "veth1", "type", "veth", "peer", "name", "veth2"], check=True)
        _, lines = check("check_tcp_port_exhaustion", "--source", "host")
        assert lines[0].partition(" | ")[0].endswith(" (host namespace only)")
        _, lines = check("check_tcp_port_exhaustion", "--source", "web-container")
        assert "host namespace only" not in lines[0]


def test_privacy_holds_for_what_is_printed(check: Check, state_dir: str, tmp_path: Any) -> None:
    store(state_dir, aged(0, "here", remotes=(("192.0.2.7", 3), ("192.0.2.8", 1))))
    _, lines = check("check_tcp_connections", "--source", "here")
    assert "incoming by remote address: 192.0.2.7 3, 192.0.2.8 1" in lines
    file = tmp_path / "tcptide.toml"
    file.write_text('[privacy]\nremote_addresses = "masked"\n')
    _, lines = check("check_tcp_connections", "--source", "here", "--config", str(file))
    assert "incoming by remote address: 192.0.2.0/24 4" in lines


def test_state_that_another_process_holds_is_not_waited_for(check: Check, state_dir: str) -> None:
    with open(os.path.join(state_dir, "sampling.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, lines = check("check_tcp_connections", "-t", "1.5")
    assert status == 0
    assert re.search(r" \(no history: .*: sampling\.lock was held for 0\.5 s\) \| ", lines[0])


@pytest.mark.parametrize(
    ("second_look", "notice"),
    [('raise SourceError("/proc/net: gone")', "/proc/net: gone"), ("time.sleep(9)", "no answer within 0.4 s")],
    ids=["crit-error", "crit-timeout"],
)
def test_second_look_that_fails_hides_no_alarm(second_look: str, notice: str) -> None:
    code = f"""
import sys, time
sys.path[:0] = [{TREE!r}]
from checks import frame, output
from checks.check_tcp_time_wait import SPEC
from checks.spec import Judged, Phrase
from tcptide.errors import SourceError
def ask(context, max_age_seconds):
    if max_age_seconds == 5:
        {second_look}
    return output.Answer(Judged(Phrase("fine"), {{"time_wait": 9}}), None, 20.0)
frame.run(SPEC, ask)
"""
    done = worlds.run([sys.executable, "-c", code, "-c", "time_wait=5", "-t", "0.4"])
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        f"TCP_TIME_WAIT CRITICAL - time_wait 9 (limit 5) ({notice}) | time_wait=9;;5;0\n",
        "",
    )


def minutes(**changes: Callable[[int], Any]) -> list[Sample]:
    """Half an hour of this machine, the last of it a few seconds ago; what a field was, by the minute."""
    return [
        aged(5 + 60 * (30 - minute), "here", **{name: value(minute) for name, value in changes.items()})
        for minute in range(31)
    ]


@pytest.mark.parametrize(
    ("remote_addresses", "remote"), [("full", "10.0.0.5"), ("masked", "10.0.0.0/24"), ("none", "*")]
)
def test_forecast_is_that_of_the_history(
    remote_addresses: str, remote: str, check: Check, state_dir: str, tmp_path: Any
) -> None:
    def ports(minute: int) -> Any:
        return samples.sample(worst=(samples.destination(5000 + 400 * minute),)).ports

    file = tmp_path / "tcptide.toml"
    file.write_text(f'[privacy]\nremote_addresses = "{remote_addresses}"\n')
    store(state_dir, *minutes(ports=ports))
    status, lines = check("check_tcp_port_exhaustion", "--source", "here", "--config", str(file))
    line = re.fullmatch(
        r"TCP_PORT_EXHAUSTION OK - 60% of ports to (\S+):5432 used \(17000/28231\) by app\.service, full in \d+-\d+ min"
        r" \| .* exhaustion_seconds=(\d+)s;;;0",
        lines[0],
    )
    assert line, lines[0]
    assert (status, line[1]) == (0, remote)
    assert int(line[2]) == pytest.approx(60 * (28_231 - 17_000) / 400, rel=0.1)
    status, lines = check("check_tcp_pattern", "--source", "here", "--config", str(file))
    assert (status, lines[1].partition(" full in ")[0]) == (0, f"forecast: ports to {remote}:5432")


def test_leak_is_named_with_its_unit(check: Check, state_dir: str) -> None:
    def lingering(minute: int) -> Any:
        return (of_ages("unit", "app.service", "CLOSE_WAIT", [60.0 * age for age in range(minute + 1, 0, -1)]),)

    store(state_dir, *minutes(lingering=lingering))
    status, lines = check("check_tcp_pattern", "--source", "here")
    line = re.match(
        r"TCP_PATTERN OK - slow_leak since [-0-9: ]+: CLOSE_WAIT \+60/h \(.*\) by app\.service \|", lines[0]
    )
    assert line, lines[0]
    assert status == 0
    with Reader(state_dir) as reader:
        (event,) = reader.events("here", 0, time.time() + 60)
    assert (event.kind, event.old, event.new, event.code) == ("pattern", 0, 1, "leak_close_wait")


@pytest.mark.parametrize(
    "spoil",
    ["DELETE FROM detector", "UPDATE detector SET outlook = '[]'", "UPDATE detector SET outlook = ''"],
    ids=["ok-gone", "ok-of-another-version", "ok-empty"],
)
def test_history_that_was_judged_and_cannot_be_read_is_judged_again(spoil: str, check: Check, state_dir: str) -> None:
    def ports(minute: int) -> Any:
        return samples.sample(worst=(samples.destination(5000 + 400 * minute),)).ports

    store(state_dir, *minutes(ports=ports))
    said = {name: check(name, "--source", "here") for name in ("check_tcp_pattern", "check_tcp_port_exhaustion")}
    assert said["check_tcp_pattern"][0] == 0
    assert "full in" in said["check_tcp_port_exhaustion"][1][0]
    sql(state_dir, spoil)
    for name, answered in said.items():
        assert check(name, "--source", "here") == answered
