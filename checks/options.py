"""The command line: strict, errors as one line, help at 80 columns; made from a CheckSpec alone."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from tcptide import __version__
from tcptide.config import Config
from tcptide.errors import ConfigError

from .spec import CheckSpec, Metric, Option

HELP_COLUMNS = 79
DEFAULTS = Config()


class UsageError(ConfigError):
    """The command line cannot be used."""


class HelpAsked(Exception):  # noqa: N818
    """Not an error: --help or --version; its text is what was asked for."""


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A parser of seconds between two bounds, both included."""

    def parse(text: str) -> float:
        plain = text.replace(".", "", 1)
        if not (plain.isascii() and plain.isdigit()) or not low <= float(text) <= high:
            raise ValueError(f"{text!r} is not a number of seconds from {low:g} to {high:g}")
        return float(text)

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """A parser of one of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}")
        return text

    return parse


def not_empty(text: str) -> str:
    """A parser of a name."""
    if not text.strip():
        raise ValueError("is empty")
    return text


SERVICE_CHARACTERS = 255


def service(text: str) -> str:
    """A parser of a service's name."""
    if len(text) > SERVICE_CHARACTERS:
        raise ValueError(f"has over {SERVICE_CHARACTERS} characters")
    if not text.isprintable():  # nor is what is no UTF-8
        raise ValueError("is not one line of text")
    return not_empty(text)


VERBOSE = Option(("-v", "--verbose"), "whole lists; -vv the sample; -vvv tracebacks")

#: What every check takes, besides -h, -V and -v.
COMMON: tuple[Option, ...] = (
    Option(
        ("-w", "--warning"),
        "WARNING outside of this range of good values, [@][START:]END; METRIC is a perfdata label, without it the "
        "first metric; METRIC= drops its default",
        "[METRIC=]RANGE",
        repeatable=True,
    ),
    Option(("-c", "--critical"), "CRITICAL outside of this range, as -w", "[METRIC=]RANGE", repeatable=True),
    Option(
        ("-t", "--timeout"),
        f"UNKNOWN when there is no answer after this time (default {DEFAULTS.timeout_seconds:g})",
        "SECONDS",
        seconds(0.1, 300),
    ),
    Option(
        ("--max-age",),
        f"judge a stored sample of at most this age, else look; 0 looks now (default {DEFAULTS.max_age_seconds:g})",
        "SECONDS",
        seconds(0, 900),
    ),
    Option(("--state-dir",), "directory of the state (default /var/lib/tcptide if it exists)", "DIR", not_empty),
    Option(("--config",), "configuration file (default /etc/tcptide/tcptide.toml if it exists)", "FILE", not_empty),
    Option(("--source",), "name of this host or network namespace in the state (default: found)", "NAME", not_empty),
    Option(
        ("--output",),
        "text or json: one object with the whole judgement",
        "FORMAT",
        one_of("text", "json"),
        default="text",
    ),
    Option(
        ("--record",),
        "write changes of state into the event history, under the service's name",
        "NAME",
        service,
    ),
)


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would print and exit with 0 or 2."""

    def __init__(self, spec: CheckSpec) -> None:
        super().__init__(
            prog=spec.name,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=HELP_COLUMNS),
        )
        self.spec = spec

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def _print_message(self, message: str, file: Any = None) -> None:
        raise HelpAsked(message)

    def format_help(self) -> str:
        self.description, self.epilog = _wrapped(self.spec.summary), _metrics(self.spec)
        return super().format_help()


def of(spec: CheckSpec) -> tuple[Option, ...]:
    """All options of a check but -h and -V, in the order of its help."""
    return (VERBOSE, *spec.options, *COMMON)


def parser(spec: CheckSpec) -> argparse.ArgumentParser:
    """The command line of a check."""
    made = _Parser(spec)
    made.add_argument("-V", "--version", action="version", version=f"{spec.name} {__version__}\n")
    for option in of(spec):
        if option.metavar is None:
            made.add_argument(*option.flags, action="count", default=0, help=option.help)
            continue
        made.add_argument(
            *option.flags,
            metavar=option.metavar,
            help=option.help.replace("%", "%%"),
            type=_typed(option.parse),
            action="append" if option.repeatable else "store",
            default=[] if option.repeatable else option.default,
        )
    return made


def read(spec: CheckSpec, arguments: Sequence[str]) -> argparse.Namespace:
    """The options. Raises UsageError with one line, HelpAsked with the text for --help and --version."""
    return parser(spec).parse_args(arguments)


def _typed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def typed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


def _wrapped(text: str, indent: str = "") -> str:
    import textwrap

    return textwrap.fill(text, HELP_COLUMNS, initial_indent=indent, subsequent_indent=indent)


def _metrics(spec: CheckSpec) -> str:
    lines = ["metrics, with their default WARNING / CRITICAL:"]
    for metric in spec.metrics:
        lines.append(f"  {metric.label}{levels_text(spec, metric)}")
        lines.append(_wrapped(metric.help, " " * 6))
    return "\n".join(lines)


def levels_text(spec: CheckSpec, metric: Metric) -> str:
    """The default thresholds as they stand behind a label: `  (80% / 90%)`; empty without any."""
    bounds = [None if bound is None else f"{bound:g}{metric.unit}" for bound in spec.levels(metric.label)]
    return "" if bounds == [None, None] else f"  ({bounds[0] or 'none'} / {bounds[1] or 'none'})"
