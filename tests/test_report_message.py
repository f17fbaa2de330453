"""A report as a mail: its structure, its headers, and that HTML and text say the same."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, MIMEPart
from email.policy import default
from email.utils import getaddresses
from functools import cache
from typing import Any

import pytest
from PIL import Image as Pillow

from reporter import forecasts, message
from reporter.ahead import Ahead
from reporter.mailview import alternative, line
from reporter.message import MAX_BYTES, MAX_HTML_BYTES, letter
from reporter.page import Page
from reporter.rendering import printable
from reporter.tables import Cell
from reporter.verdict import verdict
from tcptide.mail import Mail
from tcptide.model import Forecast
from tcptide.values import Address

from .reporting import built, exhausted_hour, minute, quiet_hour
from .test_report_html import HOSTILE, PAGES, Outline

MAIL = Mail(
    to=(Address("", "ops@example.org"),),
    cc=(Address("J\u00fcrgen M\u00fcller, Netz", "jm@example.org"),),
    bcc=(Address("", "boss@example.org"),),
    envelope_sender="tcptide@example.org",
)
WEEK = "2025-W47"


@cache
def page_named(name: str) -> Page:
    return PAGES[name]()


def sent(page: Page, mail: Mail = MAIL, label: str = WEEK, report: str = "") -> EmailMessage:
    """The mail as it is read from what is sent."""
    read = message_from_bytes(letter(page, mail, label, report).content, policy=default)
    assert isinstance(read, EmailMessage)
    return read


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def tree(mail: MIMEPart) -> Any:
    """The content types, each with those inside."""
    inner = [tree(each) for each in mail.iter_parts()] if mail.is_multipart() else []
    return (mail.get_content_type(), inner) if inner else mail.get_content_type()


def test_structure_is_what_mail_programs_expect() -> None:
    mail = sent(page_named("quiet"), report="/reports/a.html")
    assert tree(mail) == (
        "multipart/alternative",
        ["text/plain", ("multipart/related", ["text/html", *["image/png"] * len(page_named("quiet").pictures)])],
    )
    headers = [(name, str(value)) for name, value in mail.items() if name != "Content-Type"]
    assert headers == [
        ("From", "tcptide web1 <tcptide@example.org>"),
        ("To", "ops@example.org"),
        ("Cc", '"J\u00fcrgen M\u00fcller, Netz" <jm@example.org>'),
        ("Subject", "tcptide web1 2025-W47: nothing needs attention"),
        ("Date", "Tue, 18 Nov 2025 01:00:20 +0000"),
        ("Message-ID", headers[5][1]),
        ("List-Id", "tcptide reports <tcptide-report.example.org>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("MIME-Version", "1.0"),
        ("X-Tcptide-Host", "web1"),
        ("X-Tcptide-Source", "host"),
        ("X-Tcptide-Period", "2025-W47"),
    ]
    (related,) = [each for each in mail.iter_parts() if each.is_multipart()]
    assert related.get_param("type") == "text/html"
    assert b"boss@" not in letter(page_named("quiet"), MAIL, WEEK).content


@pytest.mark.parametrize("name", PAGES)
def test_pictures_are_those_that_the_html_shows(name: str) -> None:
    page = page_named(name)
    mail = sent(page)
    pictures = [each for each in mail.walk() if each.get_content_type() == "image/png"]
    shown = {each["src"]: each["alt"] for each in Outline(part(mail, "html")).all("img")}
    assert list(shown) == [f"cid:{each['Content-ID'][1:-1]}" for each in pictures]
    assert [" ".join((alt or "").split()) for alt in shown.values()] == [
        " ".join(str(printable(alternative(each))).split()) for each in page.pictures
    ]
    for each, picture in zip(pictures, page.pictures, strict=True):
        assert each.get_content_disposition() == "inline"
        with Pillow.open(io.BytesIO(each.get_content())) as image:
            image.load()
            assert image.size == (picture.narrow.width, picture.narrow.height)


def said(page: Page) -> Iterator[str]:
    """What has to be in both: findings, figures, tables, what is to be seen in the pictures."""
    yield verdict(page).text
    yield page.summary.text
    for item in page.attention:
        yield from filter(None, (item.what, item.when, item.evidence, item.next_step, *item.also))
    for figure in page.figures:
        yield from (figure.title, figure.value, figure.meaning, figure.change, *figure.details)
    yield from (picture.finding for picture in page.pictures)
    tables = [page.states, *page.tops, page.levels, page.events, *([page.forecasts] if page.forecasts else [])]
    if page.foretold.rows:
        yield page.foretold.title
        tables.append(page.foretold)
    for table in tables:
        for row in table.rows:
            for cell in row:
                yield from filter(None, (cell.text, cell.note))
    yield from (what for pattern in page.patterns for what in pattern if what)
    yield from (page.title, page.compared, page.quality.samples, page.quality.coverage, page.made.text, page.limits)


def flat(text: str) -> str:
    """Without white space: lines are broken, some within a long name."""
    return "".join(text.split())


@pytest.mark.parametrize("name", [name for name in PAGES if name != "hostile"])
def test_html_and_text_say_the_same(name: str) -> None:
    page = message._cut(page_named(name), message.ROWS[0])
    mail = sent(page)
    html, text = flat(" ".join(Outline(part(mail, "html")).text)), flat(part(mail, "plain"))
    assert [one for one in said(page) if flat(one) not in html] == []
    assert [one for one in said(page) if flat(one) not in text] == []


@pytest.mark.parametrize("name", PAGES)
def test_text_is_for_any_screen(name: str) -> None:
    lines = part(sent(page_named(name)), "plain").split("\n")
    assert max(map(len, lines)) <= 78
    assert [line for line in lines if not line.isprintable()] == []


@pytest.mark.parametrize("name", PAGES)
def test_html_is_whole_and_loads_nothing(name: str) -> None:
    html = part(sent(page_named(name)), "html")
    outline = Outline(html)
    assert {tag for tag, _ in outline.elements} & {"script", "link", "iframe", "object", "base", "form", "a"} == set()
    assert [key for _, attributes in outline.elements for key in attributes if key.startswith("on")] == []
    assert re.search(r"https?:|//[a-z]|url\(|@import", html) is None
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", html) is None


def test_hostile_names_are_text_in_both() -> None:
    mail = sent(page_named("hostile"))
    text = "<script>alert(1)</script>\ufffd[2J\ufffdtxt.exe\ufffd\"'><img src=x onerror=alert(2)>{{ 7*7 }}"
    assert text in "".join(Outline(part(mail, "html")).text)
    assert "<script>alert(1)" in part(mail, "plain")


@pytest.mark.parametrize(
    ("page", "subject"),
    [
        ("quiet", "tcptide web1 2025-W47: nothing needs attention"),
        (
            "exhausted",
            "tcptide web1 2025-W47: CRITICAL - Ports to 10.0.0.5:5432 ran short, Tue 18 Nov 00:21 to 00:50 (+1 more)",
        ),
        (
            "attention",
            "tcptide web1 2025-W47: CRITICAL - Ports to 10.0.0.5:5432 run short, goes on (+1 more)",
        ),
        ("simulated", "SIMULATED: tcptide web1 2025-W47: nothing needs attention"),
    ],
)
def test_subject_says_what_matters(page: str, subject: str) -> None:
    assert sent(page_named(page))["Subject"] == subject


def test_subject_without_a_label_names_the_end() -> None:
    assert sent(page_named("quiet"), label="")["Subject"] == (
        "tcptide web1 1 h to Tue 18 Nov 2025 01:00 UTC: nothing needs attention"
    )


def test_subject_of_little_data_does_not_promise_much() -> None:
    page = built([minute(number) for number in (*range(10), *range(50, 61))])
    assert sent(page)["Subject"] == "tcptide web1 2025-W47: WARNING - No samples were taken, Tue 18 Nov 00:09 to 00:50"
    assert sent(built(quiet_hour(), made_after_seconds=7200))["Subject"] == (
        "tcptide web1 2025-W47: WARNING - no samples for 2 h"
    )


def test_message_id_is_the_same_for_the_same_week_and_recipients() -> None:
    def id(mail: Mail = MAIL, label: str = WEEK, hour: Any = None, **changes: Any) -> str:
        page = replace(built(hour) if hour else page_named("quiet"), **changes)
        return str(sent(page, mail, label)["Message-ID"])

    same = [
        id(),
        id(hour=exhausted_hour()[:3]),  # made again
        id(MAIL._replace(to=MAIL.cc, cc=MAIL.to)),
        id(MAIL._replace(bcc=())),
        id(MAIL._replace(to=(Address("Ops", "ops@example.org"),))),
    ]
    assert set(same) == {same[0]}
    assert re.fullmatch("<tcptide[.][0-9a-f]{24}@example.org>", same[0])
    others = [
        id(label="2025-W48"),
        id(MAIL._replace(cc=())),
        id(hostname="web2"),
        id(source="blue"),
        id(label=""),
        id(label="", hour=quiet_hour()[:3]),
    ]
    assert len({*others, same[0]}) == 7


def test_names_cannot_add_headers() -> None:
    page = replace(page_named("quiet"), hostname="web1\r\nBcc: evil@example.org\r\n\r\nbody")
    mail = sent(page)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "tcptide web1 Bcc: evil@example.org body 2025-W47: nothing needs attention"
    assert mail["From"].addresses[0].display_name == "tcptide web1 Bcc: evil@example.org body"
    assert HOSTILE not in str(sent(page_named("hostile"))["Subject"])


def test_long_lists_and_names_come_back_as_they_were() -> None:
    names = (
        "",
        "Jane Doe",
        'O\'Neil "Bob", Sr.',
        "J\u00fcrgen M\u00fcller, Netz",
        "\u5c71\u7530\u592a\u90ce" * 20,
        "x" * 100,
    )
    many = tuple(Address(names[number % len(names)], f"someone.{number}@example.org") for number in range(150))
    content = letter(page_named("quiet"), MAIL._replace(to=many, cc=()), WEEK).content
    head = content.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 200 and head.isascii()
    read = getaddresses([str(message_from_bytes(content)["To"])])
    assert [(str(make_header(decode_header(name))), mailbox) for name, mailbox in read] == [
        (one.name, one.mailbox) for one in many
    ]


def test_subject_beyond_ascii() -> None:
    page = replace(page_named("quiet"), hostname="gr\u00f6\u00dfer" * 9)
    content = letter(page, MAIL, WEEK).content
    subject = re.search(rb"^Subject: .*\r\n( .*\r\n)*", content, re.MULTILINE)
    assert subject and max(map(len, subject[0].split(b"\r\n"))) <= 78
    assert sent(page)["Subject"] == f"tcptide {page.hostname} 2025-W47: nothing needs attention"


def test_large_page_becomes_a_small_mail() -> None:
    """Rows are left out until the HTML is small enough, and what is left out is counted."""
    page = page_named("judged")
    row = tuple(Cell("x" * 300, "\u00fc" * 300) for _ in range(3))
    events = replace(page.events, rows=[row] * 25, more=100)
    large = replace(
        page, events=events, tops=[replace(page.tops[0], columns=("", "a", "b"), rows=[row] * 25, more=0)] * 9
    )
    mail = sent(large)
    found = mail.get_body(("html",))
    assert found is not None and MAX_HTML_BYTES / 3 < len(found.as_bytes()) < MAX_HTML_BYTES
    text = part(mail, "plain")
    (shown,) = {*message.ROWS} & {25 - int(number) for number in re.findall("and ([0-9]+) more", text)}
    assert f"and {125 - shown} more" in text
    assert f"and {125 - shown} more" in part(mail, "html")


def test_pictures_that_are_too_many_are_left_out() -> None:
    page = page_named("quiet")
    heavy = [replace(one, narrow=replace(one.narrow, light=one.narrow.light + bytes(400_000))) for one in page.pictures]
    content = letter(replace(page, pictures=heavy), MAIL, WEEK).content
    assert MAX_BYTES / 2 < len(content) < MAX_BYTES
    mail = message_from_bytes(content, policy=default)
    assert isinstance(mail, EmailMessage)
    number = len(page.pictures) - 2
    assert [each.get_content_type() for each in mail.walk()].count("image/png") == 2
    assert f"To keep this mail small {number} pictures are not in it." in part(mail, "plain")
    assert flat(page.pictures[-1].finding) in flat(part(mail, "plain"))
    assert page.pictures[-1].finding in part(mail, "html")


def test_same_page_makes_the_same_mail() -> None:
    def made() -> bytes:
        return re.sub(rb"={15}[0-9]+==", b"", letter(page_named("exhausted"), MAIL, WEEK).content)

    assert made() == made()


def test_words_of_a_single_sample() -> None:
    mail = sent(built([minute(0)]), label="")
    assert str(mail["Subject"]).startswith("tcptide web1 a single sample of Tue 18 Nov")
    text = part(mail, "plain")
    assert re.findall(r";\s*\n(?! )", text) == []
    still = Ahead("time_wait", 3.0, 262144.0, Forecast("time_wait", None, None, None, "no growth"))
    for samples, said in ((2, "not known yet (that takes a few samples)"), (3, "no forecast (does not grow)")):
        table = forecasts.table((still,), 0.0, UTC, samples)
        row = line(table.rows[0], table.columns)
        assert row == f"TIME_WAIT table: used under 0.01% (3 of 262,144), {said}"


def test_one_of_a_kind_is_said_as_one() -> None:
    counts = {"Tcp.RetransSegs": -59, "Tcp.AttemptFails": -5, "Tcp.EstabResets": -2, "TcpExt.ListenOverflows": 1}
    found = {one.name: one.finding for one in built([minute(0), minute(1, more=counts)]).pictures}
    assert found["errors"] == "In all 1 segment sent again, 1 failed open, 1 reset."
    assert found["accept-queues"].endswith("; 1 connection was dropped.")
