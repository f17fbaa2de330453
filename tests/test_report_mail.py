"""`tcptide-report --email` as a process: through the host's sendmail into a mailbox, and through an SMTP server."""

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import TextIO

import pytest

from reporter.message import MAX_BYTES, MAX_HTML_BYTES
from tcptide import ledger
from tcptide.clock import SYSTEM

from . import postfix, smtp
from .forking import Forking
from .reporting import minute, stored
from .smtp import PASSWORD
from .test_report_html import Outline
from .test_report_message import flat, part, tree

Run = Callable[..., subprocess.CompletedProcess[str]]
MAIL = """\
[mail]
to = ["ops@example.org", "J\u00fcrgen M\u00fcller <jm@example.org>"]
bcc = "boss@example.org"
envelope_sender = "tcptide@example.org"
"""
DAY = ("--period", "2025-11-18", "--timezone", "UTC")
WEEK = ("--period", "2025-W48", "--timezone", "UTC")


@pytest.fixture
def run(script: Callable[[str], str], forked: Forking, tmp_path: str) -> Run:
    """Runs it in an empty directory `reports`, with that [mail]; the program itself where its output matters."""
    os.mkdir(f"{tmp_path}/reports")

    def report(
        *arguments: str, mail: str = MAIL, stdout: TextIO | int = subprocess.PIPE, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        with open(f"{tmp_path}/tcptide.toml", "w", encoding="utf-8") as file:
            file.write(mail)
        command = ("--config", f"{tmp_path}/tcptide.toml", *arguments)
        if stdout == subprocess.PIPE:
            return forked.run(*command, cwd=f"{tmp_path}/reports", environ=environ)
        return subprocess.run(
            [script("tcptide-report"), *command],
            check=False,
            cwd=f"{tmp_path}/reports",
            env=environ,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )

    return report


@pytest.fixture
def sendmail(tmp_path: str) -> str:
    """[mail] with a sendmail that counts what it is given, and no more."""
    path = f"{tmp_path}/sendmail"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\ncat >/dev/null\necho >>{tmp_path}/sent\n")
    os.chmod(path, 0o755)
    return f'{MAIL}sendmail = "{path}"\n'


def sent(folder: str) -> int:
    """How many mails that sendmail was given."""
    if not os.path.exists(f"{folder}/sent"):
        return 0
    with open(f"{folder}/sent", "rb") as file:
        return len(file.readlines())


@pytest.fixture(scope="module")
def mailbox() -> Iterator[tuple[str, dict[str, str]]]:
    """A folder with a mailbox, and the environment in which /usr/sbin/sendmail delivers there."""
    if not os.path.exists("/usr/sbin/postfix"):
        pytest.skip("needs Postfix: apt install postfix")
    folder = tempfile.mkdtemp(prefix="tcptide-postfix-", dir="/tmp")
    os.chmod(folder, 0o755)
    with postfix.running(folder) as environ:
        yield folder, environ
    shutil.rmtree(folder)


@pytest.mark.root
def test_week_arrives_in_the_mailbox_once(
    run: Run, fortnight: str, mailbox: tuple[str, dict[str, str]], tmp_path: str
) -> None:
    folder, environ = mailbox
    state = shutil.copytree(fortnight, f"{tmp_path}/state")
    done = run("--state-dir", state, *WEEK, "--email", **environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    names = ["tcptide-report-simulated-2025-W48.eml", "tcptide-report-simulated-2025-W48.html"]
    assert sorted(os.listdir(f"{tmp_path}/reports")) == names
    assert stat.S_IMODE(os.stat(f"{tmp_path}/reports/{names[0]}").st_mode) == 0o640

    mails = postfix.delivered(folder, 3)
    assert sorted(str(mail["X-Original-To"]) for mail in mails) == [
        "boss@example.org",
        "jm@example.org",
        "ops@example.org",
    ]
    assert {str(mail["Return-Path"]) for mail in mails} == {"<tcptide@example.org>"}
    with open(f"{tmp_path}/reports/{names[0]}", "rb") as file:
        content = file.read()
    kept = message_from_bytes(content, policy=default)
    assert isinstance(kept, EmailMessage)
    assert "boss@" not in content.decode()
    for mail in mails:
        assert tree(mail) == tree(kept)
        assert mail["Message-ID"] == kept["Message-ID"]
        assert [part(mail, kind) for kind in ("plain", "html")] == [part(kept, kind) for kind in ("plain", "html")]
        check_pictures(mail)
    check_size(content)
    check_incidents(kept)
    check_privacy(kept)

    again = run("--state-dir", state, *WEEK, "--email", **environ)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    (row,) = ledger.reports(state, "host")
    assert (row.label, row.mailed_seconds is not None, row.failure) == ("2025-W48", True, None)
    assert len(postfix.delivered(folder, 3)) == 3


def check_pictures(mail: EmailMessage) -> None:
    pictures = {
        f"cid:{each['Content-ID'][1:-1]}": each for each in mail.walk() if each.get_content_type() == "image/png"
    }
    shown = [each["src"] for each in Outline(part(mail, "html")).all("img")]
    assert shown == list(pictures) and len(shown) > 5
    for each in pictures.values():
        assert each.get_content().startswith(b"\x89PNG\r\n\x1a\n") and each.get_content().endswith(b"IEND\xaeB`\x82")


def check_size(content: bytes) -> None:
    mail = message_from_bytes(content, policy=default)
    assert isinstance(mail, EmailMessage)
    html = mail.get_body(("html",))
    assert html is not None
    assert (len(html.as_bytes()) < MAX_HTML_BYTES, len(content) < MAX_BYTES) == (True, True)


def check_incidents(mail: EmailMessage) -> None:
    """Each is in the text and in the HTML, in the same words."""
    html, text = flat(" ".join(Outline(part(mail, "html")).text)), flat(part(mail, "plain"))
    assert mail["Subject"].startswith("SIMULATED: tcptide simulated 2025-W48: CRITICAL - ")
    for said in (
        "Ports to 192.0.2.50:5432 ran short",
        "The accept queue of :443 overflowed",
        "SYN flood at :443",
        "app.service leaked connections in CLOSE_WAIT",
        "No samples were taken",
        "Sun 30 Nov 2025 03:59 UTC to Sun 30 Nov 2025 07:00 UTC",
    ):
        assert (flat(said) in html, flat(said) in text) == (True, True), said


def check_privacy(mail: EmailMessage) -> None:
    """Clients are networks in the text, the HTML and what the pictures say; destinations are whole."""
    for kind in ("plain", "html"):
        assert re.findall(r"198\.51\.100\.(?!0/24)[0-9]+|203\.0\.113\.(?!0/24)[0-9]+", part(mail, kind)) == []
        assert "192.0.2.50:5432" in part(mail, kind)


def test_what_the_server_refuses_for_now_is_kept_and_sent_by_the_next_run(
    run: Run, tmp_path: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = stored(f"{tmp_path}/state", [minute(number) for number in range(61)])
    with smtp.serving(smtp.certificates(str(tmp_path_factory.mktemp("ca")))) as (behaviour, mail):
        server = f"""{MAIL}
            via = "smtp"
            smtp_host = "localhost"
            smtp_port = {mail.smtp_port}
            smtp_user = "{mail.smtp_user}"
            smtp_ca_file = "{mail.smtp_ca_file}"
            retry_seconds = 0
        """
        behaviour.data = ["451 4.3.0 Later"]
        day = ("--state-dir", directory, "--period", "2025-11-18", "--timezone", "UTC", "--email")
        done = run(*day, mail=server, TCPTIDE_SMTP_PASSWORD=PASSWORD)
        path = f"{tmp_path}/reports/tcptide-report-web1-2025-11-18.eml"
        line = f"mail of 2025-11-18: not sent: localhost:{mail.smtp_port}: 451 4.3.0 Later"
        kept = f"kept as {path}, the next run with --email sends it"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"tcptide-report: {line}; {kept}\n")
        with open(path, "rb") as file:
            content = file.read()
        done = run("-v", *day, "--mail-when", "attention", mail=server, TCPTIDE_SMTP_PASSWORD=PASSWORD)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == f"the report of 2025-11-18 is mailed: {path}"
        everybody = ["ops@example.org", "jm@example.org", "boss@example.org"]
        assert behaviour.got == [("tcptide@example.org", everybody, content)]
        done = run("-v", "--state-dir", directory, "--send", path, mail=server, TCPTIDE_SMTP_PASSWORD=PASSWORD)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "the report of 2025-11-18 was mailed before; --resend sends it again\n"


def test_report_that_is_not_mailed_is_in_the_ledger_too(run: Run, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(number) for number in range(3)])
    assert run("--state-dir", directory, *DAY).returncode == 0
    assert run("--state-dir", directory).returncode == 0  # who looks at it makes no report that is due
    (row,) = ledger.reports(directory, "host")
    path = f"{tmp_path}/reports/tcptide-report-web1-2025-11-18.html"
    assert (row.label, row.path, row.mail) == ("2025-11-18", path, None)


def test_what_keeps_a_report_from_being_mailed_is_in_the_ledger(run: Run, sendmail: str, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(number) for number in range(3)])

    def failures() -> dict[str, str | None]:
        return {one.label: one.failure for one in ledger.reports(directory, "host")}

    def failing(status: int, *arguments: str, mail: str = sendmail) -> str:
        done = run("--state-dir", directory, "--timezone", "UTC", "--email", *arguments, mail=mail)
        assert (done.returncode, done.stdout) == (status, "")
        return done.stderr.removeprefix("tcptide-report: ").removesuffix("\n")

    assert "in 2025-11-17" in failing(1, "--period", "2025-11-17")
    assert failures() == {}  # it was not looked at yet
    missing = failing(2, "--period", "2025-11-18", "--output", "missing/")
    none = failing(1, "--period", "2025-11-19")
    assert failing(2, "--period", "wek").startswith("--period: 'wek' is none of")
    assert failing(2, "--period", "2999-01-01").startswith("--period: 2999-01-01 is not over yet")
    unknown = failing(2, "--period", "2025-11-20", mail="")
    loose = failing(2, mail="")
    assert failures() == {"2025-11-18": missing, "2025-11-19": none, "2025-11-20": unknown, "ad-hoc": loose}
    assert missing == f"--output: there is no directory {tmp_path}/reports/missing"
    assert run("--state-dir", directory, *DAY, "--email", mail=sendmail).returncode == 0
    assert failures()["2025-11-18"] is None and sent(tmp_path) == 1


