"""What /proc says: counters, limits, and where this process stands.

The parsers are pure: text and the path it came from in, a value out, ParseError for what they do not understand.
ProcFs is the only opener of proc files. Names are the kernel's; a number is found by its name, never by its column,
since kernels add, drop and reorder them.
"""

import os
from collections.abc import Callable, Mapping
from errno import EACCES, ENOENT, ENOTDIR, EPERM
from typing import TypeVar

from tcptide.errors import ParseError, SourceError
from tcptide.model import Limits

Value = TypeVar("Value")

_READ_BYTES = 4096  # the size of the buffer is most of the cost of reading a sysctl: 6 us with 4 KB, 27 with 256 KB

#: A sysctl answers the first read only and drops what does not fit; every second port reserved is 190 KB of text.
_LONG_SYSCTL_BYTES = 256 * 1024

#: What a file gives that this kernel, namespace or confinement does not show.
_NOT_SHOWN = (ENOENT, ENOTDIR, EACCES, EPERM)

#: How container engines name the host's end of a container's veth pair: Docker, Podman, LXC and the bridge CNI;
#: Calico; Cilium; systemd-nspawn (routed, bridged); Amazon VPC CNI; Azure CNI; GKE.
_VETH_PREFIXES = ("veth", "cali", "lxc", "ve-", "vb-", "eni", "azv", "gke")


def parse_number(text: str, path: str) -> int:
    """A sysctl of one integer."""
    return _parse_numbers(text, path, 1)[0]


def parse_port_range(text: str, path: str) -> tuple[int, int]:
    """net.ipv4.ip_local_port_range: both ends, inclusive."""
    low, high = _parse_numbers(text, path, 2)
    if not 0 <= low <= high <= 65535:
        raise ParseError(path, 1, text.rstrip("\n"), "not a range of ports")
    return low, high


def parse_tcp_mem(text: str, path: str) -> tuple[int, int, int]:
    """net.ipv4.tcp_mem in pages: below the first no pressure, above the second pressure, the third is the limit."""
    low, pressure, high = _parse_numbers(text, path, 3)
    return low, pressure, high


def parse_reserved_ports(text: str, path: str) -> tuple[tuple[int, int], ...]:
    """net.ipv4.ip_local_reserved_ports, '8080,9000-9010', as inclusive ranges in its order; an empty list is ()."""
    ranges = []
    for item in text.strip().split(",") if text.strip() else ():
        low, dash, high = item.partition("-")
        try:
            ends = int(low), int(high if dash else low)
        except ValueError:
            raise ParseError(path, 1, item, "neither a port nor a range of ports") from None
        if not 0 <= ends[0] <= ends[1] <= 65535:
            raise ParseError(path, 1, item, "not a range of ports")
        ranges.append(ends)
    return tuple(ranges)


def parse_counter_pairs(text: str, path: str, protocol: str) -> dict[str, int]:
    """The counters of one protocol of net/snmp or net/netstat, by name; none when it isn't there.

    Each protocol has two lines: 'Tcp: RtoAlgorithm RtoMin ...' and 'Tcp: 1 200 ...'. All are counters since the
    network namespace began, but for a few constants (RtoMin, MaxConn, which is -1) and the gauge CurrEstab.
    """
    prefix = protocol + ":"
    names: list[str] = []
    header_number = 0
    counters: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith(prefix):
            continue
        words = line[len(prefix) :].split()
        if not names:
            if not words:
                raise ParseError(path, number, line, "no counter names")
            names, header_number = words, number
            continue
        if len(words) != len(names):
            raise ParseError(path, number, line, f"{len(words)} values for {len(names)} names")
        try:
            counters.update(zip(names, map(int, words), strict=True))
        except ValueError:
            raise ParseError(path, number, line, "a value is not a number") from None
        names = []
    if names:
        raise ParseError(path, header_number, prefix + " " + " ".join(names), "names without a line of values")
    return counters


