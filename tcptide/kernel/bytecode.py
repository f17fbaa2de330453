"""Filters that the kernel runs on each socket before it writes a message.

The language of net/ipv4/inet_diag.c (inet_diag_bc_run): a condition jumps `yes` or `no` bytes ahead; a socket is
accepted when the program ends exactly at its end, rejected when a jump goes four bytes beyond. Here a program is
kept as bytes whose failing jumps go to its own length + 4, so that programs can be joined.
"""

from struct import pack, unpack_from

from tcptide.errors import ConfigError
from tcptide.kernel.addresses import AF_INET, AF_INET6

JMP, S_GE, S_LE, D_GE, D_LE, AUTO, S_COND, D_COND = 1, 2, 3, 4, 5, 6, 7, 8
_PORT_CODES = {"local": (S_GE, S_LE), "remote": (D_GE, D_LE)}
ANY_PORT = -1

#: A netlink attribute has 16 bits for its length, its header of 4 bytes included; so has a jump.
MAX_BYTES = 65535 - 4

#: Sockets whose port the kernel chose in connect() (no SOCK_BINDPORT_LOCK): accepted ones too, TIME_WAIT always.
AUTOMATIC = pack("=BBH", AUTO, 4, 8)


def negate(program: bytes) -> bytes:
    """Accept what `program` rejects."""
    return program + pack("=BBH", JMP, 4, 8)


def both(first: bytes, second: bytes) -> bytes:
    """Accept what both programs accept. Raises ConfigError when that gets too long for the kernel."""
    _check(len(first) + len(second))
    return _fail_later(first, len(second)) + second


def either(first: bytes, second: bytes) -> bytes:
    """Accept what one of two programs accepts. Raises ConfigError when that gets too long for the kernel."""
    _check(len(first) + 4 + len(second))
    return first + pack("=BBH", JMP, 4, len(second) + 4) + second


def port_range(side: str, low: int, high: int) -> bytes:
    """Sockets whose port on `side` ('local' or 'remote') lies in [low, high]."""
    at_least, at_most = _PORT_CODES[side]
    return pack("=BBHBBHBBHBBH", at_least, 8, 20, 0, 0, low, at_most, 8, 12, 0, 0, high)


def ip_version(version: int) -> bytes:
    """Sockets of IPv4 (4) or IPv6 (6), by their local address; an IPv4-mapped one is IPv4."""
    ipv4 = _network(S_COND, AF_INET, bytes(4), 0)
    return ipv4 if version == 4 else negate(ipv4)


def remote_network(version: int, address: bytes, prefix_length: int) -> bytes:
    """Sockets whose remote address lies in a network; an IPv4-mapped address is IPv4 and lies in no IPv6 network."""
    if version == 4:
        return _network(D_COND, AF_INET, address, prefix_length)
    return both(_network(D_COND, AF_INET6, address, prefix_length), negate(_network(D_COND, AF_INET, bytes(4), 0)))


def _network(code: int, family: int, address: bytes, prefix_length: int) -> bytes:
    """A struct inet_diag_hostcond of include/uapi/linux/inet_diag.h; one of IPv4 takes IPv4-mapped addresses too."""
    condition = pack("=BBxxi", family, prefix_length, ANY_PORT) + address
    size = 4 + len(condition)
    return pack("=BBH", code, size, size + 4) + condition


def any_of(programs: list[bytes]) -> bytes:
    """Accept what one of the programs accepts; no programs accept everything (an empty program)."""
    result = b""
    for program in programs:
        result = either(result, program) if result else program
    return result


def all_of(programs: list[bytes]) -> bytes:
    """Accept what all of the programs accept; empty ones don't count."""
    result = b""
    for program in programs:
        result = both(result, program) if result and program else result or program
    return result


def _check(size: int) -> None:
    if size > MAX_BYTES:
        raise ConfigError(f"too many ports and networks in one filter: {size} bytes, the kernel takes {MAX_BYTES}")


def _fail_later(program: bytes, distance: int) -> bytes:
    """Move the failing jumps of a program ahead by `distance` bytes."""
    patched = bytearray(program)
    at = 0
    while at < len(program):
        code, yes, no = unpack_from("=BBH", program, at)
        if at + no == len(program) + 4:
            patched[at + 2 : at + 4] = pack("=H", no + distance)
        at += yes if code != JMP else 4
    return bytes(patched)
