"""What is read from /proc: recorded trees, trees made odd on purpose, and namespaces of this kernel."""

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tcptide.errors import ParseError, SourceError
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Limits
from tests.fixtures.record_proc import FILES, HERE
from tests.worlds import World, as_user

RECORDED = os.path.join(HERE, "proc")

HOST_LIMITS = Limits(
    port_range=(32768, 60999),
    reserved_ports=(),
    tcp_tw_reuse=2,
    tcp_tw_reuse_delay_ms=1000,
    tcp_timestamps=1,
    tcp_max_tw_buckets=131072,
    tcp_max_orphans=131072,
    tcp_mem_pages=(287898, 383867, 575796),
    somaxconn=4096,
    nf_conntrack_count=0,
    nf_conntrack_max=262144,
)
NAMESPACE_LIMITS = HOST_LIMITS._replace(tcp_max_orphans=None, tcp_mem_pages=None)


def recorded(scenario: str) -> ProcFs:
    return ProcFs(os.path.join(RECORDED, scenario))


@pytest.fixture
def tree(tmp_path: os.PathLike[str]) -> str:
    """A copy of the recorded host, to be made odd."""
    return shutil.copytree(os.path.join(RECORDED, "host"), os.path.join(tmp_path, "proc"))


def write(tree: str, name: str, text: str) -> str:
    path = os.path.join(tree, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def tcp_sockstat(scenario: str) -> dict[str, int]:
    counters = recorded(scenario).counters()
    return {key: counters[key] for key in ("sockstat.TCP.inuse", "sockstat.TCP.tw", "sockstat6.TCP6.inuse")}


# Recorded trees


@pytest.mark.parametrize(
    ("scenario", "ipv4", "time_wait", "ipv6"),
    [
        ("empty-namespace", 0, 0, 0),
        ("one-listener", 1, 0, 0),
        ("ipv6", 0, 0, 3),
        ("ipv4-mapped", 2, 0, 1),
        ("time-wait", 1, 1, 0),
    ],
)
def test_sockstat_counts_the_sockets_of_the_scenario(scenario: str, ipv4: int, time_wait: int, ipv6: int) -> None:
    assert tcp_sockstat(scenario) == {
        "sockstat.TCP.inuse": ipv4,
        "sockstat.TCP.tw": time_wait,
        "sockstat6.TCP6.inuse": ipv6,
    }


def test_counters_holds_all_of_tcp_and_nothing_else() -> None:
    counters = recorded("time-wait").counters()
    prefixes = {key.rpartition(".")[0] for key in counters}
    assert prefixes == {"Tcp", "TcpExt", "sockstat.TCP", "sockstat6.TCP6"}
    assert counters["Tcp.MaxConn"] == -1
    assert (counters["Tcp.ActiveOpens"], counters["Tcp.PassiveOpens"]) == (1, 1)
    assert counters["TcpExt.TW"] == 1
    assert len([key for key in counters if key.startswith("Tcp.")]) == 15
    assert len([key for key in counters if key.startswith("TcpExt.")]) == 135


@pytest.mark.parametrize(
    ("scenario", "limits"),
    [
        ("host", HOST_LIMITS),
        ("nobody", HOST_LIMITS),
        ("empty-namespace", NAMESPACE_LIMITS),
        (
            "reserved-ports",
            NAMESPACE_LIMITS._replace(
                port_range=(32768, 32831), reserved_ports=((8080, 8080), (32800, 32800), (40000, 40009))
            ),
        ),
    ],
)
def test_limits(scenario: str, limits: Limits) -> None:
    assert recorded(scenario).limits() == limits


def test_an_ordinary_user_sees_what_root_sees() -> None:
    assert set(recorded("nobody").counters()) == set(recorded("host").counters())


def test_the_host_is_described() -> None:
    proc = recorded("host")
    assert proc.hostname() == "web-01"
    assert proc.boot_id() == "5b1c9a52-2d5e-4c8b-9f0a-6f1f1c1f2a3b"
    assert proc.cgroup2_mount() == "/sys/fs/cgroup/unified"
    assert proc.has_veth() is False


@pytest.mark.parametrize("name", FILES)
def test_every_recorded_file_is_read(name: str, tree: str) -> None:
    """A file that cannot be read at all, by anybody, is noticed: so nothing is recorded in vain."""
    os.unlink(os.path.join(tree, name))
    os.mkdir(os.path.join(tree, name))
    proc = ProcFs(tree)
    with pytest.raises(SourceError, match=f"^{tree}/{name}: Is a directory$"):
        _ = proc.counters(), proc.limits(), proc.hostname(), proc.boot_id(), proc.has_veth(), proc.cgroup2_mount()


# Absent is None or a missing key, never 0


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("ipv4/tcp_tw_reuse", "tcp_tw_reuse"),
        ("ipv4/tcp_tw_reuse_delay", "tcp_tw_reuse_delay_ms"),
        ("ipv4/tcp_timestamps", "tcp_timestamps"),
        ("ipv4/tcp_max_tw_buckets", "tcp_max_tw_buckets"),
        ("ipv4/tcp_max_orphans", "tcp_max_orphans"),
        ("ipv4/tcp_mem", "tcp_mem_pages"),
        ("core/somaxconn", "somaxconn"),
        ("netfilter/nf_conntrack_count", "nf_conntrack_count"),
        ("netfilter/nf_conntrack_max", "nf_conntrack_max"),
    ],
)
def test_an_absent_sysctl_is_none(name: str, field: str, tree: str) -> None:
    os.unlink(f"{tree}/sys/net/{name}")
    assert ProcFs(tree).limits()._asdict() == {**HOST_LIMITS._asdict(), field: None}


