"""The example services: what is worth watching on which machines. Nagios and NRPE have the same ones."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from checks import (
    check_tcp_connections,
    check_tcp_errors,
    check_tcp_listen_queue,
    check_tcp_pattern,
    check_tcp_port_exhaustion,
    check_tcp_quality,
    check_tcp_time_wait,
    check_tcptide,
)
from checks.spec import CheckSpec


class Service(NamedTuple):
    """One check with one set of thresholds."""

    spec: CheckSpec
    role: str = ""  # empty: for all
    suffix: str = ""  # of its name, so that the name is one threshold set's
    arguments: str = ""
    why: str = ""  # a sentence
    pages: bool = True
    instead: bool = False  # of the same check without a role

    @property
    def name(self) -> str:
        """What its command is called, and what is recorded where the agent does not know the service's name."""
        return f"{self.spec.key}{self.suffix}"

    @property
    def description(self) -> str:
        """What the service is called: as usual, where it takes the place of the usual one."""
        return self.spec.key if self.instead else self.name


#: What a machine can be.
ROLES: Mapping[str, str] = {
    "web": "Web servers",
    "proxy": "Proxies and load balancers",
    "database": "Clients of a database",
}

SERVICES: tuple[Service, ...] = (
    Service(check_tcp_port_exhaustion.SPEC),
    Service(check_tcp_listen_queue.SPEC),
    Service(check_tcp_connections.SPEC),
    Service(check_tcp_errors.SPEC),
    Service(check_tcptide.SPEC),
    Service(check_tcp_pattern.SPEC, pages=False),
    Service(check_tcp_quality.SPEC, pages=False),
    Service(check_tcp_time_wait.SPEC, pages=False),
    Service(
        check_tcp_connections.SPEC,
        "web",
        "_web",
        "--local-port 443 -w 5000 -c 8000",
        "Clients at once; how many are too many only you know.",
    ),
    Service(
        check_tcp_port_exhaustion.SPEC,
        "proxy",
        "_proxy",
        "-w 50 -c 80",
        "With half of the ports to a destination taken, each connect() to it takes hundreds of times as long.",
        instead=True,
    ),
    Service(
        check_tcp_connections.SPEC,
        "database",
        "_database",
        "--remote-port 5432 -w 200 -c 400",
        "Connections to PostgreSQL; the limits are those of your pools.",
    ),
)

#: One incident pages once: while one of the first is not OK the others, which tell of the same, stay silent.
CAUSES = ("tcp_port_exhaustion", "tcp_listen_queue")


def replaced(service: Service) -> Iterator[str]:
    """The roles that have a service of their own in place of this one."""
    for other in SERVICES:
        if not service.role and other.instead and other.spec is service.spec:
            yield other.role
