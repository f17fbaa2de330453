"""contrib/nrpe/tcptide.cfg: a command for each threshold set."""

from collections.abc import Iterator, Sequence

from checks.spec import CheckSpec

from .services import ROLES, SERVICES, Service

PATH = "contrib/nrpe/tcptide.cfg"
PLUGINS = "/usr/lib/nagios/plugins"
HEAD = """\
# Commands of the NRPE server: copy this file to /etc/nagios/nrpe.d/ (Debian) or /etc/nrpe.d/ (RHEL, whose plugins are
# in /usr/lib64/nagios/plugins). Made by `make contrib`.
#
# There is one command for each set of thresholds, since NRPE as it is shipped takes no arguments from the network. A
# set of your own is one more line, in a file of your own; it needs a name of its own after --record too, under which
# reports tell its changes of state. A shell reads the line, and $ is written $$. Thresholds can also stand in
# /etc/tcptide/tcptide.toml.
#
# A check answers within 8 s. On the server: check_nrpe -H HOST -t 20:UNKNOWN -c NAME
"""


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """The one file."""
    return {PATH: "\n".join([HEAD, *_lines()])}


def _lines() -> Iterator[str]:
    yield from (_command(service) for service in SERVICES if not service.role)
    for role, title in ROLES.items():
        yield f"\n# {title}"
        for service in SERVICES:
            if service.role == role:
                yield f"# {service.why}"
                yield _command(service)
    yield ""


def _command(service: Service) -> str:
    words = (f"{PLUGINS}/{service.spec.name}", service.arguments, f"--record {service.name}")
    return f"command[{service.name}]={' '.join(filter(None, words))}"
