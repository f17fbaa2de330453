"""The executable tcptide-report: what it reads, what it writes where, and how it fails."""

import os
import re
import subprocess

import pytest

from .reporting import exhausted_hour, minute, stored
from .reports import NAME, Report, Script, report, state, text_of
from .samples import destination

__all__ = ["report", "state"]  # fixtures


def test_page_is_written_here_and_nothing_said(report: Report, tmp_path: str) -> None:
    done = report("--timezone", "Europe/Berlin")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == [NAME]
    text = text_of(f"{tmp_path}/{NAME}")
    assert text.startswith(
        "TCP connections web1 Tue 18 Nov 2025 01:00 CET to Tue 18 Nov 2025 02:00 CET 1 h, times in Europe/Berlin "
    )


@pytest.mark.parametrize(
    ("arguments", "period"),
    [
        (("--since", "2025-11-18T00:30"), "00:30 UTC to Tue 18 Nov 2025 01:00 UTC 30 min,"),
        (("--until", "2025-11-18T00:10"), "00:00 UTC to Tue 18 Nov 2025 00:10 UTC 10 min,"),
        (("--since", "2025-11-18", "--until", "2025-11-19"), "00:00 UTC to Wed 19 Nov 2025 00:00 UTC 24 h,"),
        (
            ("--since", "2025-11-18T01:10:00+01:00", "--until", "2025-11-18T00:20Z"),
            "00:10 UTC to Tue 18 Nov 2025 00:20 UTC 10 min,",
        ),
    ],
    ids=["since", "until", "both", "offsets"],
)
def test_period_is_the_one_that_is_asked_for(
    report: Report, tmp_path: str, arguments: tuple[str, ...], period: str
) -> None:
    assert report("--timezone", "UTC", *arguments).returncode == 0
    assert f"Tue 18 Nov 2025 {period}" in text_of(f"{tmp_path}/{NAME}")


def test_past_names_who_it_was(report: Report, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [*exhausted_hour(), *(minute(number) for number in range(61, 70))])
    with open(f"{tmp_path}/tcptide.toml", "w", encoding="utf-8") as file:
        file.write('[privacy]\nremote_addresses = "masked"\n')
    assert report("--until", "2025-11-18T01:00Z", "--config", "tcptide.toml", state_dir=directory).returncode == 0
    text = text_of(f"{tmp_path}/{NAME}")
    assert "Ports to 10.0.0.0/24:5432 ran short Tue 18 Nov 00:21 to 00:50" in text
    assert "30 min, over, app.service At most 95% of the ports used, above 85% for 30 min. At its worst, Tue" in text


def test_period_begins_with_what_is_stored_and_ends_by_now(report: Report, tmp_path: str) -> None:
    assert report("--timezone", "Pacific/Pago_Pago", "--since", "0001-01-01T00:00+00:00").returncode == 0
    text = text_of(f"{tmp_path}/{NAME}")
    assert "web1 Mon 17 Nov 2025 13:00 SST to Mon 17 Nov 2025 14:00 SST 1 h, times in Pacific/Pago_Pago" in text
    assert "Nothing older is stored: the period begins with the first sample" in text
    assert report("--timezone", "UTC", "--since", "2025-11-18", "--until", "9999-12-31").returncode == 0
    assert "9999" not in text_of(f"{tmp_path}/{NAME}")


