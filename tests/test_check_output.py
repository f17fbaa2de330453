"""What a check prints: the first line's length and order, the long output's cut, perfdata, JSON."""

import json
import os
import subprocess
import sys
from argparse import Namespace

import pytest

from checks import check_tcp_connections, check_tcp_port_exhaustion, frame, output, ranges
from checks.output import Answer
from checks.spec import CheckSpec, Judged, Metric, Phrase
from tcptide.config import Config
from tcptide.model import Finding
from tests.judging import chosen, lines, text
from tests.samples import STATES, destination, look, no_rates, point, rates, sample
from tests.worlds import TREE

SPEC = CheckSpec("check_tcp_time_wait", "For tests.", (Metric("time_wait", "", "a count"), Metric("other", "", "too")))
LONG_PATH = "/srv/monitoring/agents/state/of/the/host/with/a/long/name/tcptide"


def said(*arguments: str, phrase: Phrase = Phrase("fine"), **more: object) -> list[str]:  # noqa: B008 (immutable)
    judged = Judged(Phrase("fine"), {"time_wait": 9, "other": 9}, {"time_wait": phrase, "other": Phrase("9 others")})
    return lines(SPEC, judged, *arguments, **more)  # type: ignore[arg-type]


def test_nothing_wrong() -> None:
    assert said() == ["TCP_TIME_WAIT OK - fine | time_wait=9;;;0 other=9;;;0"]


def test_worst_breach_then_how_many_more() -> None:
    assert said("-w", "1", "-c", "other=2") == [
        "TCP_TIME_WAIT CRITICAL - 9 others (limit 2) (+1 more) | time_wait=9;1;;0 other=9;;2;0",
        "WARNING: fine (limit 1)",
    ]


def test_metric_without_a_phrase_is_named() -> None:
    judged = Judged(Phrase("fine"), {"time_wait": 9.5})
    assert text(lines(SPEC, judged, "-w", "@5:10")[0]) == "TCP_TIME_WAIT WARNING - time_wait 9.5 (not allowed 5:10)"


def test_notices_end_the_line() -> None:
    notices = ("no history: /var/lib/tcptide: Permission denied",)
    assert said(notices=notices, marks=("host namespace only",)) == [
        "TCP_TIME_WAIT OK - fine (host namespace only) (no history: /var/lib/tcptide: Permission denied)"
        " | time_wait=9;;;0 other=9;;;0"
    ]


@pytest.mark.parametrize(
    ("phrase", "notice", "first"),
    [
        (
            Phrase("a" * 60, " (detail)", " by app.service", ", full in 8-20 min"),
            "",
            f"{'a' * 60} by app.service, full in 8-20 min",
        ),
        (
            Phrase("a" * 70, " (detail)", " by app.service", ", full in 8-20 min"),
            "",
            f"{'a' * 70} by app.service",
        ),
        (
            Phrase("a" * 70, " (detail)", f" by {'b' * 20}.service"),
            "",
            f"{'a' * 70} by {'b' * 4}...{'b' * 7}.service",
        ),
        (Phrase("a" * 90, " (detail)", " by app.service"), "", "a" * 90),
        (Phrase(f"{'a' * 50}{'b' * 50}", " (detail)"), "", f"{'a' * 31}...{'a' * 12}{'b' * 50}"),
        (
            Phrase("fine", " (detail)"),
            f"no history: {LONG_PATH}: Permission denied",
            "fine (detail, limit 1) (no history: /srv/monitori...with/a/long/name/tcptide: Permission denied)",
        ),
        (
            Phrase("a" * 40, " (detail)", " by app.service"),
            f"no history: {LONG_PATH}: Permission denied",
            f"{'a' * 40} (detail, limit 1) by app.service (no history)",
        ),
        (
            Phrase("a" * 80, " (detail)", " by app.service"),
            f"no history: {LONG_PATH}: Permission denied",
            f"{'a' * 80} by app.service",
        ),
    ],
    ids=["detail", "ahead", "who-shortened", "who", "what", "path-shortened", "path", "notice"],
)
def test_line_is_cut_to_120_characters_and_said_whole_below(phrase: Phrase, notice: str, first: str) -> None:
    notices = [notice] if notice else []
    found = said("-w", "1", phrase=phrase, notices=notices)
    line = text(found[0])
    assert line == f"TCP_TIME_WAIT WARNING - {first}"
    assert len(line) <= 120
    whole = phrase._replace(detail=" (detail, limit 1)")
    assert str(whole) in (line.removeprefix("TCP_TIME_WAIT WARNING - ").partition(" (no history")[0], found[1])
    assert all(each in found for each in notices)


def test_what_ends_a_line_or_begins_perfdata_is_replaced() -> None:
    phrase = Phrase("9 held by a|b\n\x7f\x1b[31mc")
    assert said("-w", "1", phrase=phrase)[0].startswith("TCP_TIME_WAIT WARNING - 9 held by a?b???[31mc (limit 1) | ")


