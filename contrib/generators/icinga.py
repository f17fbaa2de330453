"""contrib/icinga: a CheckCommand for each check, and the example services by role."""

import shlex
from collections.abc import Iterable, Iterator, Sequence

from checks import options
from checks.spec import CheckSpec, Option

from . import flag, for_monitoring, variable
from .services import CAUSES, SERVICES, Service

COMMANDS, SERVICES_PATH = "contrib/icinga/commands.conf", "contrib/icinga/services.conf"
COMMANDS_HEAD = """\
/* A CheckCommand for each of tcptide's checks: "tcp_errors" runs check_tcp_errors of PluginContribDir. Made by
 * `make contrib` of the checks' options: change it there, or it is lost with the next version.
 *
 * Each option is a custom variable of host or service that begins with the command's name: --max-age of tcp_errors is
 * vars.tcp_errors_max_age. What may be repeated (repeat_key) takes an array too; --verbose takes true.
 * No threshold has a value here: the check has defaults, and /etc/tcptide/tcptide.toml of its host may have others.
 */
"""


SERVICES_HEAD = """\
/* Services of the commands in commands.conf, an example to start from: copy this file beside it, and change what does
 * not fit. Made by `make contrib`.
 *
 * A host gets them if it has vars.os = "Linux" and either vars.agent_endpoint, the name of its Icinga agent's endpoint,
 * which then runs them, or is the node itself. (A check looks at the machine that it runs on, so no other node can run
 * it for a host.) Where a zone has two masters each is to name its own endpoint: they share their zone's services, and
 * one that only one of them knew might be run by neither. Roles have services or thresholds of their own:
 *
 *   vars.tcptide_roles = [ "web", "proxy", "database" ]
 *
 * One incident notifies once: tcp_pattern, tcp_quality and tcp_time_wait say why rather than that something fails. They
 * notify only if the host says so, vars.tcptide_notify = [ "tcp_quality" ], and never while ports or accept queues are
 * the trouble.
 */

template Service "tcptide-service" {
  max_check_attempts = 3
  check_interval = 1m
  retry_interval = 15s
}
"""
BEHIND = """\
/* What the symptoms depend on. Icinga 2.12 and 2.13 take a service's dependencies for redundant: one that holds is
 * enough. But in every version all parents must be reachable. So each cause has a service behind it that is always OK
 * and, while the cause has a problem, unreachable.
 */
"""
PLACE = (
    "  command_endpoint = host.vars.agent_endpoint",
    "  event_command = host.vars.tcptide_event_command // see event-command.conf",
)
RUN = 'host.vars.os == "Linux" && (host.vars.agent_endpoint || host.name == NodeName)'


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """Both files."""
    return {
        COMMANDS: "\n".join([COMMANDS_HEAD, *("\n".join(_command(spec)) for spec in checks)]),
        SERVICES_PATH: "\n".join([SERVICES_HEAD, *_for_all(), *map(_behind, CAUSES), *_of_roles()]),
    }


def _command(spec: CheckSpec) -> Iterator[str]:
    yield f'object CheckCommand "{spec.key}" {{'
    yield f'  command = [ PluginContribDir + "/{spec.name}" ]'
    yield "  arguments = {"
    for option in for_monitoring(spec):
        yield f'    "{flag(option)}" = {{'
        yield f'      {_source(option)} = "${variable(spec, option)}$"'
        yield f'      description = "{_quoted(option.help)}"'
        if option.repeatable:
            yield "      repeat_key = true"
        yield "    }"
    yield "  }"
    yield f'  vars.{spec.key}_record = "$service.name$"'
    yield "}\n"


def _source(option: Option) -> str:
    return "value" if option.metavar else "set_if"


def _quoted(text: str) -> str:
    """As it stands between double quotes, where Icinga takes `$` for itself only in values."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _for_all() -> Iterator[str]:
    usual = [service for service in SERVICES if not service.role]
    yield f"apply Service for (check in {_array(service.spec.key for service in usual)}) {{"
    yield '  import "tcptide-service"\n'
    yield "  check_command = check"
    yield from PLACE
    yield f"  if (check in {_array(service.spec.key for service in usual if not service.pages)}) {{"
    yield "    enable_notifications = check in host.vars.tcptide_notify"
    yield "    vars.tcptide_symptom = true"
    yield "  }"
    for service in SERVICES:
        if service.instead:
            yield f'  if (check == "{service.spec.key}" && "{service.role}" in host.vars.tcptide_roles) {{'
            yield f"    // {service.why}"
            yield from (f"    {line}" for line in _variables(service))
            yield "  }"
    yield f"\n  assign where {RUN}"
    yield "}\n"
    yield BEHIND.rstrip()


def _behind(cause: str) -> str:
    return f"""\
apply Service "behind-{cause}" {{
  check_command = "dummy"
  check_interval = 1h
  enable_notifications = false
  notes = "Always OK. What depends on it does not notify while {cause} has a problem."

  assign where {RUN}
}}
apply Dependency "cause" to Service {{
  parent_service_name = "{cause}"
  states = [ OK ]
  ignore_soft_states = false // else a symptom could become a hard problem, and notify, before its cause
  assign where service.name == "behind-{cause}"
}}
apply Dependency "behind-{cause}" to Service {{
  parent_service_name = "behind-{cause}"
  states = [ OK, Warning, Critical, Unknown ]
  assign where service.vars.tcptide_symptom
}}
"""


def _of_roles() -> Iterator[str]:
    for service in SERVICES:
        if service.role and not service.instead:
            yield f"// {service.why}"
            yield f'apply Service "{service.name}" {{'
            yield '  import "tcptide-service"\n'
            yield f'  check_command = "{service.spec.key}"'
            yield from PLACE
            yield from (f"  {line}" for line in _variables(service))
            yield f'\n  assign where "{service.role}" in host.vars.tcptide_roles && {RUN}'
            yield "}\n"


def _variables(service: Service) -> Iterator[str]:
    """The arguments of a service as custom variables."""
    words = shlex.split(service.arguments)
    flags = {each: option for option in options.of(service.spec) for each in option.flags}
    values: dict[str, list[str]] = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        values.setdefault(variable(service.spec, flags[name]), []).append(value)
    yield from (f"vars.{name} = {_array(given)}" for name, given in values.items())


def _array(words: Iterable[str]) -> str:
    quoted = (f'"{_quoted(word)}"' for word in words)
    return f"[ {', '.join(quoted)} ]"
