"""Privacy for what isn't part of a sample: a destination of another one, and the words of recorded events."""

import json
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from tcptide import privacy
from tcptide.codec import Top
from tcptide.config import Privacy
from tcptide.model import Destination, Event, Sample
from tcptide.privacy import NOT_SHOWN
from tcptide.text import WILDCARDS, network

#: Whatever may be an address, with a prefix length if it is masked already.
_ADDRESS = re.compile(r"(?<![\w.:])[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*(?:%[\w.-]+)?(?:/[0-9]+)?")


#: What the words for a destination of this host are preceded by.
_TO = (" to ", " towards ")

#: What of a finding's values is whom this host connects to.
_OUTBOUND = ("destination", "filter")


def shown_destination(destination: Destination, sample: Sample, shown: Privacy) -> Destination:
    """Privacy is applied to whole samples: the destination as one of `sample`, which has ports."""
    holding = sample._replace(ports=sample.ports and sample.ports._replace(worst=(destination,)))
    ports = privacy.shown(holding, shown).ports
    return ports.worst[0] if ports else destination


def shown_event(event: Event, shown: Privacy, own: Collection[str]) -> Event:
    """The event with remote addresses as privacy has them. Addresses in `own` are this host's."""
    if shown.remote_addresses == "full":
        return event
    mask = (lambda address: NOT_SHOWN) if shown.remote_addresses == "none" else network
    outbound = shown.remote_addresses == "outbound"

    def masked(found: re.Match[str]) -> str:
        kept = outbound and found.string[: found.start()].removesuffix("[").endswith(_TO)
        return found[0] if kept else _masked(found[0], own, mask)

    def write(text: str) -> str:
        return _ADDRESS.sub(masked, text)

    return event._replace(
        name=event.name if outbound and event.kind == "forecast" else write(event.name),
        message=write(event.message),
        finding=_shown_finding(event.finding, write, outbound=outbound) if event.finding else None,
    )


def _shown_finding(finding: str, write: Callable[[str], str], *, outbound: bool) -> str:
    """What an event was made of: whom this host connects to stays whole for `outbound`."""
    with suppress(ValueError, TypeError, AttributeError):
        found: dict[str, Any] = json.loads(finding)
        toward = outbound and str(found.get("code", "")).startswith("destination_")
        values = {
            name: value if not isinstance(value, str) or (outbound and name in _OUTBOUND) else _command(value, write)
            for name, value in found.get("values", {}).items()
        }
        rest = {
            name: value if not isinstance(value, str) or (toward and name == "subject") else write(value)
            for name, value in found.items()
        }
        known = {name: value for name, value in values.items() if value is not None}
        return json.dumps({**rest, "values": known}, ensure_ascii=False)
    return write(finding)


def _command(value: str, write: Callable[[str], str]) -> str | None:
    """The value; a filter for `ss` that would have a masked address has its port alone; None for one for `nft`."""
    masked = write(value)
    if masked == value:
        return value
    if value.startswith("'dst "):
        port = value.strip("'").rpartition(":")[2]
        return f"'dport = :{port}'"
    return None if " saddr " in value else masked


def shown_top(top: Top, shown: Privacy) -> Top:
    """The lists of a stored row as privacy has them, as those of a sample."""
    write = privacy.mask(shown)
    return top._replace(
        destinations=tuple(one._replace(remote=write(one.remote)) for one in top.destinations),
        remotes=privacy.shown_remotes(top.remotes, privacy.mask_client(shown)),
        holders=tuple(one for one in top.holders if shown.processes or one.kind != "process"),
    )


def _masked(found: str, own: Collection[str], mask: Callable[[str], str]) -> str:
    """`10.0.0.5:5432` with its address masked; what is no address, such as a time, as it is."""
    address, slash, _ = found.partition("/")
    for end in (len(address), address.rfind(":")):
        known = address[: max(0, end)].rstrip(".:") or address[: max(0, end)]
        try:
            ip_address(known)
        except ValueError:
            continue
        if known in own or known in WILDCARDS or (slash and mask is network):
            return found
        return mask(known) + address[len(known) :]
    return found
