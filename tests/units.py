"""contrib/systemd on a host of its own: how its units are installed and started, and what is seen of them."""

import contextlib
import json
import shutil
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from tcptide.model import Sample
from tcptide.statefiles import DATABASE, StateError
from tcptide.store import Reader

from . import hosts
from .hosts import Host
from .worlds import TREE, World, as_user

UNITS = [f"tcptide-{what}.{kind}" for what in ("report", "sample") for kind in ("service", "timer")]
STATE = "/var/lib/tcptide"
APP_PORT = 8080


@contextmanager
def running() -> Iterator[Host]:
    """A host with the units and a listener on APP_PORT, to which nobody and app.service of backup are connected."""
    hosts.demand()
    with World() as world, hosts.installed() as host:
        listener = world.listen("127.0.0.1", APP_PORT)
        with as_user("nobody"):
            world.pair(listener)
        connected = f"import socket, time; s = socket.create_connection(('127.0.0.1', {APP_PORT})); time.sleep(600)"
        host.run(f'systemd-run --unit app --property User=backup python3 -c "{connected}"')
        world.accept(listener)
        host.run("mkdir -p /home/ada; mknod -m 0666 /dev/sda b 8 0")
        install(host, *UNITS)
        yield host


def install(host: Host, *names: str) -> None:
    for name in names:
        command = f"install -D -m 0644 {TREE}/contrib/systemd/{name} /etc/systemd/system/{name}"
        done = host.run(f"{command} && systemctl daemon-reload")
        assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def copied(host: Host) -> Iterator[str]:
    """A directory with a copy of the host's database (SQLite finds no file through /proc/PID/root)."""
    with tempfile.TemporaryDirectory(prefix="tcptide-copy-", dir="/tmp") as directory:
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(host.path(f"{STATE}/{DATABASE}"), directory)
        yield directory


def newest(host: Host) -> Sample | None:
    with copied(host) as directory:
        try:
            with Reader(directory) as reader:
                return reader.latest("host")
        except StateError:  # nothing stored yet
            return None


def named(sample: Sample, kind: str) -> set[str]:
    return {one.name for one in sample.holders if one.kind == kind}


def started(host: Host, unit: str) -> str:
    """How the run of a service ended."""
    host.run(f"systemctl start {unit}")
    return host.run(f"systemctl show --value -p Result {unit}").stdout.strip()


def journal(host: Host) -> list[str]:
    """What the journal has of tcptide since it was asked the last time, systemd's words about the units included."""
    host.run("journalctl --sync")
    units = " ".join(f"--unit {unit}" for unit in UNITS)
    done = host.run(f"journalctl --quiet --output cat --cursor-file /run/tcptide-cursor {units}")
    assert done.stderr == ""
    return done.stdout.splitlines()


def exposed(host: Host, unit: str, most: int) -> str:
    """What `systemd-analyze security` has against a service; nothing if at most that much of 100 is exposed."""
    done = host.run(f"systemd-analyze security --offline=true --threshold={most} {unit}")
    return done.stdout if done.returncode else ""


#: Tries what the sampler has no business with, and prints what came of each; runs in place of it.
PROBE = """
    import ctypes, errno, json, mmap, os, socket

    def tried(work):
        try:
            work()
        except TimeoutError:
            return "no answer"
        except OSError as error:
            return errno.errorcode[error.errno]
        return "done"

    libc = ctypes.CDLL(None, use_errno=True)

    def call(function, *arguments):
        if getattr(libc, function)(*arguments) == -1:
            raise OSError(ctypes.get_errno(), "")

    def mapped():
        mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)

    def written(path):
        return tried(lambda: open(path, "w").close())

    status = dict(line.split(":\\t") for line in open("/proc/self/status") if line.startswith(("Cap", "NoNew")))
    print(json.dumps({
        "state": written("/var/lib/tcptide/probe"),
        "etc": written("/etc/probe"),
        "plugins": written("/usr/lib/nagios/plugins/probe"),
        "home": tried(lambda: os.listdir("/home/ada")),
        "disk": tried(lambda: os.stat("/dev/sda")),
        "network": tried(lambda: socket.create_connection(("127.0.0.1", 8080), 0.5).close()),
        "packets": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
        "netlink": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)),
        "namespace": tried(lambda: call("unshare", 0x10000000)),
        "write and execute": tried(mapped),
        "set-user-ID": tried(lambda: os.chmod("/var/lib/tcptide/probe", 0o4755)),
        "capabilities": sorted({value.strip() for name, value in status.items() if name.startswith("Cap")}),
        "no new privileges": status["NoNewPrivs"].strip(),
    }))
"""


def confined(host: Host, unit: str) -> dict[str, object]:
    """What a service can do, by a probe that is run in place of its program."""
    host.write("/usr/local/bin/probe", f"#!/usr/bin/python3 -I\n{textwrap.dedent(PROBE)}", 0o755)
    override = "[Service]\nExecStart=\nExecStart=/usr/local/bin/probe\nStandardOutput=truncate:/run/probe\n"
    path = f"/run/systemd/system/{unit}.d/zz-probe.conf"
    host.write(path, override)
    host.run("systemctl daemon-reload")
    assert started(host, unit) == "success"
    host.run(f"rm {path} /usr/local/bin/probe {STATE}/probe; systemctl daemon-reload")
    found: dict[str, object] = json.loads(host.read("/run/probe"))
    return found


CONFINED: dict[str, object] = {
    "state": "done",
    "etc": "EROFS",
    "plugins": "EROFS",
    "home": "EACCES",
    "disk": "ENOENT",
    "network": "no answer",
    "packets": "EAFNOSUPPORT",
    "netlink": "done",
    "namespace": "EPERM",
    "write and execute": "EPERM",
    "set-user-ID": "EPERM",
    "capabilities": ["0000000000000000"],
    "no new privileges": "1",
}
