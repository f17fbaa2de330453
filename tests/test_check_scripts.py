"""The installed checks as a scheduler runs them: from /, with an empty environment; what goes wrong is one line."""

import json
import os
import re
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

import pytest

from . import worlds
from .checking import ALL, Check, aged, prefix, store
from .worlds import TREE

each_check = pytest.mark.parametrize("name", ALL)


@each_check
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--cirtical", "5"], "usage: unrecognized arguments: --cirtical 5; see --help"),
        (["--crit", "5"], "usage: unrecognized arguments: --crit 5; see --help"),
        (["5"], "usage: unrecognized arguments: 5; see --help"),
        (["-t", "0"], "usage: argument -t/--timeout: '0' is not a number of seconds from 0.1 to 300; see --help"),
        (["-t", "1_0"], "usage: argument -t/--timeout: '1_0' is not a number of seconds from 0.1 to 300; see --help"),
        (["--max-age", "-1"], "usage: argument --max-age: '-1' is not a number of seconds from 0 to 900; see --help"),
        (["--output", "xml"], "usage: argument --output: 'xml' is none of text, json; see --help"),
        (["-w"], "usage: argument -w/--warning: expected one argument; see --help"),
        (["--config", ""], "usage: argument --config: is empty; see --help"),
        (["--config", "/nowhere.toml"], "/nowhere.toml: No such file or directory (named by --config)"),
        (["--config", "/etc"], "/etc: Is a directory"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_called_wrongly(name: str, arguments: list[str], problem: str, check: Check) -> None:
    assert check(name, *arguments) == (3, [f"{prefix(name)} UNKNOWN - {problem}"])


@each_check
def test_unknown_metric_and_bad_range(name: str, check: Check) -> None:
    status, lines = check(name, "-w", "nonsense=5")
    assert status == 3
    assert re.fullmatch(
        rf"{prefix(name)} UNKNOWN - usage: -w nonsense=5: 'nonsense' is no metric of {name}; known: .*; see --help",
        "\n".join(lines),
    )
    status, lines = check(name, "-c", "1_000")
    assert (status, lines) == (
        3,
        [
            f"{prefix(name)} UNKNOWN - usage: -c 1_000: '1_000' is not a range such as 80, 10:, ~:80, 10:80 or @10:80;"
            " see --help"
        ],
    )


@each_check
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(name: str, option: str, script: Callable[[str], str]) -> None:
    done = worlds.run([script(name), option], environ={"COLUMNS": "200"})
    assert (done.returncode, done.stderr) == (3, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"usage: {name} [-h] [-V] [-v] ")
    assert max(map(len, lines)) <= 80
    assert "metrics, with their default WARNING / CRITICAL:" in lines


@each_check
@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(name: str, option: str, check: Check) -> None:
    status, lines = check(name, option)
    assert status == 3
    assert re.fullmatch(rf"{name} \d+\.\d+\.\d+", "\n".join(lines))


def test_configured_thresholds_and_the_options_that_beat_them(check: Check, tmp_path: Any) -> None:
    file = tmp_path / "tcptide.toml"
    file.write_text('[checks.tcp_connections]\nwarning = {total = "~:-1"}\ncritical = {listen = "~:-1"}\n')
    mine = ("--source", "here", "--config", str(file))
    status, lines = check("check_tcp_connections", *mine)
    assert (status, lines[0].split(" (")[0].split("-")[0]) == (2, "TCP_CONNECTIONS CRITICAL ")
    status, lines = check("check_tcp_connections", *mine, "-c", "listen=")
    assert (status, "(allowed ~:-1)" in lines[0]) == (1, True)
    status, lines = check("check_tcp_connections", *mine, "-c", "listen=", "-w", "total=")
    assert (status, lines[0].startswith("TCP_CONNECTIONS OK - ")) == (0, True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("max_age_seconds = [", "1: "),
        ("max_aeg_seconds = 5", " max_aeg_seconds: unknown"),
        (
            '[checks.tcp_errors]\nwarning = {retransmits = "5"}',
            " checks.tcp_errors.warning.retransmits: 'retransmits' is no metric of check_tcp_errors; known: ",
        ),
        (
            '[checks.tcp_errors]\ncritical = {retransmit_percent = "0.05"}',
            " checks.tcp_errors.critical.retransmit_percent: '0.05' has a limit under 1 %; write 0.05%",
        ),
    ],
    ids=["no-toml", "unknown-key", "unknown-metric", "ratio"],
)
def test_bad_configuration_names_file_and_key(text: str, problem: str, check: Check, tmp_path: Any) -> None:
    file = tmp_path / "tcptide.toml"
    file.write_text(text)
    status, lines = check("check_tcp_errors", "--config", str(file))
    assert (status, len(lines)) == (3, 1)
    assert lines[0].startswith(f"TCP_ERRORS UNKNOWN - {file}:{problem}")


