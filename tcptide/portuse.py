"""From the sockets that a walk counted to the ports that are left."""

from collections.abc import Callable

from tcptide import ports
from tcptide.kernel import addresses
from tcptide.kernel.addresses import AF_INET, AF_INET6, Address, End
from tcptide.kernel.sockdiag import Census, Listening
from tcptide.kernel.tally import Owner, as_in_message
from tcptide.model import Destination, Limits, Ports
from tcptide.seen import TOP


def port_use(
    limits: Limits,
    ephemeral: bytes,
    hard_to_reach: int | None,
    census: Census,
    name: Callable[[Owner], str | None],
) -> Ports:
    """How much of the ephemeral range is left. `name` names an owner of sockets."""
    taken = ports.Taken(*census.tally.taken())
    fullest = ports.by_destination(limits, census.capacity, taken, addresses.touches_loopback, TOP)
    owners = census.tally.main_owners({use.key for use in fullest})

    def destination(use: ports.Use[End]) -> Destination:
        holder = name(owners[use.key]) if use.key in owners else None
        counts = use.ports_used, use.reusable, use.utilisation_percent
        return Destination(*addresses.split(use.key), *counts, holder, use.time_wait)

    return Ports(
        ephemeral.count(1),
        census.capacity,
        len(census.barred),
        tuple(map(destination, fullest)),
        _bind(census, ephemeral, hard_to_reach),
    )


def _bind(census: Census, ephemeral: bytes, hard_to_reach: int | None) -> tuple[tuple[str, float], ...]:
    """The local addresses whose ports are nearest to used up for bind((address, 0))."""
    if 1 not in ephemeral:
        return (("0.0.0.0", 100.0),)  # noqa: S104 - all ports are reserved, whatever the address
    everywhere, bound = _bound(census.deciding, ephemeral)
    by_address = census.tally.bind_ports()
    for address, held in bound.items():
        by_address.setdefault(address, set()).update(held)
    for family, held in everywhere.items():
        if held and not any(address[0] == family for address in by_address):
            by_address[family, bytes(16)] = set()
    hard = None if hard_to_reach is None else as_in_message(hard_to_reach)
    for (family, _), held in by_address.items():
        held.update(everywhere[family])
    percents = [(ports.bind_percent(held, ephemeral, hard), address) for address, held in by_address.items() if held]
    return tuple((addresses.text(*address), percent) for percent, address in sorted(percents, reverse=True)[:TOP])


def _bound(deciding: Listening, ephemeral: bytes) -> tuple[dict[int, set[int]], dict[Address, set[int]]]:
    """Ports of the range that listen() and bind() hold, as_in_message: on every address of a family, and by address.

    An IPv6 wildcard socket holds its port for IPv4 as well unless it is IPV6_V6ONLY (ipv6_rcv_saddr_equal() of
    net/ipv4/inet_connection_sock.c).
    """
    everywhere: dict[int, set[int]] = {AF_INET: set(), AF_INET6: set()}
    by_address: dict[Address, set[int]] = {}
    for entry in (entry for group in deciding for entry in group if ephemeral[entry.local_port]):
        port = as_in_message(entry.local_port)
        family, address = addresses.unmapped(entry.family, entry.local)
        if addresses.is_wildcard(address):
            everywhere[family].add(port)
            if family == AF_INET6 and not entry.v6only:
                everywhere[AF_INET].add(port)
        else:
            by_address.setdefault((family, address), set()).add(port)
    return everywhere, by_address
