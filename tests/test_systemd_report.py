"""contrib/systemd's report under a real systemd: mailed once, by a real sendmail or a real server."""

import os
import pwd
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from tcptide import ledger
from tcptide.statefiles import DATABASE

from . import postfix, smtp, units
from .hosts import Host
from .reporting import MINUTE, WALL, minute, stored
from .units import CONFINED, STATE, confined, copied, exposed, install, journal, started

pytestmark = pytest.mark.root

DAY = 86_400.0

#: The most that `systemd-analyze security` may find exposed, of 100: what is left is this host's network and /proc.
EXPOSED = 20

MAIL = """
[mail]
to = "ops@example.org"
envelope_sender = "tcptide@example.org"
"""


SERVER = """
via = "smtp"
smtp_host = "localhost"
smtp_port = {}
smtp_user = "{}"
smtp_password_file = "/etc/tcptide/password"
smtp_ca_file = "/etc/tcptide/ca.pem"
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with units.running() as host:
        yield host


@pytest.fixture(scope="module")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with two weeks of samples up to an hour ago."""
    shift = time.time() - 15 * DAY - WALL
    hours = [minute(60 * hour, wall_seconds=WALL + shift + 60 * MINUTE * hour) for hour in range(15 * 24 - 1)]
    return f"{stored(str(tmp_path_factory.mktemp('fortnight')), hours)}/{DATABASE}"


def not_yet_reported(host: Host, database: str, mail: str) -> None:
    """Give the host that history and that configuration, and nothing that earlier runs left."""
    host.run(f"systemctl stop tcptide-sample.timer; rm -f {STATE}/{DATABASE}* {STATE}/reports/*")
    shutil.copy(database, host.path(f"{STATE}/{DATABASE}"))
    host.run(f"chown nagios: {STATE}/{DATABASE}; chmod 0640 {STATE}/{DATABASE}")
    host.write("/etc/tcptide/tcptide.toml", MAIL + mail)
    journal(host)


@contextmanager
def mailing(host: Host) -> Iterator[str]:
    """A real Postfix behind the host's sendmail; the folder of its mailbox."""
    nobody = pwd.getpwnam("nobody")
    host.write("/etc/postfix/main.cf", postfix.MAIN.format("/srv/mail", nobody.pw_uid, nobody.pw_gid))
    host.write("/etc/postfix/master.cf", postfix.MASTER)
    host.run("install -d /srv/mail/spool; install -d -o postfix /srv/mail/data; install -d -o nobody /srv/mail/mail")
    assert host.run("postfix start").returncode == 0
    yield host.path("/srv/mail")
    host.run("postfix stop")


def mailed(host: Host) -> list[tuple[str, bool]]:
    """The periods in the ledger, and whether they were mailed."""
    with copied(host) as directory:
        return [(one.label, one.mailed_seconds is not None) for one in ledger.reports(directory, "host")]


WEEK = "{}-W{:02}".format(*datetime.fromtimestamp(time.time() - 7 * DAY).isocalendar()[:2])


def test_report_is_mailed_by_sendmail_once(host: Host, fortnight: str) -> None:
    not_yet_reported(host, fortnight, "")
    with mailing(host) as folder:
        assert started(host, "tcptide-report.service") == "success"
        (mail,) = postfix.delivered(folder, 1)
        assert mail["To"] == "ops@example.org"
        assert started(host, "tcptide-report.service") == "success"
        assert len(postfix.delivered(folder, 1)) == 1
    assert journal(host) == []
    assert mailed(host) == [(WEEK, True)]
    assert {name.rpartition(".")[2] for name in os.listdir(host.path(f"{STATE}/reports"))} == {"eml", "html"}


def test_report_leaves_to_sendmail_what_that_needs(host: Host) -> None:
    """It gets its privileges by set-user-ID or set-group-ID, and writes where it likes; but not where programs are."""
    found = confined(host, "tcptide-report.service")
    assert {**found, "capabilities": None} == {
        **dict.fromkeys(CONFINED, "done"),
        "etc": "EROFS",
        "plugins": "EROFS",
        "packets": "EPERM",
        "no new privileges": "0",
        "capabilities": None,
    }


@pytest.fixture
def for_a_server(host: Host) -> Iterator[None]:
    install(host, "tcptide-report.service.d/smtp.conf")
    yield
    host.run("rm -r /etc/systemd/system/tcptide-report.service.d; systemctl daemon-reload")


@pytest.mark.usefixtures("for_a_server")
def test_report_for_a_mail_server_is_confined_as_well(host: Host) -> None:
    assert confined(host, "tcptide-report.service") == {**CONFINED, "network": "done"}
    assert exposed(host, "tcptide-report.service", EXPOSED) == ""


@pytest.mark.usefixtures("for_a_server")
def test_report_for_a_mail_server_is_mailed(host: Host, fortnight: str, tmp_path: str) -> None:
    with smtp.serving(smtp.certificates(str(tmp_path))) as (behaviour, mail):
        shutil.copy(str(mail.smtp_ca_file), host.path("/etc/tcptide/ca.pem"))
        host.write("/etc/tcptide/password", f"{smtp.PASSWORD}\n", 0o640)
        host.run("chgrp nagios /etc/tcptide/password")
        not_yet_reported(host, fortnight, SERVER.format(mail.smtp_port, smtp.USER))
        assert started(host, "tcptide-report.service") == "success"
    assert [(sender, recipients) for sender, recipients, _ in behaviour.got] == [
        ("tcptide@example.org", ["ops@example.org"])
    ]
    assert journal(host) == []


def test_report_timer_has_a_time_of_its_own_and_makes_up_for_what_was_missed(host: Host) -> None:
    assert host.run("systemctl enable --now tcptide-report.timer").returncode == 0
    shown = "NextElapseUSecRealtime", "FixedRandomDelay", "RandomizedDelayUSec", "Persistent"
    ask = f"TZ=UTC systemctl show {' '.join(f'-p {name}' for name in shown)} tcptide-report.timer"
    found = dict(line.split("=", 1) for line in host.run(ask).stdout.splitlines())
    due = datetime.strptime(found.pop("NextElapseUSecRealtime"), "%a %Y-%m-%d %H:%M:%S UTC")
    assert timedelta() <= due - due.replace(hour=5, minute=17, second=0) < timedelta(hours=1)
    assert found == {"FixedRandomDelay": "yes", "RandomizedDelayUSec": "1h", "Persistent": "yes"}
