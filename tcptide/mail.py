"""The section [mail] of the configuration: to whom reports are mailed, and how."""

from tcptide import values
from tcptide.record import NamedTuple
from tcptide.values import Address

#: Where an SMTP server listens, by smtp_security.
PORTS = {"starttls": 587, "tls": 465, "none": 25}

#: For the password, so that it needs no file.
PASSWORD_VARIABLE = "TCPTIDE_SMTP_PASSWORD"  # noqa: S105 - its name

#: How much the remote addresses in a mail tell, from most to least.
SHOWN = ("full", "outbound", "masked", "none")


class Mail(NamedTuple):
    """Without recipients nothing is mailed."""

    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    from_: Address | None = None  # None: the envelope sender
    envelope_sender: str | None = None
    when: str = "always"  # or 'attention': only if there is something to tell
    remote_addresses: str = "outbound"  # of SHOWN; at most what [privacy] lets be shown
    via: str = "sendmail"  # or 'smtp'
    sendmail: str = "/usr/sbin/sendmail"
    smtp_host: str | None = None
    smtp_port: int | None = None  # None: of PORTS
    smtp_security: str = "starttls"  # 'starttls', 'tls' or 'none'
    smtp_user: str | None = None
    smtp_password_file: str | None = None
    smtp_ca_file: str | None = None  # None: the system's
    retry_seconds: int = 120  # in all, for what is refused for now

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every mailbox once, in the order of To, Cc, Bcc; of domains the case does not count."""
        found: dict[tuple[str, str], str] = {}
        for one in (*self.to, *self.cc, *self.bcc):
            local, _, domain = one.mailbox.rpartition("@")
            found.setdefault((local, domain.lower()), one.mailbox)
        return tuple(found.values())

    @property
    def port(self) -> int:
        """Of the SMTP server."""
        return self.smtp_port or PORTS[self.smtp_security]

    def problem(self) -> tuple[str, str] | None:
        """A key and what is wrong with it beside the others; None if it all fits together."""
        if not self.to:
            return "to", "is missing: mail needs a recipient"
        if self.envelope_sender is None:
            return "envelope_sender", "is missing: mail that can't be delivered comes back to it"
        if self.via == "sendmail" and self.smtp_host:
            return "smtp_host", "is not used unless via = 'smtp'"
        if self.via == "smtp" and not self.smtp_host:
            return "smtp_host", "is missing: via = 'smtp' needs a server"
        if self.smtp_user and self.smtp_security == "none":
            return "smtp_user", "needs smtp_security = 'starttls' or 'tls': no password goes over an open connection"
        if self.smtp_password_file and not self.smtp_user:
            return "smtp_password_file", "needs smtp_user"
        return None


#: (key, reader, help), in the order of the fields of Mail.
KEYS = (
    ("to", values.addresses, "recipients: an address or a list, each `jane@example.org` or `Jane Doe <...>`"),
    ("cc", values.addresses, "more recipients"),
    ("bcc", values.addresses, "recipients that the others do not see"),
    ("from", values.address, "whom the mail is from; default: the envelope sender"),
    ("envelope_sender", values.mailbox, "address that undeliverable mail comes back to; mail needs it"),
    (
        "when",
        values.one_of("always", "attention"),
        "mail every report, or only those that something needs attention in",
    ),
    (
        "remote_addresses",
        values.one_of(*SHOWN),
        "in mail: as networks but for outbound destinations, or as privacy.remote_addresses; the stricter one holds",
    ),
    ("via", values.one_of("sendmail", "smtp"), "hand mail to a program of this host, or to a server"),
    ("sendmail", values.absolute_path, "the program"),
    ("smtp_host", values.host, "the server"),
    ("smtp_port", values.whole_number(1, 65535), "its port; default: 587, with tls 465, with none 25"),
    ("smtp_security", values.one_of("starttls", "tls", "none"), "encryption, with a verified certificate; or none"),
    ("smtp_user", values.text, "log in as; the password is in the file, or in $TCPTIDE_SMTP_PASSWORD"),
    ("smtp_password_file", values.absolute_path, "its first line is the password; mode 0640 or stricter"),
    ("smtp_ca_file", values.absolute_path, "certificates to trust instead of the system's"),
    ("retry_seconds", values.whole_number(0, 900), "for so long what is refused for now is tried again"),
)
