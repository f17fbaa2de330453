"""Each report is mailed once: what is kept, what is sent again, and what is not, against a real SMTP server."""

import multiprocessing
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reporter import files
from reporter.posting import Letter, Office, PostError
from tcptide import ledger
from tcptide.clock import SYSTEM
from tcptide.errors import ConfigError, StoreError
from tcptide.mail import Mail
from tcptide.model import Report
from tcptide.statefiles import StateError
from tcptide.values import Address

from . import smtp
from .smtp import PASSWORD, Behaviour
from .storing import HandClock, make_sample, store_samples

ONE, TWO, BOSS = "one@example.org", "two@example.org", "boss@example.org"
WEEK = Report("2025-W47", 10.0, 20.0, 30.0, "/reports/w47.html")
NEXT = Report("2025-W48", 20.0, 30.0, 40.0, "/reports/w48.html")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Behaviour, Mail]]:
    with smtp.serving(smtp.certificates(str(tmp_path_factory.mktemp("ca")))) as started:
        yield started


@pytest.fixture
def behaviour(server: tuple[Behaviour, Mail]) -> Behaviour:
    vars(server[0]).update(vars(Behaviour()))
    return server[0]


@pytest.fixture
def office(server: tuple[Behaviour, Mail], state_dir: str) -> Office:
    """With a state that holds a sample, and mail to two, with a third who is not seen."""
    store_samples(state_dir, make_sample(0))
    to = (Address("", ONE), Address("", TWO))
    mail = server[1]._replace(to=to, bcc=(Address("", BOSS),))
    return Office(state_dir, mail, {"TCPTIDE_SMTP_PASSWORD": PASSWORD}, HandClock())


def letter(label: str, attention: bool = True, to: str = f"{ONE}, {TWO}", host: str = "web-01") -> Letter:
    id = f"<tcptide.{label}@example.org>"
    head = f"From: tcptide@example.org\r\nTo: {to}\r\nSubject: verdict\r\nMessage-ID: {id}\r\n"
    head += f"X-Tcptide-Host: {host}\r\nX-Tcptide-Source: host\r\nX-Tcptide-Period: {label}\r\n"
    return Letter(f"{head}\r\n{label}\r\n".encode(), id, attention)


def posted(office: Office, report: Report = WEEK, when: str = "always", resend: bool = False, **how: Any) -> list[str]:
    path = f"{os.path.dirname(office.directory)}/{report.label}.eml"
    return office.post("host", report, path, lambda: letter(report.label, **how), when=when, resend=resend)


def failure(office: Office, *arguments: Any, **how: Any) -> str:
    with pytest.raises(PostError) as caught:
        posted(office, *arguments, **how)
    return (
        str(caught.value).replace(f":{office.mail.port}:", ":PORT:").replace(os.path.dirname(office.directory), "HERE")
    )


def known(office: Office) -> dict[str, Report]:
    return {one.label: one for one in ledger.reports(office.directory, "host")}


def got(behaviour: Behaviour) -> list[tuple[str, list[str]]]:
    """Which mail, by its last line, was got for whom."""
    return [(content.split()[-1].decode(), recipients) for _, recipients, content in behaviour.got]


ALL = [ONE, TWO, BOSS]


def test_report_is_mailed_once(office: Office, behaviour: Behaviour) -> None:
    path = f"{os.path.dirname(office.directory)}/2025-W47.eml"
    assert posted(office) == [f"the report of 2025-W47 is mailed: {path}"]
    assert (stat.S_IMODE(os.stat(path).st_mode), got(behaviour)) == (0o640, [("2025-W47", ALL)])
    row = known(office)["2025-W47"]
    assert row == WEEK._replace(
        mail=path, message_id="<tcptide.2025-W47@example.org>", mailed_seconds=office.clock.wall()
    )
    assert posted(office) == ["the report of 2025-W47 was mailed before; --resend sends it again"]
    assert known(office)["2025-W47"] == row
    assert posted(office, NEXT)[0].startswith("the report of 2025-W48 is mailed")
    assert posted(office, resend=True)[0].startswith("the report of 2025-W47 is mailed")
    assert [label for label, _ in got(behaviour)] == ["2025-W47", "2025-W48", "2025-W47"]


