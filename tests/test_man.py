"""The pages of contrib/man: read by groff without a warning, and complete."""

import os
import subprocess

import pytest

from .test_layers import TREE
from .test_packaging import SCRIPTS


def groff(name: str) -> str:
    """What a reader sees of a page, without its emphasis."""
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-c", "-P-b", "-P-o", "-P-u", "-rLL=300n"]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [*command, f"{TREE}/contrib/man/{name}.1"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_each_executable_has_a_page_and_no_other_is_left() -> None:
    assert sorted(os.listdir(f"{TREE}/contrib/man")) == sorted(f"{name}.1" for name in SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_page_is_read_without_a_warning_and_names_all_others(name: str) -> None:
    lines = groff(name).splitlines()
    assert lines[lines.index("NAME") + 1].startswith(f"       {name} - ")
    others = " ".join(lines[lines.index("SEE ALSO") + 1 :]).split("tcptide 0")[0]
    named = {word.strip(",").removesuffix("(1)") for word in others.split()}
    assert named == set(SCRIPTS) - {name}


def test_page_of_a_check_has_its_metrics_and_options_with_plain_hyphens() -> None:
    lines = groff("check_tcp_time_wait").splitlines()
    assert "       bucket_usage (90% / none)" in lines
    assert "       --record NAME" in lines
    assert "       check_tcp_time_wait [-h] [-V] [-v] [-w [METRIC=]RANGE] [-c [METRIC=]RANGE]" in "\n".join(lines)


def test_page_of_tcptide_has_the_options_of_its_commands() -> None:
    lines = groff("tcptide").splitlines()
    assert lines.count("              -v, --verbose") == 4
    assert "   tcptide simulate" in lines
    assert "              --seed S" in lines
