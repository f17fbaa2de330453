"""A real Nagios Core and a real NRPE server, as Debian ships them, on a host of their own that both of them watch."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from contrib.generators.services import SERVICES, Service
from tcptide.statefiles import DATABASE
from tcptide.store import Reader

from . import hosts
from .hosts import Host
from .storing import store_samples
from .worlds import TREE, World, eventually

PLUGINS = "/usr/lib/nagios/plugins"
CHECK_NRPE = f"{PLUGINS}/check_nrpe -H 127.0.0.1 -t 20:UNKNOWN"
HOSTS = {"localhost": "local", "web1": "nrpe"}  # both are this host: checked by Nagios itself, and through NRPE
NEEDED = {
    "/usr/sbin/nagios4": "nagios4-core",
    "/usr/sbin/nrpe": "nagios-nrpe-server",
    f"{PLUGINS}/check_nrpe": "nagios-nrpe-plugin",
}
PIPE = "/var/lib/nagios4/rw/nagios.cmd"
WITHIN_SECONDS = 60.0

#: With it every judgement is of the one sample that is stored, so that the same check says the same again.
CONFIGURATION = "max_age_seconds = 900\n"

WEB1 = "define host {\n    use        linux-server\n    host_name  web1\n    address    127.0.0.1\n}\n"

#: Commands and services of one's own, in other states than OK: (name, check, arguments).
OWN = (
    ("own_warning", "check_tcp_connections", "--local-port 443 -w 1"),
    ("own_critical", "check_tcp_connections", "--local-port 443 -w 1 -c 2"),
    ("own_unknown", "check_tcp_connections", "--local-port https"),
    ("own_quoted", "check_tcp_connections", r"--unit 'a $HOME\x2d\"b.service' -w total=~:5 -c 'total=@7:9'"),
)

#: Prints a lot.
LONG = f"{PLUGINS}/check_tcp_connections --help"

AROUND = f"command[own_long]={LONG}\ncommand[environment]=/usr/bin/env\ncommand[folder]=/bin/pwd\n"

#: Fields of status.dat; a service by its host and description.
Status = Mapping[tuple[str, str], Mapping[str, str]]


class Case(NamedTuple):
    """A service of a host."""

    host: str
    description: str
    command: str  # that is run

    def __str__(self) -> str:
        return f"{self.host}-{self.description}"


def cases() -> Iterator[Case]:
    """All services of both hosts."""
    for host in HOSTS:
        for service in SERVICES:
            if service.role or not any(other.instead and other.spec is service.spec for other in SERVICES):
                yield Case(host, service.description, command(service))
        for name, check, arguments in OWN:
            yield Case(host, name, f"{PLUGINS}/{check} {arguments}")


def command(service: Service) -> str:
    """What a service runs, but for --record."""
    return f"{PLUGINS}/{service.spec.name} {service.arguments}".strip()


@contextmanager
def running() -> Iterator[Host]:
    """Both run on it, with the files of contrib; there are connections to :443, and two samples of them."""
    hosts.demand(NEEDED)
    with World() as world, hosts.installed() as host:
        listener = world.listen("127.0.0.1", 443)
        for _ in range(3):
            world.pair(listener)
        host.write("/etc/tcptide/tcptide.toml", CONFIGURATION)
        _sampled_twice(host)
        host.run(f"install -m 0644 {TREE}/contrib/nrpe/tcptide.cfg /etc/nagios/nrpe.d/")
        own = "".join(f"command[{name}]={PLUGINS}/{check} {written(arguments)}\n" for name, check, arguments in OWN)
        host.write("/etc/nagios/nrpe.d/own.cfg", own + AROUND)
        for name in ("commands", "services"):
            host.run(f"install -m 0644 {TREE}/contrib/nagios/{name}.cfg /etc/nagios4/conf.d/")
        host.write("/etc/nagios4/conf.d/hosts.cfg", _members())
        host.write("/etc/nagios4/conf.d/web1.cfg", WEB1)
        host.write("/etc/nagios4/conf.d/own.cfg", "".join(_own_services()))
        faster = "s/^(status_update_interval|check_result_reaper_frequency)=.*/\\1=1/"
        host.run(f"sed -Ei '{faster}' /etc/nagios4/nagios.cfg")
        started = host.run("systemctl start nagios-nrpe-server nagios4")
        assert (started.returncode, started.stderr) == (0, "")
        eventually(lambda: host.run(CHECK_NRPE).returncode, 0, WITHIN_SECONDS)
        assert eventually(lambda: os.path.exists(host.path(PIPE)), True, WITHIN_SECONDS)
        yield host


def _sampled_twice(host: Host) -> None:
    """Store a sample, and one like it of two minutes before, so that there are rates: all are zero."""
    state = host.path(f"/var/lib/tcptide/{DATABASE}")
    assert host.run("tcptide sample --tcp-info", user="nagios").returncode == 0
    with tempfile.TemporaryDirectory(prefix="tcptide-copy-", dir="/tmp") as directory:
        shutil.copy(state, directory)
        with Reader(directory) as reader:
            now = reader.latest("host")
        assert now is not None
        wall, boottime = now.origin.wall_seconds - 120, now.origin.boottime_seconds - 120
        before = now._replace(origin=now.origin._replace(wall_seconds=wall, boottime_seconds=boottime))
        with tempfile.TemporaryDirectory(prefix="tcptide-made-", dir="/tmp") as made:
            store_samples(made, before, now)
            shutil.copy(f"{made}/{DATABASE}", state)


def _members() -> str:
    """contrib/nagios/hosts.cfg with both hosts in every role."""
    with open(f"{TREE}/contrib/nagios/hosts.cfg", encoding="utf-8") as file:
        text = re.sub(r"^    (# )?members .*\n", "", file.read(), flags=re.MULTILINE)
    for group in re.findall(r"hostgroup_name +(\S+)", text):
        place = group.removeprefix("tcptide-")
        members = [name for name, reached in HOSTS.items() if place in (reached, "web", "proxy", "database")]
        text = re.sub(rf"(hostgroup_name +{group}\n)", rf"\1    members         {','.join(members)}\n", text)
    return text


def written(arguments: str) -> str:
    """As it stands in the files of both: a shell reads it, and before that a dollar is a macro's."""
    return arguments.replace("$", "$$")


def _own_services() -> Iterator[str]:
    for name, check, arguments in OWN:
        for host, line in (("localhost", f"{check}!{written(arguments)}"), ("web1", f"check_tcptide_by_nrpe!{name}")):
            yield (
                f"define service {{\n    use  tcptide-service\n    host_name  {host}\n    service_description  {name}\n"
                f"    check_command  {line}\n}}\n"
            )


def tell(host: Host, external: str) -> None:
    """Give Nagios an external command."""
    pipe = os.open(host.path(PIPE), os.O_WRONLY)  # never made: Nagios would not take a file
    os.write(pipe, f"[{time.time():.0f}] {external}\n".encode())
    os.close(pipe)


def status(host: Host) -> Status:
    """What Nagios knows of each service."""
    found = {}
    for block in re.findall(r"^servicestatus \{\n(.*?)^\t\}", host.read("/var/lib/nagios4/status.dat"), re.M | re.S):
        fields = dict(line.strip().split("=", 1) for line in block.splitlines())
        found[fields["host_name"], fields["service_description"]] = fields
    return found


def directly(host: Host, line: str) -> subprocess.CompletedProcess[str]:
    """Run a check by hand, as the agent's user with nothing around it."""
    return host.run(f"exec env -i {line}", user="nagios")