def test_mail_only_if_something_needs_attention(office: Office, behaviour: Behaviour) -> None:
    notes = posted(office, when="attention", attention=False)
    assert notes == ["the report of 2025-W47 is not mailed: nothing needs attention"]
    assert (known(office)["2025-W47"], got(behaviour)) == (WEEK, [])
    assert posted(office, NEXT, when="attention")[0].startswith("the report of 2025-W48 is mailed")


def test_what_could_not_be_sent_is_sent_first_by_the_next_run(office: Office, behaviour: Behaviour) -> None:
    behaviour.data = ["451 Later"] * 5
    kept = "kept as HERE/2025-W47.eml, the next run with --email sends it"
    assert failure(office) == f"mail of 2025-W47: not sent: localhost:PORT: 451 Later; {kept}"
    row = known(office)["2025-W47"]
    assert (row.pending, row.mailed_seconds, behaviour.got) == (tuple(ALL), None, [])
    assert row.failure == f"not sent: localhost:{office.mail.port}: 451 Later"
    assert [note.partition(":")[0] for note in posted(office, NEXT)] == [
        "the report of 2025-W47 is mailed",
        "the report of 2025-W48 is mailed",
    ]
    assert got(behaviour) == [("2025-W47", ALL), ("2025-W48", ALL)]
    assert known(office)["2025-W47"]._replace(mailed_seconds=None) == row._replace(pending=(), failure=None)


def test_same_week_again_sends_what_was_kept_and_makes_no_other(office: Office, behaviour: Behaviour) -> None:
    behaviour.data = ["451 Later"] * 5
    failure(office)

    def never() -> Letter:
        raise AssertionError

    path = f"{os.path.dirname(office.directory)}/2025-W47.eml"
    assert office.post("host", WEEK, path, never, when="always", resend=False) == [
        f"the report of 2025-W47 is mailed: {path}"
    ]
    assert got(behaviour) == [("2025-W47", ALL)]


def test_bound_holds_for_all_mails_of_a_run(office: Office, behaviour: Behaviour) -> None:
    behaviour.data = ["451 Later"] * 99
    failure(office)
    began = office.clock.boottime()
    said = failure(office, NEXT)
    assert said.count("451 Later") == 2
    assert office.clock.boottime() - began <= office.mail.retry_seconds


def test_who_refuses_is_named_and_nobody_gets_it_twice(office: Office, behaviour: Behaviour) -> None:
    behaviour.to = {TWO: ["550 No such user"]}
    assert failure(office) == f"mail of 2025-W47: {TWO} is refused: 550 No such user"
    assert posted(office) == ["the report of 2025-W47 was mailed before; --resend sends it again"]
    assert got(behaviour) == [("2025-W47", [ONE, BOSS])]
    assert known(office)["2025-W47"].failure == f"{TWO} is refused: 550 No such user"


def test_who_refuses_for_now_gets_it_by_the_next_run(office: Office, behaviour: Behaviour) -> None:
    behaviour.to = {TWO: ["450 Greylisted"] * 6}
    assert failure(office) == (
        f"mail of 2025-W47: not sent to {TWO}: localhost:PORT: 450 Greylisted; "
        "kept as HERE/2025-W47.eml, the next run with --email sends it"
    )
    assert posted(office)[0].startswith("the report of 2025-W47 is mailed")
    assert got(behaviour) == [("2025-W47", [ONE, BOSS]), ("2025-W47", [TWO])]


def test_address_that_was_wrong_is_mended_in_the_configuration(office: Office, behaviour: Behaviour) -> None:
    behaviour.data = ["554 No"]
    failure(office)
    mended = replace(office, mail=office.mail._replace(to=(Address("", "right@example.org"),), bcc=()))
    assert posted(mended, to="right@example.org")[0].startswith("the report of 2025-W47 is mailed")
    assert got(behaviour) == [("2025-W47", ["right@example.org"])]


