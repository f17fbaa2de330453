"""How a mail is handed over: to a real SMTP server that accepts, refuses and defers, and to a sendmail program."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest

from reporter import delivery
from reporter.delivery import Outcome, deliver
from tcptide.errors import ConfigError
from tcptide.mail import Mail

from . import smtp
from .smtp import PASSWORD, Behaviour
from .storing import HandClock

CONTENT = b"Subject: x\r\n\r\n.a line with a dot\r\nFrom here\r\n"
ENVIRON = {"TCPTIDE_SMTP_PASSWORD": PASSWORD}
UNSURE = "it may have been taken all the same, and what is sent next be a duplicate with the same Message-ID"
ONE, TWO, THREE = "one@example.org", "two@example.org", "three@example.org"


class Clock(HandClock):
    """That tells how long was waited each time."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        super().sleep(seconds)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return smtp.certificates(str(tmp_path_factory.mktemp("ca")))


@pytest.fixture(scope="module")
def server(folder: str) -> Iterator[tuple[Behaviour, Mail]]:
    with smtp.serving(folder) as started:
        yield started


@pytest.fixture
def behaviour(server: tuple[Behaviour, Mail]) -> Behaviour:
    """Of the server with STARTTLS: it says yes to everything, and has nothing yet."""
    fresh = Behaviour()
    vars(server[0]).update(vars(fresh))
    return server[0]


@pytest.fixture
def mail(server: tuple[Behaviour, Mail]) -> Mail:
    return server[1]


def sent(mail: Mail, *recipients: str, environ: Mapping[str, str] = ENVIRON) -> tuple[Outcome, list[float]]:
    """What became of it, and how long was waited between the tries."""
    clock = Clock()
    return deliver(CONTENT, recipients or (ONE,), mail, environ, clock), clock.waits


def answered(mail: Mail, words: str) -> str:
    return f"not sent: localhost:{mail.port}: {words}"


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_mail_arrives_as_it_was(folder: str, security: str) -> None:
    with smtp.serving(folder, security) as (behaviour, mail):
        outcome, waits = sent(mail, ONE, TWO)
    assert (outcome, outcome.failure, waits) == (Outcome(taken=[ONE, TWO]), "", [])
    assert behaviour.got == [("tcptide@example.org", [ONE, TWO], CONTENT)]


def test_password_is_in_a_file(mail: Mail, behaviour: Behaviour, tmp_path: str) -> None:
    path = f"{tmp_path}/password"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{PASSWORD}\nnot this\n")
    os.chmod(path, 0o640)
    assert sent(mail._replace(smtp_password_file=path), environ={})[0].taken == [ONE]
    os.chmod(path, 0o604)
    with pytest.raises(ConfigError) as caught:
        sent(mail._replace(smtp_password_file=path), environ={})
    assert str(caught.value) == f"{path}: has mode 0604, others can read or change it: chmod 0640 {path}"
    assert len(behaviour.got) == 1


@pytest.mark.parametrize(
    ("changes", "environ", "words"),
    [
        pytest.param(
            {"smtp_ca_file": None},
            ENVIRON,
            "its certificate is not trusted: unable to get local issuer certificate",
            id="unknown-ca",
        ),
        pytest.param(
            {"smtp_host": "127.0.0.1"},
            ENVIRON,
            "its certificate is not trusted: IP address mismatch, certificate is not valid for '127.0.0.1'.",
            id="other-name",
        ),
        pytest.param(
            {},
            {"TCPTIDE_SMTP_PASSWORD": "wrong"},
            "535 5.7.8 Authentication credentials invalid",
            id="wrong-password",
        ),
        pytest.param(
            {},
            {"TCPTIDE_SMTP_PASSWORD": "schl\u00fcssel"},
            "user or password is not ASCII, which this login can't send",
            id="password-beyond-ascii",
        ),
        pytest.param({"smtp_user": None}, {}, "530 5.7.0 Authentication required", id="no-login"),
        pytest.param(
            {"smtp_security": "none", "smtp_user": None},
            {},
            "530 Must issue a STARTTLS command first",
            id="not-encrypted",
        ),
        pytest.param({"smtp_security": "tls"}, ENVIRON, "no TLS: WRONG_VERSION_NUMBER", id="other-encryption"),
    ],
)
def test_what_will_not_get_better_is_not_tried_again(
    mail: Mail, behaviour: Behaviour, changes: dict[str, str | None], environ: dict[str, str], words: str
) -> None:
    changed = mail._replace(**changes)  # type: ignore[arg-type]
    outcome, waits = sent(changed, environ=environ)
    assert outcome.failure == f"not sent: {changed.smtp_host}:{mail.port}: {words}"
    assert (outcome.pending, waits, behaviour.tries) == ([ONE], [], [])