def test_gap_at_the_begin_is_a_gap(report: Report, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(number) for number in (0, 1, *range(90, 100))])
    assert report("--timezone", "UTC", "--since", "2025-11-18T00:30", state_dir=directory).returncode == 0
    text = text_of(f"{tmp_path}/{NAME}")
    assert "web1 Tue 18 Nov 2025 00:30 UTC to Tue 18 Nov 2025 01:39 UTC 1 h 9 min," in text
    assert "Nothing older" not in text
    assert "Gaps Tue 18 Nov 2025 00:30 UTC to Tue 18 Nov 2025 01:30 UTC (1 h) Restarts" in text


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixteen days of a host, of whose first two only rollups are left; on the first its ports were nearly used up."""
    full = (destination(27_000),)
    calm = (destination(300),)
    samples = [minute(3 * number, worst=full if 100 < number <= 110 else calm) for number in range(16 * 480)]
    return stored(str(tmp_path_factory.mktemp("pruned")), samples)


def test_rollups_stand_for_what_is_pruned(report: Report, pruned: str, tmp_path: str) -> None:
    done = report("-v", "--timezone", "UTC", "--since", "2025-11-18", state_dir=pruned)
    samples, rollups = map(int, re.findall("[0-9]+", done.stdout.partition(" of ")[0]))
    assert samples + 5 * rollups == 16 * 480
    text = text_of(f"{tmp_path}/{NAME}")
    assert "web1 Tue 18 Nov 2025 00:00 UTC to Wed 3 Dec 2025 23:57 UTC 16 d, times" in text
    assert "Single samples are no longer kept up to " in text
    assert "Ports to a destination ran short Tue 18 Nov 05:00 to 05:45" in text
    assert "45 min, over At most 95% of the ports used, above 85% for 45 min." in text
    assert re.search("Coverage (99|100)% of the period Gaps none", text)


def test_period_of_rollups_alone(report: Report, pruned: str, tmp_path: str) -> None:
    period = ("--since", "2025-11-18T01:07", "--until", "2025-11-18T06:07")
    assert report("--timezone", "UTC", *period, state_dir=pruned).returncode == 0
    text = text_of(f"{tmp_path}/{NAME}")
    assert "web1 Tue 18 Nov 2025 01:15 UTC to Tue 18 Nov 2025 06:00 UTC 4 h 45 min, times" in text
    assert "Samples 19 quarters of an hour Coverage 100% of the period Gaps none Restarts none" in text
    assert "Each step is one sample, or the mean of a quarter of an hour" in text


def test_default_is_the_last_day_of_what_there_is(report: Report, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(30 * number) for number in range(97)])
    assert report("--timezone", "UTC", state_dir=directory).returncode == 0
    assert "web1 Wed 19 Nov 2025 00:00 UTC to Thu 20 Nov 2025 00:00 UTC 24 h," in text_of(f"{tmp_path}/{NAME}")


def test_sample_that_is_too_young_for_a_row_is_the_newest(report: Report, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(0), minute(0.1), minute(0.2)])
    assert report("-v", state_dir=directory).stdout == f"2 samples of 'host' in {directory}\n{tmp_path}/{NAME}\n"
    assert "There are only 2 samples so far" in text_of(f"{tmp_path}/{NAME}")


def test_other_source_is_named(report: Report, tmp_path: str) -> None:
    assert report("--source", "blue").returncode == 0
    assert text_of(f"{tmp_path}/{NAME}").startswith("TCP connections of the network namespace blue web1 ")


def test_only_source_needs_no_name(report: Report, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(0, source="green")])
    assert report(state_dir=directory).returncode == 0
    assert text_of(f"{tmp_path}/{NAME}").startswith("TCP connections of the network namespace green web1 ")


def test_configuration_holds(report: Report, tmp_path: str) -> None:
    with open(f"{tmp_path}/tcptide.toml", "w", encoding="utf-8") as file:
        file.write('[privacy]\nremote_addresses = "masked"\n')
    assert report("--config", f"{tmp_path}/tcptide.toml").returncode == 0
    text = text_of(f"{tmp_path}/{NAME}")
    assert "10.0.0.5" not in text and "10.0.0.0/24:5432" in text


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        pytest.param(("--source", "red"), 2, "--source: {state} has none named 'red', only blue, host", id="source"),
        pytest.param(("--since", "2025-11-20"), 1, "{state}: no samples of 'host' in this period", id="after"),
        pytest.param(("--until", "2025-11-01"), 1, "{state}: no samples of 'host' in this period", id="before"),
        pytest.param(
            ("--since", "2025-11-19", "--until", "2025-11-18"),
            *(2, "--until: '2025-11-18' is not after --since '2025-11-19'"),
            id="period-backwards",
        ),
        pytest.param(
            ("--since", "noon"),
            *(2, "--since: 'noon' is no ISO 8601 time, such as 2025-11-18 or 2025-11-18T14:00+01:00"),
            id="time",
        ),
        pytest.param(
            ("--timezone", "Berlin"),
            *(2, "--timezone: 'Berlin' is no known time zone, such as Europe/Berlin or UTC"),
            id="zone",
        ),
        pytest.param(
            ("--config", "/proc/none"),
            *(2, "/proc/none: No such file or directory (named by --config)"),
            id="config",
        ),
        pytest.param(("--output", "no/where"), 2, "--output: there is no directory {here}/no", id="output-nowhere"),
        pytest.param(
            ("--output", "/dev/null"),
            *(2, "--output: /dev/null is there and is no regular file"),
            id="output-device",
        ),
        pytest.param(("--week",), 2, "unrecognized arguments: --week; see tcptide-report --help", id="option"),
        pytest.param(
            ("--spread", "1h"),
            *(2, "--spread: '1h' is not a whole number of seconds from 0 to 86400"),
            id="spread",
        ),
        pytest.param(("--out=x",), 2, "unrecognized arguments: --out=x; see tcptide-report --help", id="abbreviation"),
    ],
)
def test_failure_is_one_line_and_leaves_nothing(
    report: Report, state: str, tmp_path: str, arguments: tuple[str, ...], status: int, line: str
) -> None:
    done = report(*arguments)
    expected = line.format(state=state, here=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", f"tcptide-report: {expected}\n")
    assert os.listdir(tmp_path) == []


def test_empty_state_is_no_success(report: Report, tmp_path: str) -> None:
    os.mkdir(f"{tmp_path}/state")
    done = report(state_dir=f"{tmp_path}/state")
    assert (done.returncode, done.stderr) == (1, f"tcptide-report: {tmp_path}/state: no samples yet\n")


def test_damaged_state_is_named_and_left_alone(report: Report, tmp_path: str) -> None:
    directory = stored(f"{tmp_path}/state", [minute(0)])
    with open(f"{directory}/tcptide.db", "r+b") as file:
        file.write(b"nothing that SQLite knows")
    done = report(state_dir=directory)
    assert (done.returncode, done.stderr) == (1, f"tcptide-report: {directory}: tcptide.db is damaged\n")
    assert NAME not in os.listdir(tmp_path)


def test_output_that_nobody_takes_does_not_matter(script: Script, state: str, tmp_path: str) -> None:
    command = f"{script('tcptide-report')} -v --state-dir {state}"
    for how, status, said in (
        (f"set -o pipefail; {command} | true", 0, ""),
        (f"{command} >&-", 0, ""),
        (f"{command} 2>&- >&-", 0, ""),
        (f"{command} >/dev/full", 1, "tcptide-report: standard output: No space left on device\n"),
    ):
        done = subprocess.run(["bash", "-c", how], cwd=tmp_path, check=False, capture_output=True, text=True)
        assert (how, done.returncode, done.stderr) == (how, status, said)
        assert os.listdir(tmp_path) == [NAME]
        os.unlink(f"{tmp_path}/{NAME}")


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"MPLBACKEND": "module://matplotlib_inline.backend_inline"}, id="backend-of-a-notebook"),
        pytest.param({"MPLBACKEND": "nonsense"}, id="backend-unknown"),
        pytest.param({"HOME": "/proc"}, id="home-read-only"),
        pytest.param({"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}, id="locale"),
        pytest.param({"PYTHONWARNINGS": "error"}, id="warnings-are-errors"),
    ],
)
def test_environment_does_not_matter(report: Report, tmp_path: str, environ: dict[str, str]) -> None:
    done = report(environ=environ)
    assert (done.returncode, done.stderr) == (0, "")


def test_settings_of_matplotlib_do_not_matter(report: Report, tmp_path: str) -> None:
    pages = []
    for settings in ("", "font.size: 40\naxes.facecolor: red\nnonsense: 1\n"):
        with open(f"{tmp_path}/matplotlibrc", "w", encoding="utf-8") as file:
            file.write(settings)
        assert report("--until", "2025-11-18T00:30").stderr == ""
        with open(f"{tmp_path}/{NAME}", encoding="utf-8") as file:
            pages.append(re.findall(r'"data:[^"]*"', file.read()))
    assert pages[0] == pages[1] != []


def test_help_and_version_need_no_extra_and_no_state(script: Script) -> None:
    for option in ("--help", "--version"):
        command = [script("tcptide-report"), option]
        environ = {"PYTHONPROFILEIMPORTTIME": "1"}
        done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0
        assert re.findall(r"\b(pandas|numpy|matplotlib|jinja2)$", done.stderr, re.MULTILINE) == []
        assert "tcptide" in done.stderr
