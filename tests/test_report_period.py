"""Calendar periods: where they begin and end in zones whose clocks change, and what the executable makes of one."""

import contextlib
import json
import os
import re
import subprocess
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from reporter import files, period
from reporter.period import Period
from tcptide.errors import ConfigError
from tcptide.schema import QUARTER_SECONDS

from .reporting import WALL, minute, stored
from .reports import Report, Script, report, state, text_of

__all__ = ["report", "state"]  # fixtures


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(one: Period, zone: ZoneInfo) -> tuple[str, str, float, str]:
    begin = datetime.fromtimestamp(one.since, zone)
    return one.label, f"{begin:%a %Y-%m-%d %H:%M%z}", (one.until - one.since) / 3600, period.before(one, zone).label


@pytest.mark.parametrize(
    ("zone", "kind", "now", "expected"),
    [
        ("UTC", "week", "2026-11-26T22:00", ("2026-W47", "Mon 2026-11-16 00:00+0000", 168, "2026-W46")),
        ("UTC", "day", "2026-11-26T22:00", ("2026-11-25", "Wed 2026-11-25 00:00+0000", 24, "2026-11-24")),
        ("UTC", "month", "2026-11-26T22:00", ("2026-10", "Thu 2026-10-01 00:00+0000", 744, "2026-09")),
        ("UTC", "week", "2026-11-23T00:00", ("2026-W47", "Mon 2026-11-16 00:00+0000", 168, "2026-W46")),
        ("UTC", "week", "2026-11-22T23:59", ("2026-W46", "Mon 2026-11-09 00:00+0000", 168, "2026-W45")),
        ("Europe/Berlin", "week", "2026-11-22T23:00", ("2026-W47", "Mon 2026-11-16 00:00+0100", 168, "2026-W46")),
        ("Europe/Berlin", "week", "2026-03-29T22:00", ("2026-W13", "Mon 2026-03-23 00:00+0100", 167, "2026-W12")),
        ("Europe/Berlin", "week", "2026-10-25T23:00", ("2026-W43", "Mon 2026-10-19 00:00+0200", 169, "2026-W42")),
        ("Europe/Berlin", "day", "2026-10-25T23:00", ("2026-10-25", "Sun 2026-10-25 00:00+0200", 25, "2026-10-24")),
        ("Europe/Berlin", "month", "2026-04-01T00:00", ("2026-03", "Sun 2026-03-01 00:00+0100", 743, "2026-02")),
        ("Asia/Kolkata", "week", "2026-11-22T18:30", ("2026-W47", "Mon 2026-11-16 00:00+0530", 168, "2026-W46")),
        ("Asia/Kolkata", "week", "2026-11-22T18:29", ("2026-W46", "Mon 2026-11-09 00:00+0530", 168, "2026-W45")),
        ("Asia/Kathmandu", "week", "2026-11-22T18:15", ("2026-W47", "Mon 2026-11-16 00:00+0545", 168, "2026-W46")),
        (
            "Australia/Lord_Howe",
            "week",
            "2026-10-05T00:00",
            ("2026-W40", "Mon 2026-09-28 00:00+1030", 167.5, "2026-W39"),
        ),
        ("UTC", "week", "2027-01-04T01:00", ("2026-W53", "Mon 2026-12-28 00:00+0000", 168, "2026-W52")),
        ("UTC", "week", "2027-01-11T01:00", ("2027-W01", "Mon 2027-01-04 00:00+0000", 168, "2026-W53")),
        ("UTC", "month", "2027-01-01T00:00", ("2026-12", "Tue 2026-12-01 00:00+0000", 744, "2026-11")),
        ("UTC", "month", "2028-03-01T00:00", ("2028-02", "Tue 2028-02-01 00:00+0000", 696, "2028-01")),
        ("UTC", "day", "2027-01-01T00:00", ("2026-12-31", "Thu 2026-12-31 00:00+0000", 24, "2026-12-30")),
        ("Africa/Cairo", "day", "2026-04-25T00:00", ("2026-04-24", "Fri 2026-04-24 01:00+0300", 23, "2026-04-23")),
        ("UTC", "2026-W01", "2026-11-26T22:00", ("2026-W01", "Mon 2025-12-29 00:00+0000", 168, "2025-W52")),
        ("UTC", "2026-02", "2026-11-26T22:00", ("2026-02", "Sun 2026-02-01 00:00+0000", 672, "2026-01")),
        ("UTC", "2026-11-25", "2026-11-26T22:00", ("2026-11-25", "Wed 2026-11-25 00:00+0000", 24, "2026-11-24")),
    ],
)
def test_newest_complete_period(zone: str, kind: str, now: str, expected: tuple[str, str, float, str]) -> None:
    one = period.calendar(kind, ZoneInfo(zone), at(now))
    assert shown(one, ZoneInfo(zone)) == expected
    assert one.since % QUARTER_SECONDS == one.until % QUARTER_SECONDS == 0
    assert period.before(one, ZoneInfo(zone)).until == one.since


