"""The page as HTML: valid, whole, loading nothing, with whatever the host is called; and privacy."""

import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from reporter import page, palette
from reporter.ahead import Ahead, Height
from tcptide.config import Privacy
from tcptide.model import Event, Forecast, Holder, Leak, Sample, Verdict
from tcptide.privacy import shown

from .reporting import WALL, built, exhausted_hour, minute, quiet_hour
from .samples import DATABASE, PORTS, WEB, outlook

VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


class Outline(HTMLParser):
    """Reads a page strictly: elements closed in order; collects ids, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> in {self.open}"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


HOSTILE = (
    "<script>alert(1)</script>\x1b[2J\u202etxt.exe\udcff\"'><img src=x onerror=alert(2)>{{ 7*7 }}"
    "\x00</style><svg/onload=alert(3)>\nBcc: all@example.com\r\n\u2067javascript:alert(4)\u2069\U0001f30a&amp;%s]]>"
)
#: The same, as it is shown.
SHOWN = re.sub("[\x00\r\x1b\u202e\u2067\u2069\udcff]", "\ufffd", HOSTILE)
LONG = 300 * "W"  # longer than the name of a unit or container can be


def hostile(sample: Sample, name: str = HOSTILE) -> Sample:
    """The sample with that name wherever somebody else chooses a name."""
    return sample._replace(
        origin=sample.origin._replace(hostname=name, unseen=(name,), method=name),
        ports=PORTS._replace(worst=(DATABASE._replace(holder=name, remote=name, utilisation_percent=99.0),)),
        listeners=(WEB._replace(unit=name, address=name),),
        holders=tuple(Holder(kind, name, {name: 1}) for kind in ("unit", "user", "process")),
        remotes=((name, 1),),
    )


def hostile_history(name: str = HOSTILE) -> dict[str, Any]:
    """What the history says of such a host."""
    said = outlook("slow_leak", holder=name, grew=name, change=5.0, destination=(name, 1))
    event = Event(1, WALL, name, "threshold", 0, 2, name, name, name)
    leak = Leak("unit", name, "CLOSE_WAIT", 120, 7200.0, 60.0, WALL)
    found = Ahead(f"ports {name} {name}:1", 1.0, 2.0, Forecast("ports", None, None, None, name))
    return {
        "verdicts": {number: Verdict("slow_leak", WALL, 5.0, None, None, None) for number in (1, 2)},
        "events": [
            event,
            event._replace(kind="pattern", message=f"slow_leak: {name}"),
            event._replace(kind="forecast", new=1),
            event._replace(kind="forecast", name=f"{name}-", old=1, new=0),
        ],
        "outlook": said._replace(leaks=(leak,)),
        "ahead": (found,),
    }


def judged() -> dict[str, Any]:
    """What the history says of the exhausted hour."""
    heights = tuple(Height(share, 300 * share, 600 * share, 900 * share) for share in (0.5, 1.0))
    forecast = Forecast("ports 10.0.0.1 10.0.0.5:5432", 600.0, 300.0, 900.0, None)
    return {
        "verdicts": {number: Verdict("level_shift", WALL, 900.0, None, None, None) for number in range(22, 52)},
        "events": [Event(1, WALL, "pattern", "pattern", 0, 1, None, "level_shift since 00:21: ESTABLISHED +5", None)],
        "outlook": outlook("level_shift", grew="ESTABLISHED", change=5.0),
        "ahead": (Ahead(forecast.resource, 14_000.0, 28_231.0, forecast, heights),),
    }


def foretold() -> dict[str, Any]:
    """It came into reach that the ports towards a destination are full, and no longer was."""
    name, whom = "ports 10.120.30.10 10.120.30.5:5432", "ports to 10.120.30.5:5432"
    begun = Event(1, WALL + 600, name, "forecast", 0, 1, None, f"{whom} full in 28-60 min", None)
    return {
        "events": [begun, begun._replace(wall_seconds=WALL + 1800, old=1, new=0, message=f"{whom} no longer in reach")]
    }


PAGES = {
    "foretold": lambda: built(quiet_hour(), **foretold()),
    "quiet": lambda: built(quiet_hour()),
    "exhausted": lambda: built(exhausted_hour()),
    "attention": lambda: built(exhausted_hour()[:40]),
    "one": lambda: built([minute(0)]),
    "simulated": lambda: built(quiet_hour()[:9], simulated=True),
    "hostile": lambda: built([hostile(minute(number)) for number in range(3)], **hostile_history()),
    "long": lambda: built([hostile(minute(number), LONG) for number in range(3)], **hostile_history(LONG)),
    "judged": lambda: built(exhausted_hour(), **judged()),
}


@cache
def rendered(name: str) -> str:
    return page.render(PAGES[name]())


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_valid_and_loads_nothing(name: str) -> None:
    html = rendered(name)
    outline = Outline(html)
    assert html.startswith('<!doctype html>\n<html lang="en">\n')
    ids = Counter(attributes["id"] for _, attributes in outline.elements if "id" in attributes)
    assert max(ids.values()) == 1
    named = {
        attributes[key] for _, attributes in outline.elements for key in ("aria-labelledby", "for") if key in attributes
    }
    assert named <= set(ids)
    assert all(attributes.get("alt") for attributes in outline.all("img"))
    assert {tag for tag, _ in outline.elements} & {"script", "link", "iframe", "object", "base", "form", "a"} == set()
    assert [key for _, attributes in outline.elements for key in attributes if key.startswith("on")] == []
    sources = [attributes[key] for _, attributes in outline.elements for key in ("src", "srcset") if key in attributes]
    assert sources and all((source or "").startswith("data:image/png;base64,") for source in sources)
    assert re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r'"data:[^"]*"', '""', html)) is None
    headings = [int(tag[1]) for tag, _ in outline.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


def test_hostile_names_are_text() -> None:
    html = rendered("hostile")
    assert re.search("<(script|svg)|<img src=x", html) is None
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html) is None
    html.encode()
    assert SHOWN in "".join(Outline(html).text)


def test_simulated_history_says_so_first() -> None:
    outline = Outline(rendered("simulated"))
    text = " ".join(" ".join(outline.text).split())
    assert text.startswith("SIMULATED: TCP connections of web1 SIMULATED This history was made by")


@pytest.mark.parametrize(
    ("privacy", "gone", "kept"),
    [
        (Privacy(), set(), {"10.0.0.5", "192.0.2.7", "2001:db8::7", "python3"}),
        (Privacy("masked"), {"10.0.0.5", "192.0.2.7", "2001:db8::7"}, {"10.0.0.0/24", "192.0.2.0/24", "python3"}),
        (Privacy("none"), {"10.0.0.5", "10.0.0.0", "192.0.2", "2001:db8"}, {":5432", "python3"}),
        (Privacy(processes=False), {"python3"}, {"10.0.0.5", "192.0.2.7"}),
    ],
    ids=["full", "masked", "none", "no-processes"],
)
def test_privacy_holds_on_the_whole_page(privacy: Privacy, gone: set[str], kept: set[str]) -> None:
    process = Holder("process", "python3", {"ESTABLISHED": 380})
    hour = [one._replace(holders=(*one.holders, process)) for one in exhausted_hour()[:40]]
    html = re.sub(r'"data:[^"]*"', "", page.render(built([shown(one, privacy) for one in hour])))
    assert {text for text in gone if text in html} == set()
    assert {text for text in kept if text not in html} == set()


def test_colours_of_pictures_and_page_are_the_same() -> None:
    html = rendered("one")
    assert f"--surface:{palette.LIGHT['surface']};" in html
    assert f"--surface:{palette.DARK['surface']};" in html
    used = set(re.findall(r"var\(--([a-z-]+)\)", html))
    assert used <= set(re.findall(r"--([a-z-]+):", html))
