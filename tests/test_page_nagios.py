"""docs/nagios.md and then docs/nrpe.md, followed word by word on a host that is server and host at once."""

import subprocess
from collections.abc import Iterator

import pytest

from . import hosts, pages
from .hosts import Host
from .nagioscore import demand
from .pages import Step
from .worlds import World

pytestmark = pytest.mark.root

REMOVE = "Upgrade and remove"
STEPS = [step for step in pages.steps("docs/nagios.md") if step.section != REMOVE]
STEPS += pages.steps("docs/nrpe.md")
STEPS += [step for step in pages.steps("docs/nagios.md") if step.section == REMOVE]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """It has the addresses of both, and comes from the server's when it asks the host's."""
    demand()
    with World() as world:
        for address in ("192.0.2.5", "192.0.2.10"):
            world.add_address(address)
        route = ["ip", "route", "replace", "local", "192.0.2.10", "dev", "lo", "src", "192.0.2.5", "table", "local"]
        subprocess.run(route, check=True)
        with hosts.installed() as host:
            host.run("mkdir /etc/nrpe.d")  # as other distributions have it
            yield host


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.command or step.path)
def test_step(step: Step, host: Host) -> None:
    pages.follow(step, host)
