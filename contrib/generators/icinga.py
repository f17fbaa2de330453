"""contrib/icinga/commands.conf: a CheckCommand for each check."""

from collections.abc import Iterator, Sequence

from checks.spec import CheckSpec, Option

from . import flag, for_monitoring, variable

PATH = "contrib/icinga/commands.conf"
HEAD = """\
/* A CheckCommand for each of tcptide's checks: "tcp_errors" runs check_tcp_errors of PluginContribDir. Made by
 * `make contrib` of the checks' options: change it there, or it is lost with the next version.
 *
 * Each option is a custom variable of host or service that begins with the command's name: --max-age of tcp_errors is
 * vars.tcp_errors_max_age. What may be repeated (repeat_key) takes an array too; --verbose takes true.
 * No threshold has a value here: the check has defaults, and /etc/tcptide/tcptide.toml of its host may have others.
 */
"""


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """The one file."""
    return {PATH: "\n".join([HEAD, *("\n".join(_command(spec)) for spec in checks)])}


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
