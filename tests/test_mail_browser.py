"""The mail's HTML as a mail program shows it, in a real browser: legible on a phone, and names are only names."""

import base64
import email
import email.policy
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from functools import cache

import pytest

from reporter import message
from tcptide.mail import Mail
from tcptide.values import Address

from . import test_report_html as pages
from .browsing import THEMES, WIDTHS, Tab, browser

MAIL = Mail(to=(Address("", "ops@example.org"),), envelope_sender="tcptide@example.org")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]  # what makes a page, such as landmarks, is the mail program's

Open = Callable[[str], Tab]


@cache
def received(name: str) -> EmailMessage:
    """The mail of a page, as it arrives."""
    content = message.letter(pages.PAGES[name](), MAIL, "2026-W47", "/reports/a.html").content
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def part(name: str, kind: str) -> str:
    body = received(name).get_body((kind,))
    assert body is not None
    return str(body.get_content())


def opened(name: str) -> str:
    """Its HTML, with the pictures that came with it in their places."""
    pictures = {
        each["Content-ID"].strip("<>"): base64.b64encode(each.get_content()).decode()
        for each in received(name).walk()
        if each.get_content_type() == "image/png"
    }
    return re.sub('"cid:([^"]*)"', lambda found: f'"data:image/png;base64,{pictures[found[1]]}"', part(name, "html"))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens a mail, each only once; screenshots are left beside it."""
    folder = str(tmp_path_factory.mktemp("mail"))
    with browser() as running:
        yield cache(lambda name: Tab(running, written(folder, name)))


def written(folder: str, name: str) -> str:
    path = f"{folder}/mail-{name}.html"
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(opened(name))
    return path


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS[:2])
@pytest.mark.parametrize("name", ["judged", "hostile", "long"])
def test_mail_is_legible(tab: Open, name: str, width: int, theme: str) -> None:
    """Where a name leaves no room for anything else, a word may be broken; nothing may be lost."""
    tab(name).show(width, theme)
    tab(name).screenshot(f"{width}-{theme}")
    faults = [fault for fault in tab(name).faults() if name == "judged" or " is broken in " not in fault]
    assert "\n".join(faults) == ""


@pytest.mark.parametrize(("theme", "card"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(23, 28, 36)")])
def test_light_pictures_lie_in_a_white_frame(tab: Open, theme: str, card: str) -> None:
    """On a dark card too: there the frame is to be seen, and the picture looks meant to be light."""
    tab("judged").show(WIDTHS[0], theme)
    style = "[...document.querySelectorAll('.picture')].map(one => [one.parentElement, one.closest('.card')].map("
    style += "each => getComputedStyle(each).backgroundColor + ' ' + getComputedStyle(each).paddingLeft))"
    found = tab("judged").page.evaluate(style)
    assert len(found) > 5
    assert {tuple(each) for each in found} == {("rgb(255, 255, 255) 6px", f"{card} 0px")}


@pytest.mark.parametrize("theme", THEMES)
def test_mail_is_accessible(tab: Open, theme: str) -> None:
    tab("judged").show(WIDTHS[0], theme)
    assert "\n".join(tab("judged").barriers(WCAG)) == ""


@pytest.mark.parametrize("name", ["judged", "hostile"])
def test_mail_does_nothing_but_lie_there(tab: Open, name: str) -> None:
    for theme in THEMES:
        tab(name).show(WIDTHS[0], theme)
    assert tab(name).did == []
    assert tab(name).page.locator("script, svg, img[src=x], [onload], [onerror], a, iframe, form").count() == 0


def test_hostile_names_are_text_in_the_html(tab: Open) -> None:
    shown = " ".join((tab("hostile").page.locator("h1").text_content() or "").split())
    assert shown == " ".join(pages.SHOWN.split())
