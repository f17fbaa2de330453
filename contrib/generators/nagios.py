"""contrib/nagios: the commands of Nagios Core, and example services by role, local and through NRPE."""

from collections.abc import Iterator, Sequence

from checks.spec import CheckSpec, Option

from . import flag, for_monitoring
from .services import CAUSES, ROLES, SERVICES, Service, replaced

COMMANDS = "contrib/nagios/commands.cfg"
COMMANDS_HEAD = """\
# A command for each of tcptide's checks, and one for those that NRPE runs. Made by `make contrib` of the checks'
# options. Copy this file to Nagios's folder of objects (Debian: /etc/nagios4/conf.d/); an upgrade may replace it.
#
# Options go into the first argument of a service's check_command:
#
#   check_command  check_tcp_connections!--local-port 443 -w 5000 -c 8000
#
# A shell reads them: put quotes around what it would take for its own, as in --unit 'a\\x2db.service'. And $ is written
# $$ here.
#
# No threshold is set here: the checks have defaults, and /etc/tcptide/tcptide.toml of their host may have others.
# Changes of state are recorded under the service's name, for reports.
#
# All of them take
"""
NRPE = "check_tcptide_by_nrpe"

SERVICES_PATH = "contrib/nagios/services.cfg"
SERVICES_HEAD = """\
# Services for the hosts of contrib/nagios/hosts.cfg, by role; those of tcptide-local are run by Nagios itself, those of
# tcptide-nrpe by the commands of contrib/nrpe/tcptide.cfg. An example to start from, made by `make contrib`: change
# what is to be different. It needs the template generic-service, which Nagios comes with, and as long as a role has no
# hosts allow_empty_hostgroup_assignment=1 in nagios.cfg.

define service {
    name                   tcptide-service
    use                    generic-service
    check_interval         1
    retry_interval         0.25
    max_check_attempts     3
    register               0
}

# Evidence, not a page: what these tell of pages through tcp_port_exhaustion or tcp_listen_queue.
define service {
    name                   tcptide-evidence
    use                    tcptide-service
    notifications_enabled  0
    register               0
}
"""
DEPENDENCIES_HEAD = """\
# One incident pages once, also where you enable notifications of the evidence: it is silent while its cause is known.
"""


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """Both files."""
    return {
        COMMANDS: "\n".join([COMMANDS_HEAD.rstrip(), *_commands(checks)]),
        SERVICES_PATH: "\n".join(
            [
                SERVICES_HEAD,
                *_services("Run by Nagios itself", "local", "nrpe"),
                *_services("Through NRPE", "nrpe", "local"),
                DEPENDENCIES_HEAD,
                *map(_dependency, CAUSES),
            ]
        ),
    }


def _commands(checks: Sequence[CheckSpec]) -> Iterator[str]:
    taken = [[option for option in for_monitoring(spec) if flag(option) != "--record"] for spec in checks]
    common = [option for option in taken[0] if all(option in options for options in taken)]
    yield from map(_usage, common)
    yield ""
    for spec, options in zip(checks, taken, strict=True):
        yield from (_usage(option) for option in options if option not in common)
        yield _object(
            "command",
            command_name=spec.name,
            command_line=f"$USER1$/{spec.name} --record '$SERVICEDESC$' $ARG1$",
        )
    yield "# Its argument is the name of a command of contrib/nrpe/tcptide.cfg."
    yield _object(
        "command",
        command_name=NRPE,
        command_line="$USER1$/check_nrpe -H '$HOSTADDRESS$' -t 20:UNKNOWN -c $ARG1$",
    )


def _usage(option: Option) -> str:
    flags = ", ".join(option.flags)
    return f"#   {flags} {option.metavar}: {option.help}" if option.metavar else f"#   {flags}: {option.help}"


def _services(how: str, place: str, other: str) -> Iterator[str]:
    yield f"# {how}: the hosts of tcptide-{place}\n"
    for service in SERVICES:
        if not service.role:
            own = [f"!tcptide-{role}" for role in replaced(service)]
            yield _service(service, place, f"tcptide-{place}", *own)
    for role, title in ROLES.items():
        yield f"# {how}: {title[0].lower()}{title[1:]}\n"
        for service in SERVICES:
            if service.role == role:
                yield f"# {service.why}\n{_service(service, place, f'tcptide-{role}', f'!tcptide-{other}')}"


def _service(service: Service, place: str, *groups: str) -> str:
    local = "!".join(filter(None, (service.spec.name, service.arguments)))
    return _object(
        "service",
        use="tcptide-service" if service.pages else "tcptide-evidence",
        hostgroup_name=",".join(groups),
        service_description=service.description,
        check_command=local if place == "local" else f"{NRPE}!{service.name}",
    )


def _dependency(cause: str) -> str:
    return _object(
        "servicedependency",
        hostgroup_name="tcptide-local,tcptide-nrpe",
        service_description=cause,
        dependent_service_description=",".join(one.name for one in SERVICES if not one.pages),
        notification_failure_criteria="w,u,c",
    )


def _object(kind: str, **directives: str) -> str:
    width = max(map(len, directives)) + 2
    lines = (f"    {name:{width}}{value}" for name, value in directives.items())
    return "\n".join([f"define {kind} {{", *lines, "}", ""])
