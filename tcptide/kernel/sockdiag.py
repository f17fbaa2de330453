"""One look at the TCP sockets of a network namespace through sock_diag (man 7 sock_diag).

Message type 18 (TCPDIAG_GETSOCK) answers for IPv4 and IPv6 in one walk of the kernel's tables. A look asks first for
the few sockets that decide what a port is (listening, bound-idle, explicitly bound), then tallies the rest.
Any user sees the same sockets as root does.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from struct import pack
from typing import Self

from tcptide.errors import ConfigError
from tcptide.kernel import bytecode, messages, netlink
from tcptide.kernel.messages import STATE_NUMBERS, Entry
from tcptide.kernel.tally import Tally, port_classes
from tcptide.kernel.tcpinfo import TcpInfos
from tcptide.record import NamedTuple

TCPDIAG_GETSOCK = 18
INET_DIAG_REQ_BYTECODE = 1
WITH_TCP_INFO = 1 << messages.INET_DIAG_INFO - 1  # for idiag_ext

LISTEN = 1 << 10
BOUND_IDLE = 1 << 13  # TCPF_BOUND_INACTIVE, Linux 6.8; older kernels ignore the bit
WITHOUT_REMOTE = LISTEN | BOUND_IDLE
#: SYN_RECV, TIME_WAIT, NEW_SYN_RECV: written as short messages, so asked for apart: a chunk then has one form.
SHORT = 1 << 3 | 1 << 6 | 1 << 12
FULL = 0xFFE & ~LISTEN & ~SHORT & ~(1 << 7)
CLOSE_WAIT = 1 << messages.CLOSE_WAIT

#: From here on the walk is worth a second thread that keeps the kernel busy while this one counts.
_PIPELINE_FROM_SOCKETS = 10_000
_PIPELINE_CHUNKS = 160  # at about 32 KB


class Listening(NamedTuple):
    """The sockets that decide what a port is."""

    listeners: tuple[Entry, ...]
    bound_idle: tuple[Entry, ...]
    explicit: tuple[Entry, ...]  # connected sockets that bind() gave a port of the range


class Census(NamedTuple):
    """All that one look counted."""

    deciding: Listening
    barred: frozenset[int]  # ports of the range that connect() skips
    capacity: int  # ports that connect() can use towards a destination that has none in use
    tally: Tally
    infos: TcpInfos


class SocketFilter(NamedTuple):
    """Which sockets a filtered look counts; an empty part lets all pass.

    `states` are names of model.STATES, `remote` networks such as '10.0.0.0/8', `family` 4 or 6.
    """

    states: tuple[str, ...] = ()
    local_ports: tuple[int, ...] = ()
    remote_ports: tuple[int, ...] = ()
    remote: tuple[str, ...] = ()
    family: int | None = None
    users: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def mask(self) -> int:
        """The states as the kernel's bit mask."""
        if not self.states:
            return FULL | SHORT | WITHOUT_REMOTE
        numbers = {STATE_NUMBERS[state] for state in self.states}
        return sum(1 << {7: 13}.get(number, number) for number in numbers)

    def program(self) -> bytes:
        """Family, ports and networks as a program for the kernel.

        Raises ConfigError for a network that is none, and when all that gets too long for the kernel.
        """
        family = bytecode.ip_version(self.family) if self.family else b""
        local = [bytecode.port_range("local", port, port) for port in self.local_ports]
        remote = [bytecode.port_range("remote", port, port) for port in self.remote_ports]
        networks = [bytecode.remote_network(*_network(cidr)) for cidr in self.remote]
        return bytecode.all_of([family, bytecode.any_of(local), bytecode.any_of(remote), bytecode.any_of(networks)])


def _network(cidr: str) -> tuple[int, bytes, int]:
    import ipaddress  # only a check with this filter needs it

    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError as error:
        raise ConfigError(f"--remote: {cidr!r} is no network: {error}") from None
    mapped = network.network_address.ipv4_mapped if network.version == 6 and network.prefixlen >= 96 else None
    if mapped is not None:
        return 4, mapped.packed, network.prefixlen - 96
    return network.version, network.network_address.packed, network.prefixlen


