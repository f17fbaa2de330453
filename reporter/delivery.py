"""Hands a mail over: to a sendmail program of this host or to an SMTP server.

What is refused for now is tried again, within a bound; a recipient that took the mail is not sent it again.
"""

import contextlib
import itertools
import signal
import smtplib
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tcptide import secret
from tcptide.clock import Clock
from tcptide.errors import TcptideError
from tcptide.mail import PASSWORD_VARIABLE, Mail
from tcptide.text import one_line

WAITS_SECONDS = (5.0, 15.0, 30.0, 60.0)  # before each further try; the last one repeats
LONGEST_SECONDS = 60.0  # for one answer of a server, or all that sendmail does; a try may take as long in any case
SHORTEST_SECONDS = 10.0
BATCH = 100  # recipients of a transaction: every server takes so many (RFC 5321, 4.5.3.1.8)

#: Exit statuses of sendmail (sysexits.h) that say: try again.
_OSERR, _TEMPFAIL = 71, 75


#: What is said where nobody knows whether the mail was taken.
_UNSURE = "it may have been taken all the same, and what is sent next be a duplicate with the same Message-ID"


class _OverdueError(Exception):
    """A try took longer than a try may."""


class RefusedError(TcptideError):
    """A mail, or all that is left of its recipients, was not taken."""

    def __init__(self, reason: str, *, for_now: bool) -> None:
        super().__init__(one_line(reason))
        self.for_now = for_now


@dataclass
class Outcome:
    """Who has the mail and who has not."""

    taken: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # for good: recipient -> the server's words
    pending: list[str] = field(default_factory=list)  # not taken; another run may try
    reason: str = ""  # why some are pending
    unsure: bool = False  # it was handed over, but nobody said whether it was taken

    @property
    def failure(self) -> str:
        """Why not everybody has it, in one line; empty if everybody has."""
        told = [f"{one} is refused: {words}" for one, words in self.refused.items()]
        if self.pending:
            whom = "" if not (self.taken or self.refused) else f" to {', '.join(self.pending)}"
            told.append(f"not sent{whom}: {self.reason}" + (f"; {_UNSURE}" if self.unsure else ""))
        return one_line("; ".join(told))


def deliver(
    content: bytes,
    recipients: Sequence[str],
    mail: Mail,
    environ: Mapping[str, str],
    clock: Clock,
    deadline: float | None = None,
) -> Outcome:
    """Send a mail, with CRLF line ends, to the recipients; until `deadline` (boottime) what is refused is tried again.

    By default that is in mail.retry_seconds. Raises ConfigError where there is no password to log in with.
    """
    password = secret.password(mail, environ) if mail.via == "smtp" and mail.smtp_user else ""
    deadline = clock.boottime() + mail.retry_seconds if deadline is None else deadline
    outcome = Outcome(pending=list(recipients))
    for tries in itertools.count():
        left = deadline - clock.boottime()
        timeout = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, left))
        try:
            if mail.via == "smtp":
                with _bounded(max(LONGEST_SECONDS, left)):
                    _smtp(content, mail, password, timeout, outcome)
            else:
                _sendmail(content, mail, environ, timeout, outcome)
            break
        except RefusedError as refused:
            outcome.reason = str(refused)
            wait = WAITS_SECONDS[min(tries, len(WAITS_SECONDS) - 1)]
            if not refused.for_now or clock.boottime() + wait > deadline:
                break
        clock.sleep(wait)
    return outcome