def test_never_less_encrypted_than_asked_for(folder: str) -> None:
    with smtp.serving(folder, "none") as (behaviour, mail):
        outcome, waits = sent(mail._replace(smtp_security="starttls"))
        assert outcome.failure == answered(mail, "STARTTLS extension not supported by server.")
        assert (waits, behaviour.tries) == ([], [])
        outcome, waits = sent(mail._replace(smtp_security="starttls", smtp_ca_file="/none"))
        assert outcome.failure == answered(mail, "/none: No such file or directory")
        outcome, waits = sent(mail._replace(smtp_security="starttls", smtp_ca_file=__file__))
        assert outcome.failure == answered(mail, f"{__file__}: holds no certificate")


def test_login_needs_a_server_that_offers_it(folder: str) -> None:
    with smtp.serving(folder, "none") as (_, mail):
        outcome, waits = sent(mail._replace(smtp_user="report"))
        assert (outcome.failure, waits) == (answered(mail, "SMTP AUTH extension not supported by server."), [])


def test_refused_for_good(mail: Mail, behaviour: Behaviour) -> None:
    behaviour.data = ["554 5.7.1 Spam"]
    outcome, waits = sent(mail)
    assert (outcome.failure, outcome.pending, waits) == (answered(mail, "554 5.7.1 Spam"), [ONE], [])


def test_refused_once(mail: Mail, behaviour: Behaviour) -> None:
    behaviour.data = ["451 4.3.0 Later"]
    assert sent(mail) == (Outcome(taken=[ONE], reason=f"localhost:{mail.port}: 451 4.3.0 Later"), [5.0])
    assert len(behaviour.got) == 1


@pytest.mark.parametrize(("seconds", "waits"), [(120, [5.0, 15.0, 30.0, 60.0]), (20, [5.0, 15.0]), (0, [])])
def test_refused_for_ever(mail: Mail, behaviour: Behaviour, seconds: int, waits: list[float]) -> None:
    behaviour.data = ["451 4.3.0 Later"] * 99
    outcome, waited = sent(mail._replace(retry_seconds=seconds))
    assert (outcome.failure, waited) == (answered(mail, "451 4.3.0 Later"), waits)
    assert len(behaviour.data) == 99 - len(waits) - 1


def test_some_recipients_are_refused(mail: Mail, behaviour: Behaviour) -> None:
    behaviour.to = {TWO: ["550 5.1.1 No such\x1b user"]}
    outcome, waits = sent(mail, ONE, TWO, THREE)
    assert outcome == Outcome(taken=[ONE, THREE], refused={TWO: "550 5.1.1 No such\x1b user"})
    assert (outcome.failure, waits) == (f"{TWO} is refused: 550 5.1.1 No such? user", [])
    assert [recipients for _, recipients, _ in behaviour.got] == [[ONE, THREE]]


def test_all_recipients_are_refused(mail: Mail, behaviour: Behaviour) -> None:
    behaviour.to = {ONE: ["550 No"], TWO: ["551 Nor this"]}
    outcome, waits = sent(mail, ONE, TWO)
    assert outcome.failure == f"{ONE} is refused: 550 No; {TWO} is refused: 551 Nor this"
    assert (outcome.pending, waits, behaviour.got) == ([], [], [])


def test_greylisted_recipient_gets_it_later_and_the_others_once(mail: Mail, behaviour: Behaviour) -> None:
    behaviour.to = {TWO: ["450 4.2.0 Greylisted"] * 3}
    outcome, waits = sent(mail, ONE, TWO, THREE)
    assert (sorted(outcome.taken), waits) == (sorted((ONE, TWO, THREE)), [5.0, 15.0])
    assert [recipients for _, recipients, _ in behaviour.got] == [[ONE, THREE], [TWO]]


def test_greylisted_for_ever_names_who_waits(mail: Mail, behaviour: Behaviour) -> None:
    behaviour.to = {TWO: ["450 4.2.0 Greylisted"] * 99}
    outcome, _ = sent(mail, ONE, TWO)
    assert outcome.failure == f"not sent to {TWO}: localhost:{mail.port}: 450 4.2.0 Greylisted"
    assert (outcome.taken, outcome.pending) == ([ONE], [TWO])


def test_long_list_goes_in_parts_as_the_server_takes_them(mail: Mail, behaviour: Behaviour) -> None:
    everybody = [f"{number}@example.org" for number in range(250)]
    assert sent(mail, *everybody) == (Outcome(taken=everybody), [])
    assert [len(recipients) for _, recipients, _ in behaviour.got] == [100, 100, 50]
    behaviour.got.clear()
    behaviour.most = 40
    assert sent(mail, *everybody) == (Outcome(taken=everybody), [])
    assert [len(recipients) for _, recipients, _ in behaviour.got] == [40, 40, 40, 40, 40, 40, 10]


