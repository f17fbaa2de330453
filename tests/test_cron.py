"""contrib/cron under the real cron daemon: who it runs as, in which environment, and what comes of it.

Cron sees a clock that runs thirty times as fast and begins shortly before the report's time; its jobs see the true one.
Mounts, processes and files are private: the machine's own jobs do not run here.
"""

import email
import glob
import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from email.message import Message
from typing import NamedTuple

import pytest

from tcptide import ledger, statefiles
from tcptide.clock import SYSTEM
from tcptide.store import Reader

from . import postfix
from .reporting import MINUTE, WALL, minute, stored
from .test_layers import TREE
from .worlds import eventually, run, start

FASTER = 30
WAIT_SECONDS = 60.0
DAY = 86_400.0

#: They keep what they are told: the one in place of the host's, the other before it does its work.
LOGGER = '#!/bin/sh\nexec cat >>"{folder}/out/log"\n'
SENDMAIL = '#!/bin/sh\n{{ echo "$(id -un) $*"; env | sort; }} >"{folder}/out/called"\nexec /usr/sbin/sendmail "$@"\n'

MOUNTS = """
set -e
mount --bind "$W/cron.d" /etc/cron.d
mount --bind "$W/spool" /var/spool/cron
mount --bind "$W/crontab" /etc/crontab
mount --bind "$W/run" /run
mount --bind "$W/opt" /opt
mount --bind "$W/lib" /var/lib
mount --bind "$W/logger" "$(command -v logger)"
mount --bind "$W/postfix/etc/main.cf" /etc/postfix/main.cf
mount --bind "$W/postfix/etc/master.cf" /etc/postfix/master.cf
postfix start-fg >"$W/postfix/stdout" 2>&1 &
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LD_PRELOAD="$PRELOAD" FAKETIME="$FAKETIME" cron -f -L 15
"""

CONFIGURATION = """
[mail]
to = "ops@example.org"
envelope_sender = "tcptide@example.org"
sendmail = "{folder}/sendmail"
"""


def cron_file() -> str:
    with open(f"{TREE}/contrib/cron/tcptide", encoding="ascii") as file:
        return file.read()


def cron_lines() -> list[str]:
    return [line for line in cron_file().splitlines() if line and not line.startswith("#")]


def test_cron_file_can_be_read_by_cron() -> None:
    assert cron_file().endswith("\n"), "cron ignores a line without an end"
    assert "%" not in cron_file(), "cron makes a line's end of it"
    assert max(map(len, cron_file().splitlines())) < 1000
    sampler, report = cron_lines()
    assert sampler.startswith("* * * * * nagios /opt/tcptide/bin/tcptide sample ")
    assert report.startswith("17 5 * * * nagios /opt/tcptide/bin/tcptide-report --period week --email --spread 3600 ")


@pytest.mark.root
def test_slow_sampler_does_not_pile_up(script: Callable[[str], str], agents_state_dir: str) -> None:
    """While one process holds the state for long, the next minutes' give up soon."""
    command = cron_lines()[0].split(maxsplit=6)[6].replace("/opt/tcptide/bin/tcptide", script("tcptide"))
    command = command.replace("logger -t tcptide", "cat")
    environment = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "TCPTIDE_STATE_DIR": agents_state_dir}
    with statefiles.lock(agents_state_dir, SYSTEM, 1.0):
        began = time.monotonic()
        done = run(["/bin/sh", "-c", command], user="nobody", environ=environment)
        assert time.monotonic() - began < 10
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tcptide sample: ") and done.stdout.count("\n") == 1


