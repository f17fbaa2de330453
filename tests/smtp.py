"""A real SMTP server for the tests: STARTTLS or TLS, AUTH, certificates of a CA made here; it refuses on demand."""

# ruff: noqa: N802 - aiosmtpd's names

import logging
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tcptide.mail import Mail
from tcptide.values import Address

USER, PASSWORD = "report", "s3cret"

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # a refused handshake is logged with its traceback


def certificates(folder: str) -> str:
    """A CA in `ca.pem`, and of it a certificate and key for localhost in `server.pem`; returns the folder."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    made = ("-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem")
    asked = ("-keyout", f"{folder}/key.pem", "-out", f"{folder}/server.csr")
    with open(f"{folder}/names", "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost\n")
    signed = ("-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-out", f"{folder}/cert.pem")
    for command in (
        ("req", "-x509", *key, "-days", "2", "-subj", "/CN=a CA of the tests", *made),
        ("req", *key, "-subj", "/CN=localhost", *asked),
        ("x509", "-req", "-in", f"{folder}/server.csr", "-days", "2", "-extfile", f"{folder}/names", *signed),
    ):
        subprocess.run(("openssl", *command), check=True, capture_output=True)
    return folder


@dataclass
class Behaviour:
    """What the server has got, and what it answers instead of yes: one after the other, then yes."""

    got: list[tuple[str, list[str], bytes]] = field(default_factory=list)  # sender, recipients, content
    tries: list[str] = field(default_factory=list)  # recipients, in order
    to: dict[str, list[str]] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    most: int = 1000  # recipients of one mail
    drops: int = 0  # so often it hangs up in the middle of the data

    async def handle_RCPT(self, _: Any, __: Any, envelope: Envelope, address: str, ___: Any) -> str:
        self.tries.append(address)
        if answers := self.to.get(address):
            return answers.pop(0)
        if len(envelope.rcpt_tos) >= self.most:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Envelope) -> str:
        if self.data:
            return self.data.pop(0)
        assert isinstance(envelope.content, bytes)
        self.got.append((str(envelope.mail_from), envelope.rcpt_tos, envelope.content))
        return "250 OK"


class _Server(SMTP):
    async def smtp_DATA(self, arg: str) -> None:
        behaviour = self.event_handler
        if behaviour.drops > 0:
            behaviour.drops -= 1
            await self.push("354 Go on")
            await self._reader.readline()
            assert self.transport is not None
            self.transport.close()
        else:
            await super().smtp_DATA(arg)


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


def _authenticate(_: SMTP, __: Session, ___: Envelope, ____: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False)


@contextmanager
def serving(folder: str, security: str = "starttls") -> Iterator[tuple[Behaviour, Mail]]:
    """A server, and the configuration that gets mail through it; folder: of certificates()."""
    behaviour = Behaviour()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    secured: dict[str, Any] = {"authenticator": _authenticate, "auth_required": True}
    how: dict[str, dict[str, Any]] = {
        "starttls": {"tls_context": context, "require_starttls": True, **secured},
        "tls": {"ssl_context": context, "auth_require_tls": False, **secured},  # it does not see that it has TLS
        "none": {},
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = _Controller(behaviour, hostname="127.0.0.1", port=port, **how[security])
    server.start()
    mail = Mail(
        to=(Address("", "ops@example.org"),),
        envelope_sender="tcptide@example.org",
        via="smtp",
        smtp_host="localhost",
        smtp_port=port,
        smtp_security=security,
        smtp_user=None if security == "none" else USER,
        smtp_ca_file=f"{folder}/ca.pem",
    )
    try:
        yield behaviour, mail
    finally:
        server.stop()