@pytest.mark.parametrize("month", range(1, 13))
def test_periods_follow_each_other_without_a_hole(month: int) -> None:
    zone = ZoneInfo("America/Santiago")  # its clocks change at midnight
    one = period.calendar("day", zone, at(f"2026-{month:02}-28T12:00"))
    for _ in range(30):
        earlier = period.before(one, zone)
        assert (earlier.until, earlier.label < one.label) == (one.since, True)
        one = earlier


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("year", "'year' is none of day, week, month and no label such as 2025-11-18, 2025-W47 or 2025-11"),
        ("2025-W53", "'2025-W53' is none of day, week, month and no label such as 2025-11-18, 2025-W47 or 2025-11"),
        ("2025-13", "'2025-13' is none of day, week, month and no label such as 2025-11-18, 2025-W47 or 2025-11"),
        ("2026-W48", "2026-W48 is not over yet; --since shows what there is of it"),
        ("9999-12", "'9999-12' can't be reckoned with"),
    ],
)
def test_what_is_no_period_is_said(text: str, line: str) -> None:
    with pytest.raises(ConfigError, match=f"^--period: {re.escape(line)}$"):
        period.calendar(text, ZoneInfo("UTC"), at("2026-11-26T22:00"))


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> str:
    """From Tue 18 Nov 2025 00:00 UTC on 31 hours, a sample every five minutes; and one of the week after."""
    samples = [minute(5 * number) for number in [*range(31 * 12), 6 * 288]]
    return stored(str(tmp_path_factory.mktemp("sparse")), samples)


def test_week_of_which_there_is_little_says_what_is_missing(report: Report, sparse: str, tmp_path: str) -> None:
    done = report("--period", "2025-W47", "--timezone", "UTC", state_dir=sparse)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == ["tcptide-report-web1-2025-W47.html"]
    text = text_of(f"{tmp_path}/tcptide-report-web1-2025-W47.html")
    assert "web1 Mon 17 Nov 2025 00:00 UTC to Mon 24 Nov 2025 00:00 UTC 7 d, times in UTC" in text
    assert "Samples cover 31 of 168 hours." in text
    assert "Samples 372, usually 5 min apart Coverage 18% of the period" in text
    assert "Gaps Mon 17 Nov 2025 00:00 UTC to Tue 18 Nov 2025 00:00 UTC (24 h)" in text


def test_first_sample_of_the_next_period_is_not_of_this_one(report: Report, sparse: str, tmp_path: str) -> None:
    assert report("--period", "2025-11-23", "--timezone", "UTC", state_dir=sparse).stderr == (
        f"tcptide-report: {sparse}: no samples of 'host' in 2025-11-23\n"
    )
    assert report("--period", "2025-11-24", "--timezone", "UTC", state_dir=sparse).returncode == 0
    assert "There is one sample so far" in text_of(f"{tmp_path}/tcptide-report-web1-2025-11-24.html")


def test_week_without_a_sample_is_a_failure_that_leaves_nothing(report: Report, tmp_path: str) -> None:
    done = report("--period", "week", "--format", "html,png")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"tcptide-report: .*: no samples of 'host' in [0-9]{4}-W[0-9]{2}\n", done.stderr)
    assert os.listdir(tmp_path) == []


def test_formats_are_files_beside_each_other(report: Report, tmp_path: str) -> None:
    os.mkdir(f"{tmp_path}/out")
    done = report("-v", "--period", "2025-11-18", "--timezone", "UTC", "--format", "html,png", "--output", "out")
    made = sorted(os.listdir(f"{tmp_path}/out"))
    assert {name for name in made if name.endswith(".html")} == {"tcptide-report-web1-2025-11-18.html"}
    assert {"tcptide-report-web1-2025-11-18-states.png", "tcptide-report-web1-2025-11-18-ports.png"} < {*made}
    said = done.stdout.splitlines()
    assert said[0].startswith("61 samples of 'host' in ")
    assert sorted(said[1:]) == [f"{tmp_path}/out/{name}" for name in made]


