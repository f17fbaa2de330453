"""How sock_diag's messages are read: struct inet_diag_msg of include/uapi/linux/inet_diag.h, behind a netlink header.

Messages come in few forms: their length depends on the user and the kernel, on whether the socket is a full one, and
on attributes. All messages of one form are read alike, by stride or by one Struct.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from struct import Struct, unpack_from

from tcptide.errors import SourceError
from tcptide.record import NamedTuple

#: Offsets from the start of struct nlmsghdr.
FAMILY, STATE, SPORT, EXPIRES, UID, INODE, ATTRIBUTES = 16, 17, 20, 68, 80, 84, 88
MESSAGE_TYPES = (18, 20)  # TCPDIAG_GETSOCK, SOCK_DIAG_BY_FAMILY
INET_DIAG_INFO, INET_DIAG_SHUTDOWN, INET_DIAG_SKV6ONLY, INET_DIAG_CGROUP_ID = 2, 8, 11, 21

#: include/net/tcp_states.h; a bound-idle socket is shown as TCP_CLOSE, 7, and so is one that closes under the dump.
STATE_NAMES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "BOUND",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN_RECV",
}
STATE_NUMBERS = {name: number for number, name in STATE_NAMES.items() if number != 12}
ESTABLISHED, TIME_WAIT, CLOSE, CLOSE_WAIT, LISTEN = 1, 6, 7, 8, 10
_HEAD = Struct("=IH")
_VALUE_BYTES = {INET_DIAG_SKV6ONLY: 1, INET_DIAG_CGROUP_ID: 8}  # of the attributes that are read
TIME_WAIT_MS = 60_000  # TCP_TIMEWAIT_LEN, include/net/tcp.h


class Entry(NamedTuple):
    """A socket of the few that are looked at one by one: listening, bound-idle or explicitly bound."""

    family: int
    state: int
    local: bytes
    local_port: int
    remote_port: int
    queue: int  # idiag_rqueue: connections that wait for accept(), for a listener
    backlog: int  # idiag_wqueue
    uid: int
    cgroup: int | None
    v6only: bool


class Form(NamedTuple):
    """What messages have in common that are counted together."""

    length: int  # with the padding
    full: bool  # a whole socket; TIME_WAIT, SYN_RECV and orphans in FIN_WAIT2 have neither user nor cgroup any more
    cgroup_at: int | None  # where the cgroup id is, None without
    time_wait: bool
    info_at: int | None = None  # where struct tcp_info is, None without
    info_bytes: int = 0  # how long it is: it has grown with the kernels


def entries(chunk: memoryview | bytes) -> Iterable[Entry]:
    """The messages of a chunk, one by one. Raises SourceError for a message that can't be one."""
    for at, length in _messages(chunk):
        family, state, local_port, remote_port, local = unpack_from("=BB2x2s2s16s", chunk, at + FAMILY)
        queue, backlog, uid = unpack_from("=III", chunk, at + 72)
        attributes = _attributes(chunk, at, length)
        cgroup_at, v6only_at = attributes.get(INET_DIAG_CGROUP_ID), attributes.get(INET_DIAG_SKV6ONLY)
        yield Entry(
            family,
            state,
            local,
            int.from_bytes(local_port, "big"),
            int.from_bytes(remote_port, "big"),
            queue,
            backlog,
            uid,
            unpack_from("=Q", chunk, at + cgroup_at)[0] if cgroup_at else None,
            bool(v6only_at and chunk[at + v6only_at]),
        )


def _messages(chunk: memoryview | bytes) -> Iterator[tuple[int, int]]:
    """Where each message of a chunk begins, and its length without padding."""
    at, size = 0, len(chunk)
    while at < size:
        if size - at < ATTRIBUTES:
            raise SourceError(f"sock_diag: {size - at} bytes left over at byte {at} of a chunk of {size}")
        length, kind = _HEAD.unpack_from(chunk, at)
        if not ATTRIBUTES <= length <= size - at or kind not in MESSAGE_TYPES:
            raise SourceError(f"sock_diag: odd message at byte {at} of {size}: type {kind}, length {length}")
        yield at, length
        at += length + 3 & ~3


