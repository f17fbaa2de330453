"""A copy of this machine's root to install into: what is written there goes away with it. Needs root.

Below lies the machine's own root (overlayfs), so all its programs and packages are there; /tmp is the machine's, /run
is empty. Mounts and processes are private, and the kernel removes them with the process that holds them.
"""

import os
import re
import subprocess
import tempfile
from types import TracebackType
from typing import Self

from .test_layers import TREE
from .worlds import start

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MOUNTS = """
set -e
mount -t tmpfs none "$W"
mkdir "$W/upper" "$W/work" "$W/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$W/upper,workdir=$W/work" "$W/root"
mount -t proc proc "$W/root/proc"
mount --rbind /dev "$W/root/dev"
mount --rbind /sys "$W/root/sys"
mount --bind /tmp "$W/root/tmp"
mount -t tmpfs none "$W/root/run"
exec chroot "$W/root" sh -c 'echo "$$"; exec sleep infinity'
"""


class ScratchRoot:
    """The copy, for as long as it is entered."""

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="tcptide-root-", dir="/tmp")
        private = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
        self._holder = start([*private, "sh", "-c", MOUNTS], environ={"PATH": PATH, "W": self._folder})
        assert self._holder.stdout and self._holder.stderr
        if not self._holder.stdout.readline():
            raise OSError(self._holder.stderr.read())
        with open(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children") as file:
            self._first = file.read().split()[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.kill()
        self._holder.communicate()
        os.rmdir(self._folder)

    def run(
        self, *command: str, cwd: str = "/", user: str = "root", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """A command there with nothing in its environment but PATH, HOME and what is given."""
        inside = ["nsenter", "--target", self._first, "--mount", "--pid", "--root", f"--wdns={cwd}"]
        become = [] if user == "root" else ["setpriv", "--reuid", user, "--regid", user, "--init-groups"]
        return subprocess.run(
            [*inside, *become, *command],
            env={"PATH": PATH, "HOME": "/root", **environ},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def said(self, line: str, cwd: str = "/", user: str = "root", **environ: str) -> str:
        """What a line of shell prints there; it must succeed."""
        done = self.run("sh", "-c", line, cwd=cwd, user=user, **environ)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout


def pip_settings() -> dict[str, str]:
    """Where pip of this run finds packages."""
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


def root_commands(page: str, title: str) -> list[str]:
    """The lines `    # COMMAND` below a heading of a page."""
    with open(f"{TREE}/{page}", encoding="utf-8") as file:
        text = file.read().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^    # (.*)$", text, re.MULTILINE)
