"""Real sockets in network namespaces of their own, and programs run there as any user.

A `World` is an anonymous namespace that this process enters: children inherit it, and the kernel removes it with
the last process and socket in it, however the run ends. Nothing appears in /run/netns. Needs root.
"""

import contextlib
import ctypes
import fcntl
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWTIME = 0x00020000, 0x40000000, 0x80
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18
PR_SET_PDEATHSIG = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; not in Python's socket module
HANG_SECONDS = 10  # connect() and accept() raise TimeoutError then
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends a reset and leaves nothing behind

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

LIBC = ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: object) -> None:
    if getattr(LIBC, function)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")


class World:
    """A network namespace that this process is in, with loopback up, and the sockets that live there.

    Keyword arguments are sysctls below net/ipv4. Worlds nest: leaving one returns to the one before.
    """

    def __init__(self, **sysctls: object) -> None:
        self.keep: list[socket.socket] = []
        self._sysctls = sysctls
        self._home = -1

    def __enter__(self) -> Self:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _call("unshare", CLONE_NEWNET)
        try:
            with socket.socket() as control:
                fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
            for key, value in self._sysctls.items():
                self.sysctl(key, value)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self.reset(self.keep)
        _call("setns", self._home, CLONE_NEWNET)
        os.close(self._home)

    @staticmethod
    def sysctl(key: str, value: object) -> None:
        """Set net.ipv4.KEY (or 'core/somaxconn', with the folder) in the namespace."""
        path = key if "/" in key else f"ipv4/{key}"
        with open(f"/proc/sys/net/{path}", "w") as file:
            file.write(f"{value}\n")

    @staticmethod
    def add_address(address: str) -> None:
        """Give loopback one more address that is not in 127.0.0.0/8: '10.0.0.1' or 'fd00::1'."""
        prefix = ("128", "nodad") if ":" in address else ("32",)
        subprocess.run(["ip", "address", "add", f"{address}/{prefix[0]}", "dev", "lo", *prefix[1:]], check=True)

    def add_others(self) -> None:
        """Make all of 198.18.0.0/16 reachable on loopback, from 198.18.255.1: to the kernel these are other hosts."""
        self.add_address("198.18.255.1")
        route = ["ip", "route", "add", "local", "198.18.0.0/16", "dev", "lo", "src", "198.18.255.1"]
        subprocess.run(route, check=True)

    def tcp_socket(self, address: str, *, mapped: bool = False) -> socket.socket:
        """A TCP socket of the address's family that the world keeps; `mapped`: an IPv6 one for an IPv4 address."""
        family = socket.AF_INET6 if mapped or ":" in address else socket.AF_INET
        made = socket.socket(family)
        made.settimeout(HANG_SECONDS)
        self.keep.append(made)
        return made

    def listen(self, address: str, port: int = 0, backlog: int = 1024) -> socket.socket:
        listener = self.bind(address, port)
        listener.listen(backlog)
        return listener

    def bind(self, address: str, port: int = 0) -> socket.socket:
        """A socket bound to the port and idle."""
        idle = self.tcp_socket(address)
        if port:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        idle.bind((address, port))
        return idle

    def connect(
        self,
        address: str,
        port: int,
        *,
        source: str | None = None,
        source_port: int | None = None,
        mapped: bool = False,
        blocking: bool = True,
    ) -> socket.socket:
        """Connect; `source` alone leaves the port to connect(), `source_port` (0: any) has bind() take it."""
        client = self.tcp_socket(address, mapped=mapped)
        try:
            if source_port is not None:
                client.bind((source or "", source_port))
            elif source is not None:
                client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                client.bind((source, 0))
            if not blocking:
                client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect((f"::ffff:{address}" if mapped else address, port))
        except OSError:
            self.reset([client])
            raise
        return client

    def accept(self, listener: socket.socket) -> socket.socket:
        server = listener.accept()[0]
        self.keep.append(server)
        return server

    def pair(
        self, listener: socket.socket, *, source: str | None = None, mapped: bool = False
    ) -> tuple[socket.socket, socket.socket]:
        """(client, server) of a new connection to the listener."""
        address, port = listener.getsockname()[:2]
        client = self.connect(address, port, source=source, mapped=mapped)
        return client, self.accept(listener)

    def reset(self, sockets: Collection[socket.socket]) -> None:
        """Close with a reset: no TIME_WAIT, no orphan, and the other end is gone too."""
        for made in list(sockets):
            if made in self.keep:
                self.keep.remove(made)
            if made.fileno() >= 0:
                with contextlib.suppress(OSError):
                    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                made.close()


def tcp_in_sockstat(word: str) -> int:
    """A number of the namespace's TCP line: 'inuse', 'orphan', 'tw'."""
    with open("/proc/net/sockstat") as file:
        words = next(line.split() for line in file if line.startswith("TCP:"))
    return int(words[words.index(word) + 1])