def _attributes(chunk: memoryview | bytes, start: int, length: int) -> dict[int, int]:
    """Kind of each attribute of a message -> where its value begins, counted from the message."""
    found = {}
    at, end = start + ATTRIBUTES, start + length
    while at + 4 <= end:
        size, kind = unpack_from("=HH", chunk, at)
        if size < 4 + _VALUE_BYTES.get(kind, 0) or at + size > end:
            raise SourceError(f"sock_diag: odd attribute at byte {at - start} of a message: type {kind}, length {size}")
        found[kind] = at + 4 - start
        at += size + 3 & ~3
    return found


def _form_of(chunk: bytes, at: int, length: int) -> Form:
    attributes = _attributes(chunk, at, length)
    cgroup_at, info_at = attributes.get(INET_DIAG_CGROUP_ID), attributes.get(INET_DIAG_INFO)
    info_bytes = unpack_from("=H", chunk, at + info_at - 4)[0] - 4 if info_at else 0
    time_wait = chunk[at + STATE] == TIME_WAIT
    return Form(length + 3 & ~3, INET_DIAG_SHUTDOWN in attributes, cgroup_at, time_wait, info_at, info_bytes)


def common_form(chunk: bytes) -> Form | None:
    """The form of all messages of a chunk, or None when they differ: proved by the columns that make the form."""
    at, length = next(_messages(chunk))
    form = _form_of(chunk, at, length)
    stride = form.length
    messages, rest = divmod(len(chunk), stride)
    if rest:
        return None
    columns = [*range(6), *range(ATTRIBUTES, min(ATTRIBUTES + 4, length))]  # length, type, head of the first attribute
    for value_at in (form.cgroup_at, form.info_at):
        if value_at is not None:
            columns += range(value_at - 4, value_at)
    for column in columns:
        if chunk[column::stride].count(chunk[column]) != messages:
            return None
    return form if chunk[STATE::stride].count(TIME_WAIT) == (messages if form.time_wait else 0) else None


def by_form(chunk: bytes) -> Iterator[tuple[Form, bytes]]:
    """The messages of a chunk sorted by form. Raises SourceError for a message that can't be one."""
    parts: defaultdict[tuple[int, bool], list[bytes]] = defaultdict(list)
    for at, length in _messages(chunk):
        stride = length + 3 & ~3
        parts[length, chunk[at + STATE] == TIME_WAIT].append(chunk[at : at + stride].ljust(stride, b"\0"))
    for (length, _), messages in parts.items():
        together = b"".join(messages)
        form = common_form(together)
        if form is not None:
            yield form, together
        else:  # of one length, yet not alike: no kernel known writes that
            yield from ((_form_of(message, 0, length), message) for message in messages)


@cache
def readers(form: Form) -> tuple[Struct, Struct, Struct, Struct]:
    """How to read, of every message of a form: its owner, its far end, its local address, its peer."""
    length, full, cgroup_at = form[:3]
    tail = f"{length - 84}x" if cgroup_at is None else f"{cgroup_at - 84}xQ{length - cgroup_at - 8}x"
    owner = Struct(f"={FAMILY}xBB62xI{tail}" if full else f"={FAMILY}xBB{length - 18}x")
    end = Struct(f"={FAMILY}xB5x34s24xI{tail}" if full else f"={FAMILY}xB5x34s{length - 56}x")
    return owner, end, Struct(f"=24x16s{length - 40}x"), Struct(f"={FAMILY}xB23x16s{length - 56}x")


def state_name(state: int) -> str:
    """The name of a state. Raises SourceError for a number that no kernel known here has."""
    try:
        return STATE_NAMES[state]
    except KeyError:
        raise SourceError(f"sock_diag: unknown socket state {state}") from None