def test_missing_extra_is_in_the_ledger(run: Run, script: Callable[[str], str], sendmail: str, tmp_path: str) -> None:
    """tcptide is installed without [report]: what its packages are is said, and check_tcptide can tell it."""
    directory = stored(f"{tmp_path}/state", [minute(number) for number in range(3)])
    installed = sysconfig.get_path("purelib")
    os.mkdir(f"{tmp_path}/bare")
    for name in ("tcptide", "nagiosplugin", "psutil"):
        os.symlink(f"{installed}/{name}", f"{tmp_path}/bare/{name}")
    with open(f"{tmp_path}/tcptide.toml", "w", encoding="utf-8") as file:
        file.write(sendmail)
    program = [sys.executable, "-S", script("tcptide-report")]
    command = [*program, "--config", f"{tmp_path}/tcptide.toml", "--state-dir", directory]
    environ = {"PYTHONPATH": f"{tmp_path}/bare"}
    done = subprocess.run(
        [*command, *DAY, "--email"], env=environ, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
    )
    why = "matplotlib is missing: pip install 'tcptide[report]'"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"tcptide-report: {why}\n")
    (row,) = ledger.reports(directory, "host")
    assert (row.label, row.failure, row.mailed_seconds, sent(tmp_path)) == ("2025-11-18", why, None, 0)
    assert run("--state-dir", directory, *DAY, "--email", mail=sendmail).returncode == 0  # installed meanwhile
    (row,) = ledger.reports(directory, "host")
    assert (row.label, row.failure, row.mailed_seconds is None, sent(tmp_path)) == ("2025-11-18", None, False, 1)