def test_connection_that_breaks_in_the_data(mail: Mail, behaviour: Behaviour) -> None:
    behaviour.drops = 1
    assert (sent(mail)[1], len(behaviour.got)) == ([5.0], 1)
    behaviour.drops = 99
    outcome, waits = sent(mail)
    assert outcome.failure == f"{answered(mail, 'Connection unexpectedly closed')}; {UNSURE}"
    assert waits == [5.0, 15.0, 30.0, 60.0]


def test_no_server(mail: Mail) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
    outcome, waits = sent(mail._replace(smtp_port=port))
    assert outcome.failure == f"not sent: localhost:{port}: Connection refused"
    assert len(waits) == 4


def test_server_that_says_nothing(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SHORTEST_SECONDS", 0.2)
    with socket.create_server(("localhost", 0)) as silent:
        port = silent.getsockname()[1]
        outcome, waits = sent(mail._replace(smtp_port=port, retry_seconds=0))
    assert (outcome.failure, waits) == (
        f"not sent: localhost:{port}: Connection unexpectedly closed: timed out",
        [],
    )


@contextmanager
def dripping(before: bytes) -> Iterator[int]:
    """A server that says `before`, then a byte of its next answer now and then, for ever; gives its port."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(before)
            while not over.wait(0.1):
                connection.sendall(b"2")

    with socket.create_server(("localhost", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    ("before", "unsure"),
    [
        pytest.param(b"", False, id="greeting"),
        pytest.param(b"220 hello\r\n250 ehlo\r\n250 from\r\n250 to\r\n354 go on\r\n", True, id="after-the-mail"),
    ],
)
def test_server_that_drips(monkeypatch: pytest.MonkeyPatch, before: bytes, unsure: bool) -> None:
    """Each byte comes within the timeout, and none of them is the last."""
    monkeypatch.setattr(delivery, "LONGEST_SECONDS", 1.0)
    before_handler = signal.getsignal(signal.SIGALRM)
    with dripping(before) as port:
        mail = Mail(envelope_sender="a@b.c", via="smtp", smtp_host="localhost", smtp_port=port, smtp_security="none")
        began = time.monotonic()
        outcome, waits = sent(mail._replace(retry_seconds=0))
        assert 1 <= time.monotonic() - began < 10
    said = f"not sent: localhost:{port}: its answers took over 1 s"
    assert (outcome.failure, waits, outcome.pending) == (f"{said}; {UNSURE}" if unsure else said, [], [ONE])
    assert signal.getsignal(signal.SIGALRM) == before_handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def program(tmp_path: str, body: str) -> Mail:
    """Through this program, which stands for any sendmail."""
    path = f"{tmp_path}/sendmail"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{body}\n")
    os.chmod(path, 0o755)
    return Mail(envelope_sender="tcptide@example.org", sendmail=path)


def test_sendmail_is_given_sender_and_recipients(tmp_path: str) -> None:
    body = f'printf "%s|" "$@" >{tmp_path}/arguments; cat >{tmp_path}/mail; env >{tmp_path}/environment'
    outcome, _ = sent(program(tmp_path, body), ONE, TWO, environ={**ENVIRON, "PATH": "/bin:/usr/bin"})
    assert (outcome.taken, outcome.failure) == ([ONE, TWO], "")
    with open(f"{tmp_path}/arguments", encoding="utf-8") as file:
        assert file.read() == f"-oi|-f|tcptide@example.org|--|{ONE}|{TWO}|"
    with open(f"{tmp_path}/mail", "rb") as mailed:
        assert mailed.read() == CONTENT.replace(b"\r\n", b"\n")
    with open(f"{tmp_path}/environment", encoding="utf-8") as file:
        assert PASSWORD not in file.read()


@pytest.mark.parametrize(
    ("body", "said", "tries"),
    [
        pytest.param("echo x >>{0}/tries; echo no queue >&2; exit 75", "exits 75: no queue", 5, id="for-now"),
        pytest.param("echo x >>{0}/tries; exit 69", "exits 69", 1, id="for-good"),
        pytest.param("echo x >>{0}/tries; exec sleep 60", f"took over 0 s; {UNSURE}", 5, id="hangs"),
    ],
)
def test_sendmail_fails(tmp_path: str, monkeypatch: pytest.MonkeyPatch, body: str, said: str, tries: int) -> None:
    monkeypatch.setattr(delivery, "LONGEST_SECONDS", 0.3)
    mail = program(tmp_path, body.format(tmp_path))
    outcome, _ = sent(mail, environ={"PATH": "/bin:/usr/bin"})
    assert (outcome.failure, outcome.pending) == (f"not sent: {mail.sendmail} {said}", [ONE])
    with open(f"{tmp_path}/tries", encoding="utf-8") as file:
        assert len(file.readlines()) == tries


def test_no_sendmail() -> None:
    outcome, waits = sent(Mail(envelope_sender="a@b.c", sendmail="/none/sendmail"))
    assert (outcome.failure, waits) == ("not sent: /none/sendmail: No such file or directory", [])
