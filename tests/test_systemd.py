"""contrib/systemd under a real systemd: what its units may, what comes of them, and that they are quiet."""

import os
import pwd
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from . import units
from .hosts import Host
from .test_cron import cron_lines
from .units import CONFINED, STATE, UNITS, confined, exposed, install, journal, named, newest, started
from .worlds import TREE, eventually

pytestmark = pytest.mark.root

#: The most that `systemd-analyze security` may find exposed, of 100: what is left is the kernel's view of the network.
EXPOSED = 15


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with units.running() as host:
        yield host


def test_units_do_what_cron_would() -> None:
    """The report's timer spreads by itself."""
    started = [command.split(" 2>&1")[0].split(maxsplit=6)[6] for command in cron_lines()]
    units = []
    for name in ("sample", "report"):
        with open(f"{TREE}/contrib/systemd/tcptide-{name}.service", encoding="ascii") as file:
            units += [line.removeprefix("ExecStart=").strip() for line in file if line.startswith("ExecStart=")]
    assert units == [command.replace(" --spread 3600", "") for command in started]


def test_units_are_without_fault(host: Host) -> None:
    done = host.run(f"cd /etc/systemd/system && systemd-analyze verify {' '.join(UNITS)}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_units_with_their_drop_ins_are_without_fault(host: Host) -> None:
    drop_ins = ("tcptide-report.service.d/smtp.conf", "tcptide-sample.service.d/process-names.conf")
    install(host, *drop_ins)
    done = host.run("cd /etc/systemd/system && systemd-analyze verify *.service")
    host.run("rm -r /etc/systemd/system/tcptide-*.d; systemctl daemon-reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_sampler_is_exposed_little(host: Host) -> None:
    assert exposed(host, "tcptide-sample.service", EXPOSED) == ""


def test_sampler_stores_what_every_user_holds(host: Host) -> None:
    assert started(host, "tcptide-sample.service") == "success"
    sample = newest(host)
    assert sample is not None
    assert sample.origin.method == "sock_diag"
    assert sum(sample.states["ESTABLISHED"]) == 4
    assert named(sample, "user") == {"backup", "nobody", "root"}
    assert named(sample, "unit") == {"app.service"}
    assert named(sample, "process") == set()
    files = [os.stat(host.path(f"{STATE}/{name}")) for name in ("tcptide.db", "sampling.lock")]
    assert {(file.st_uid, file.st_mode & 0o777) for file in files} == {(pwd.getpwnam("nagios").pw_uid, 0o640)}
    assert journal(host) == []


def test_sampler_says_why_it_failed_in_the_journal(host: Host) -> None:
    host.run(f"chown root {STATE} && chmod 0700 {STATE}")
    assert started(host, "tcptide-sample.service") == "exit-code"
    host.run(f"chown nagios {STATE} && chmod 0750 {STATE}")
    assert journal(host) == [
        f"tcptide sample: no history: {STATE}: Permission denied",
        "tcptide-sample.service: Main process exited, code=exited, status=1/FAILURE",
        "tcptide-sample.service: Failed with result 'exit-code'.",
        "Failed to start tcptide-sample.service - A sample of the TCP connections.",
    ]


def test_sampler_without_a_state_directory_says_which(host: Host) -> None:
    host.run(f"mv {STATE} {STATE}.away")
    assert started(host, "tcptide-sample.service") == "exit-code"
    host.run(f"mv {STATE}.away {STATE}")
    assert f"Failed to set up mount namespacing: /run/systemd/unit-root{STATE}: No such file or directory" in "\n".join(
        journal(host)
    )


def test_sampler_can_do_nothing_else(host: Host) -> None:
    assert confined(host, "tcptide-sample.service") == CONFINED


def test_timer_fires_each_full_minute(host: Host) -> None:
    before = datetime.now(UTC)
    assert host.run("systemctl enable --now tcptide-sample.timer").returncode == 0
    shown = host.run("TZ=UTC systemctl show --value -p NextElapseUSecRealtime tcptide-sample.timer").stdout.strip()
    due = datetime.strptime(shown, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert due - before.replace(second=0, microsecond=0) in (timedelta(minutes=1), timedelta(minutes=2))
    assert host.run("tcptide doctor | grep '^ok *schedule'").stdout == (
        "ok      schedule    /etc/systemd/system/timers.target.wants/tcptide-sample.timer\n"
    )


def test_timer_starts_the_sampler(host: Host) -> None:
    """The timer as it is, but each second: nobody waits a minute here."""
    host.write("/run/systemd/system/tcptide-sample.timer.d/faster.conf", "[Timer]\nOnCalendar=*-*-* *:*:*\n")
    host.run("rm /var/lib/tcptide/tcptide.db; systemctl daemon-reload; systemctl restart tcptide-sample.timer")
    eventually(lambda: newest(host) is not None, True, 20)
    host.run("systemctl stop tcptide-sample.timer tcptide-sample.service")
    assert newest(host) is not None


def test_sampler_with_process_names_sees_those_of_all(host: Host) -> None:
    install(host, "tcptide-sample.service.d/process-names.conf")
    host.run(f"rm -f {STATE}/tcptide.db")
    assert started(host, "tcptide-sample.service") == "success"
    sample = newest(host)
    assert sample is not None
    assert named(sample, "process") == {"python3"}
    host.run("rm -r /etc/systemd/system/tcptide-sample.service.d; systemctl daemon-reload")
