"""docs/nagios.md and then docs/nrpe.md, followed word by word on a host that is server and host at once."""

import subprocess

import pytest

from . import hosts, pages
from .nagioscore import NEEDED
from .worlds import World

pytestmark = pytest.mark.root

REMOVE = "Upgrade and remove"


def test_pages_can_be_followed() -> None:
    hosts.demand(NEEDED)
    nagios, nrpe = pages.steps("docs/nagios.md"), pages.steps("docs/nrpe.md")
    last = [step for step in nagios if step.section == REMOVE]
    with World() as world:
        for address in ("192.0.2.5", "192.0.2.10"):  # of the server and of the host: it comes from one to the other
            world.add_address(address)
        route = ["ip", "route", "replace", "local", "192.0.2.10", "dev", "lo", "src", "192.0.2.5", "table", "local"]
        subprocess.run(route, check=True)
        with hosts.installed() as host:
            host.run("mkdir /etc/nrpe.d")  # as other distributions have it
            for step in (*(step for step in nagios if step not in last), *nrpe, *last):
                pages.follow(step, host)
