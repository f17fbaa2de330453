"""The commands that findings print, run by the real programs: pasted at three in the morning, they must work."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tcptide import advice, findings
from tcptide.history_findings import of_outlook
from tcptide.model import Finding
from tests.samples import destination, outlook, rates, sample
from tests.test_advice import CASES, FORECASTS
from tests.test_history_findings import FLOOD, WHOLE

IPV6 = "2001:db8::1"


def _found() -> Iterator[Finding]:
    """One of each kind, and whatever names an address with one of each family."""
    for changes, per_second, _, _ in CASES.values():
        yield from findings.find(sample(**changes), per_second, forecasts=FORECASTS)
    yield from WHOLE
    for used in (14_116, 24_000):
        yield from findings.find(sample(worst=(destination(used, local="2001:db8::9", remote=IPV6),)), rates())
    for address in (IPV6, "::", "0.0.0.0"):
        yield from findings.find(sample(bind=((address, 95.0),)), rates())
    for remote in ("10.0.0.5", IPV6, "10.0.0.0/24", "*", "fe80::1%eth0"):
        yield from of_outlook(outlook("rapid_increase", **FLOOD, destination=(remote, 443)), sample())
    for remote in ("203.0.113.9", IPV6):
        seen = sample(remotes=((remote, 8_000),))
        yield from of_outlook(outlook("rapid_increase", **FLOOD, local_port=443), seen)


FOUND = tuple(_found())
STEPS = sorted({advice.render(finding).next_step for finding in FOUND})
SS = sorted({found for step in STEPS for found in re.findall(r"ss -[a-z]+(?: state [a-z0-9-]+| '[^']+')?", step)})
NFT = sorted({found for step in STEPS for found in re.findall(r"nft 'add [^']+'", step)})
SETTINGS = sorted(
    {
        name
        for finding in FOUND
        for said in advice.render(finding)
        for name in re.findall(r"net\.[a-z0-9_.]*[a-z0-9_]", said)
    }
)


def test_every_kind_is_among_them() -> None:
    checked = {finding.code for finding in FOUND}
    of_no_connections = {"sampling_stopped", "report_unsent", "report_failed", "report_overdue"}
    assert set(advice.WORDS) - checked == of_no_connections
    assert {"ss -tanp 'src [2001:db8::1]'", "ss -tan 'sport = :443'", "ss -tan 'dst 10.0.0.5:443'"} <= set(SS)
    assert len(NFT) == 2


@pytest.mark.parametrize("command", SS)
def test_ss_understands(command: str) -> None:
    if shutil.which("ss") is None:
        pytest.skip("needs ss of iproute2")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [command for command in SS if " state " not in command and " -l" not in command])
def test_ss_lists_what_is_half_open_or_lingers_too(command: str) -> None:
    """Without -a it leaves out TIME_WAIT and SYN_RECV."""
    assert re.match(r"ss -[a-z]*(a|l|m)", command)


@pytest.mark.root
@pytest.mark.parametrize("command", NFT)
def test_nft_understands(command: str) -> None:
    if shutil.which("nft") is None:
        pytest.skip("needs nft of nftables")
    command = command.replace("nft ", "nft --check ", 1)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_exist(name: str) -> None:
    if not os.path.exists(f"/proc/sys/{name.replace('.', '/')}") and name.startswith("net.netfilter."):
        pytest.skip("needs the module nf_conntrack")
    done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() or name == "net.ipv4.ip_local_reserved_ports"