def test_hour_has_names_without_a_label(report: Report, tmp_path: str) -> None:
    assert report("--format", "html,png").returncode == 0
    assert {"tcptide-report.html", "tcptide-report-states.png"} < {*os.listdir(tmp_path)}


def test_a_png_as_a_file_is_the_overview(report: Report, tmp_path: str) -> None:
    assert report("--format", "png", "--output", "one/").returncode == 2
    os.mkdir(os.path.join(tmp_path, "one"))
    assert report("--output", "one/page.PNG").returncode == 0
    os.rename(os.path.join(tmp_path, "one", "page.PNG"), os.path.join(tmp_path, "one", "page.png"))
    assert report("--format", "png", "--output", "one/").returncode == 0
    sizes = []
    for name in ("page.png", "tcptide-report-overview.png"):
        with open(os.path.join(tmp_path, "one", name), "rb") as file:
            sizes.append(file.read(24))
    assert sizes[0] == sizes[1]  # the header has width and height


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--format", "pdf"), "--format: 'pdf' is none of html, png, json, eml"),
        (("--format", "html,"), "--format: '' is none of html, png, json, eml"),
        (
            ("--format", "html,png", "--output", "x.html"),
            "--output: {here}/x.html is no directory, which several formats need",
        ),
        (("--output", "no/"), "--output: there is no directory {here}/no"),
        (
            ("--output", "x.pdf"),
            "--output: 'x.pdf' ends with none of html, png, json, eml; --format says which it is",
        ),
        (("--format", "png", "--output", "x.HTML"), "--output: 'x.HTML' is to be a png"),
        (("--output", ""), "--output: is empty"),
        (("--source", ""), "--source: is empty"),
        (("--send", "x.eml", "--period", "week"), "--send: not together with --period"),
        (("--send", "x.eml", "--format", "html"), "--send: not together with --format"),
        (("--from", "x", "--resend"), "--from: not together with --resend"),
        (("--from", "x", "--spread", "5"), "--from: not together with --spread"),
        (("--from", "x", "--timezone", "Berlin"), "--from: not together with --timezone"),
        (("--from", "x", "--output", "x.html"), "--output: 'x.html' is to be a png"),
        (("--period", "week", "--since", "2025-11-18"), "--period: not together with --since or --until"),
        (
            ("--period", "weekly"),
            "--period: 'weekly' is none of day, week, month and no label such as 2025-11-18, 2025-W47 or 2025-11",
        ),
    ],
    ids=lambda each: "-".join(each).strip("-").replace("/", "") if isinstance(each, tuple) else "",
)
def test_wrong_call_is_one_line(report: Report, tmp_path: str, arguments: tuple[str, ...], line: str) -> None:
    done = report(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"tcptide-report: {line.format(here=tmp_path)}\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("hostname", "source", "expected"),
    [
        ("web1.example.org", "host", "tcptide-report-web1.example.org-2026-W47"),
        ("web1", "blue", "tcptide-report-web1-blue-2026-W47"),
        ("../../etc/x y\n", "host", "tcptide-report-.._.._etc_x_y_-2026-W47"),
        ("räksmörgås", "host", "tcptide-report-r_ksm_rg_s-2026-W47"),
    ],
    ids=["name", "namespace", "hostile", "not-ascii"],
)
def test_names_are_safe(hostname: str, source: str, expected: str) -> None:
    assert files.stem(hostname, source, "2026-W47") == expected
    assert len(files.stem(hostname * 100, source, "2026-W47")) <= files.MAX_NAME


def test_file_of_several_that_can_not_be_made_leaves_none(tmp_path: str) -> None:
    made = [files.File(".html", b"page"), files.File(".json", b"{}")]
    with pytest.raises(FileNotFoundError):
        files.write([f"{tmp_path}/a.html", f"{tmp_path}/none/a.json"], made)
    assert os.listdir(tmp_path) == []


