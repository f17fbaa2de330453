"""What the configuration lets be shown."""

import pytest

from tcptide import privacy
from tcptide.config import Privacy
from tcptide.mail import Mail
from tcptide.model import Holder
from tests.samples import DATABASE, sample

FULL = sample(
    remotes=(("192.0.2.7", 3), ("2001:db8:1:2::7", 2), ("192.0.2.9", 4), ("198.51.100.1", 5)),
    worst=(DATABASE, DATABASE._replace(remote="2001:db8:5:6::7")),
    holders=(Holder("user", "www-data", {}), Holder("process", "nginx", {})),
)


def test_full_is_the_sample_itself() -> None:
    assert privacy.shown(FULL, Privacy()) is FULL


def test_masked_addresses_are_networks_and_add_up() -> None:
    seen = privacy.shown(FULL, Privacy(remote_addresses="masked"))
    assert seen.remotes == (("192.0.2.0/24", 7), ("198.51.100.0/24", 5), ("2001:db8:1::/48", 2))
    assert seen.ports is not None
    assert [(one.local, one.remote) for one in seen.ports.worst] == [
        ("10.0.0.1", "10.0.0.0/24"),
        ("10.0.0.1", "2001:db8:5::/48"),
    ]


def test_none_leaves_the_counts() -> None:
    seen = privacy.shown(FULL, Privacy(remote_addresses="none"))
    assert seen.remotes == ()
    assert seen.ports is not None
    assert [(one.remote, one.remote_port, one.ports_used) for one in seen.ports.worst] == [("*", 5432, 1129)] * 2


def test_mail_shows_whom_the_host_connects_to_and_masks_who_connects_to_it() -> None:
    seen = privacy.shown(FULL, privacy.mailed(Privacy(), Mail()))
    assert seen.remotes == (("192.0.2.0/24", 7), ("198.51.100.0/24", 5), ("2001:db8:1::/48", 2))
    assert seen.ports == FULL.ports


@pytest.mark.parametrize(
    ("general", "mail", "holds"),
    [("full", "full", "full"), ("full", "none", "none"), ("masked", "outbound", "masked"), ("none", "full", "none")],
)
def test_the_stricter_holds_in_mail(general: str, mail: str, holds: str) -> None:
    assert privacy.mailed(Privacy(general, False), Mail(remote_addresses=mail)) == Privacy(holds, False)


def test_scope_of_a_link_local_address() -> None:
    seen = privacy.shown(sample(remotes=(("fe80::1%eth0", 1),)), Privacy(remote_addresses="masked"))
    assert seen.remotes == (("fe80::/48", 1),)


def test_process_names_are_left_out_users_are_not() -> None:
    seen = privacy.shown(FULL, Privacy(processes=False))
    assert [holder.name for holder in seen.holders] == ["www-data"]
    assert seen.remotes == FULL.remotes


def test_sample_without_ports() -> None:
    assert privacy.shown(FULL._replace(ports=None), Privacy(remote_addresses="masked")).ports is None
