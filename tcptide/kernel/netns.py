"""Which network namespace this process is in."""

import errno
import socket

from tcptide.kernel.procfs import ProcFs

_SO_NETNS_COOKIE = 71  # include/uapi/asm-generic/socket.h, Linux 5.14


def cookie() -> int | None:
    """The namespace's cookie, another one at every creation of a namespace; None before Linux 5.14."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), "little")
        except OSError as error:
            if error.errno in (errno.ENOPROTOOPT, errno.EINVAL):
                return None
            raise


def source_name(proc: ProcFs) -> str:
    """What samples of this namespace are stored under: 'host' for that of process 1, else 'netns-<inode>'."""
    if proc.is_host_netns():
        return "host"
    inode = proc.netns_inode()
    return "netns" if inode is None else f"netns-{inode}"
