"""In a simulated fortnight five things go wrong, and one still does at its end: each is named where it happened."""

import json
import re
import subprocess
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

MONDAY = 1_763_942_400  # 24 Nov 2025 00:00 UTC, the begin of 2025-W48
HOUR = 3600


@pytest.fixture(scope="module")
def report(
    script: Callable[[str], str], fortnight: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str]:
    """The week as data and as the text of its page."""
    folder = tmp_path_factory.mktemp("incidents")
    period = ["--since", "2025-11-24", "--until", "2025-12-01", "--timezone", "UTC", "--format", "html,json"]
    made = [script("tcptide-report"), "--state-dir", fortnight, *period, "--output", str(folder)]
    subprocess.run(made, check=True, capture_output=True, timeout=120)
    data = json.loads((folder / "tcptide-report.json").read_text())
    html = re.sub(r'"data:[^"]*"', "", (folder / "tcptide-report.html").read_text())
    return data, flat(unescape(re.sub("<[^>]+>", " ", html.partition("</style>")[2])))


def flat(text: str) -> str:
    """Without white space, which markup adds."""
    return "".join(text.split())


@pytest.mark.parametrize(
    ("what", "who", "begins", "ends"),
    [
        ("SYN flood at :443", None, 27, 27 + 2 / 3),
        ("The accept queue of :443 overflowed", "nginx.service", 61, 61 + 25 / 60),
        ("Ports to 192.0.2.50:5432 ran short", "app.service", 80, 83),
        ("app.service leaked connections in CLOSE_WAIT", None, 116, 134),
        ("No samples were taken", None, 148, 151),
        ("Ports to 192.0.2.50:5432 ran short", "app.service", 168 - 25 / 60, 168),
    ],
    ids=["flood", "accept-queue", "port-exhaustion", "leak", "gap", "still"],
)
def test_each_is_named_where_it_happened(
    report: tuple[dict[str, Any], str], what: str, who: str | None, begins: float, ends: float
) -> None:
    data, text = report
    named = [one for one in data["findings"] if one["what"] == what]
    found = min(named, key=lambda one: abs(one["when"][0]["since"]["epoch"] - MONDAY - begins * HOUR))
    assert (found["who"], found["goes_on"]) == (who, False)  # the newest sample is old
    (when,) = found["when"]
    slack = max(0.35, 0.2 * (ends - begins))  # hours: what begins slowly is over a limit only after a while
    assert (when["since"]["epoch"] - MONDAY) / HOUR == pytest.approx(begins, abs=slack)
    assert (when["until"]["epoch"] - MONDAY) / HOUR == pytest.approx(ends, abs=slack)
    assert found["evidence"] and found["next_step"]
    for said in (what, found["evidence"], found["next_step"]):
        assert flat(said) in text


def test_nothing_else_is_named(report: tuple[dict[str, Any], str]) -> None:
    assert len([one for one in report[0]["findings"] if one["severity"] != "note"]) == 6


def test_first_words_say_how_it_is_and_what_to_do(report: tuple[dict[str, Any], str]) -> None:
    data, text = report
    verdict = "3 critical and 3 warnings in this period. 1 went on at its end."
    assert data["summary"]["text"] == verdict
    assert text.index(flat(verdict)) < 500
    first = data["findings"][0]
    ports = [one for one in data["findings"] if one["what"] == "Ports to 192.0.2.50:5432 ran short"]
    assert sorted("full in" in one["evidence"] for one in ports) == [False, True]
    assert data["summary"]["first"].startswith(f"{first['what']}: ")
    assert flat("went on at the end of the period") in text
    assert text.index("First:") < 1000
