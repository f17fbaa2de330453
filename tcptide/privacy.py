"""What of a sample may be shown: `[privacy]` of the configuration holds for every output."""

from collections.abc import Callable, Iterable

from tcptide import outlook
from tcptide.config import Privacy
from tcptide.mail import SHOWN, Mail
from tcptide.model import Sample
from tcptide.outlook import Outlook
from tcptide.text import network

NOT_SHOWN = "*"


def mailed(privacy: Privacy, mail: Mail) -> Privacy:
    """What of it may be mailed: the stricter of what [privacy] and [mail] say."""
    stricter = max(privacy.remote_addresses, mail.remote_addresses, key=SHOWN.index)
    return privacy._replace(remote_addresses=stricter)


def shown(sample: Sample, privacy: Privacy) -> Sample:
    """The sample with remote addresses masked or left out, and without process names, as the configuration says.

    Local addresses, ports, users and units stay: they are this host's own. Masking makes one of two destinations, so
    it is for what only shows a sample; who judges one takes it whole, and masks the words (mask()).
    """
    sample = without_processes(sample, privacy)
    if privacy.remote_addresses == "full":
        return sample
    client, destination, ports = mask_client(privacy), mask(privacy), sample.ports
    worst = tuple(one._replace(remote=destination(one.remote)) for one in ports.worst) if ports else ()
    return sample._replace(remotes=shown_remotes(sample.remotes, client), ports=ports and ports._replace(worst=worst))


def without_processes(sample: Sample, privacy: Privacy) -> Sample:
    """The sample without process names, unless they may be shown."""
    if privacy.processes:
        return sample
    return sample._replace(holders=tuple(holder for holder in sample.holders if holder.kind != "process"))


def shown_remotes(remotes: Iterable[tuple[str, int]], write: Callable[[str], str]) -> tuple[tuple[str, int], ...]:
    """Remote addresses as they are written, with the counts of those that become one added up, most first."""
    counts: dict[str, int] = {}
    for address, count in remotes:
        counts[write(address)] = counts.get(write(address), 0) + count
    counts.pop(NOT_SHOWN, None)
    return tuple(sorted(counts.items(), key=lambda item: -item[1]))


def shown_outlook(found: Outlook, privacy: Privacy) -> Outlook:
    """The outlook with remote addresses as shown() has them."""
    return found if privacy.remote_addresses == "full" else outlook.masked(found, mask(privacy))


def mask_client(privacy: Privacy) -> Callable[[str], str]:
    """How the address of who connects to this host is written: in mail as a network even where mask() leaves all."""
    return network if privacy.remote_addresses == "outbound" else mask(privacy)


def mask(privacy: Privacy) -> Callable[[str], str]:
    """How a remote address is written."""
    if privacy.remote_addresses in ("full", "outbound"):
        return str
    return network if privacy.remote_addresses == "masked" else lambda address: NOT_SHOWN
