"""The options of tcptide-report that have to do with mail."""

import argparse
import os
from collections.abc import Sequence

from tcptide.clock import SYSTEM
from tcptide.config import DEFAULT_PATH, Config
from tcptide.errors import ConfigError

#: Options that say what a report is made of, and where it goes.
OF_A_REPORT = ("period", "since", "until", "source", "timezone", "output", "format", "spread", "email", "mail_when")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of --help's part about mail."""
    options = parser.add_argument_group("mail", "To whom and how is said in [mail] of the configuration.")
    mailed = "mail the report, and what earlier runs could not; once for each period"
    options.add_argument("--email", action="store_true", help=mailed)
    when = "always, or only if something needs attention (default: mail.when)"
    options.add_argument("--mail-when", choices=("always", "attention"), metavar="WHEN", help=when)
    kept = "mail a kept .eml file to those who have not got it, and make no report"
    options.add_argument("--send", metavar="FILE", help=kept)
    options.add_argument("--resend", action="store_true", help="mail it even if it was mailed before")


def demand_without(given: argparse.Namespace, option: str, others: Sequence[str]) -> None:
    """Raises ConfigError if one of the others is given too: it would be ignored."""
    for other in others:
        if getattr(given, other) not in (None, False):
            raise ConfigError(f"{option}: not together with --{other.replace('_', '-')}")


def demand_alone(given: argparse.Namespace) -> None:
    """Raises ConfigError where --send has what is for a report, and for names that are empty."""
    if given.send is not None:
        demand_without(given, "--send", OF_A_REPORT)
    for option in ("source", "output"):
        if getattr(given, option) == "":
            raise ConfigError(f"--{option}: is empty")


def demand_mail(given: argparse.Namespace, formats: Sequence[str], settings: Config) -> None:
    """Raises ConfigError where an option can't be followed."""
    mails = given.email or given.send is not None
    for option, is_given in (("--mail-when", given.mail_when is not None), ("--resend", given.resend)):
        if is_given and not mails:
            raise ConfigError(f"{option}: needs {'--email' if option == '--mail-when' else '--email or --send'}")
    for option, needed in (("--email", given.email), ("--send", mails), ("--format: eml", "eml" in formats)):
        if needed and not settings.mail.to:
            raise ConfigError(f"{option}: needs the section [mail] in {settings.path or DEFAULT_PATH}")


def send(given: argparse.Namespace, settings: Config, directory: str) -> list[str]:
    """--send: returns what to say of it. Raises TcptideError."""
    from .posting import Office

    return Office(directory, settings.mail, os.environ, SYSTEM).send(given.send, resend=given.resend)


def catch_up(settings: Config, directory: str, source: str) -> list[str]:
    """Send what was kept of earlier runs: returns what to say of it. Raises TcptideError."""
    from .posting import Office

    return Office(directory, settings.mail, os.environ, SYSTEM).catch_up(source)