def test_one_notice_is_enough_for_the_line() -> None:
    notices = ("no history: /x: busy", "not recorded: /y: was held for 1 s")
    first, *rest = said("-w", "1", notices=notices)
    assert text(first) == "TCP_TIME_WAIT WARNING - fine (limit 1) (no history: /x: busy)"
    assert rest == ["not recorded: /y: was held for 1 s"]


def test_what_cannot_be_read_and_recorded_for_one_reason_is_one_notice() -> None:
    assert frame.unrecorded(("no history: /x: not a directory", "old"), "/x: Not a directory") == (
        *("no history, not recorded: /x: Not a directory", "old"),
    )
    assert frame.unrecorded((), "/x: busy") == ("not recorded: /x: busy",)
    damaged = "no history: /x: was damaged, kept as /x/damaged"
    assert frame.unrecorded((damaged,), "/x: busy") == (damaged, "not recorded: /x: busy")


def found(number: int, size: int = 9) -> list[Finding]:
    return [Finding("bind", 1, f"10.0.0.{place}{'a' * size}", {"used_percent": 91.0}) for place in range(number)]


def subjects(found: list[str]) -> list[str]:
    return [line.split()[2][:8] for line in found if line.startswith("bind() to ")]


def test_findings_outlast_the_lists_that_explain_the_number() -> None:
    details = tuple(f"line {number}" for number in range(20))
    judged = Judged(Phrase("fine"), {}, details=details, find=lambda severity: found(2))
    cut = lines(SPEC, judged)[1:]
    assert cut[:7] == list(details[:7])
    assert subjects(cut) == ["10.0.0.0", "10.0.0.1"]
    assert [line[:3] for line in cut[7:11]] == ["bin", "-> ", "bin", "-> "]
    assert cut[11:] == ["... 13 more (-v)"]
    whole = lines(SPEC, judged, "-v")[1:]
    assert (whole[:20], len(whole)) == (list(details), 24)


def test_of_too_many_findings_the_worst_are_left_whole() -> None:
    judged = Judged(Phrase("fine"), {}, details=("line",), find=lambda severity: found(8))
    cut = lines(SPEC, judged)[1:]
    assert subjects(cut) == [f"10.0.0.{place}" for place in range(5)]
    assert (len(cut), cut[-1]) == (12, "... 6 more (-v)")


def test_long_names_cost_no_finding() -> None:
    judged = Judged(Phrase("fine"), {}, details=("ü" * 1900,), find=lambda severity: found(3, 900))
    cut = lines(SPEC, judged)[1:]
    assert subjects(cut)[0] == "10.0.0.0"
    assert cut[-1].endswith(" more (-v)")
    assert len("\n".join(cut).encode()) <= 4096


def test_long_output_is_twelve_lines_at_most() -> None:
    details = tuple(f"line {number}" for number in range(12))
    judged = Judged(Phrase("fine"), {}, details=details)
    assert lines(SPEC, judged) == ["TCP_TIME_WAIT OK - fine", *details]
    judged = judged._replace(details=(*details, "line 12"))
    assert lines(SPEC, judged) == ["TCP_TIME_WAIT OK - fine", *details[:11], "... 2 more (-v)"]
    assert lines(SPEC, judged, "-v") == ["TCP_TIME_WAIT OK - fine", *details, "line 12"]


def test_long_output_is_four_kilobytes_at_most_cut_at_a_line_s_end() -> None:
    judged = Judged(Phrase("fine"), {}, details=("ü" * 1000,) * 3)
    found = lines(SPEC, judged)
    assert found[1:] == ["ü" * 1000, "ü" * 1000, "... 1 more (-v)"]
    assert len("\n".join(found[1:]).encode()) <= 4096
    assert len(lines(SPEC, judged, "-v")) == 4


def test_verbose_twice_says_how_it_was_looked() -> None:
    seen = sample(unseen=("bound-idle sockets (needs Linux 6.8)",))
    assert lines(SPEC, Judged(Phrase("fine"), {}), "-vv", sample=seen)[1:] == [
        "sample: 3.0 s old, source host, by sock_diag in 4 ms",
        "not seen: bound-idle sockets (needs Linux 6.8)",
    ]


def test_default_first_line_fits_an_old_nrpe() -> None:
    """That of the check with the most metrics, on the busiest of hosts."""
    spec, judge = check_tcp_connections.SPEC, check_tcp_connections.judge
    busy = look(states=dict.fromkeys(STATES, (9_999_999, 0)), holders=())
    judged = judge(busy, rates(active_opens=99_999.999, passive_opens=0.0), point(), None, chosen(spec))
    assert len(lines(spec, judged)[0]) < 1024


def as_json(judged: Judged, **answer: object) -> dict[str, object]:
    spec = check_tcp_port_exhaustion.SPEC
    thresholds = ranges.resolve(spec, (), (), Config())
    found = Answer(judged, **answer)  # type: ignore[arg-type]
    line = output.as_json(spec, found, ranges.evaluate(spec, judged, thresholds), thresholds)
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    said: dict[str, object] = json.loads(line)
    return said