def test_refused_by_all_is_tried_again_by_the_next_run(office: Office, behaviour: Behaviour) -> None:
    behaviour.to = {one: ["550 No"] for one in ALL}
    assert failure(office) == f"mail of 2025-W47: {'; '.join(f'{one} is refused: 550 No' for one in ALL)}"
    assert posted(office)[0].startswith("the report of 2025-W47 is mailed")


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "another"])
def test_kept_mail_that_is_not_there_any_more(office: Office, behaviour: Behaviour, gone: bool) -> None:
    behaviour.data = ["554 No"]
    failure(office)
    path = f"{os.path.dirname(office.directory)}/2025-W47.eml"
    os.unlink(path)
    if not gone:
        files.write([path], [files.File("", letter("2025-W46").content)])
    why = f"can't be sent any more: HERE/2025-W47.eml is {'gone' if gone else 'another mail by now'}"
    assert failure(office, NEXT) == f"mail of 2025-W47: {why}"
    assert got(behaviour) == [("2025-W48", ALL)]
    assert posted(office, NEXT) == ["the report of 2025-W48 was mailed before; --resend sends it again"]


def test_link_in_place_of_a_kept_mail_is_not_followed(office: Office, behaviour: Behaviour) -> None:
    behaviour.data = ["554 No"]
    failure(office)
    path = f"{os.path.dirname(office.directory)}/2025-W47.eml"
    os.rename(path, f"{path}.moved")
    os.symlink(f"{path}.moved", path)
    assert "Too many levels of symbolic links" in failure(office)
    assert behaviour.got == []


def test_crash_after_the_sending_costs_one_duplicate_with_the_same_id(
    office: Office, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = ledger.keep

    def crash(directory: str, clock: Any, source: str, report: Report) -> None:
        if report.mailed_seconds is not None:
            raise KeyboardInterrupt
        keep(directory, clock, source, report)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ledger, "keep", crash)
        posted(office)
    posted(office)
    posted(office)
    assert got(behaviour) == [("2025-W47", ALL), ("2025-W47", ALL)]
    assert behaviour.got[0] == behaviour.got[1]


def test_two_runs_at_once_send_once(office: Office, behaviour: Behaviour) -> None:
    at_once = replace(office, clock=SYSTEM)
    several = multiprocessing.get_context("fork")
    told = several.SimpleQueue()
    runs = [several.Process(target=lambda: told.put(posted(at_once))) for _ in range(4)]
    for run in runs:
        run.start()
    notes = [note for _ in runs for note in told.get()]
    for run in runs:
        run.join()
    assert got(behaviour) == [("2025-W47", ALL)]
    assert sorted(note.partition(":")[0] for note in notes) == [
        "the report of 2025-W47 is mailed",
        *["the report of 2025-W47 was mailed before; --resend sends it again".partition(":")[0]] * 3,
    ]


def test_run_that_waits_too_long_for_another_gives_up(office: Office, behaviour: Behaviour) -> None:
    with ledger.turn(office.directory, SYSTEM, 0), pytest.raises(StateError) as caught:
        posted(office)
    assert str(caught.value) == f"{office.directory}: mailing.lock was held for 180.0 s"


def test_no_password_keeps_the_mail(office: Office, behaviour: Behaviour) -> None:
    with pytest.raises(ConfigError) as caught:
        posted(replace(office, environ={}))
    assert str(caught.value).startswith("mail.smtp_user: needs a password")
    assert posted(office)[0].startswith("the report of 2025-W47 is mailed")


