"""What of a sample may be shown: `[privacy]` of the configuration holds for every output."""

from tcptide.config import Privacy
from tcptide.model import Sample

IPV4_PREFIX, IPV6_PREFIX = 24, 48
NOT_SHOWN = "*"


def shown(sample: Sample, privacy: Privacy) -> Sample:
    """The sample with remote addresses masked or left out, and without process names, as the configuration says.

    Local addresses, ports, users and units stay: they are this host's own.
    """
    if not privacy.processes:
        sample = sample._replace(holders=tuple(holder for holder in sample.holders if holder.kind != "process"))
    if privacy.remote_addresses == "full":
        return sample
    mask = _network if privacy.remote_addresses == "masked" else lambda address: NOT_SHOWN
    remotes: dict[str, int] = {}
    for address, count in sample.remotes:
        remotes[mask(address)] = remotes.get(mask(address), 0) + count
    remotes.pop(NOT_SHOWN, None)
    ports = sample.ports
    return sample._replace(
        remotes=tuple(sorted(remotes.items(), key=lambda item: -item[1])),
        ports=ports and ports._replace(worst=tuple(one._replace(remote=mask(one.remote)) for one in ports.worst)),
    )


def _network(address: str) -> str:
    import ipaddress

    prefix = IPV6_PREFIX if ":" in address else IPV4_PREFIX
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/{prefix}", strict=False))