def parse_sockstat(text: str, path: str) -> dict[str, int]:
    """net/sockstat or net/sockstat6 ('TCP: inuse 1 orphan 0 ...'), keyed 'TCP.inuse'.

    TCP `inuse` (hashed sockets: LISTEN counts, TIME_WAIT does not) and `tw` are the namespace's; `orphan`, `alloc`
    and `mem` (pages) are the machine's.
    """
    numbers: dict[str, int] = {}
    for number, line in enumerate(_lines(text), 1):
        family, colon, rest = line.partition(":")
        words = rest.split()
        if not colon or len(words) % 2:
            raise ParseError(path, number, line, "expected 'NAME: key value ...'")
        try:
            for key, value in zip(words[::2], words[1::2], strict=True):
                numbers[f"{family}.{key}"] = int(value)
        except ValueError:
            raise ParseError(path, number, line, "a value is not a number") from None
    return numbers


def hashed_sockets(counters: Mapping[str, int]) -> int:
    """How many sockets a walk of this namespace meets, by its sockstat: both families, TIME_WAIT included."""
    return sum(counters.get(key, 0) for key in ("sockstat.TCP.inuse", "sockstat.TCP.tw", "sockstat6.TCP6.inuse"))


def parse_interfaces(text: str, path: str) -> tuple[str, ...]:
    """The names of the network interfaces in net/dev, whose first two lines are its heading."""
    names = []
    for number, line in enumerate(_lines(text)[2:], 3):
        name, colon, _ = line.rpartition(":")  # an alias has a colon in its name, the numbers have none
        if not colon:
            raise ParseError(path, number, line, "expected 'INTERFACE: numbers'")
        names.append(name.strip())
    return tuple(names)


def parse_cgroup2_mount(text: str, path: str) -> str | None:
    r"""Where self/mounts says that cgroup v2 is mounted; blanks come as octal escapes such as \040 (fstab(5))."""
    for number, line in enumerate(_lines(text), 1):
        words = line.split(" ")
        if len(words) < 4:
            raise ParseError(path, number, line, "expected 'DEVICE DIRECTORY TYPE OPTIONS ...'")
        if words[2] == "cgroup2":
            first, *escaped = words[1].split("\\")
            try:
                return first + "".join(chr(int(part[:3], 8)) + part[3:] for part in escaped)
            except ValueError:
                raise ParseError(path, number, line, "not an octal escape") from None
    return None


def _parse_numbers(text: str, path: str, count: int) -> tuple[int, ...]:
    words = text.split()
    if len(words) != count:
        raise ParseError(path, 1, text.rstrip("\n"), f"expected {count} numbers, found {len(words)}")
    try:
        return tuple(map(int, words))
    except ValueError:
        raise ParseError(path, 1, text.rstrip("\n"), "not a number") from None


