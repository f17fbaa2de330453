"""What all targets know of a check's options. Each other module here is a target: contrib/generate.py names them."""

from checks import options
from checks.spec import CheckSpec, Option

#: A monitoring system reads text.
NOT_FOR_MONITORING = ("--output",)


def for_monitoring(spec: CheckSpec) -> tuple[Option, ...]:
    """The options that can stand in a monitoring system's command."""
    return tuple(option for option in options.of(spec) if flag(option) not in NOT_FOR_MONITORING)


def flag(option: Option) -> str:
    """`--local-port`."""
    return option.flags[-1]


def variable(spec: CheckSpec, option: Option) -> str:
    """The custom variable for an option: `tcp_connections_local_port`."""
    return f"{spec.key}_{flag(option).removeprefix('--').replace('-', '_')}"