@pytest.mark.parametrize(
    ("name", "module", "why"),
    [
        pytest.param(
            "matplotlib-3.6.3",
            "",
            "matplotlib 3.6.3 is too old, 3.10 or newer is needed: pip install 'tcptide[report]'",
            id="exit-1-too-old",
        ),
        pytest.param(
            "matplotlib-3.11.0",
            "raise ImportError('libfreetype.so.6: no such file\\nhelp: https://...', name='matplotlib.ft2font')",
            "matplotlib.ft2font can't be loaded: libfreetype.so.6: no such file?help: https://...: "
            "pip install 'tcptide[report]'",
            id="exit-1-broken",
        ),
    ],
)
def test_library_of_another_time_is_named_in_one_line(
    script: Callable[[str], str], sendmail: str, tmp_path: str, name: str, module: str, why: str
) -> None:
    """Such as the matplotlib of Debian 12 below a venv that sees it, which has no ft2font.LoadFlags."""
    directory = stored(f"{tmp_path}/state", [minute(number) for number in range(3)])
    for path in (f"{tmp_path}/old/matplotlib", f"{tmp_path}/old/{name}.dist-info"):
        os.makedirs(path)
    with open(f"{tmp_path}/old/matplotlib/__init__.py", "w", encoding="utf-8") as file:
        file.write(f"{module}\ndef rcdefaults(): pass\n")
    with open(f"{tmp_path}/old/{name}.dist-info/METADATA", "w", encoding="utf-8") as file:
        file.write(f"Metadata-Version: 2.1\nName: matplotlib\nVersion: {name.partition('-')[2]}\n")
    with open(f"{tmp_path}/tcptide.toml", "w", encoding="utf-8") as file:
        file.write(sendmail)
    command = [script("tcptide-report"), "--config", f"{tmp_path}/tcptide.toml", "--state-dir", directory]
    done = subprocess.run(
        [*command, *DAY, "--email"],
        env={"PYTHONPATH": f"{tmp_path}/old"},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"tcptide-report: {why}\n")
    (row,) = ledger.reports(directory, "host")
    assert (row.label, row.failure) == ("2025-11-18", why)