def test_kept_mail_is_sent_by_hand(office: Office, behaviour: Behaviour) -> None:
    behaviour.to = {TWO: ["450 Greylisted"] * 6}
    failure(office)
    path = f"{os.path.dirname(office.directory)}/2025-W47.eml"
    assert office.send(path, resend=False) == [f"the report of 2025-W47 is mailed: {path}"]
    assert office.send(path, resend=False) == ["the report of 2025-W47 was mailed before; --resend sends it again"]
    assert posted(office) == ["the report of 2025-W47 was mailed before; --resend sends it again"]
    office.send(path, resend=True)
    assert got(behaviour) == [("2025-W47", [ONE, BOSS]), ("2025-W47", [TWO]), ("2025-W47", ALL)]


def test_mail_of_another_host_is_sent_to_whom_it_names(office: Office, behaviour: Behaviour, tmp_path: str) -> None:
    path = f"{tmp_path}/other.eml"
    with open(path, "wb") as file:
        file.write(letter("2025-W40", to=f'"A, B" <{TWO}>', host="web2").content.replace(b"\r\n", b"\n"))
    assert office.send(path, resend=False) == [f"the report of 2025-W40 is mailed: {path}"]
    assert got(behaviour) == [("2025-W40", [TWO, BOSS])]
    assert behaviour.got[0][2] == letter("2025-W40", to=f'"A, B" <{TWO}>', host="web2").content
    assert known(office) == {}


def test_mail_that_the_ledger_does_not_know_is_sent_once_all_the_same(office: Office, behaviour: Behaviour) -> None:
    path = f"{os.path.dirname(office.directory)}/2025-W47.eml"
    files.write([path], [files.File("", letter("2025-W47").content)])
    behaviour.data = ["451 Later"] * 5
    with pytest.raises(PostError) as caught:
        office.send(path, resend=False)
    assert str(caught.value).startswith("mail of 2025-W47: not sent: ")
    assert office.send(path, resend=False) == [f"the report of 2025-W47 is mailed: {path}"]
    assert office.send(path, resend=False) == ["the report of 2025-W47 was mailed before; --resend sends it again"]
    assert posted(office) == ["the report of 2025-W47 was mailed before; --resend sends it again"]
    assert got(behaviour) == [("2025-W47", ALL)]
    assert known(office)["2025-W47"].mailed_seconds == office.clock.wall()


def test_mail_for_nobody_is_not_sent(office: Office, behaviour: Behaviour, tmp_path: str) -> None:
    path = f"{tmp_path}/nobody.eml"
    files.write([path], [files.File("", letter("2025-W47", to="undisclosed-recipients:;").content)])
    with pytest.raises(ConfigError) as caught:
        office.send(path, resend=False)
    assert str(caught.value) == f"{path} is for nobody: it names no recipient"


def test_state_that_is_not_there_is_not_made(office: Office, behaviour: Behaviour, tmp_path: str) -> None:
    path = f"{tmp_path}/2025-W47.eml"
    files.write([path], [files.File("", letter("2025-W47").content)])
    with pytest.raises(StoreError):
        replace(office, directory=f"{tmp_path}/typo").send(path, resend=False)
    assert not os.path.exists(f"{tmp_path}/typo") and behaviour.got == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"root:x:0:0::/root:/bin/sh\n", id="no-mail"),
        pytest.param(b"From: a@b.c\nTo: d@e.f\nMessage-ID: <1@b.c>\n\nx\n", id="not-ours"),
        pytest.param(b"To: d@e.f\nBcc: g@h.i\nMessage-ID: <tcptide.1@b.c>\n\nx\n", id="bcc"),
        pytest.param(b"To: d@e.f\nMessage-ID: <tcptide.1@b.c>\n\nx\n", id="of-no-period"),
        pytest.param(letter("2025-W40").content.replace(b"To:", b"X-To:"), id="to-nobody"),
    ],
)
def test_nothing_else_is_sent(office: Office, behaviour: Behaviour, tmp_path: str, content: bytes) -> None:
    path = f"{tmp_path}/other.eml"
    with open(path, "wb") as file:
        file.write(content)
    with pytest.raises(ConfigError) as caught:
        office.send(path, resend=False)
    assert str(caught.value) == f"{path} is no mail of tcptide-report"
    assert behaviour.got == []
