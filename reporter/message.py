"""A report as a mail: a text that stands on its own, and HTML with its pictures."""

import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.header import Header
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formataddr

from tcptide.mail import Mail
from tcptide.text import one_line
from tcptide.values import Address

from . import posting
from .mailview import View
from .page import Page
from .posting import Letter
from .tables import Table
from .verdict import verdict

MAX_HTML_BYTES = 100_000  # as it is sent: mail programs cut what is longer
MAX_BYTES = 1_500_000
ROWS = (12, 8, 5, 3, 1, 0)  # of a table and of each other list: the fewer, the smaller the HTML
_ENCODED = 1.37  # base64, with its line ends


class _Policy(EmailPolicy):
    """Headers as all mail programs read them.

    Each address stands on a line of its own, and only names are encoded: Python before 3.13 encodes the comma between
    two addresses as well where it breaks a line. And a subject begins on the line of its name.
    """

    def fold(self, name: str, value: object) -> str:
        if addresses := getattr(value, "addresses", None):
            return f"{name}: {_SEPARATOR.join(map(_written, addresses))}{LINE_END}"
        if name == "Subject":
            return f"{_encoded(f'{name}: ', str(value))}{LINE_END}"
        return str(super().fold(name, value))  # type: ignore[arg-type]

    def fold_binary(self, name: str, value: object) -> bytes:
        return self.fold(name, value).encode("ascii")


LINE_END = "\r\n"
_SEPARATOR = f",{LINE_END} "
POLICY = _Policy(linesep=LINE_END, cte_type="7bit")


def _written(address: HeaderAddress) -> str:
    name = address.display_name
    if name.isascii():
        return formataddr((name, address.addr_spec))
    return f"{_encoded('', name)} <{address.addr_spec}>"


def _encoded(name: str, text: str) -> str:
    """Text in a header, in several lines if it is long, beyond ASCII as encoded words (RFC 2047)."""
    if text.isascii():
        lines = textwrap.wrap(name + text, 76, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)
        return LINE_END.join(lines)
    return name + Header(text, "utf-8", 72, name).encode(linesep=LINE_END)


def letter(page: Page, mail: Mail, label: str, report: str = "", period: str = "") -> Letter:
    """The mail of a page that was made with the privacy of mail, ready to be sent.

    label: what the period is called, if it has a name; report: where the whole report lies on the host; period: what
    the ledger calls it. Bcc is in no header.
    """
    message = build(page, mail, label, report)
    for name, value in zip(posting.OWN_HEADERS, (page.hostname, page.source, period or label), strict=True):
        message[name] = _line(value)
    return Letter(message.as_bytes(), str(message["Message-ID"]), verdict(page).severity != "fine")


def build(page: Page, mail: Mail, label: str, report: str = "") -> EmailMessage:
    """The same as a message, in which each list has as many rows as it may have."""
    for rows in ROWS:
        message = _with_rows(_cut(page, rows), mail, label, report)
        html = message.get_body(("html",))
        if html is None or len(html.as_bytes()) < MAX_HTML_BYTES:
            break
    return message


def _with_rows(page: Page, mail: Mail, label: str, report: str) -> EmailMessage:
    sender = mail.from_ or Address(f"tcptide {page.hostname}", mail.envelope_sender or "")
    domain = sender.mailbox.rpartition("@")[2]
    host = page.hostname if page.source == "host" else f"{page.hostname} ({page.source})"
    said = verdict(page)
    single = page.period.since == page.period.until
    when = label or f"{page.length} {'of' if single else 'to'} {page.period.until.text}"
    subject = _line(f"{'SIMULATED: ' if page.simulated else ''}tcptide {host} {when}: {said.text}")
    identity = _identity(page, mail, label)
    fitting = _fitting([len(one.narrow.light) for one in page.pictures])
    ids = [f"{one.name}.{identity}@{domain}" if number < fitting else "" for number, one in enumerate(page.pictures)]
    view = View(page, said, subject, list(zip(page.pictures, ids, strict=True)), _closing(page, fitting, report))

    message = EmailMessage(POLICY)
    message["From"] = _headed(sender)
    message["To"] = tuple(map(_headed, mail.to))
    if mail.cc:
        message["Cc"] = tuple(map(_headed, mail.cc))
    message["Subject"] = subject
    message["Date"] = datetime.fromisoformat(page.made.machine)
    message["Message-ID"] = f"<tcptide.{identity}@{domain}>"
    message["List-Id"] = f"tcptide reports <tcptide-report.{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(view.text())
    message.add_alternative(view.html(), subtype="html")
    (html,) = (part for part in message.iter_parts() if part.get_content_subtype() == "html")
    for picture, id in view.pictures:
        if id:
            png, name = picture.narrow.light, f"{picture.name}.png"
            html.add_related(png, "image", "png", cid=f"<{id}>", filename=name, disposition="inline")
    if html.is_multipart():
        html.set_param("type", "text/html")
    return message


def _identity(page: Page, mail: Mail, label: str) -> str:
    """The same for the same report to the same recipients, whenever it is made; Bcc does not show in it."""
    seen = sorted({one.mailbox for one in (*mail.to, *mail.cc)})
    when = label or f"{page.period.since.machine} {page.period.until.machine}"
    whole = "\0".join((page.hostname, page.source, when, *seen))
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:24]


def _headed(address: Address) -> HeaderAddress:
    return HeaderAddress(display_name=_line(address.name), addr_spec=address.mailbox)


def _line(text: str) -> str:
    """One line, whatever a host or a title is called."""
    return one_line(" ".join(text.split()))


def _fitting(sizes: Sequence[int]) -> int:
    """How many of the pictures fit into the mail beside its text; the first are those that matter most."""
    room = MAX_BYTES - 2 * MAX_HTML_BYTES
    total = 0.0
    for number, size in enumerate(sizes):
        total += size * _ENCODED + 400
        if total > room:
            return number
    return len(sizes)


def _cut(page: Page, rows: int) -> Page:
    """The page with at most so many rows in each list, and the newest or largest of them first, as they are."""

    def cut(table: Table) -> Table:
        return replace(table, rows=table.rows[:rows], more=table.more + max(0, len(table.rows) - rows))

    return replace(
        page,
        events=cut(page.events),
        levels=cut(page.levels),
        foretold=cut(page.foretold),
        tops=[cut(one) for one in page.tops],
        patterns=page.patterns[:rows],
        more_patterns=page.more_patterns + max(0, len(page.patterns) - rows),
        lacking=page.lacking[: max(rows, 3)],
    )


def _closing(page: Page, fitting: int, report: str) -> list[str]:
    left_out = len(page.pictures) - fitting
    return [
        *([f"To keep this mail small {left_out} pictures are not in it."] if left_out else ()),
        *([f"The whole report is {report} on {page.hostname}."] if report else ()),
        page.limits,
        f"Made {page.made.text} by tcptide {page.version}.",
    ]