def test_without_conntrack_its_numbers_are_none(tree: str) -> None:
    shutil.rmtree(f"{tree}/sys/net/netfilter")
    limits = ProcFs(tree).limits()
    assert (limits.nf_conntrack_count, limits.nf_conntrack_max) == (None, None)


def test_a_kernel_without_a_list_of_reserved_ports_reserves_none(tree: str) -> None:
    os.unlink(f"{tree}/sys/net/ipv4/ip_local_reserved_ports")
    assert ProcFs(tree).limits() == HOST_LIMITS


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("netstat", "TcpExt."), ("sockstat", "sockstat.TCP."), ("sockstat6", "sockstat6.TCP6.")],
)
def test_an_absent_counter_file_leaves_its_keys_out(name: str, prefix: str, tree: str) -> None:
    whole = ProcFs(tree).counters()
    os.unlink(f"{tree}/self/net/{name}")
    assert ProcFs(tree).counters() == {key: value for key, value in whole.items() if not key.startswith(prefix)}


def test_without_mounts_and_interfaces_there_is_no_cgroup2_and_no_veth(tree: str) -> None:
    os.unlink(f"{tree}/self/mounts")
    os.unlink(f"{tree}/self/net/dev")
    assert ProcFs(tree).cgroup2_mount() is None
    assert ProcFs(tree).has_veth() is False


@pytest.mark.root
def test_a_forbidden_file_is_not_seen(state_dir: str) -> None:
    tree = shutil.copytree(os.path.join(RECORDED, "host"), f"{state_dir}/proc")
    os.chmod(state_dir, 0o755)
    os.chmod(f"{tree}/sys/net/ipv4/tcp_mem", 0)
    os.chmod(f"{tree}/self/net/snmp", 0)
    with as_user("nobody"):
        assert ProcFs(tree).limits() == HOST_LIMITS._replace(tcp_mem_pages=None)
        with pytest.raises(SourceError, match=f"^{tree}/self/net/snmp: Permission denied$"):
            ProcFs(tree).counters()


# What is needed, and what is odd


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("self/net/snmp", ProcFs.counters),
        ("sys/net/ipv4/ip_local_port_range", ProcFs.limits),
        ("sys/kernel/random/boot_id", ProcFs.boot_id),
        ("sys/kernel/hostname", ProcFs.hostname),
    ],
)
def test_a_needed_file_that_is_absent_is_named(name: str, ask: Callable[[ProcFs], object], tree: str) -> None:
    os.unlink(f"{tree}/{name}")
    with pytest.raises(SourceError) as raised:
        ask(ProcFs(tree))
    assert str(raised.value) == f"{tree}/{name}: No such file or directory"


def test_no_proc_at_all_is_named() -> None:
    with pytest.raises(SourceError, match=r"^/nowhere/sys/net/ipv4/ip_local_port_range: No such file or directory$"):
        ProcFs("/nowhere").limits()


def test_a_symbolic_link_is_not_followed(tree: str) -> None:
    path = f"{tree}/sys/net/ipv4/tcp_mem"
    os.unlink(path)
    os.symlink(f"{RECORDED}/host/sys/net/ipv4/tcp_mem", path)
    with pytest.raises(SourceError, match=f"^{path}: Too many levels of symbolic links$"):
        ProcFs(tree).limits()


