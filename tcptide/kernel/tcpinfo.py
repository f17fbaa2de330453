"""What struct tcp_info says of sockets, read chunk by chunk while they are counted: bytes in, values out.

The kernel writes it behind a socket's message when the request asks for it: INET_DIAG_INFO, include/uapi/linux/tcp.h,
filled in by tcp_get_info() of net/ipv4/tcp.c. It has only ever grown at its end: what an older kernel lacks is None.

How long a socket has been in CLOSE_WAIT is the time since the last ACK that it received, tcpi_last_ack_recv. tcp_ack()
of net/ipv4/tcp_input.c notes that time, and the peer's FIN is an ACK too. A later one only answers what is sent after
it: data, which a forgotten socket doesn't send, or a keepalive probe while the peer still holds its end. So an age may
be too small, never too large. tcpi_last_data_recv would be: the FIN doesn't touch it.
"""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import compress, repeat
from math import ceil
from operator import and_, eq, le, ne, or_
from struct import Struct

from tcptide.kernel.addresses import AF_INET6, within_host
from tcptide.kernel.messages import CLOSE_WAIT, ESTABLISHED, FAMILY, INODE, STATE, Form, readers, state_name
from tcptide.kernel.tally import Owner, owner_of
from tcptide.model import TcpInfo

#: Offsets in struct tcp_info, of 32-bit fields but for the first: a byte. Times since the last something are in ms.
_RETRANSMITS, _UNACKED, _RETRANS, _LAST_DATA_SENT, _LAST_DATA_RECV, _LAST_ACK_RECV, _RTT_US = 2, 24, 36, 44, 52, 56, 68
#: tcpi_busy_time, tcpi_rwnd_limited and tcpi_sndbuf_limited, 64 bits each, in us. Linux 4.10.
_BUSY, _BUSY_END = 168, 192

#: A connection that has sent nothing for longer says nothing of the network as it is: its rtt is as old.
ACTIVE_SECONDS = 300.0

#: From here on an ESTABLISHED connection in which no data moves counts as idle for long.
IDLE_SECONDS = 900.0

#: Sockets come in the order of a hash table, so the first ones are a fair sample of all.
_RTTS_AT_MOST = 20_000


class TcpInfos:
    """What a look learns from tcp_info: of CLOSE_WAIT always, of ESTABLISHED when asked."""

    def __init__(self, linger_seconds: float, *, established: bool) -> None:
        """Ages in CLOSE_WAIT are kept from `linger_seconds` on."""
        self._linger_ms, self._idle_ms = linger_seconds * 1000, IDLE_SECONDS * 1000
        self._established = established
        self._ages: defaultdict[tuple[int, Owner], array[int]] = defaultdict(lambda: array("I"))
        self._rtts_us = array("I")
        self._connections = self._retransmitting = self._unacked = 0
        self._busy, self._rwnd_limited, self._sndbuf_limited = 0, 0, 0
        self.lacks_limited = False  # this kernel's tcp_info ends before them

    def add(self, chunk: bytes, form: Form) -> None:
        """Read the messages of a chunk, all of a form that has tcp_info."""
        states = chunk[STATE :: form.length]
        if CLOSE_WAIT in states:
            self._note(chunk, form, CLOSE_WAIT, _column(chunk, form, _LAST_ACK_RECV), self._linger_ms)
        if self._established and ESTABLISHED in states:
            sent = _column(chunk, form, _LAST_DATA_SENT)
            if max(sent) >= self._idle_ms:
                idle = list(map(min, sent, _column(chunk, form, _LAST_DATA_RECV)))
                self._note(chunk, form, ESTABLISHED, idle, self._idle_ms)
            active = map(le, sent, repeat(1000 * ACTIVE_SECONDS))
            judged = list(map(and_, map(and_, active, map(eq, states, repeat(ESTABLISHED))), _to_others(chunk, form)))
            if any(judged):
                self._judge(chunk, form, judged)

    def _note(self, chunk: bytes, form: Form, state: int, ages: Sequence[int], from_ms: float) -> None:
        """Keep the ages that are old enough. What nobody has accepted nobody can have forgotten to close."""
        if max(ages) < from_ms:
            return
        inodes = memoryview(chunk).cast("I")[INODE // 4 :: form.length // 4].tolist()
        owners = readers(form)[0].iter_unpack(chunk)
        for (_, found, *owner), inode, age in zip(owners, inodes, ages, strict=True):
            if age >= from_ms and found == state and inode:
                self._ages[state, owner_of(owner)].append(age)

    def _judge(self, chunk: bytes, form: Form, judged: Sequence[bool]) -> None:
        """Add up what the chosen connections say."""
        self._connections += sum(judged)
        again = map(or_, chunk[_at(form, _RETRANSMITS) :: form.length], _column(chunk, form, _RETRANS))
        self._retransmitting += sum(map(bool, compress(again, judged)))
        self._unacked += sum(compress(_column(chunk, form, _UNACKED), judged))
        if len(self._rtts_us) < _RTTS_AT_MOST:
            self._rtts_us.extend(filter(None, compress(_column(chunk, form, _RTT_US), judged)))
        limited = _limited(form)
        if limited is None:
            self.lacks_limited = True
        else:
            for busy, rwnd_limited, sndbuf_limited in compress(limited.iter_unpack(chunk), judged):
                self._busy += busy
                self._rwnd_limited += rwnd_limited
                self._sndbuf_limited += sndbuf_limited

    def ages_ms(self) -> Mapping[tuple[str, Owner], Sequence[int]]:
        """State and owner -> how long each socket has been there: CLOSE_WAIT, and ESTABLISHED that is idle for long."""
        return {(state_name(state), owner): ages for (state, owner), ages in self._ages.items()}

    def tcp_info(self) -> TcpInfo:
        """The numbers of the connections to others in which this side has sent something of late."""

        def percent(part: int, whole: int) -> float | None:
            return 100.0 * part / whole if whole else None

        rtts = sorted(self._rtts_us)

        def rtt_ms(rank: float) -> float:
            return rtts[ceil(rank * len(rtts)) - 1] / 1000

        return TcpInfo(
            self._connections,
            (rtt_ms(0.5), rtt_ms(0.95), rtt_ms(0.99)) if rtts else None,
            percent(self._retransmitting, self._connections),
            percent(self._rwnd_limited, self._busy),
            percent(self._sndbuf_limited, self._busy),
            self._unacked,
        )


def _at(form: Form, offset: int) -> int:
    return (form.info_at or 0) + offset


def _column(chunk: bytes, form: Form, offset: int) -> list[int]:
    """A 32-bit field of all tcp_info of a chunk; netlink keeps them on multiples of four."""
    return memoryview(chunk).cast("I")[_at(form, offset) // 4 :: form.length // 4].tolist()


@cache
def _limited(form: Form) -> Struct | None:
    """How to read the limited times of each message; None when it has none."""
    if form.info_bytes < _BUSY_END:
        return None
    at = _at(form, _BUSY)
    return Struct(f"={at}xQQQ{form.length - at - 24}x")


def _to_others(chunk: bytes, form: Form) -> Sequence[bool]:
    """Whether each message is of a connection that may leave this host."""
    length = form.length
    if AF_INET6 not in chunk[FAMILY::length] and 127 not in chunk[24::length]:
        words = memoryview(chunk).cast("I")
        return list(map(ne, words[24 // 4 :: length // 4].tolist(), words[40 // 4 :: length // 4].tolist()))
    ends = Struct(f"={FAMILY}xB7x16s16s{length - 56}x")
    return [not within_host(*end) for end in ends.iter_unpack(chunk)]
