"""Whether an address is far away: not this host's own, nor of a network that it may be in itself."""

from tcptide.model import Sample
from tcptide.text import network

#: Loopback, link-local and private addresses (RFC 1918, RFC 6598, RFC 4193): a gateway, a proxy or a colleague has one.
_NEAR = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::/127",
    "fc00::/7",
    "fe80::/10",
)


def own_addresses(sample: Sample) -> set[str]:
    """Addresses of this host, as far as the sample shows them."""
    ports = sample.ports
    bound = [address for address, _ in ports.bind or ()] if ports else []
    used = [one.local for one in ports.worst] if ports else []
    return {*bound, *used, *(one.address for one in sample.listeners)}


def is_far(address: str, sample: Sample) -> bool:
    """A whole address, neither near by its kind nor in a /24 or /48 with one of this host's."""
    from ipaddress import ip_address, ip_network

    try:
        found = ip_address(address)
    except ValueError:  # masked, or with a zone
        return False
    if any(found in ip_network(each) for each in _NEAR):
        return False
    return network(address) not in {network(own) for own in own_addresses(sample)}
