"""Which reports were made, and which of them were mailed: what keeps a mail from being sent twice, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager

from tcptide import statefiles
from tcptide.clock import Clock
from tcptide.model import Report
from tcptide.store import Reader
from tcptide.writer import Writer

#: Held by who mails, from the look into the ledger to its last entry.
MAILING = "mailing.lock"

_TURN_SECONDS = 3.0


@contextmanager
def turn(directory: str, clock: Clock, wait_seconds: float) -> Iterator[None]:
    """Be the only one who mails reports of this state. Raises StateError, also when another does for so long."""
    with statefiles.lock(directory, clock, wait_seconds, MAILING):
        yield


def reports(directory: str, source: str) -> list[Report]:
    """The last report of each period, in the order in which they were made. Raises StateError."""
    with Reader(directory) as reader:
        return reader.reports(source)


def made(directory: str, clock: Clock, source: str, report: Report) -> None:
    """Keep that a report was made; what became of an earlier mail of its period stays. Raises StateError."""
    with statefiles.lock(directory, clock, _TURN_SECONDS), Writer(directory) as writer, writer.transaction():
        before = next((one for one in writer.reports(source) if one.label == report.label), None)
        if before:
            mail = before._asdict()
            report = report._replace(**{name: mail[name] for name in Report._fields[5:]})
        writer.put_report(source, report)


def keep(directory: str, clock: Clock, source: str, report: Report) -> None:
    """Keep a report with what became of its mail. Raises StateError."""
    with statefiles.lock(directory, clock, _TURN_SECONDS), Writer(directory) as writer, writer.transaction():
        writer.put_report(source, report)
