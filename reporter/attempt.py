"""A run that is to mail a report, as the ledger has it: whether anything is left to do, and why nothing came of it.

It loads nothing that may be missing: what is missing is among what it tells.
"""

import argparse
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo

from tcptide import ledger
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.errors import ConfigError, NoDataError, StoreError
from tcptide.model import Report, Source
from tcptide.store import Reader

from . import period, times

DEFAULT_SOURCE = "host"
AD_HOC = "ad-hoc"  # what failed runs for other times than the calendar's are called: each has times of its own


@dataclass(frozen=True)
class Attempt:
    """What is to be mailed."""

    directory: str  # of the state
    source: str | None  # as it was asked for
    report: Report  # without what becomes of it

    def mailed(self) -> tuple[str, bool] | None:
        """Its source, and whether other mails wait, if all have this report; None if not, or if that can't be told."""
        with suppress(StoreError, NoDataError, ConfigError), Reader(self.directory) as reader:
            source = source_of(self.directory, reader.sources(), self.source).name
            known = {one.label: one for one in reader.reports(source)}
            own = known.get(self.report.label)
            if own and own.mailed_seconds is not None and not own.pending:
                return source, any(one.pending for one in known.values())
        return None

    def failed(self, error: BaseException, why: str) -> None:
        """Enter why nothing was mailed. A host that had no samples by then has not failed."""
        with suppress(StoreError, NoDataError, ConfigError):
            with Reader(self.directory) as reader:
                source = source_of(self.directory, reader.sources(), self.source).name
                if isinstance(error, NoDataError) and not _begun(reader, source, self.report.since_seconds):
                    return
            ledger.failed(self.directory, SYSTEM, source, self.report._replace(failure=why))


def of(given: argparse.Namespace, settings: Config, directory: str) -> Attempt:
    """The attempt that the options ask for. Raises ConfigError for no period: nobody waits for the report of one.

    What else can't be understood is another's to say.
    """
    now = SYSTEM.wall()
    if given.period is None:
        return Attempt(directory, given.source, Report(AD_HOC, 0.0, 0.0, now, ""))
    asked = period.calendar(given.period, _zone(given, settings), now)
    return Attempt(directory, given.source, Report(asked.label, asked.since, asked.until, now, ""))


def mailed_before(report: Report) -> str:
    """What is said of a report that is not mailed again."""
    return f"the report of {report.label} was mailed before; --resend sends it again"


def zone(given: argparse.Namespace, settings: Config) -> tzinfo:
    """That of the report. Raises ConfigError."""
    if given.timezone is None and settings.report.timezone:
        return times.zone(settings.report.timezone, os.environ, named_by=f"{settings.path}: report.timezone")
    return times.zone(given.timezone, os.environ)


def source_of(directory: str, sources: list[Source], name: str | None) -> Source:
    """The one that is asked for; else the host, or the only one there is. Raises NoDataError, ConfigError."""
    if name is None and len(sources) == 1:
        return sources[0]
    for source in sources:
        if source.name == (DEFAULT_SOURCE if name is None else name):
            return source
    if not sources:
        raise NoDataError(f"{directory}: no samples yet")
    known = ", ".join(source.name for source in sources)
    wanted = DEFAULT_SOURCE if name is None else name
    raise ConfigError(f"--source: {directory} has none named {wanted!r}, only {known}")


def _zone(given: argparse.Namespace, settings: Config) -> tzinfo:
    try:
        return zone(given, settings)
    except ConfigError:
        return UTC


def _begun(reader: Reader, source: str, wall: float) -> bool:
    """Whether anything is stored of the time before."""
    return reader.before(source, wall) is not None or any(reader.means_and_maxima(source, 0.0, wall, 1))
