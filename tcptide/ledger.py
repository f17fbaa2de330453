"""Which reports were made, and which of them were mailed: what keeps a mail from being sent twice, or not at all."""

from collections.abc import Iterable, Iterator
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
    with _written(directory, clock) as writer:
        writer.put_report(source, _with_mail(report, writer.reports(source)))


def settled(directory: str, clock: Clock, source: str, report: Report) -> None:
    """made(), by a run that was to mail and need not: what earlier ones failed at before a mail was made is over."""
    with _written(directory, clock) as writer:
        known = writer.reports(source)
        for one in (*(one for one in known if one.label != report.label), _with_mail(report, known)):
            writer.put_report(source, one if one.mail else one._replace(failure=None))


def failed(directory: str, clock: Clock, source: str, report: Report) -> None:
    """Keep why a run that was to mail came to nothing. What is known of a mail stays. Raises StateError."""
    with _written(directory, clock) as writer:
        before = _of(report.label, writer.reports(source))
        if before and (before.mailed_seconds is not None or (before.mail and before.failure)):
            return
        writer.put_report(source, before._replace(failure=report.failure) if before else report)


def keep(directory: str, clock: Clock, source: str, report: Report) -> None:
    """Keep a report with what became of its mail. Raises StateError."""
    with _written(directory, clock) as writer:
        writer.put_report(source, report)


@contextmanager
def _written(directory: str, clock: Clock) -> Iterator[Writer]:
    with statefiles.lock(directory, clock, _TURN_SECONDS), Writer(directory) as writer, writer.transaction():
        yield writer


def _of(label: str, known: Iterable[Report]) -> Report | None:
    return next((one for one in known if one.label == label), None)


def _with_mail(report: Report, known: Iterable[Report]) -> Report:
    """The report with what became of an earlier mail of its period."""
    before = _of(report.label, known)
    if before is None:
        return report
    if before.mail is None:  # a mail that was made was not sent yet
        return report._replace(message_id=report.message_id or before.message_id, failure=before.failure)
    mail = before._asdict()
    return report._replace(**{name: mail[name] for name in Report._fields[5:]})
