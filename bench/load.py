"""Hold a given number of real TCP sockets in a network namespace: 80 % ESTABLISHED, 20 % TIME_WAIT."""

import ctypes
import os
import resource
import signal
import socket
import traceback
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.worlds import PR_SET_PDEATHSIG, RESET, Cgroup, World, as_user, tcp_in_sockstat

TIME_WAIT_SHARE = 0.2
DESTINATIONS = 4  # for each worker
USERS = ("nobody", "daemon")
NETWORK = "198.18"  # World.add_others(): what stays in 127.0.0.0/8 tells tcp_info nothing of a network
LIFETIME_SECONDS = 900  # no worker outlives this


class Load:
    """The namespace that this process is in, and the workers that hold both ends of the connections.

    A process may hold RLIMIT_NOFILE sockets, so there are as many workers as that takes; each is a unit of its own,
    and they belong to two users in turn.
    """

    def __init__(self, sockets: int) -> None:
        self.time_wait = int(sockets * TIME_WAIT_SHARE)
        self.pairs = (sockets - self.time_wait) // 2
        self._world = World(ip_local_port_range="10000 60999", tcp_max_tw_buckets=1_000_000, tcp_tw_reuse=0)
        self._workers: list[int] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        workers = -(-self.pairs // ((most - 200) // 2))
        with ExitStack() as stack:
            stack.enter_context(self._world)
            self._world.add_others()
            ready, tell = os.pipe()
            for worker in range(workers):
                group = stack.enter_context(Cgroup(f"load-{worker}.service"))
                stack.callback(self._end)  # a cgroup can be removed only after its processes
                share = self.pairs * (worker + 1) // workers - self.pairs * worker // workers
                self._workers.append(_fork(worker, share, group, tell))
            os.close(tell)
            if _read(ready, workers) != b"+" * workers:
                raise OSError("a worker could not make its sockets")
            os.close(ready)
            self._servers = [self._world.listen(f"{NETWORK}.254.{number}", 7000) for number in range(DESTINATIONS)]
            self.refresh()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def refresh(self) -> None:
        """Make up for the TIME_WAIT sockets that the kernel has let go after 60 s."""
        for number in range(self.time_wait - tcp_in_sockstat("tw")):
            client, server = self._world.pair(self._servers[number % DESTINATIONS])
            client.close()
            server.close()
            del self._world.keep[-2:]

    def _end(self) -> None:
        for worker in self._workers:
            os.kill(worker, signal.SIGKILL)
        for worker in self._workers:
            os.waitpid(worker, 0)
        self._workers.clear()


def _fork(worker: int, pairs: int, group: Cgroup, tell: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.alarm(LIFETIME_SECONDS)
        held: list[int] = []
        with group.joined(), as_user(USERS[worker % len(USERS)]):
            servers = [socket.create_server((f"{NETWORK}.{worker}.{n}", 7000)) for n in range(DESTINATIONS)]
            for number in range(pairs):
                server = servers[number % DESTINATIONS]
                client = socket.socket()
                client.connect(server.getsockname())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)  # so that ending leaves no TIME_WAIT
                held += client.detach(), server.accept()[0].detach()
        os.write(tell, b"+")
        signal.pause()
    except BaseException:
        traceback.print_exc()
        os.write(tell, b"-")
    os._exit(1)


def _read(fd: int, wanted: int) -> bytes:
    got = b""
    while len(got) < wanted and (more := os.read(fd, wanted)):
        got += more
    return got
