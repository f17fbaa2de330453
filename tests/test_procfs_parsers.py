"""The parsers of /proc files: text in, a value or a named error out."""

from collections.abc import Callable

import pytest

from tcptide.errors import ParseError
from tcptide.kernel.procfs import (
    parse_cgroup2_mount,
    parse_counter_pairs,
    parse_interfaces,
    parse_number,
    parse_port_range,
    parse_reserved_ports,
    parse_sockstat,
    parse_tcp_mem,
    printable,
)


@pytest.mark.parametrize(
    ("parse", "text", "line", "problem", "shown"),
    [
        pytest.param(parse_number, "", 1, "expected 1 numbers, found 0", "", id="number-empty"),
        pytest.param(parse_number, "on\n", 1, "not a number", "on", id="number-word"),
        pytest.param(parse_number, "1 2\n", 1, "expected 1 numbers, found 2", "1 2", id="number-two"),
        pytest.param(parse_port_range, "60999\t32768\n", 1, "not a range of ports", "60999\t32768", id="range-falls"),
        pytest.param(parse_port_range, "1\t65536\n", 1, "not a range of ports", "1\t65536", id="range-too-high"),
        pytest.param(parse_tcp_mem, "1\t2\tmax\n", 1, "not a number", "1\t2\tmax", id="mem-word"),
        pytest.param(parse_reserved_ports, "1,,2\n", 1, "neither a port nor a range of ports", "", id="reserved-gap"),
        pytest.param(parse_reserved_ports, "1-\n", 1, "neither a port nor a range of ports", "1-", id="reserved-open"),
        pytest.param(parse_reserved_ports, "9-3\n", 1, "not a range of ports", "9-3", id="reserved-falls"),
        pytest.param(parse_sockstat, "sockets: used 1\nTCP inuse 1\n", 2, "expected 'NAME: key value ...'",
                     "TCP inuse 1", id="sockstat-no-colon"),
        pytest.param(parse_sockstat, "TCP: inuse 1 orphan\n", 1, "expected 'NAME: key value ...'",
                     "TCP: inuse 1 orphan", id="sockstat-truncated"),
        pytest.param(parse_sockstat, "TCP: inuse many\n", 1, "a value is not a number", "TCP: inuse many",
                     id="sockstat-word"),
        pytest.param(parse_interfaces, "a\nb\nlo 1 2\n", 3, "expected 'INTERFACE: numbers'", "lo 1 2",
                     id="interfaces-no-colon"),
        pytest.param(parse_cgroup2_mount, "proc /proc proc rw 0 0\ncgroup2 /cg cgroup2\n", 2,
                     "expected 'DEVICE DIRECTORY TYPE OPTIONS ...'", "cgroup2 /cg cgroup2", id="mounts-truncated"),
        pytest.param(parse_cgroup2_mount, "cgroup2 /a\\9 cgroup2 rw 0 0\n", 1, "not an octal escape",
                     "cgroup2 /a\\9 cgroup2 rw 0 0", id="mounts-escape"),
    ],
)  # fmt: skip
def test_odd_text_is_named(parse: Callable[[str, str], object], text: str, line: int, problem: str, shown: str) -> None:
    with pytest.raises(ParseError) as raised:
        parse(text, "/proc/x")
    assert str(raised.value) == f"/proc/x:{line}: {problem}: {shown!r}"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("Tcp: A B\nTcp: 1\n", 2, "1 values for 2 names", id="too-few"),
        pytest.param("Tcp: A\nTcp: 1 2\n", 2, "2 values for 1 names", id="too-many"),
        pytest.param("Ip: A\nIp: 1\nTcp: A\nTcp: x\n", 4, "a value is not a number", id="word"),
        pytest.param("Tcp:\nTcp: 1\n", 1, "no counter names", id="no-names"),
        pytest.param("Tcp: A\n", 1, "names without a line of values", id="no-values"),
    ],
)
def test_odd_counter_pairs_are_named(text: str, line: int, problem: str) -> None:
    with pytest.raises(ParseError) as raised:
        parse_counter_pairs(text, "/proc/net/snmp", "Tcp")
    assert (raised.value.path, raised.value.line_number, raised.value.problem) == ("/proc/net/snmp", line, problem)


def test_counters_are_found_by_name_in_any_order_and_number() -> None:
    text = "TcpExt: New TW\nTcpExt: 18446744073709551615 7\nIpExt: TW\nIpExt: 9\n"
    assert parse_counter_pairs(text, "x", "TcpExt") == {"New": 2**64 - 1, "TW": 7}
    assert parse_counter_pairs(text, "x", "Tcp") == {}  # no prefix of another protocol


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("\n", ()),
        ("", ()),
        ("8080\n", ((8080, 8080),)),
        ("1-3,5,9000-65535\n", ((1, 3), (5, 5), (9000, 65535))),
    ],
)
def test_reserved_ports(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_reserved_ports(text, "x") == ranges


def test_an_interface_may_have_a_colon_in_its_name() -> None:
    assert parse_interfaces("Inter-|\n face |\n    lo: 0 0\neth0:1:7 0\n", "x") == ("lo", "eth0:1")


@pytest.mark.parametrize(
    ("mounts", "directory"),
    [
        pytest.param("", None, id="none"),
        pytest.param("sysfs /sys sysfs rw 0 0\n", None, id="hidden-by-ip-netns-exec"),
        pytest.param("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", "/sys/fs/cgroup", id="unified"),
        pytest.param(
            "cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
            "/sys/fs/cgroup/unified",
            id="hybrid",
        ),
        pytest.param(" /my\\040c\\011g\\134x cgroup2 rw 0 0\n", "/my c\tg\\x", id="escapes-and-no-device"),
        pytest.param("a /b\x0cc\x85d ext4 rw 0 0\ncgroup2 /cg cgroup2 rw 0 0\n", "/cg", id="odd-line-ends-in-a-name"),
    ],
)
def test_cgroup2_mount(mounts: str, directory: str | None) -> None:
    assert parse_cgroup2_mount(mounts, "/proc/self/mounts") == directory


@pytest.mark.parametrize(
    ("name", "shown"), [("nginx", "nginx"), ("n\u00fcx", "n\u00fcx"), ("a\udcff\udcfeb", r"a\udcff\udcfeb")]
)
def test_printable(name: str, shown: str) -> None:
    assert printable(name) == shown