class Cron(NamedTuple):
    """What cron's jobs left."""

    folder: str

    def read(self, name: str) -> str:
        """A file of the jobs' output; empty if there is none."""
        try:
            with open(f"{self.folder}/out/{name}", encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    @property
    def state(self) -> str:
        return f"{self.folder}/lib/tcptide"

    def mailed(self) -> bool:
        """Whether a report is in the ledger as mailed."""
        return any(one.mailed_seconds is not None for one in ledger.reports(self.state, "host"))

    def newest_wall(self) -> float:
        """When the newest sample began."""
        with Reader(self.state) as reader:
            newest = reader.latest("host")
            assert newest is not None
            return newest.origin.wall_seconds


def scene(script: Callable[[str], str], folder: str) -> Cron:
    """A host that has taken samples for two weeks, as cron's jobs find it: /opt, /var/lib and /etc/cron.d are here."""
    agent = pwd.getpwnam("nagios")
    for name in ("cron.d", "spool/crontabs", "run", "opt", "lib/tcptide/reports", "out"):
        os.makedirs(f"{folder}/{name}")
    os.symlink(os.path.dirname(os.path.dirname(script("tcptide"))), f"{folder}/opt/tcptide")
    for name, text in (("logger", LOGGER), ("sendmail", SENDMAIL), ("tcptide.toml", CONFIGURATION), ("crontab", "")):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text.format(folder=folder))
        os.chmod(f"{folder}/{name}", 0o755)
    with open(f"{folder}/cron.d/tcptide", "w", encoding="ascii") as file:
        file.write(f"TCPTIDE_CONFIG={folder}/tcptide.toml\n{cron_file().replace('--spread 3600', '--spread 1')}")
    postfix.prepare(f"{folder}/postfix")
    for name in ("lib/tcptide", "lib/tcptide/reports", "out"):
        os.chown(f"{folder}/{name}", agent.pw_uid, agent.pw_gid)
    os.chmod(f"{folder}/lib/tcptide", 0o750)
    shift = time.time() - 15 * DAY - WALL
    hours = [minute(60 * hour, wall_seconds=WALL + shift + 60 * MINUTE * hour) for hour in range(15 * 24 - 1)]
    stored(f"{folder}/lib/tcptide", hours)
    return Cron(folder)


@pytest.fixture(scope="module")
def cron(script: Callable[[str], str]) -> Iterator[Cron]:
    """Cron has fired the sampler and the report."""
    faketime = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)
    if faketime is None or None in (shutil.which(name, path="/usr/sbin") for name in ("cron", "postfix")):
        pytest.skip("needs cron, faketime and Postfix: apt install cron faketime postfix")
    try:
        pwd.getpwnam("nagios")
    except KeyError:
        pytest.skip("needs a user nagios")
    folder = tempfile.mkdtemp(prefix="tcptide-cron-", dir="/tmp")
    os.chmod(folder, 0o755)
    made = scene(script, folder)
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "W": folder,
        "PRELOAD": faketime,
        "FAKETIME": f"@{time.strftime('%Y-%m-%d')} 05:16:50 x{FASTER}",
    }
    private = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    began = time.time()
    with start([*private, "sh", "-c", MOUNTS], environ=environment, becomes_others=True) as daemon:
        try:
            eventually(lambda: made.mailed() and made.newest_wall() > began, True, WAIT_SECONDS)
            yield made
        finally:
            daemon.kill()
            print(*daemon.communicate())
            shutil.rmtree(folder)


@pytest.mark.root
def test_cron_takes_samples(cron: Cron) -> None:
    assert time.time() - cron.newest_wall() < WAIT_SECONDS
    assert {os.stat(f"{cron.state}/{name}").st_uid for name in os.listdir(cron.state)} == {
        pwd.getpwnam("nagios").pw_uid
    }


def contents(mail: Message) -> list[bytes]:
    """Text, HTML and pictures."""
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    return [part.replace(b"\r\n", b"\n") for part in parts if isinstance(part, bytes)]


@pytest.mark.root
def test_cron_mails_the_week(cron: Cron) -> None:
    label = "{}-W{:02}".format(*datetime.fromtimestamp(time.time() - 7 * DAY).isocalendar()[:2])
    names = sorted(os.listdir(f"{cron.state}/reports"))
    assert [name.rpartition(label)[2] for name in names] == [".eml", ".html"]
    (mail,) = postfix.delivered(f"{cron.folder}/postfix", 1)
    assert (mail["To"], label in mail["Subject"]) == ("ops@example.org", True)
    assert (mail["X-Original-To"], mail["Return-Path"]) == ("ops@example.org", "<tcptide@example.org>")
    with open(f"{cron.state}/reports/{names[0]}", "rb") as file:
        kept = email.message_from_binary_file(file)
    assert contents(mail) == contents(kept) and len(contents(mail)) > 5
    (report,) = ledger.reports(cron.state, "host")
    assert (report.label, report.failure, report.mailed_seconds is None) == (label, None, False)


@pytest.mark.root
def test_cron_runs_it_as_the_owner_with_little_around(cron: Cron) -> None:
    called, *environment = cron.read("called").splitlines()
    assert called.split()[0] == "nagios"
    names = {line.partition("=")[0] for line in environment} - {"LC_CTYPE", "MPLBACKEND", "MPLCONFIGDIR"}  # Python's
    assert names <= {"HOME", "LOGNAME", "PATH", "PWD", "SHELL", "TCPTIDE_CONFIG"}


@pytest.mark.root
def test_cron_has_nothing_to_say(cron: Cron) -> None:
    """Neither to the journal nor by mail of its own."""
    assert cron.read("log") == ""
