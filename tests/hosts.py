"""A Debian host of one's own: this machine's files under a layer that nobody else sees, and a real systemd as its init.

Whatever is installed, written, enabled or started in it is gone with it, and it lives in the network namespace of
whoever made it (`worlds.World`). So what a page tells a newcomer to do as root can be done word by word. Needs root.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

import pytest

from .worlds import TREE, cgroup2_mount

BOOT_SECONDS = 60.0
COMMAND_SECONDS = 120.0

#: Runs as the first process of the namespaces. $LAYER is an empty folder, $OPEN are the folders to be had as they are.
#: Units that touch the machine itself (clocks, devices, kernel settings) are not started: only what a test enables is.
BOOT = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$LAYER"
mkdir "$LAYER/upper" "$LAYER/work" "$LAYER/root"
mount -t overlay -o "lowerdir=/,upperdir=$LAYER/upper,workdir=$LAYER/work" overlay "$LAYER/root"
cd "$LAYER/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run dev; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mount -t tmpfs -o mode=1777 tmpfs tmp
for device in null zero full random urandom tty; do
    : >dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm run/lock
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s /proc/self/fd dev/fd
number=0
for folder in $OPEN; do
    number=$((number + 1))
    mkdir -p ".$folder" "$LAYER/upper$number" "$LAYER/work$number"
    mount -t overlay -o "lowerdir=$folder,upperdir=$LAYER/upper$number,workdir=$LAYER/work$number" overlay ".$folder"
    above=$(dirname ".$folder")
    while [ "$above" != . ]; do
        chmod o+x "$above"
        above=$(dirname "$above")
    done
done
rm -rf etc/systemd/system/*.wants lib/systemd/system/*.wants
rm -f etc/fstab etc/crontab
rm -rf opt/tcptide etc/tcptide var/lib/tcptide etc/systemd/system/tcptide-* etc/cron.d/* var/log/journal
rm -rf etc/nagios/nrpe.d/* etc/nagios4/conf.d/*
: >etc/machine-id
hostname "$NAME"
echo "$NAME" >etc/hostname
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
exec env -i container=tcptide-test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=basic.target --log-target=console --log-level=info --show-status=no
"""

NAMESPACES = ("--mount", "--pid", "--cgroup", "--uts", "--ipc")


#: Programs, each with Debian's package that has it.
NEEDED = {"/lib/systemd/systemd": "systemd"}


def demand(needed: Mapping[str, str] = NEEDED) -> None:
    """Skip the test where a program is missing."""
    missing = [package for path, package in {**NEEDED, **needed}.items() if not os.path.exists(path)]
    if missing:
        pytest.skip(f"needs a host's daemons: apt install {' '.join(missing)}")


class Host:
    """A host without tcptide that has booted as far as systemd's basic.target, with a journal."""

    def __init__(self, name: str = "web1") -> None:
        self.name = name
        self._init = 0

    def __enter__(self) -> Self:
        self._layer = tempfile.mkdtemp(prefix="tcptide-host-", dir="/tmp")
        self._cgroup = f"{cgroup2_mount()}/{os.path.basename(self._layer)}"
        os.mkdir(self._cgroup)
        self._log = tempfile.TemporaryFile("w+")
        try:
            self._boot()
        except BaseException:
            self._end()
            raise
        return self

    def _boot(self) -> None:
        seen = {TREE, *(p for p in (sys.prefix, sys.base_prefix) if not p.startswith((f"{TREE}/", "/usr")))}
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LAYER": self._layer,
            "OPEN": " ".join(sorted(seen)),
            "NAME": self.name,
        }
        join = f'echo $$ >"{self._cgroup}/cgroup.procs"; exec "$@"'
        unshare = ["unshare", "--fork", "--kill-child", *NAMESPACES, "sh", "-c", BOOT]
        self._unshare = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", join, "sh", *unshare],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        until = time.monotonic() + BOOT_SECONDS
        while not self._booted():
            if self._unshare.poll() is not None or time.monotonic() > until:
                self._log.seek(0)
                raise OSError(f"the host does not boot: {self._log.read()}")
            time.sleep(0.1)
        journal = self.run(
            "systemctl start systemd-journald.socket systemd-journald.service && systemctl log-target journal"
            " && systemd-tmpfiles --create --prefix=/run"  # what packages want to be there at boot
        )
        assert journal.returncode == 0, journal.stderr

    def _booted(self) -> bool:
        with open(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children") as file:
            children = file.read().split()
        if not children:
            return False
        self._init = int(children[0])
        return self.run("systemctl is-active --quiet basic.target").returncode == 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._unshare.kill()  # and with it, the init and all that it started
        self._unshare.wait()
        self._log.close()
        for folder, _, _ in os.walk(self._cgroup, topdown=False):
            _gone(folder)
        shutil.rmtree(self._layer)

    def run(
        self,
        command: str,
        *,
        user: str = "root",
        cwd: str = "/",
        environ: Mapping[str, str] | None = None,
        timeout_seconds: float = COMMAND_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of shell as the user, who has just logged in."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["nsenter", "--target", str(self._init), "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--root"]
        become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user != "root" else []
        return subprocess.run(
            [*enter, f"--wdns={cwd}", *become, "sh", "-c", command],
            env={"PATH": path, "LANG": "C.UTF-8", "HOME": "/root" if user == "root" else "/", **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )

    def path(self, path: str) -> str:
        """Where a file of the host is found from outside."""
        return f"/proc/{self._init}/root{path}"

    def read(self, path: str) -> str:
        with open(self.path(path), encoding="utf-8") as file:
            return file.read()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of root's; folders above it are made."""
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(path), mode)


def _gone(folder: str, within_seconds: float = 10.0) -> None:
    """Remove a cgroup's directory as soon as its processes have ended."""
    until = time.monotonic() + within_seconds
    while True:
        try:
            os.rmdir(folder)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def installed(name: str = "web1") -> Iterator[Host]:
    """A host that has tcptide as this environment does, as if installed in /opt/tcptide.

    Its own place, not only a link: a service may see neither /tmp nor /home nor /root, wherever this tree is.
    """
    with Host(name) as host:
        done = host.run(
            f"mkdir -p /opt/tcptide /usr/lib/nagios/plugins && mount --bind {sys.prefix} /opt/tcptide"
            f" && sed -i '1s|^#!{sys.prefix}/|#!/opt/tcptide/|' /opt/tcptide/bin/check_tcp* /opt/tcptide/bin/tcptide*"
            " && ln -sf /opt/tcptide/bin/check_tcp* /usr/lib/nagios/plugins/"
            " && ln -sf /opt/tcptide/bin/check_tcp* /opt/tcptide/bin/tcptide* /usr/local/bin/"
            " && install -d -o nagios -g nagios -m 0750 /var/lib/tcptide /var/lib/tcptide/reports"
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        yield host