def test_ending_tells_the_format(tmp_path: str) -> None:
    os.mkdir(f"{tmp_path}/x.json")
    assert files.formats(None, "report.json") == ("json",)
    assert files.formats(None, f"{tmp_path}/x.json") == ("html",)
    assert files.formats(None, "report") == ("html",)
    assert files.formats("json,html,json", "report.png") == ("json", "html")


def configured(folder: str, text: str) -> str:
    path = f"{folder}/tcptide.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[report]\n{text}\n")
    return path


def test_configuration_says_zone_and_directory(report: Report, tmp_path: str) -> None:
    os.mkdir(f"{tmp_path}/out")
    path = configured(tmp_path, f'timezone = "Asia/Kathmandu"\ntitle = "Edge <TCP>"\noutput_dir = "{tmp_path}/out"')
    assert report("--config", path, "--period", "2025-W47").returncode == 0
    text = text_of(f"{tmp_path}/out/tcptide-report-web1-2025-W47.html")
    assert text.startswith("Edge &lt;TCP&gt; web1 Mon 17 Nov")
    assert "Mon 17 Nov 2025 00:00 +0545 to Mon 24 Nov 2025 00:00 +0545 7 d, times in Asia/Kathmandu" in text
    assert report("--config", path, "--output", ".", "--timezone", "UTC").returncode == 0
    assert text_of(f"{tmp_path}/tcptide-report.html").find("times in UTC") > 0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('timezone = "Berlin"', "report.timezone: 'Berlin' is no known time zone, such as Europe/Berlin or UTC"),
        ('output_dir = "/nowhere/"', "report.output_dir: there is no directory /nowhere"),
    ],
    ids=["zone", "directory"],
)
def test_configuration_that_is_wrong_is_named(report: Report, tmp_path: str, text: str, line: str) -> None:
    path = configured(tmp_path, text)
    done = report("--config", path)
    assert (done.returncode, done.stderr) == (2, f"tcptide-report: {path}: {line}\n")


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sample every ten minutes of the week of 2025 in which Berlin's clocks went back, and of the week before."""
    begin = (at("2025-10-12T18:00") - WALL) / 60
    return stored(str(tmp_path_factory.mktemp("autumn")), [minute(begin + 10 * number) for number in range(15 * 144)])


@pytest.mark.parametrize(
    ("zone", "since", "until", "hours"),
    [
        ("Europe/Berlin", "2025-10-20T00:00:00+02:00", "2025-10-27T00:00:00+01:00", 169),
        ("Asia/Kolkata", "2025-10-20T00:00:00+05:30", "2025-10-27T00:00:00+05:30", 168),
        ("Asia/Kathmandu", "2025-10-20T00:00:00+05:45", "2025-10-27T00:00:00+05:45", 168),
        ("America/New_York", "2025-10-20T00:00:00-04:00", "2025-10-27T00:00:00-04:00", 168),
    ],
)
def test_whole_week_of_a_zone(
    report: Report, autumn: str, tmp_path: str, zone: str, since: str, until: str, hours: int
) -> None:
    done = report("--period", "2025-W43", "--timezone", zone, "--format", "json", state_dir=autumn)
    assert (done.returncode, done.stderr) == (0, "")
    with open(f"{tmp_path}/tcptide-report-web1-2025-W43.json", encoding="utf-8") as file:
        made = json.load(file)
    period = made["period"]
    assert (period["since"]["time"], period["until"]["time"], period["seconds"]) == (since, until, hours * 3600)
    assert (made["quality"]["samples"], made["quality"]["gaps"], made["lacking"]) == (hours * 6, [], [])
    assert made["comparison"]["words"] == "Changes are against the week before."
    assert made["comparison"]["seconds"] == 168 * 3600
    assert [one["change"] for one in made["figures"]] == ["no change since the week before"] * len(made["figures"])
    earlier = made["comparison"]["total"]
    assert (len(earlier["epoch"]), earlier["epoch"][0], {*earlier["mean"]}) == (672, period["since"]["epoch"], {1204})


def test_terminal_is_shown_what_is_done_and_the_path(script: Script, state: str, tmp_path: str) -> None:
    command = [script("tcptide-report"), "--state-dir", state, "--output", tmp_path]
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={"TERM": "xterm"}) as process:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the other end is gone: the program has ended
            while chunk := os.read(ours, 4096):
                said += chunk
    os.close(ours)
    assert process.returncode == 0
    assert b"drawing ..." in said
    assert said.endswith(f"{tmp_path}/tcptide-report.html\r\n".encode())