@contextlib.contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Ends what takes longer, with _OverdueError: a timeout of the socket is for each answer that drips in."""

    def ring(*_: object) -> None:
        raise _OverdueError(seconds)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _sendmail(content: bytes, mail: Mail, environ: Mapping[str, str], timeout: float, outcome: Outcome) -> None:
    """Through a program: it takes the mail for all or for none. Raises RefusedError."""
    command = [mail.sendmail, "-oi", "-f", mail.envelope_sender or "", "--", *outcome.pending]
    without = {name: value for name, value in environ.items() if name != PASSWORD_VARIABLE}
    text = content.replace(b"\r\n", b"\n")
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the addresses were checked
            command, input=text, capture_output=True, env=without, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        outcome.unsure = True
        raise RefusedError(f"{mail.sendmail} took over {timeout:.0f} s", for_now=True) from None
    except OSError as error:
        raise RefusedError(f"{mail.sendmail}: {error.strerror}", for_now=False) from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        why = f"{mail.sendmail} exits {done.returncode}{f': {said[-1]}' if said else ''}"
        raise RefusedError(why, for_now=done.returncode in (_TEMPFAIL, _OSERR))
    outcome.taken, outcome.pending = outcome.pending, []


def _smtp(content: bytes, mail: Mail, password: str, timeout: float, outcome: Outcome) -> None:
    """Through a server. Raises RefusedError while some recipients are pending."""
    try:
        with contextlib.closing(_connected(mail, timeout)) as connection:
            if mail.smtp_user:
                connection.login(mail.smtp_user, password)
            while outcome.pending:
                _transaction(connection, content, mail, outcome)
            with contextlib.suppress(smtplib.SMTPException, OSError):  # all have it, whatever comes now
                connection.quit()
    except Exception as error:
        refused = _refused(error, timeout)
        if refused is None:
            raise
        if outcome.pending:
            raise RefusedError(f"{mail.smtp_host}:{mail.port}: {refused}", for_now=refused.for_now) from None


def _refused(error: Exception, timeout: float) -> RefusedError | None:
    """What an error of a server, or of the way to it, means; None for one that nobody thought of."""
    match error:
        case RefusedError():
            return error
        case smtplib.SMTPResponseException():
            return RefusedError(_words(error.smtp_code, error.smtp_error), for_now=error.smtp_code < 500)
        case smtplib.SMTPServerDisconnected():
            return RefusedError(str(error), for_now=True)
        case smtplib.SMTPException():  # it has no STARTTLS, no AUTH
            return RefusedError(str(error), for_now=False)
        case UnicodeEncodeError():
            return RefusedError("user or password is not ASCII, which this login can't send", for_now=False)
        case ssl.SSLCertVerificationError():
            return RefusedError(f"its certificate is not trusted: {error.verify_message}", for_now=False)
        case ssl.SSLEOFError():
            return RefusedError("it hung up", for_now=True)
        case ssl.SSLError():
            return RefusedError(f"no TLS: {error.reason or error}", for_now=False)
        case TimeoutError():
            return RefusedError(f"no answer within {timeout:.0f} s", for_now=True)
        case _OverdueError():
            return RefusedError(f"its answers took over {error.args[0]:.0f} s", for_now=True)
        case OSError():
            return RefusedError(error.strerror or str(error), for_now=True)
    return None


def _connected(mail: Mail, timeout: float) -> smtplib.SMTP:
    """A connection, encrypted as it is asked for: a server that does not offer that is refused."""
    host = mail.smtp_host or ""
    if mail.smtp_security == "none":
        return smtplib.SMTP(host, mail.port, timeout=timeout)
    try:
        context = ssl.create_default_context(cafile=mail.smtp_ca_file)
    except ssl.SSLError:
        raise RefusedError(f"{mail.smtp_ca_file}: holds no certificate", for_now=False) from None
    except OSError as error:
        raise RefusedError(f"{mail.smtp_ca_file}: {error.strerror}", for_now=False) from None
    if mail.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, mail.port, timeout=timeout, context=context)
    connection = smtplib.SMTP(host, mail.port, timeout=timeout)
    try:
        connection.starttls(context=context)
    except BaseException:
        connection.close()
        raise
    return connection


def _transaction(connection: smtplib.SMTP, content: bytes, mail: Mail, outcome: Outcome) -> None:
    """One mail to as many of the pending recipients as the server takes at once. Raises RefusedError, SMTPException.

    Too many recipients (452, of old 552) and a greylisted one (450) look alike: as long as a transaction gets the mail
    to somebody, the rest is worth another one.
    """
    connection.ehlo_or_helo_if_needed()
    size = [f"size={len(content)}"] if connection.has_extn("size") else []
    _demand(connection.mail(mail.envelope_sender or "", size))
    accepted, later = [], ""
    for recipient in outcome.pending[:BATCH]:
        code, words = connection.rcpt(recipient)
        if code in (250, 251):
            accepted.append(recipient)
        elif code == 421:
            raise smtplib.SMTPResponseException(code, words)
        elif code >= 500 and not (code == 552 and accepted):
            outcome.refused[recipient] = _words(code, words)
        else:
            later = _words(code, words)
    outcome.pending = [one for one in outcome.pending if one not in outcome.refused]
    if accepted:
        _demand(_handed_over(connection, content, outcome))
        outcome.taken += accepted
        outcome.pending = [one for one in outcome.pending if one not in accepted]
        return
    connection.rset()
    if later:
        raise RefusedError(later, for_now=True)


def _handed_over(connection: smtplib.SMTP, content: bytes, outcome: Outcome) -> tuple[int, bytes]:
    """The server's answer to the mail; where there is none nobody knows."""
    try:
        return connection.data(content)
    except smtplib.SMTPResponseException:
        raise
    except (smtplib.SMTPException, OSError, _OverdueError):
        outcome.unsure = True
        raise


def _demand(answer: tuple[int, bytes]) -> None:
    """Raises SMTPResponseException unless the server says yes."""
    if answer[0] != 250:
        raise smtplib.SMTPResponseException(*answer)


def _words(code: int, words: bytes | str) -> str:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(said.split())}"