def test_json_is_the_judgement() -> None:
    seen = look(worst=(destination(25974),))
    judged = check_tcp_port_exhaustion.judge(seen, no_rates(), point(), None, Namespace())
    said = as_json(judged, sample=seen.sample, age_seconds=3.0, notices=("no history: /x: busy",), marks=("SIMULATED",))
    assert said == {
        "check": "check_tcp_port_exhaustion",
        "state": "CRITICAL",
        "exit_code": 2,
        "text": "TCP_PORT_EXHAUSTION CRITICAL - 92% of ports to 10.0.0.5:5432 used (25974/28231) by app.service"
        " (SIMULATED) (no history)",
        "breaches": [
            {
                "metric": "worst_destination",
                "state": "CRITICAL",
                "text": "92% of ports to 10.0.0.5:5432 used (25974/28231) by app.service",
            }
        ],
        "metrics": {
            "worst_destination": {"value": 92.0, "unit": "%", "warn": "70", "crit": "85", "min": 0, "max": 100},
            "worst_bind": {"value": 4.2, "unit": "%", "warn": "90", "crit": None, "min": 0, "max": 100},
            "worst_destination_ports": {
                "value": 25974,
                "unit": "",
                "warn": None,
                "crit": None,
                "min": 0,
                "max": 28231,
            },
            "capacity": {"value": 28231, "unit": "", "warn": None, "crit": None, "min": 0, "max": 28232},
            "barred_ports": {"value": 1, "unit": "", "warn": None, "crit": None, "min": 0, "max": 28232},
        },
        "details": [
            "to 10.0.0.5:5432 from 10.0.0.1: 92%, 25974 ports, app.service",
            "bind: 10.0.0.1 4.2%",
            "no forecast: no history",
        ],
        "findings": [
            {
                "code": "destination_range",
                "severity": 2,
                "subject": "10.0.0.5:5432",
                "values": {
                    "used_percent": 25974 / 28231 * 100,
                    "local": "10.0.0.1",
                    "used": 25974,
                    "capacity": 28231,
                    "reusable": 0,
                    "time_wait": 0,
                    "holder": "app.service",
                    "filter": "'dst 10.0.0.5:5432'",
                },
                "what": "92% of the ports from 10.0.0.1 to 10.0.0.5:5432 are used",
                "evidence": "25974 of 28231; 0 of them in TIME_WAIT; 0 more that connect() may take over; mostly by"
                " app.service",
                "next_step": "sysctl -w net.ipv4.ip_local_port_range='10240 65535' adds ports (side effect: a service"
                " that listens above 10240 may find its port taken: list such ports in"
                " net.ipv4.ip_local_reserved_ports first); lasting cure: a connection pool or keep-alive in"
                " app.service",
            }
        ],
        "notices": ["SIMULATED", "no history: /x: busy"],
        "sample": {
            "age_seconds": 3.0,
            "source": "host",
            "hostname": "web1",
            "wall_seconds": 1760000000.0,
            "dump_seconds": 0.004,
            "method": "sock_diag",
            "unseen": [],
            "simulated": False,
        },
    }


def test_json_of_a_judgement_without_a_sample() -> None:
    said = as_json(
        Judged(Phrase(""), {}, unknown="nothing seen", find=lambda severity: [Finding("bind", 1, "a\x00b", {})])
    )
    assert said["state"] == "UNKNOWN"
    assert said["sample"] is None
    assert said["metrics"] == {}


def test_json_of_a_failure_has_the_same_keys() -> None:
    failed = json.loads(output.failure(check_tcp_port_exhaustion.SPEC, "no answer within 8 s", "json"))
    assert failed.keys() == as_json(Judged(Phrase("fine"), {})).keys()
    assert failed["text"] == "TCP_PORT_EXHAUSTION UNKNOWN - no answer within 8 s"
    assert failed["exit_code"] == 3


def test_a_failure_fits_an_old_nrpe_whatever_it_is_written_in() -> None:
    (line,) = output.failure(SPEC, "\N{GRINNING FACE}" * 1000).splitlines()
    assert line.startswith("TCP_TIME_WAIT UNKNOWN - \N{GRINNING FACE}") and line.endswith("\N{GRINNING FACE}")
    assert 396 < len(line.encode()) <= 400


@pytest.mark.parametrize("stdout", ["closed", "/dev/full", "gone"], ids=["closed", "full", "reader-gone"])
def test_put_survives(stdout: str) -> None:
    """The exit status is what counts when nobody can be told."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from checks.output import put; put(9999 * 'x')\nos._exit(2)"
    )
    command = [sys.executable, "-c", code, TREE]
    if stdout == "gone":
        read, write = os.pipe()
        os.close(read)
    elif stdout != "closed":
        write = os.open(stdout, os.O_WRONLY)
    if stdout == "closed":
        done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE, check=False)
    else:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
        os.close(write)
    assert (done.returncode, done.stderr) == (2, b"")
