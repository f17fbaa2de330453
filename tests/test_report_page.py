"""The page's data in words, its pictures, and its HTML."""

import io
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from reporter import page, palette
from reporter.load import Loaded
from reporter.page import Attention, Page
from tcptide.config import Privacy
from tcptide.model import Holder, Rates, Sample
from tcptide.privacy import shown
from tcptide.schema import Source

from .reporting import minute, points
from .samples import DATABASE, LIMITS, PORTS, STATES, WEB, destination, no_rates, rates

UTC = ZoneInfo("UTC")
VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """Under cron a warning is a mail."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def built(
    samples: Iterable[Sample],
    *,
    made_after_seconds: float = 20.0,
    simulated: bool = False,
    newest_rates: Rates | None = None,
    in_period: bool = True,
) -> Page:
    every = list(samples)
    rows = points(every)
    peak = max(every, key=lambda one: one.ports.worst[0].utilisation_percent if one.ports else 0.0)
    loaded = Loaded(
        source=Source("host", every[-1].origin.hostname, simulated),
        since=rows[0].wall_seconds,
        until=rows[-1].wall_seconds,
        points=rows,
        newest=every[-1] if in_period else None,
        rates=newest_rates or (rates() if len(rows) > 1 else no_rates()),
        fullest_destination=peak.ports.worst[0] if peak.ports else None,
        fullest_listener=max(
            (one for one in every[-1].listeners), key=lambda one: one.utilisation_percent, default=None
        ),
    )
    return page.build(loaded, 60.0, UTC, rows[-1].wall_seconds + made_after_seconds)


def quiet_hour() -> list[Sample]:
    return [minute(number) for number in range(61)]


def exhausted_hour() -> list[Sample]:
    """From the 21st to the 50th minute nearly all ports towards the database are used."""
    return [
        minute(
            number,
            worst=(destination(27_000 if 20 < number <= 50 else 1129),),
            more={"TcpExt.ListenOverflows": 90 * (number > 30)},
        )
        for number in range(61)
    ]


def figures(built: Page) -> list[str]:
    return [f"{figure.title}: {figure.value} {figure.meaning}; {'; '.join(figure.details)}" for figure in built.figures]


def test_key_figures_of_a_quiet_hour() -> None:
    assert figures(built(quiet_hour())) == [
        "Connections: 1,204 now, all states but LISTEN; mean 1,204; highest 1,204, Tue 18 Nov 00:00",
        "Opened: 30.0/s connections now, by both sides; mean 30.0/s; highest 30.0/s, Tue 18 Nov 00:01",
        "TIME_WAIT: 0.09% of its limit now; 61 of 65,536; mean 0.09%; highest 0.09%, Tue 18 Nov 00:00",
        "Fullest destination: 3.9% of its ports used now; to 10.0.0.5:5432 by app.service; mean 3.9%; "
        "highest 3.9%, Tue 18 Nov 00:00, to 10.0.0.5:5432 by app.service",
        "Fullest accept queue: 2.3% of its backlog now; 0 overflows; mean 2.3%; "
        "highest 2.3%, Tue 18 Nov 00:00, :8080 of nginx.service",
        "Conntrack: 0.91% of its table now; mean 0.91%; highest 0.91%, Tue 18 Nov 00:00",
        "Failed opens: 0.33% of the opens in this period; 360 of 108,000",
        "Retransmits: 0.10% of the segments sent in this period; 3,600 of 3,600,000",
    ]


def test_quiet_hour_says_plainly_that_there_is_nothing() -> None:
    quiet = built(quiet_hour())
    assert (quiet.now, quiet.seen, quiet.lacking, quiet.stale) == ([], [], [], "")
    html = page.render(quiet)
    assert "Nothing needs attention in the newest sample, of " in html
    assert "Nothing went over a limit in this period." in html
    assert "SIMULATED" not in html


def test_what_went_over_a_limit_is_told_though_it_is_over() -> None:
    over = built(exhausted_hour())
    assert over.now == []
    assert over.seen == [
        Attention(
            "critical",
            "Few ports were left to 10.0.0.5:5432 by app.service",
            "at most 95%, above 85% for 30 min, from Tue 18 Nov 00:21 to 00:50",
        ),
        Attention("critical", "Accept queues overflowed", "90 connections dropped, at Tue 18 Nov 00:31"),
    ]
    assert [figure.title for figure in over.figures if figure.severity == 2] == ["Fullest destination"]


def test_what_needs_attention_now_comes_with_a_next_step() -> None:
    now = built(exhausted_hour()[:40]).now
    assert now is not None
    assert [(one.severity, one.what) for one in now] == [
        ("critical", "95% of the ports from 10.0.0.1 to 10.0.0.5:5432 are used")
    ]
    assert now[0].evidence and now[0].next_step


def test_old_sample_says_that_it_is_old() -> None:
    old = built(quiet_hour(), made_after_seconds=3 * 3600)
    assert old.stale == "3 h"
    assert "The newest sample was 3 h old when this page was made" in page.render(old)


def test_period_in_the_past_is_not_judged() -> None:
    past = built(quiet_hour(), made_after_seconds=86_400, in_period=False)
    assert (past.now, past.stale, past.tops) == (None, "", [])
    assert "what needs attention now is not judged" in page.render(past)


def test_one_sample_shows_its_states_and_says_what_is_missing() -> None:
    one = built([minute(0)])
    assert one.lacking == ["There is one sample so far: rates and courses over time need at least two."]
    assert [(picture.name, picture.finding) for picture in one.pictures] == [
        (
            "states-now",
            "1,204 connections: 1,100 ESTABLISHED, 61 TIME_WAIT, 21 FIN_WAIT2, 9 CLOSE_WAIT, 4 FIN_WAIT1, 4 LAST_ACK, "
            "3 SYN_SENT, 2 SYN_RECV.",
        )
    ]
    assert figures(one)[1] == "Opened: – connections now, by both sides; "


def test_three_samples_are_drawn_and_said_to_be_few() -> None:
    few = built(map(minute, range(3)))
    assert few.lacking == ["There are only 3 samples so far: means and maxima say little yet."]
    assert few.resolution == "Each step is one sample."
    assert len(few.pictures) == 7


def test_every_picture_states_its_finding() -> None:
    assert {picture.name: picture.finding for picture in built(exhausted_hour()).pictures} == {
        "states": "1,204 connections on average; ESTABLISHED is 91% of them; the most were 1,204 (Tue 18 Nov 00:00).",
        "time_wait": "At most 61 (Tue 18 Nov 00:00), 0.09% of the limit of 65,536; 61 now.",
        "ports": "The fullest destination took at most 95% (Tue 18 Nov 00:21), above 70% for 30 min.",
        "rare-states": "At most 9 CLOSE_WAIT, 2 SYN_RECV, 3 SYN_SENT.",
        "accept-queues": "The fullest was at most 2.3% (Tue 18 Nov 00:00); 90 connections were dropped.",
        "opens": "30.0/s on average, 30.0/s at most.",
        "errors": "In all 3,600 segments sent again, 360 failed opens, 180 resets.",
    }


@pytest.mark.parametrize(
    ("missing", "pictures"),
    [
        pytest.param({"ports": None}, {"ports"}, id="no-ports"),
        pytest.param({"counters": {}}, {"opens", "errors"}, id="no-counters"),
        pytest.param(
            {"limits": LIMITS._replace(tcp_max_tw_buckets=None, nf_conntrack_max=None)}, set(), id="no-limits"
        ),
        pytest.param({"listeners": (), "holders": (), "remotes": (), "local_ports": ()}, set(), id="no-lists"),
        pytest.param({"states": dict.fromkeys(STATES, (0, 0))}, set(), id="no-sockets"),
        pytest.param(
            {"states": {"ESTABLISHED": (1, 0)}, "not_accepted": None}, {"time_wait", "rare-states"}, id="no-states"
        ),
    ],
)
@pytest.mark.parametrize("samples", [1, 2, 700])
def test_what_was_not_seen_is_left_out(missing: dict[str, object], pictures: set[str], samples: int) -> None:
    less = built(minute(number, **missing) for number in range(samples))
    page.render(less)
    if samples > 1:
        assert {picture.name for picture in built(map(minute, range(samples))).pictures} - {
            picture.name for picture in less.pictures
        } == pictures


def test_data_quality_names_gaps_restarts_and_what_was_not_seen() -> None:
    unseen = ("bound-idle sockets (needs Linux 6.8)",)
    hour = [minute(number, unseen=unseen) for number in (*range(20), *range(40, 50))]
    rebooted = [minute(number, unseen=unseen, boot_id="another") for number in range(50, 61)]
    quality = built([*hour, *rebooted]).quality
    assert (quality.samples, quality.spacing, quality.coverage) == ("41", "1 min", "65%")
    assert [(gap.since.text, gap.until.text, gap.length) for gap in quality.gaps] == [
        ("Tue 18 Nov 2025 00:19 UTC", "Tue 18 Nov 2025 00:40 UTC", "21 min")
    ]
    assert [(moment.text, what) for moment, what in quality.restarts] == [
        ("Tue 18 Nov 2025 00:50 UTC", "the host booted")
    ]
    assert quality.unseen == list(unseen)
    assert quality.looked == ["the kernel's own socket table (sock_diag)", "without privileges", "4 ms for the walk"]
    assert "rtt_p50_ms" in quality.never and "total" not in quality.never


def test_tables_name_who_holds_what() -> None:
    tops = {table.title: [[cell.text for cell in row] for row in table.rows] for table in built(quiet_hour()).tops}
    assert tops == {
        "Fullest destinations": [["10.0.0.5:5432", "1,129", "3.9%"], ["10.0.0.6:6379", "41", "0.14%"]],
        "Fullest accept queues": [[":8080", "3", "2.3%"], [":22", "0", "0%"]],
        "Busiest units": [["nginx.service", "710"], ["app.service", "383"]],
        "Busiest users": [["www-data", "1,081"]],
        "Incoming, by local port": [["8080", "690"], ["22", "4"]],
        "Incoming, by remote address": [["192.0.2.7", "310"], ["2001:db8::7", "100"]],
    }


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


HOSTILE = "<script>alert(1)</script>\x1b[2J\u202etxt.exe\udcff\"'><img src=x onerror=alert(2)>{{ 7*7 }}"


def hostile(sample: Sample) -> Sample:
    return sample._replace(
        origin=sample.origin._replace(hostname=HOSTILE, unseen=(HOSTILE,), method=HOSTILE),
        ports=PORTS._replace(worst=(DATABASE._replace(holder=HOSTILE, remote=HOSTILE, utilisation_percent=99.0),)),
        listeners=(WEB._replace(unit=HOSTILE, address=HOSTILE),),
        holders=tuple(Holder(kind, HOSTILE, {HOSTILE: 1}) for kind in ("unit", "user", "process")),
        remotes=((HOSTILE, 1),),
    )


PAGES = {
    "quiet": lambda: built(quiet_hour()),
    "exhausted": lambda: built(exhausted_hour()),
    "attention": lambda: built(exhausted_hour()[:40]),
    "one": lambda: built([minute(0)]),
    "simulated": lambda: built(quiet_hour(), simulated=True),
    "hostile": lambda: built([hostile(minute(number)) for number in range(3)]),
}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_valid_and_loads_nothing(name: str) -> None:
    html = page.render(PAGES[name]())
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
    assert all(after <= before + 1 for before, after in zip(headings, headings[1:], strict=False))


def test_hostile_names_are_text() -> None:
    html = page.render(PAGES["hostile"]())
    assert "<script" not in html and "onerror=alert(2)>{{" not in html.replace("&gt;", "")
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", html) is None
    html.encode()
    text = "".join(Outline(html).text)
    assert "<script>alert(1)</script>\ufffd[2J\ufffdtxt.exe\ufffd\"'><img src=x onerror=alert(2)>{{ 7*7 }}" in text


def test_simulated_history_says_so_first() -> None:
    outline = Outline(page.render(PAGES["simulated"]()))
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


def test_pictures_are_the_same_shapes_in_light_and_dark() -> None:
    for picture in built(exhausted_hour(), simulated=True).pictures:
        for image in filter(None, (picture.narrow, picture.wide)):
            light, dark = (Image.open(io.BytesIO(file)) for file in (image.light, image.dark))
            assert light.size == dark.size == (image.width, image.height)
            assert light.tobytes() == dark.tobytes()
            corners = [one.convert("RGB").getpixel((0, 0)) for one in (light, dark)]
            assert ["#%02x%02x%02x" % corner for corner in corners] == [*palette.COLOURS["surface"]]


def test_picture_of_a_simulated_history_says_so_itself() -> None:
    real, simulated = (built(quiet_hour(), simulated=simulated).pictures[1].narrow for simulated in (False, True))
    red = bytes.fromhex(palette.LIGHT["close_wait"][1:])
    counts = [
        sum(
            number
            for number, colour in Image.open(io.BytesIO(one.light)).convert("RGB").getcolors()
            if bytes(colour) == red
        )
        for one in (real, simulated)
    ]
    assert counts[0] == 0 and counts[1] > 200


def test_colours_of_pictures_and_page_are_the_same() -> None:
    html = page.render(PAGES["one"]())
    assert f"--surface:{palette.LIGHT['surface']};" in html
    assert f"--surface:{palette.DARK['surface']};" in html
    used = set(re.findall(r"var\(--([a-z-]+)\)", html))
    assert used <= set(re.findall(r"--([a-z-]+):", html))