class Walk:
    """The dumps of one look. All methods raise SourceError when the kernel refuses or answers oddly."""

    def __init__(self) -> None:
        self.interrupted = False  # the kernel said that its tables changed too much under a dump

    def census(
        self,
        port_range: tuple[int, int],
        ephemeral: bytes,
        hard_to_reach: int | None,
        take_over_after_ms: int | None,
        sockets_expected: int,
        *,
        linger_seconds: float = 60.0,
        tcp_info: bool = False,
    ) -> Census:
        """Count everything, and note who has been in CLOSE_WAIT for at least `linger_seconds`.

        `ephemeral`, `hard_to_reach` and `take_over_after_ms` are those of ports; `sockets_expected` decides whether the
        walk is pipelined. `tcp_info` asks for that of ESTABLISHED too, which takes half as long again.
        """
        walk: Generator[memoryview] | ReadAhead = self._connections(tcp_info)
        if sockets_expected >= _PIPELINE_FROM_SOCKETS:
            with suppress(RuntimeError):  # no thread to be had
                walk = ReadAhead(walk)
        with closing(walk):
            infos = TcpInfos(linger_seconds, established=tcp_info)
            return self._counted(walk, port_range, ephemeral, hard_to_reach, take_over_after_ms, infos)

    def _counted(
        self,
        walk: Iterable[memoryview | bytes],
        port_range: tuple[int, int],
        ephemeral: bytes,
        hard_to_reach: int | None,
        take_over_after_ms: int | None,
        infos: TcpInfos,
    ) -> Census:
        deciding = self._deciding(port_range)
        barred = frozenset(entry.local_port for group in deciding for entry in group if ephemeral[entry.local_port])
        listening = {entry.local_port for entry in deciding.listeners}
        lowest = None if hard_to_reach in barred else hard_to_reach
        tally = Tally(port_classes(ephemeral, barred, listening, lowest), take_over_after_ms, infos.add)
        for chunk in walk:
            tally.add(chunk)
        tally.forget_closed()
        return Census(deciding, barred, ephemeral.count(1) - len(barred) - (lowest is not None), tally, infos)

    def filtered(self, chosen: SocketFilter) -> Tally:
        """Count the sockets in the states, family, ports and networks chosen; ports and destinations are left out.

        Raises ConfigError like SocketFilter.program().
        """
        program = chosen.program()
        tally = Tally(bytes(65536))
        for states in (FULL, SHORT, WITHOUT_REMOTE):
            if states == WITHOUT_REMOTE:
                tally.forget_closed()
            for chunk in self._chunks(chosen.mask & states, program) if chosen.mask & states else ():
                tally.add(chunk)
        return tally

    def _deciding(self, port_range: tuple[int, int]) -> Listening:
        explicit = bytecode.both(bytecode.port_range("local", *port_range), bytecode.negate(bytecode.AUTOMATIC))
        program = bytecode.either(bytecode.port_range("remote", 0, 0), explicit)
        listeners, bound_idle, connected = [], [], []
        for chunk in self._chunks(WITHOUT_REMOTE | FULL, program):
            for entry in messages.entries(chunk):
                if entry.remote_port:
                    connected.append(entry)
                elif entry.state == messages.LISTEN:
                    listeners.append(entry)
                elif entry.state == messages.CLOSE:
                    bound_idle.append(entry)
        return Listening(tuple(listeners), tuple(bound_idle), tuple(connected))

    def _connections(self, tcp_info: bool) -> Generator[memoryview]:
        """CLOSE_WAIT has its tcp_info in any case, beside the short messages: that costs no walk of its own."""
        if tcp_info:
            yield from self._chunks(FULL, tcp_info=True)
            yield from self._chunks(SHORT)
        else:
            yield from self._chunks(FULL & ~CLOSE_WAIT)
            yield from self._chunks(SHORT | CLOSE_WAIT, tcp_info=True)

    def _chunks(self, states: int, program: bytes = b"", *, tcp_info: bool = False) -> Iterator[memoryview]:
        return netlink.dump(TCPDIAG_GETSOCK, request(states, program, tcp_info=tcp_info), self._interrupt)

    def _interrupt(self) -> None:
        self.interrupted = True


def request(states: int, program: bytes = b"", *, tcp_info: bool = False) -> bytes:
    """The body of a dump request: sockets in `states` (a mask) that the filter program accepts, with tcp_info if asked.

    struct inet_diag_req of include/uapi/linux/inet_diag.h.
    """
    body = pack("=BBBB48sII", 0, 0, 0, WITH_TCP_INFO if tcp_info else 0, bytes(48), states, 0)
    return body + (netlink.attribute(INET_DIAG_REQ_BYTECODE, program) if program else b"")


class ReadAhead:
    """The chunks of a walk, read by a second thread: the kernel fills the next while this one is counted.

    The kernel works inside recv(), where Python lets go of its lock. Raises RuntimeError where no thread can be had (a
    limit on tasks). close() ends the thread, whether the chunks were read or not.
    """

    def __init__(self, walk: Iterable[memoryview | bytes]) -> None:
        """`walk` is only iterated in the other thread."""
        import threading

        self._ready: deque[bytes | BaseException | None] = deque()
        self._filled, self._free = threading.Semaphore(0), threading.Semaphore(_PIPELINE_CHUNKS)
        self._closed = False
        threading.Thread(target=self._read, args=(walk,), name="sock_diag", daemon=True).start()

    def _read(self, walk: Iterable[memoryview | bytes]) -> None:
        last: BaseException | None = None
        try:
            for chunk in walk:
                self._free.acquire()
                if self._closed:
                    break
                self._ready.append(bytes(chunk))
                self._filled.release()
        except BaseException as error:  # handed to who iterates, whatever it is
            last = error
        self._ready.append(last)
        self._filled.release()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        self._filled.acquire()
        item = self._ready.popleft()
        self._free.release()
        if isinstance(item, BaseException):
            raise item
        if item is None:
            raise StopIteration
        return item

    def close(self) -> None:
        """Let the thread end; there is nothing to be had afterwards."""
        self._closed = True
        self._free.release()