def test_a_truncated_snmp_is_named_with_its_line(tree: str) -> None:
    with open(f"{tree}/self/net/snmp") as file:
        text = file.read()
    path = write(tree, "self/net/snmp", text[: text.index("Tcp: 1 200")])
    with pytest.raises(ParseError) as raised:
        ProcFs(tree).counters()
    number = text[: text.index("Tcp:")].count("\n") + 1
    assert str(raised.value).startswith(f"{path}:{number}: names without a line of values: 'Tcp: RtoAlgorithm RtoMin ")
    assert len(str(raised.value)) < len(path) + 140


def test_an_odd_sysctl_is_named(tree: str) -> None:
    path = write(tree, "sys/net/ipv4/tcp_mem", "1\t2\n")
    with pytest.raises(ParseError) as raised:
        ProcFs(tree).limits()
    assert str(raised.value) == rf"{path}:1: expected 3 numbers, found 2: '1\t2'"


@pytest.mark.parametrize(
    ("interface", "is_veth"),
    [
        ("veth1a2b3c4", True),
        ("cali0123456789a", True),
        ("lxc_health", True),
        ("ve-web", True),
        ("eth0", False),
        ("ens5", False),
        ("eth0:veth", False),
        ("docker0", False),
    ],
)
def test_a_container_s_interface_is_known_by_its_name(interface: str, is_veth: bool, tree: str) -> None:
    with open(f"{tree}/self/net/dev") as file:
        text = file.read()
    write(tree, "self/net/dev", f"{text}{interface:>6}: " + "0 " * 16 + "\n")
    assert ProcFs(tree).has_veth() is is_veth


# This kernel


def test_this_host_can_be_read() -> None:
    proc = ProcFs()
    counters, limits = proc.counters(), proc.limits()
    assert counters["Tcp.MaxConn"] == -1
    assert counters["sockstat.TCP.alloc"] >= counters["sockstat.TCP.inuse"]
    assert 0 <= limits.port_range[0] <= limits.port_range[1] <= 65535
    assert proc.hostname() == os.uname().nodename
    assert len(proc.boot_id()) == 36
    assert proc.netns_inode() == os.stat("/proc/self/ns/net").st_ino


@pytest.mark.root
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_a_namespace_is_told_from_the_host_s(user: str) -> None:
    proc = ProcFs()
    home = proc.netns_inode()
    with as_user(user):
        assert proc.is_host_netns() is True
    with World(), as_user(user):
        assert proc.is_host_netns() is False
        if user == "root":  # /proc/self is root's: it was made before the user changed
            assert proc.netns_inode() != home


@pytest.mark.root
def test_a_namespace_has_its_own_counters_and_limits() -> None:
    with World(ip_local_port_range="20000 20063", tcp_max_tw_buckets=50, tcp_tw_reuse=0) as world:
        world.pair(world.listen("127.0.0.1"))
        limits, counters = ProcFs().limits(), ProcFs().counters()
    assert limits.port_range == (20000, 20063)
    assert (limits.tcp_max_tw_buckets, limits.tcp_tw_reuse) == (50, 0)
    assert (limits.tcp_mem_pages, limits.tcp_max_orphans) == (None, None)
    assert (counters["Tcp.ActiveOpens"], counters["Tcp.CurrEstab"], counters["sockstat.TCP.inuse"]) == (1, 2, 3)


@pytest.mark.root
def test_the_longest_list_of_reserved_ports_is_read_whole() -> None:
    every_second = [f"{port}," for port in range(1, 65536, 2)]
    with World():
        with open("/proc/sys/net/ipv4/ip_local_reserved_ports", "wb", buffering=0) as file:
            for start in range(0, len(every_second), 600):  # the kernel takes a page at most, and adds the next to it
                file.write("".join(every_second[start : start + 600]).encode())
        reserved = ProcFs().limits().reserved_ports
    assert reserved == tuple((port, port) for port in range(1, 65536, 2))


@pytest.mark.root
def test_a_veth_pair_is_seen() -> None:
    with World():
        assert ProcFs().has_veth() is False
        subprocess.run(["ip", "link", "add", "veth-test", "type", "veth", "peer", "name", "eth0"], check=True)
        assert ProcFs().has_veth() is True


def test_process_1_that_is_hidden_makes_it_the_host(tree: str) -> None:
    assert ProcFs(tree).is_host_netns() is True


def test_what_has_no_namespace_file_has_no_inode(tree: str) -> None:
    assert ProcFs(tree).netns_inode() is None