def test_timeout_before_anything_else(check: Check, tmp_path: Any) -> None:
    """Reading the configuration already hangs: nobody writes into the pipe."""
    pipe = tmp_path / "tcptide.toml"
    os.mkfifo(pipe)
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)
    assert check("check_tcp_errors", "--config", str(pipe), "-t", "0.3") == (
        3,
        ["TCP_ERRORS UNKNOWN - no answer within 0.3 s"],
    )
    status, lines = check("check_tcp_errors", "--config", str(pipe), "-t", "0.3", "--output", "json", "-vvv")
    assert json.loads(lines[0])["text"] == "TCP_ERRORS UNKNOWN - no answer within 0.3 s"
    assert status == 3


@pytest.mark.parametrize("name", ["check_tcp_connections", "check_tcp_errors"])
@pytest.mark.parametrize("where", [">&-", ">/dev/full", "| true"], ids=["closed", "full", "reader-gone"])
def test_stdout_that_cannot_be_written_changes_nothing(
    name: str, where: str, script: Callable[[str], str], state_dir: str
) -> None:
    command = f'{script(name)} -w "@0:" --state-dir {state_dir} -v {where}'
    inner = (
        f"({command.removesuffix('| true')}; echo $? >&2) | true" if where == "| true" else f"{command}; echo $? >&2"
    )
    done = worlds.run(["/bin/sh", "-c", inner])
    assert (done.stdout, done.stderr) == ("", "1\n" if name == "check_tcp_connections" else "0\n")


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ((), ["TCP_ERRORS UNKNOWN - RuntimeError: of ? two lines (-vvv shows where)"]),
        (
            ("--output", "json"),
            None,
        ),
    ],
    ids=["text", "json"],
)
def test_unexpected_error_is_one_line(arguments: tuple[str, ...], lines: list[str] | None) -> None:
    done = run_broken(*arguments)
    assert done.returncode == 3
    assert done.stderr == ""
    if lines is None:
        assert json.loads(done.stdout)["state"] == "UNKNOWN"
    else:
        assert done.stdout.splitlines() == lines


def test_verbose_shows_where_it_broke() -> None:
    lines = run_broken("-vvv").stdout.splitlines()
    assert lines[0] == "TCP_ERRORS UNKNOWN - RuntimeError: of ? two lines (-vvv shows where)"
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1].endswith("two lines")


def run_broken(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A check whose judge has a bug."""
    code = f"""
import sys
sys.path[:0] = [{TREE!r}]
from checks import frame
from checks.check_tcp_errors import SPEC
def broken(*seen):
    raise RuntimeError("of | two lines")
frame.run(SPEC, frame.sampled(broken))
"""
    return worlds.run([sys.executable, "-c", code, "--state-dir", "/dev/null/state", *arguments])


@each_check
@pytest.mark.parametrize("max_age", ["900", "0"], ids=["fresh-sample", "looks"])
def test_cold_start_loads_nothing_that_is_slow(name: str, max_age: str, state_dir: str) -> None:
    """Without site: what an editable install or a .pth file loads is not the check's doing."""
    store(state_dir, aged(0, "here"))
    code = f"""
import sys
sys.path[:0] = [{TREE!r}, {sysconfig.get_path("purelib")!r}]
from checks.{name} import main
main()
"""
    options = ("--state-dir", state_dir, "--source", "here", "--max-age", max_age, "-w", "@0:", "-vv")
    done = worlds.run([sys.executable, "-I", "-S", "-X", "importtime", "-c", code, *options])
    assert done.stdout.startswith(prefix(name))
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"checks.frame", "nagiosplugin.range", "sqlite3"} <= loaded
    slow = {"pandas", "numpy", "matplotlib", "jinja2", "dataclasses", "pathlib", "psutil", "importlib.metadata"}
    slow |= {"subprocess", "logging", "tempfile", "shutil", "inspect", "tomllib", "asyncio", "urllib"}
    assert loaded.isdisjoint(slow)
    assert not [module for module in loaded if module.startswith("reporter")]
