"""Sends each report once: what the ledger says of it, what is still to be sent of earlier ones, and what became of it.

A mail is on disk, and its recipients are in the ledger, before anything is sent. So whatever ends a run, the next one
sends what is left; a crash between the sending and its entry costs a duplicate with the same Message-ID.
"""

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP

from tcptide import ledger, values
from tcptide.clock import Clock
from tcptide.errors import ConfigError, TcptideError
from tcptide.mail import Mail
from tcptide.model import Report
from tcptide.store import Reader
from tcptide.text import one_line

from . import files
from .attempt import mailed_before
from .delivery import LONGEST_SECONDS, deliver
from .files import File

MAX_BYTES = 10_000_000  # of a file that is sent
#: What a mail is about, the period as it is called in the ledger.
OWN_HEADERS = ("X-Tcptide-Host", "X-Tcptide-Source", "X-Tcptide-Period")


class PostError(TcptideError):
    """Not everybody was sent everything; one line says whom, why, and what comes next."""


@dataclass(frozen=True)
class Letter:
    """A mail that is made."""

    content: bytes
    message_id: str
    attention: bool  # whether something in it needs some


@dataclass(frozen=True)
class Office:
    """What sending works with. The methods return notes, for who wants to know, and raise TcptideError."""

    directory: str  # of the state
    mail: Mail
    environ: Mapping[str, str]
    clock: Clock

    def post(
        self, source: str, report: Report, path: str, make: Callable[[], Letter], *, when: str, resend: bool
    ) -> list[str]:
        """Send what was kept of earlier runs, then this report unless it was sent before.

        path: of the file that the mail is kept in. when: 'attention' sends only what needs some.
        """
        told: list[Report] = []
        with self._turn():
            deadline = self.clock.boottime() + self.mail.retry_seconds
            before = None
            for kept in ledger.reports(self.directory, source):
                if kept.label == report.label:
                    before = kept
                if kept.pending and not (kept.label == report.label and (resend or self._outdated(kept))):
                    told.append(self._send(source, kept, deadline))
            if any(one.label == report.label for one in told):
                return _told(told)
            if before and before.mailed_seconds is not None and not resend:
                return [*_told(told), mailed_before(report)]
            letter = make()
            if when == "attention" and not letter.attention:
                ledger.settled(self.directory, self.clock, source, report)
                return [*_told(told), f"the report of {report.label} is not mailed: nothing needs attention"]
            files.write([path], [File("", letter.content)])
            whom = self.mail.recipients
            fresh = report._replace(mail=path, message_id=letter.message_id, pending=whom)
            ledger.keep(self.directory, self.clock, source, fresh)
            return _told([*told, self._send(source, fresh, deadline)])

    def catch_up(self, source: str) -> list[str]:
        """Send what was kept of earlier runs."""
        with self._turn():
            deadline = self.clock.boottime() + self.mail.retry_seconds
            kept = [one for one in ledger.reports(self.directory, source) if one.pending]
            return _told([self._send(source, one, deadline) for one in kept])

    def send(self, path: str, *, resend: bool) -> list[str]:
        """Send a kept mail to those who have not got it, or one that the ledger does not know to all of them."""
        path = os.path.abspath(path)
        headers = _headers(path, _read(path))
        everybody = _everybody(path, headers, self.mail)
        with Reader(self.directory):
            pass  # there is a state: a directory that is named wrongly is not made
        with self._turn():
            deadline = self.clock.boottime() + self.mail.retry_seconds
            source, known = self._find(headers)
            if known.mailed_seconds is not None and not known.pending and not resend:
                return [mailed_before(known)]
            same = known.message_id == headers["Message-ID"]
            pending = known.pending if known.pending and same and not resend else everybody
            report = known._replace(mail=path, message_id=str(headers["Message-ID"]), pending=pending)
            return _told([self._send(source, report, deadline)])

    def _turn(self) -> AbstractContextManager[None]:
        return ledger.turn(self.directory, self.clock, self.mail.retry_seconds + LONGEST_SECONDS)

    def _outdated(self, kept: Report) -> bool:
        """Nobody has it, and the configuration has other recipients by now."""
        return kept.mailed_seconds is None and {*kept.pending} != {*self.mail.recipients}

    def _send(self, source: str, report: Report, deadline: float) -> Report:
        """Send it to those who have not got it; the report as it is in the ledger afterwards."""
        path = report.mail or ""
        try:
            content = _read(path)
            if _headers(path, content)["Message-ID"] != report.message_id:
                raise ConfigError(f"{path} is another mail by now")
        except (ConfigError, FileNotFoundError) as error:
            why = f"{path} is gone" if isinstance(error, FileNotFoundError) else str(error)
            after = report._replace(pending=(), failure=f"can't be sent any more: {why}")
        except OSError as error:
            after = report._replace(failure=f"{path}: {error.strerror}")
        else:
            lines = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            done = deliver(lines, report.pending, self.mail, self.environ, self.clock, deadline)
            after = report._replace(
                pending=tuple(done.pending),
                mailed_seconds=self.clock.wall() if done.taken else report.mailed_seconds,
                failure=done.failure or None,
            )
        ledger.keep(self.directory, self.clock, source, after)
        return after

    def _find(self, headers: EmailMessage) -> tuple[str, Report]:
        """The report whose mail it is, by its Message-ID or else by its period, and its source: '' for another host's.

        One that the ledger does not know yet is as if it had just been made.
        """
        host, name, label = (str(headers[one]) for one in OWN_HEADERS)
        with Reader(self.directory) as reader:
            own = {one.name for one in reader.sources() if (_line(one.hostname), _line(one.name)) == (host, name)}
            known = [(one.name, report) for one in reader.sources() for report in reader.reports(one.name)]
        for source, report in known:
            if report.message_id == headers["Message-ID"]:
                return source, report
        for source, report in known:
            if source in own and report.label == label:
                return source, report
        return next(iter(own), ""), Report(label, 0.0, 0.0, self.clock.wall(), "")


