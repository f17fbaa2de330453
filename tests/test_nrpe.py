"""contrib/nrpe served by a real NRPE over TLS, as Debian ships both ends: check_nrpe says what the check says."""

import re
from collections.abc import Iterator

import pytest

from contrib.generators.services import SERVICES

from . import nagioscore
from .hosts import Host
from .nagioscore import CHECK_NRPE, LONG, OWN, PLUGINS, command, directly

pytestmark = pytest.mark.root

LINES = [(service.name, command(service)) for service in SERVICES]
LINES += [(name, f"{PLUGINS}/{check} {arguments}") for name, check, arguments in OWN]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with nagioscore.running() as host:
        yield host


@pytest.mark.parametrize(("name", "line"), LINES, ids=[name for name, _ in LINES])
def test_check_nrpe_says_what_the_check_says(name: str, line: str, host: Host) -> None:
    done, expected = host.run(f"{CHECK_NRPE} -c {name}"), directly(host, line)
    said = [re.sub(r"[\d.]+", "N", one.stdout) if name == "tcptide" else one.stdout for one in (done, expected)]
    assert (done.returncode, said[0], done.stderr) == (expected.returncode, said[1], "")


@pytest.mark.parametrize(("name", "line"), LINES, ids=[name for name, _ in LINES])
def test_first_line_fits_into_the_packet_of_an_old_nrpe(name: str, line: str, host: Host) -> None:
    """Version 2 of the protocol has 1,024 bytes for all; what is beyond is cut."""
    first, _, _ = directly(host, line).stdout.partition("\n")
    old = host.run(f"{CHECK_NRPE} -2 -c {name}").stdout
    if name != "tcptide":
        assert old.partition("\n")[0] == first
    assert len(first.encode()) < 1000
    assert old.startswith(first.partition(" - ")[0])


def test_long_output_is_whole(host: Host) -> None:
    """Beyond the packet of the old protocol."""
    done = host.run(f"{CHECK_NRPE} -c own_long")
    assert len(done.stdout) > 2048
    assert done.stdout == directly(host, LONG).stdout


def test_nrpe_takes_no_connection_without_tls(host: Host) -> None:
    assert host.run(f"{CHECK_NRPE} -n -c tcp_errors").returncode != 0


def test_nrpe_takes_no_arguments(host: Host) -> None:
    done = host.run(f"{CHECK_NRPE} -c tcp_errors -a x")
    refused = "CHECK_NRPE: Receive header underflow - only 0 bytes received (4 expected).\n"
    assert (done.returncode, done.stdout) == (3, refused)


def test_nrpe_runs_commands_in_the_root_folder_without_a_language(host: Host) -> None:
    names = {line.partition("=")[0] for line in host.run(f"{CHECK_NRPE} -c environment").stdout.splitlines()}
    assert "PATH" in names
    assert not [name for name in names if name.startswith(("LANG", "LC_", "TCPTIDE"))]
    assert host.run(f"{CHECK_NRPE} -c folder").stdout == "/\n"
