"""The netlink conversation with sock_diag: a request out, chunks of whole messages in, every error named.

Nothing here knows what a socket is; `sockdiag` reads the messages. Layouts: include/uapi/linux/netlink.h.
"""

import _socket as socket  # the C part; all of it costs a check's cold start 2 ms
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from struct import Struct, pack, unpack_from

from tcptide.errors import SourceError

NETLINK_SOCK_DIAG = 4
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x10, 0x300
HEADER = Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port id

#: The kernel fills about 32 KB a recv, whatever the buffer (netlink_dump, net/netlink/af_netlink.c).
BUFFER_BYTES = 65536
_RECEIVE_BUFFER_BYTES = 1 << 20
_SEQUENCE = 1  # of the one request of a socket; the kernel's answers repeat it


def dump(message_type: int, payload: bytes, interrupted: Callable[[], None]) -> Iterator[memoryview]:
    """Ask sock_diag for a dump and yield its answer in chunks of whole messages, end marker left out.

    A chunk is only valid until the next one is asked for: it is a view of one reused buffer. `interrupted` is called
    when the kernel says that its tables changed so much that the answer isn't consistent (NLM_F_DUMP_INTR).

    Raises SourceError when the kernel refuses or the answer can't be read.
    """
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    except OSError as error:
        raise SourceError(f"sock_diag: cannot open a netlink socket: {error.strerror}") from error
    with closing(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        flags = NLM_F_REQUEST | NLM_F_DUMP
        try:
            sock.send(HEADER.pack(HEADER.size + len(payload), message_type, flags, _SEQUENCE, 0) + payload)
        except OSError as error:
            raise SourceError(f"sock_diag: request refused: {error.strerror}") from error
        yield from receive(sock, interrupted)


def receive(sock: socket.socket, interrupted: Callable[[], None]) -> Iterator[memoryview]:
    """The answer that comes on a socket, as dump() gives it."""
    buffer = memoryview(bytearray(BUFFER_BYTES))
    while True:
        try:
            size = sock.recv_into(buffer, 0, socket.MSG_TRUNC)  # MSG_TRUNC: the real size, even when it didn't fit
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "error")
            raise SourceError(f"sock_diag: dump failed: {name}: {error.strerror}") from error
        if size > BUFFER_BYTES:
            raise SourceError(f"sock_diag: message of {size} bytes truncated to {BUFFER_BYTES}")
        end, done, odd = scan(buffer, size)
        if odd:
            interrupted()
        if end:
            yield buffer[:end]
        if done:
            return


def scan(buffer: memoryview | bytes, size: int) -> tuple[int, bool, bool]:
    """Look at the ends of a chunk: where its messages end, whether the dump ends too, whether it was interrupted.

    The end marker is the last message of a chunk, or the only one; its payload is 0 or a negative errno.
    Raises SourceError for an error message, or for a chunk that is no netlink message at all.
    """
    if size < HEADER.size:
        raise SourceError(f"sock_diag: {size} bytes are no netlink message")
    length, kind, flags, _, _ = HEADER.unpack_from(buffer, 0)
    interrupted = bool(flags & NLM_F_DUMP_INTR)
    end = size
    if kind not in (NLMSG_DONE, NLMSG_ERROR):
        end = size - HEADER.size - 4  # where an end marker would begin
        if end < length:
            return size, False, interrupted
        length, kind, flags, sequence, _ = HEADER.unpack_from(buffer, end)
        if (length, kind, sequence) != (HEADER.size + 4, NLMSG_DONE, _SEQUENCE):  # but the tail of a message
            return size, False, interrupted
        interrupted = interrupted or bool(flags & NLM_F_DUMP_INTR)
    else:
        end = 0
    if size >= end + HEADER.size + 4:
        (code,) = unpack_from("=i", buffer, end + HEADER.size)
        if code < 0:
            name = errno.errorcode.get(-code, str(-code))
            raise SourceError(f"sock_diag: the kernel answered {name}: {os.strerror(-code)}")
    elif kind == NLMSG_ERROR:
        raise SourceError("sock_diag: the kernel answered with an error message cut short")
    return end, True, interrupted


def attribute(kind: int, payload: bytes) -> bytes:
    """A netlink attribute (struct nlattr), padded to four bytes."""
    return pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)