@contextlib.contextmanager
def as_user(name: str) -> Iterator[int]:
    """Sockets made inside belong to the user, whose uid is handed out."""
    uid = pwd.getpwnam(name).pw_uid
    os.seteuid(uid)
    try:
        yield uid
    finally:
        os.seteuid(0)


def cgroup2_mount() -> str:
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            _, mount, kind, *_ = line.split()
            if kind == "cgroup2":
                return mount
    raise OSError("no cgroup2 file system is mounted")


class Cgroup:
    """A cgroup-v2 directory named like a unit ('app-test.service'; may be nested) in a slice of this process's own."""

    def __init__(self, unit: str) -> None:
        self._path = os.path.join(cgroup2_mount(), f"tcptide-test-{os.getpid()}.slice", unit)

    def __enter__(self) -> Self:
        os.makedirs(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.removedirs(self._path)  # and the slice, once its last unit is gone

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """Sockets made inside carry the cgroup."""
        with open("/proc/self/cgroup") as file:
            home = next(line[3:].strip() for line in file if line.startswith("0::"))
        self._move(self._path)
        try:
            yield
        finally:
            self._move(cgroup2_mount() + home)

    @staticmethod
    def _move(directory: str) -> None:
        with open(os.path.join(directory, "cgroup.procs"), "w") as procs:
            procs.write(f"{os.getpid()}\n")


def age_boot(seconds: int) -> None:
    """Programs that this process starts from now on find a host that booted so much earlier. No more threads, then."""
    _call("unshare", CLONE_NEWTIME)
    with open("/proc/self/timens_offsets", "w") as file:
        file.write(f"boottime {seconds} 0\n")


def _closed_to_others(paths: Collection[str]) -> dict[str, list[str]]:
    """The paths that an ordinary user can't reach, by the first directory that bars the way."""
    closed: dict[str, list[str]] = {}
    for path in sorted({os.path.realpath(path) for path in paths}):
        parts = path.split("/")
        for end in range(2, len(parts)):
            ancestor = "/".join(parts[:end])
            if not os.stat(ancestor).st_mode & 0o001:
                closed.setdefault(ancestor, []).append(path)
                break
    return closed


def _open_to_others(closed: Mapping[str, Sequence[str]]) -> None:
    """In this process's own view of the file system, make paths below closed directories reachable where they are."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    for ancestor, paths in closed.items():
        held = [(os.open(path, os.O_PATH), path) for path in paths]
        _call("mount", b"tmpfs", ancestor.encode(), b"tmpfs", 0, b"mode=755")
        for fd, path in held:
            os.makedirs(path, exist_ok=True)
            _call("mount", f"/proc/self/fd/{fd}".encode(), path.encode(), None, MS_BIND | MS_REC, None)
            os.close(fd)


def run(
    argv: Sequence[str],
    *,
    user: str | None = None,
    groups: Sequence[int] = (),
    environ: Mapping[str, str] | None = None,
    timeout_seconds: float = 30,
) -> subprocess.CompletedProcess[str]:
    """Run a program as monitoring does: from /, with an empty environment, as the user if given
    (with no groups but its own and those given by number), in this namespace.

    It dies with this process. A checkout or interpreter in a directory closed to others (a home of mode 0700) is
    opened to the user in the program's own mount namespace.
    """
    with start(argv, user=user, groups=groups, environ=environ) as process:
        try:
            output, errors = process.communicate(timeout=timeout_seconds)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(argv, process.returncode, output, errors)


def start(
    argv: Sequence[str],
    *,
    user: str | None = None,
    groups: Sequence[int] = (),
    environ: Mapping[str, str] | None = None,
    becomes_others: bool = False,
) -> subprocess.Popen[str]:
    """The same, without waiting for it. becomes_others: it starts programs as other users itself."""
    entry = pwd.getpwnam(user) if user else None
    closed = _closed_to_others([TREE, sys.prefix, sys.base_prefix]) if entry or becomes_others else {}
    death = signal.SIGKILL

    def become() -> None:
        if closed:
            _open_to_others(closed)
        if entry:
            os.setgroups(groups)
            gid = entry.pw_gid
            os.setresgid(gid, gid, gid)
            os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
        LIBC.prctl(PR_SET_PDEATHSIG, death)  # after the change of user, which clears it

    return subprocess.Popen(
        argv,
        cwd="/",
        env=dict(environ or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=become,  # noqa: PLW1509 - no threads here; the user must change after the fork
    )


def eventually(see: Callable[[], T], wanted: object, within_seconds: float = 5) -> T:
    """See until it is what is wanted, since loopback may deliver a little later; then what was seen last."""
    until = time.monotonic() + within_seconds
    while (seen := see()) != wanted and time.monotonic() < until:
        time.sleep(0.01)
    return seen
