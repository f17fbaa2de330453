"""The report as JSON: valid by its schema, with the page's figures, masked as it is; and a saved one read again."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from reporter import tables
from reporter.document import document
from reporter.encoding import written
from reporter.held import Row
from reporter.page import Page
from reporter.saved import saved

from .reporting import built, exhausted_hour, filling_hours, minute, quiet_hour, stored
from .reports import Report, report, state
from .samples import destination, sample
from .test_layers import TREE

__all__ = ["report", "state"]  # fixtures

#: What a simpler monitor saves.
PLAIN: dict[str, Any] = {
    "timestamp": "2025-11-18T14:00:00.123456",
    "monitoring_duration": 60.0,
    "total_data_points": 12,
    "stats": {"total_connections": 1204, "time_wait": 61, "errors": 0, "by_port": {"8080": 690}},
    "alerts": [
        {"level": "CRITICAL", "message": "연결 수 초과", "timestamp": "2025-11-18T13:59:00"},
        {"level": "warning", "message": "TIME_WAIT"},
        {"level": "warning", "message": "TIME_WAIT"},
    ],
    "patterns": {"pattern": "rapid_increase", "change_rate": 12.5},
    "port_info": {"total_ports": 28232, "used_ports": 25000, "usage_percent": 88.5, "warning": True},
    "history_summary": {"max_connections": 1300, "min_connections": 900, "avg_connections": 1100.5},
}


@pytest.fixture(scope="module")
def valid() -> Callable[[bytes], dict[str, Any]]:
    """Parses what must be valid by the schema."""
    with open(f"{TREE}/docs/report.schema.json", encoding="utf-8") as file:
        schema = json.load(file)
    checker = jsonschema.Draft202012Validator
    checker.check_schema(schema)
    validator = checker(schema, format_checker=checker.FORMAT_CHECKER)

    def parse(raw: bytes) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(raw.decode())
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(parsed)]
        assert problems == []
        return parsed

    return parse


PAGES: dict[str, Callable[[], Page]] = {
    "quiet": lambda: built(quiet_hour()),
    "exhausted": lambda: built(exhausted_hour()),
    "filling": lambda: built(filling_hours()),
    "one-sample": lambda: built([minute(0)]),
    "past": lambda: built(quiet_hour()[:5], in_period=False),
    "unseen": lambda: built([minute(number, ports=None, counters={}) for number in range(3)]),
    "simulated": lambda: built(quiet_hour()[:3], simulated=True),
    "gap": lambda: built([minute(number) for number in (*range(20), *range(40, 50))]),
    "rebooted": lambda: built([minute(0), minute(1), minute(2, boot_id="another")]),
}


@pytest.mark.parametrize("name", PAGES)
def test_document_is_valid_by_its_schema(name: str, valid: Callable[[bytes], dict[str, Any]]) -> None:
    page = PAGES[name]()
    parsed = valid(written(document(page)))
    assert parsed["simulated"] is (name == "simulated")
    assert [one["title"] for one in parsed["figures"]] == [figure.title for figure in page.figures]
    assert [one["finding"] for one in parsed["pictures"]] == [picture.finding for picture in page.pictures]
    assert parsed["total_data_points"] == len(page.data.history.values)


def test_figures_are_numbers(valid: Callable[[bytes], dict[str, Any]]) -> None:
    parsed = valid(written(document(PAGES["exhausted"]())))
    assert [(one["name"], one["now"], one["mean"], one["highest"]) for one in parsed["figures"]] == [
        ("connections", 1204, 1204, 1204),
        ("opened", 30, 30, 30),
        ("time_wait", 0.093, 0.093, 0.093),
        ("fullest_destination", 3.999, 49.068, 95.64),
        ("fullest_accept_queue", 2.326, 2.326, 2.326),
        ("conntrack", 0.919, 0.919, 0.919),
        ("failed_opens", None, 0.333, None),
        ("retransmits", None, 0.1, None),
    ]
    assert parsed["figures"][3]["highest_at"] == {"time": "2025-11-18T00:21:00+00:00", "epoch": 1763425260}
    assert parsed["history_summary"] == {
        "max_connections": 1204,
        "min_connections": 1204,
        "avg_connections": 1204,
    }
    assert (parsed["monitoring_duration"], parsed["total_data_points"]) == (3600, 61)


def test_findings_have_code_values_and_words(valid: Callable[[bytes], dict[str, Any]]) -> None:
    parsed = valid(written(document(built(exhausted_hour()[:40]))))
    assert [(one["code"], one["severity"], one["goes_on"], one["subject"]) for one in parsed["findings"]] == [
        ("destination_range", "critical", True, "10.0.0.5:5432"),
        ("listen_overflows", "critical", False, "host"),
    ]
    ports, overflows = parsed["findings"]
    assert (ports["number"], ports["values"]["used"], bool(ports["next_step"])) == (1, 27_000, True)
    assert [(one["since"]["epoch"], one["until"]["epoch"]) for one in ports["when"]] == [(1763425260, 1763426340)]
    assert overflows["evidence"].startswith("90 connections dropped. ")
    assert parsed["summary"]["text"] == "2 critical in this period. 1 still goes on."


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", ["exhausted", "past", "gap", "many"])
def test_all_sentences_of_the_page_are_in_the_document(name: str, valid: Callable[[bytes], dict[str, Any]]) -> None:
    page = built([minute(number) for number in range(1010)]) if name == "many" else PAGES[name]()
    rows = [Row(one.wall_seconds, number < 505, one.top) for number, one in enumerate(page.data.loaded.rows)]
    page = replace(page, means=tables.means(rows, 1010) if name == "many" else page.means)
    told = set(strings(valid(written(document(page)))))
    said = [page.means, page.resolution, page.judged, page.compared, page.limits, *page.lacking]
    said += [page.summary.text, page.summary.first, *page.quality.looked, *page.quality.unseen]
    for one in page.attention:
        said += [one.what, one.who, one.state, one.evidence, one.next_step, *one.also]
    for picture in page.pictures:
        said += [picture.title, picture.finding, picture.how, picture.marked]
    for table in (page.foretold, page.states, *page.tops):
        said += [table.title, *(cell.note for row in table.rows for cell in row)]
    assert {one for one in said if one} - told == set()
    assert bool(page.means) == (name == "many")


def test_series_have_gaps_where_there_were_no_samples(valid: Callable[[bytes], dict[str, Any]]) -> None:
    series = valid(written(document(PAGES["gap"]())))["series"]
    total = series["values"]["total"]
    assert len(series["edges"]) == len(total["mean"]) + 1 == len(total["highest"]) + 1 == 32
    assert [number for number, value in enumerate(total["mean"]) if value is None] == [20]


def test_tables_are_records(valid: Callable[[bytes], dict[str, Any]]) -> None:
    parsed = valid(written(document(PAGES["quiet"]())))
    assert parsed["states"]["rows"][0] == {
        "state": "ESTABLISHED",
        "now": 1100,
        "mean": 1100,
        "highest": 1100,
        "highest_note": "Tue 18 Nov 00:00",
        "now_note": "100 IPv6",
    }
    assert parsed["stats"]["by_state"]["TIME_WAIT"] == 61
    assert parsed["stats"]["by_local_port"] == {"8080": 690, "22": 4}


def test_names_that_a_terminal_would_act_on_are_harmless(valid: Callable[[bytes], dict[str, Any]]) -> None:
    hostile = built([minute(0, hostname="web\x1b[31m\udc80\u202e1 전각")])
    raw = written(document(hostile))
    assert valid(raw)["hostname"] == "web\ufffd[31m\ufffd\ufffd1 전각"
    assert "전각".encode() in raw and b"\\u" not in raw


def test_masked_addresses_are_nowhere_in_the_file(report: Report, tmp_path: str) -> None:
    hour = [minute(number, worst=(destination(1000 + number, remote="203.0.113.77"),)) for number in range(5)]
    directory = stored(f"{tmp_path}/state", hour)
    with open(f"{tmp_path}/tcptide.toml", "w", encoding="utf-8") as file:
        file.write('[privacy]\nremote_addresses = "masked"\nprocesses = false\n')
    assert report("--config", "tcptide.toml", "--output", "x.json", state_dir=directory).returncode == 0
    with open(f"{tmp_path}/x.json", encoding="utf-8") as file:
        text = file.read()
    assert "203.0.113.77" not in text and "192.0.2.7" not in text
    assert "203.0.113.0/24:5432" in text and '"192.0.2.0/24"' in text


def test_file_beside_the_page_is_valid(report: Report, tmp_path: str, valid: Callable[[bytes], dict[str, Any]]) -> None:
    arguments = ("--period", "2025-W47", "--timezone", "Asia/Kathmandu", "--format", "html,json")
    assert report(*arguments).returncode == 0
    assert sorted(os.listdir(tmp_path)) == [f"tcptide-report-web1-2025-W47.{ending}" for ending in ("html", "json")]
    with open(f"{tmp_path}/tcptide-report-web1-2025-W47.json", "rb") as file:
        parsed = valid(file.read())
    assert parsed["period"] == {
        "kind": "week",
        "label": "2025-W47",
        "since": {"time": "2025-11-17T00:00:00+05:45", "epoch": 1763316900},
        "until": {"time": "2025-11-24T00:00:00+05:45", "epoch": 1763921700},
        "seconds": 604800,
        "timezone": "Asia/Kathmandu",
    }
    assert parsed["lacking"][0].startswith("Samples cover 1 of 168 hours.")
    assert parsed["comparison"] == {"with": None, "words": "Not compared: nothing is stored of the week before."}


def test_period_in_the_past_has_the_lists_of_its_last_row(
    report: Report, tmp_path: str, valid: Callable[[bytes], dict[str, Any]]
) -> None:
    directory = stored(f"{tmp_path}/days", [minute(0), minute(1, local_ports=((443, 30),)), minute(1441)])
    arguments = ("--period", "2025-11-18", "--timezone", "UTC", "--output", "x.json")
    assert report(*arguments, state_dir=directory).returncode == 0
    with open(f"{tmp_path}/x.json", "rb") as file:
        parsed = valid(file.read())
    assert parsed["newest"] is None
    assert parsed["stats"]["by_local_port"] == {"443": 30}
    assert parsed["stats"]["by_remote_address"] == dict(sample().remotes)
    assert parsed["patterns"]["busiest_local_ports"] == [{"port": 443, "connections": 30}]
    assert parsed["port_info"]["port_range"] == [*sample().limits.port_range]


def test_saved_report_is_summed_up(report: Report, tmp_path: str) -> None:
    assert report("--period", "2025-11-18", "--timezone", "UTC", "--output", "x.json").returncode == 0
    done = report("--from", "x.json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "web1, 2025-11-18"
    assert lines[1].startswith("made: 20")
    assert lines[2:7] == [
        "duration: 24 h",
        "data points: 61",
        "connections: max 1,204, min 1,204, avg 1,204",
        "alerts: none",
        "pattern: insufficient_data",
    ]


def test_report_of_a_simpler_monitor_is_summed_up(report: Report, tmp_path: str) -> None:
    with open(f"{tmp_path}/plain.json", "w", encoding="utf-8-sig") as file:  # as editors on Windows do
        json.dump(PLAIN, file, ensure_ascii=False)
    done = report("--from", "plain.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:6] == [
        "made: 2025-11-18T14:00:00.123456",
        "duration: 1 min",
        "data points: 12",
        "connections: max 1,300, min 900, avg 1,100",
        "alerts: 2 warning, 1 critical",
        "pattern: rapid_increase",
    ]
    of = saved(PLAIN)
    assert of.statistics == {"total_connections": 1204, "time_wait": 61, "errors": 0}
    assert (of.port_percent, of.port_warned) == (88.5, True)


def test_own_report_sums_up_to_what_its_page_says() -> None:
    of = saved(json.loads(written(document(PAGES["exhausted"]()))))
    assert (of.hostname, of.source, of.label, of.seconds, of.points) == ("web1", "host", "", 3600, 61)
    assert of.statistics["ESTABLISHED"] == 1100 and "LISTEN" not in of.statistics
    assert (of.port_percent, of.port_warned) == (95.64, True)


def lacking(*keys: str) -> str:
    return json.dumps({key: value for key, value in PLAIN.items() if key not in keys})


def with_duration(number: str) -> str:
    """A report whose duration is that text."""
    return json.dumps({**PLAIN, "monitoring_duration": "?"}).replace('"?"', number)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("{", ":1: Expecting property name enclosed in double quotes", id="cut-short"),
        pytest.param('{\n "a": nope}', ":2: Expecting value", id="syntax"),
        pytest.param("[]", ": no report: it is no JSON object", id="array"),
        pytest.param(lacking("stats", "alerts"), ": no report: it lacks stats, alerts", id="keys"),
        pytest.param(json.dumps({**PLAIN, "alerts": {}}), ": no report: alerts is not an array", id="type"),
        pytest.param(json.dumps({**PLAIN, "total_data_points": True}), None, id="truth"),
        pytest.param(
            json.dumps({**PLAIN, "monitoring_duration": float("nan")}), ": NaN is no number of JSON", id="nan"
        ),
        pytest.param(with_duration("1e999"), ": 1e999 is too large a number", id="infinite"),
        pytest.param(with_duration("9" * 400), f": {'9' * 20}... is too large a number", id="400-digits"),
        pytest.param(with_duration("-9999999999999999999"), ": -9999999999999999999 is too large a number", id="huge"),
        pytest.param(with_duration("-60"), ": no report: monitoring_duration is below zero", id="negative"),
        pytest.param(
            with_duration("1e12"), ": no report: monitoring_duration is more than 1000 years, in seconds", id="ages"
        ),
        pytest.param(
            json.dumps({**PLAIN, "total_data_points": -1}),
            ": no report: total_data_points is below zero",
            id="fewer-than-none",
        ),
        pytest.param(json.dumps({**PLAIN, "schema": 2}), ": schema 2 of a newer tcptide", id="newer"),
        pytest.param("[" * 100_000, None, id="nested"),
        pytest.param("\udcff", ": not UTF-8 text", id="encoding"),
    ],
)
def test_what_is_no_report_is_one_line(report: Report, tmp_path: str, text: str, line: str | None) -> None:
    with open(f"{tmp_path}/x.json", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    done = report("--from", "x.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tcptide-report: x.json") and done.stderr.count("\n") == 1
    if line is not None:
        assert done.stderr == f"tcptide-report: x.json{line}\n"
    assert os.listdir(tmp_path) == ["x.json"]


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("--from", "none.json"), 1, "none.json: No such file or directory"),
        (("--from", "x", "--period", "week"), 2, "--from: not together with --period"),
        (("--from", "x", "--format", "html"), 2, "--from: its picture is a png, of no other --format"),
    ],
    ids=["missing", "period", "format"],
)
def test_wrong_call_with_a_saved_report(report: Report, arguments: tuple[str, ...], status: int, line: str) -> None:
    done = report(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", f"tcptide-report: {line}\n")