class ProcFs:
    """The only opener of proc files, below a root that is /proc but for tests.

    A file that is needed and cannot be read raises SourceError, one that is not understood ParseError. What is
    absent or forbidden, and not needed, is None or a missing key: never 0.
    """

    def __init__(self, root: str = "/proc") -> None:
        self.root = root

    def counters(self) -> dict[str, int]:
        """'Tcp.ActiveOpens', 'TcpExt.TW', 'sockstat.TCP.orphan', 'sockstat6.TCP6.inuse', ... of this namespace."""
        tcp = self._needed("self/net/snmp", lambda text, path: parse_counter_pairs(text, path, "Tcp"))
        ext = self._optional("self/net/netstat", lambda text, path: parse_counter_pairs(text, path, "TcpExt")) or {}
        counters = {"Tcp." + name: value for name, value in tcp.items()}
        counters.update(("TcpExt." + name, value) for name, value in ext.items())
        for file in ("sockstat", "sockstat6"):
            numbers = self._optional("self/net/" + file, parse_sockstat) or {}
            counters.update((f"{file}.{name}", value) for name, value in numbers.items() if name.startswith("TCP"))
        return counters

    def limits(self) -> Limits:
        """The sysctls that bound TCP in this namespace."""
        port_range = self._needed("sys/net/ipv4/ip_local_port_range", parse_port_range)
        reserved = self._optional("sys/net/ipv4/ip_local_reserved_ports", parse_reserved_ports, _LONG_SYSCTL_BYTES)
        return Limits(
            port_range=port_range,
            reserved_ports=reserved or (),  # a kernel without the list reserves nothing
            tcp_tw_reuse=self._number("sys/net/ipv4/tcp_tw_reuse"),
            tcp_tw_reuse_delay_ms=self._number("sys/net/ipv4/tcp_tw_reuse_delay"),
            tcp_timestamps=self._number("sys/net/ipv4/tcp_timestamps"),
            tcp_max_tw_buckets=self._number("sys/net/ipv4/tcp_max_tw_buckets"),
            tcp_max_orphans=self._number("sys/net/ipv4/tcp_max_orphans"),
            tcp_mem_pages=self._optional("sys/net/ipv4/tcp_mem", parse_tcp_mem),
            somaxconn=self._number("sys/net/core/somaxconn"),
            nf_conntrack_count=self._number("sys/net/netfilter/nf_conntrack_count"),
            nf_conntrack_max=self._number("sys/net/netfilter/nf_conntrack_max"),
        )

    def boot_id(self) -> str:
        """The random id of this boot."""
        return self._needed("sys/kernel/random/boot_id", _stripped)

    def hostname(self) -> str:
        """The host's name, of this UTS namespace."""
        return self._needed("sys/kernel/hostname", _stripped)

    def has_veth(self) -> bool:
        """Whether an interface is named as container engines name the host's end of a container's link."""
        interfaces = self._optional("self/net/dev", parse_interfaces) or ()
        return any(name.startswith(_VETH_PREFIXES) for name in interfaces)

    def cgroup2_mount(self) -> str | None:
        """Where cgroup v2 is mounted, as this process sees it; None below `ip netns exec`, which hides it."""
        return self._optional("self/mounts", parse_cgroup2_mount)

    def is_host_netns(self) -> bool:
        """Whether this is the network namespace of process 1; True when process 1 is hidden.

        Each namespace has its own net/snmp with its own inode number, and unlike 1/ns/net an ordinary user may ask
        for it.
        """
        here, host = self._inode("self/net/snmp"), self._inode("1/net/snmp")
        return here is None or host is None or here == host

    def netns_inode(self) -> int | None:
        """The inode number of this network namespace, as `lsns` shows it; the kernel uses numbers again."""
        return self._inode("self/ns/net")

    def security_context(self) -> str | None:
        """The SELinux context or the AppArmor profile of this process; None with neither (reading gives EINVAL)."""
        try:
            return (self._optional("self/attr/current", _stripped) or "").rstrip("\0") or None
        except SourceError:
            return None

    def _inode(self, name: str) -> int | None:
        try:
            return os.stat(f"{self.root}/{name}").st_ino
        except OSError:
            return None

    def _number(self, name: str) -> int | None:
        return self._optional(name, parse_number)

    def _needed(self, name: str, parse: Callable[[str, str], Value]) -> Value:
        path = f"{self.root}/{name}"
        try:
            text = _read(path, _READ_BYTES)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
        return parse(text, path)

    def _optional(self, name: str, parse: Callable[[str, str], Value], read_bytes: int = _READ_BYTES) -> Value | None:
        path = f"{self.root}/{name}"
        try:
            text = _read(path, read_bytes)
        except OSError as error:
            if error.errno in _NOT_SHOWN:
                return None
            raise SourceError(f"{path}: {error.strerror}") from error
        return parse(text, path)


def printable(name: str) -> str:
    r"""A process's, user's or cgroup's name with bytes that are no UTF-8 shown as '\udcff'.

    They may be named in any bytes, and Python hands those on as surrogates that can be neither printed nor stored.
    """
    return name.encode("utf-8", "backslashreplace").decode()


def _stripped(text: str, path: str) -> str:
    return text.strip()


def _lines(text: str) -> list[str]:
    # Not splitlines(): a mount point may hold a form feed, or whatever else that takes for an end of line.
    return text.removesuffix("\n").split("\n") if text else []


def _read(path: str, read_bytes: int) -> str:
    # No file that is read here is a symbolic link, so none is followed.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        data = b""
        while chunk := os.read(descriptor, read_bytes):
            data += chunk
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "backslashreplace")
