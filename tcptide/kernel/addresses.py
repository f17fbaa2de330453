"""The kernel's 16-byte addresses: IPv4-mapped ones made IPv4, and the few that are shown made text."""

import _socket as socket  # the C part; all of it costs a check's cold start 2 ms
from struct import unpack_from

AF_INET, AF_INET6 = 2, 10
MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 2.5.5.2
_ZEROS = bytes(12)
_LOOPBACK_IPV6 = bytes(15) + b"\x01"

Address = tuple[int, bytes]  # (family, 16 bytes; IPv4 in the first four)
End = tuple[int, bytes]  # (family, remote port + local address + remote address: bytes 22 to 55 of the message)


def is_mapped(address: bytes) -> bool:
    """Whether an address of family IPv6 is an IPv4 address in truth."""
    return address.startswith(MAPPED)


def unmapped(family: int, address: bytes) -> Address:
    """The address with an IPv4-mapped one made IPv4."""
    if family == AF_INET6 and address.startswith(MAPPED):
        return AF_INET, address[12:] + _ZEROS
    return family, address


def unmapped_key(family: int, key: bytes) -> End:
    """The far end of a socket with IPv4-mapped addresses made IPv4."""
    if family == AF_INET6 and key.startswith(MAPPED, 2):
        return AF_INET, key[:2] + key[14:18] + _ZEROS + key[30:34] + _ZEROS
    return family, key


def text(family: int, address: bytes) -> str:
    """An address as people write it."""
    return socket.inet_ntop(family, address[:4] if family == AF_INET else address)


def split(end: End) -> tuple[str, str, int]:
    """(local address, remote address, remote port) of a far end."""
    family, key = end
    (port,) = unpack_from(">H", key)
    return text(family, key[2:18]), text(family, key[18:34]), port


def is_wildcard(address: bytes) -> bool:
    """0.0.0.0 or ::."""
    return not any(address)


def within_host(family: int, local: bytes, remote: bytes) -> bool:
    """Whether a connection goes through loopback: from an address to itself, or between loopback addresses."""
    family, address = unmapped(family, local)
    return local == remote or (address[0] == 127 if family == AF_INET else address == _LOOPBACK_IPV6)


def touches_loopback(end: End) -> bool:
    """Whether either end is a loopback address, as tcp_twsk_unique() of net/ipv4/tcp_ipv4.c asks for tcp_tw_reuse=2."""
    family, key = end
    if family == AF_INET:
        return key[2] == 127 or key[18] == 127
    return _LOOPBACK_IPV6 in (key[2:18], key[18:34])
