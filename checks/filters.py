"""Which connections check_tcp_connections counts: options of their own, and the filter made of them."""

from argparse import Namespace

from tcptide.kernel.sockdiag import SocketFilter
from tcptide.model import STATES

from .options import not_empty, one_of
from .spec import Option


def _state(text: str) -> str:
    state = text.upper().replace("-", "_")
    if state not in STATES:
        raise ValueError(f"{text!r} is none of {', '.join(STATES)}")
    return state


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise ValueError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


OPTIONS: tuple[Option, ...] = (
    Option(("--state",), "count this state, e.g. CLOSE_WAIT", "STATE", _state, repeatable=True, choices=STATES),
    Option(("--local-port",), "count connections on this local port", "PORT", _port, repeatable=True),
    Option(("--remote-port",), "count connections to this remote port", "PORT", _port, repeatable=True),
    Option(("--remote",), "count connections with this address or network", "CIDR", not_empty, repeatable=True),
    Option(("--family",), "count IPv4 or IPv6 only: 4 or 6", "FAMILY", one_of("4", "6"), choices=("4", "6")),
    Option(("--user",), "count this user's sockets", "NAME", not_empty, repeatable=True),
    Option(("--unit",), "count the sockets of this systemd unit or container", "NAME", not_empty, repeatable=True),
)


def of(options: Namespace) -> SocketFilter | None:
    """The filter that was asked for; None: everything counts."""
    wanted = SocketFilter(
        states=tuple(options.state),
        local_ports=tuple(options.local_port),
        remote_ports=tuple(options.remote_port),
        remote=tuple(options.remote),
        family=int(options.family) if options.family else None,
        users=tuple(options.user),
        units=tuple(options.unit),
    )
    return None if wanted == SocketFilter() else wanted