def test_mail_names_the_page_whatever_was_written_before_it(run: Run, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(number) for number in range(3)])
    for formats, named in (("png,json,html,eml", "html"), ("png,json,eml", "json"), ("png,eml", None)):
        assert run("--state-dir", directory, *DAY, "--format", formats).returncode == 0
        with open(f"{tmp_path}/reports/tcptide-report-web1-2025-11-18.eml", "rb") as file:
            text = flat(part(message_from_bytes(file.read(), EmailMessage, policy=default), "plain"))
        whole = flat(f"The whole report is {tmp_path}/reports/tcptide-report-web1-2025-11-18.{named} on web1.")
        assert (whole in text) if named else ("Thewholereport" not in text)


def test_period_that_was_mailed_is_neither_read_nor_written_again(run: Run, sendmail: str, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(number) for number in range(3)])
    command = ("--state-dir", directory, *DAY, "--email")
    assert run(*command, mail=sendmail).returncode == 0
    path = f"{tmp_path}/reports/tcptide-report-web1-2025-11-18.html"
    with open(path, "w", encoding="utf-8") as file:
        file.write("as it was mailed")
    done = run(*command, mail=sendmail)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run("-v", *command, mail=sendmail)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "the report of 2025-11-18 was mailed before; --resend sends it again\n"
    assert sent(tmp_path) == 1
    with open(path, encoding="utf-8") as file:
        assert file.read() == "as it was mailed"
    (row,) = ledger.reports(directory, "host")
    late = row._replace(label="2025-11-17", pending=("ops@example.org",), mailed_seconds=None, failure="451 Later")
    ledger.keep(directory, SYSTEM, "host", late)
    done = run("-v", *command, mail=sendmail)
    assert done.stdout.splitlines()[0].startswith("the report of 2025-11-17 is mailed: ")
    assert sent(tmp_path) == 2
    assert run(*command, "--resend", mail=sendmail).returncode == 0
    assert sent(tmp_path) == 3 and os.path.getsize(path) > 1000


