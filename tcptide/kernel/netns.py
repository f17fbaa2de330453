"""Which network namespace this process is in."""

import _socket as socket  # the C part; all of it costs a check's cold start 2 ms
import sys
from contextlib import closing

from tcptide.kernel.procfs import ProcFs

_SO_NETNS_COOKIE = 71  # include/uapi/asm-generic/socket.h, Linux 5.14


def cookie() -> int | None:
    """The namespace's cookie, another one at every creation of a namespace.

    None before Linux 5.14, and where this process may not make a socket to ask (systemd's RestrictAddressFamilies).
    """
    try:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)
    except OSError:
        return None


def source_name(proc: ProcFs) -> str:
    """What samples of this namespace are stored under: 'host' for that of process 1, else 'netns-<inode>'."""
    if proc.is_host_netns():
        return "host"
    inode = proc.netns_inode()
    return "netns" if inode is None else f"netns-{inode}"
