"""What of a sample may be shown: `[privacy]` of the configuration holds for every output."""

from collections.abc import Callable

from tcptide import outlook
from tcptide.config import Privacy
from tcptide.model import Sample
from tcptide.outlook import Outlook
from tcptide.text import network

NOT_SHOWN = "*"


def shown(sample: Sample, privacy: Privacy) -> Sample:
    """The sample with remote addresses masked or left out, and without process names, as the configuration says.

    Local addresses, ports, users and units stay: they are this host's own.
    """
    if not privacy.processes:
        sample = sample._replace(holders=tuple(holder for holder in sample.holders if holder.kind != "process"))
    mask = _mask(privacy)
    if mask is None:
        return sample
    remotes: dict[str, int] = {}
    for address, count in sample.remotes:
        remotes[mask(address)] = remotes.get(mask(address), 0) + count
    remotes.pop(NOT_SHOWN, None)
    ports = sample.ports
    return sample._replace(
        remotes=tuple(sorted(remotes.items(), key=lambda item: -item[1])),
        ports=ports and ports._replace(worst=tuple(one._replace(remote=mask(one.remote)) for one in ports.worst)),
    )


def shown_outlook(found: Outlook, privacy: Privacy) -> Outlook:
    """The outlook with remote addresses as shown() has them."""
    mask = _mask(privacy)
    return outlook.masked(found, mask) if mask else found


def shown_resource(resource: str, privacy: Privacy) -> str:
    """The resource with its remote address as shown() has it."""
    mask = _mask(privacy)
    return outlook.masked_resource(resource, mask) if mask else resource


def _mask(privacy: Privacy) -> Callable[[str], str] | None:
    if privacy.remote_addresses == "full":
        return None
    return network if privacy.remote_addresses == "masked" else lambda address: NOT_SHOWN