def test_mail_that_was_made_and_then_sent_by_hand_is_sent_once(run: Run, sendmail: str, tmp_path: str) -> None:
    state = ("--state-dir", stored(f"{tmp_path}/state", [minute(number) for number in range(3)]))
    assert run(*state, *DAY, "--format", "html,eml", mail=sendmail).returncode == 0
    (before,) = ledger.reports(state[1], "host")
    assert (before.mail, before.mailed_seconds) == (None, None)
    path = f"{tmp_path}/reports/tcptide-report-web1-2025-11-18.eml"
    with open(path, "rb") as file:
        mail = message_from_bytes(file.read(), policy=default)
    assert before.message_id == mail["Message-ID"]
    sending = ("-v", *state, "--send", path)
    assert run(*sending, mail=sendmail).stdout == f"the report of 2025-11-18 is mailed: {path}\n"
    assert run(*sending, mail=sendmail).stdout.startswith("the report of 2025-11-18 was mailed before")
    assert run(*state, *DAY, "--email", mail=sendmail).returncode == 0
    assert sent(tmp_path) == 1
    (row,) = ledger.reports(state[1], "host")
    assert row == before._replace(mail=path, mailed_seconds=row.mailed_seconds) and row.mailed_seconds


def test_report_is_mailed_whatever_becomes_of_what_is_said(run: Run, sendmail: str, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(number) for number in range(3)])
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = run("-v", "--state-dir", directory, *DAY, "--email", mail=sendmail, stdout=full)
    assert (done.returncode, done.stderr) == (1, "tcptide-report: standard output: No space left on device\n")
    assert sent(tmp_path) == 1
    (row,) = ledger.reports(directory, "host")
    assert row.label == "2025-11-18" and row.mailed_seconds


@pytest.mark.parametrize(
    ("arguments", "mail", "line"),
    [
        pytest.param(("--email",), "", "--email: needs the section [mail] in {config}", id="no-section"),
        pytest.param(("--send", "x.eml"), "", "--send: needs the section [mail] in {config}", id="send-no-section"),
        pytest.param(
            ("--format", "eml"), "", "--format: eml: needs the section [mail] in {config}", id="eml-no-section"
        ),
        pytest.param(("--resend",), MAIL, "--resend: needs --email or --send", id="resend-alone"),
        pytest.param(("--mail-when", "always"), MAIL, "--mail-when: needs --email", id="when-alone"),
        pytest.param(
            ("--email",),
            "[mail]\nto = 'ops@example.org'\n",
            "{config}: mail.envelope_sender: is missing: mail that can't be delivered comes back to it",
            id="no-sender",
        ),
        pytest.param(("--send", "{config}"), MAIL, "{config} is no mail of tcptide-report", id="send-no-mail"),
        pytest.param(("--send", "/tmp"), MAIL, "/tmp is no mail of tcptide-report", id="send-directory"),
    ],
)
def test_what_cannot_be_mailed_is_said_in_one_line(
    run: Run, tmp_path: str, arguments: tuple[str, ...], mail: str, line: str
) -> None:
    config = f"{tmp_path}/tcptide.toml"
    done = run("--state-dir", f"{tmp_path}/none", *(each.format(config=config) for each in arguments), mail=mail)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"tcptide-report: {line.format(config=config)}\n")
    assert os.listdir(f"{tmp_path}/reports") == []