def _told(reports: list[Report]) -> list[str]:
    """What became of them. Raises PostError if not all is well."""
    failures = [_failure(one) for one in reports if one.failure]
    if failures:
        raise PostError("; ".join(failures))
    return [f"the report of {one.label} is mailed: {one.mail}" for one in reports]


def _failure(report: Report) -> str:
    kept = f"; kept as {report.mail}, the next run with --email sends it" if report.pending else ""
    return f"mail of {report.label}: {report.failure}{kept}"


def _read(path: str) -> bytes:
    """A file's content, if it is one that a mail can be. Raises OSError, ConfigError."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if os.path.isdir(path):
        raise ConfigError(f"{path} is no mail of tcptide-report")
    with open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise ConfigError(f"{path} is no mail of tcptide-report")
        return file.read()


def _headers(path: str, content: bytes) -> EmailMessage:
    """What a mail says of itself. Raises ConfigError unless it is one of ours: nobody else's is sent."""
    message = BytesParser(EmailMessage, policy=SMTP).parsebytes(content, headersonly=True)
    ours = str(message["Message-ID"]).startswith("<tcptide.") and all(message[name] for name in OWN_HEADERS)
    if not ours or not message["To"] or message["Bcc"]:
        raise ConfigError(f"{path} is no mail of tcptide-report")
    return message


def _everybody(path: str, headers: EmailMessage, mail: Mail) -> tuple[str, ...]:
    """Whom a mail is for, by its headers and the configuration's Bcc. Raises ConfigError."""
    try:
        visible = [
            values.address(one.addr_spec) for name in ("To", "Cc") for one in getattr(headers[name], "addresses", ())
        ]
    except ValueError as error:
        raise ConfigError(f"{path}: a recipient {error}") from None
    if not visible:
        raise ConfigError(f"{path} is for nobody: it names no recipient")
    return mail._replace(to=tuple(visible), cc=()).recipients


def _line(text: str) -> str:
    """As a header has it."""
    return one_line(" ".join(text.split()))
