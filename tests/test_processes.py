"""What psutil is asked: all sockets as the fallback source, and who holds them."""

import os
import socket
import subprocess
import sys

import psutil
import pytest

from tcptide.errors import SourceError
from tcptide.kernel.processes import Row, holders, tcp_sockets, user_name
from tcptide.kernel.procfs import ProcFs
from tcptide.model import Holder
from tests.worlds import World, eventually, run

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(state: str, local: str = "0100007F:1F90", remote: str = "0200007F:8000") -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  1000        0 0 1 0\n"


@pytest.fixture
def proc(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A /proc for psutil, with a net folder that is empty."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    os.mkdir(f"{tmp_path}/net")
    return str(tmp_path)


def write(proc: str, name: str, text: str) -> None:
    with open(f"{proc}/net/{name}", "w") as file:
        file.write(HEADING + text)


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("01", "ESTABLISHED"),
        ("02", "SYN_SENT"),
        ("03", "SYN_RECV"),
        ("04", "FIN_WAIT1"),
        ("05", "FIN_WAIT2"),
        ("06", "TIME_WAIT"),
        ("08", "CLOSE_WAIT"),
        ("09", "LAST_ACK"),
        ("0A", "LISTEN"),
        ("0B", "CLOSING"),
    ],
)
def test_a_state_has_the_kernel_s_name(code: str, state: str, proc: str) -> None:
    write(proc, "tcp", line(code))
    assert tcp_sockets() == [Row(state, 4, "127.0.0.1", 8080, "127.0.0.2", 32768, None)]


def test_a_socket_that_is_being_removed_is_left_out(proc: str) -> None:
    write(proc, "tcp", line("07"))
    assert tcp_sockets() == []


def test_without_ipv6_there_is_ipv4(proc: str) -> None:
    write(proc, "tcp", line("0A", remote="00000000:0000"))
    assert tcp_sockets() == [Row("LISTEN", 4, "127.0.0.1", 8080, None, None, None)]


def test_ipv6_addresses_are_kept_and_mapped_ones_become_ipv4(proc: str) -> None:
    write(proc, "tcp", "")
    mapped = "0000000000000000FFFF0000"
    write(
        proc,
        "tcp6",
        line("01", f"{mapped}0100007F:1F90", f"{mapped}0200007F:8000")
        + line("0A", "0" * 32 + ":1F90", "0" * 32 + ":0000")
        + line("06", "0" * 24 + "01000000:1F90", "0" * 24 + "01000000:8001"),
    )
    assert sorted(tcp_sockets()) == [
        Row("ESTABLISHED", 4, "127.0.0.1", 8080, "127.0.0.2", 32768, None),
        Row("LISTEN", 6, "::", 8080, None, None, None),
        Row("TIME_WAIT", 6, "::1", 8080, "::1", 32769, None),
    ]


def test_an_unreadable_table_is_named(proc: str) -> None:
    with pytest.raises(SourceError, match=f"^{proc}/net/tcp: No such file or directory$"):
        tcp_sockets()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("   0: 0100007F:1F90 02\n", "RuntimeError: error while parsing .*/net/tcp; malformed line 1 "),
        (line("FF"), "KeyError: 'FF'$"),
        (line("01", local="127.0.0.1:80"), "Error: "),
    ],
    ids=["truncated", "state", "address"],
)
def test_an_odd_table_is_named(text: str, message: str, proc: str) -> None:
    write(proc, "tcp", text)
    with pytest.raises(SourceError, match=f"^/proc/net/tcp: .*{message}"):
        tcp_sockets()


def test_without_psutil_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(SourceError, match=r"^psutil: "):
        tcp_sockets()


def test_psutil_is_not_loaded_before_it_is_asked() -> None:
    program = "import sys, tcptide.kernel.processes; print('psutil' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


# This kernel


@pytest.mark.root
def test_real_sockets_of_both_families() -> None:
    with World() as world:
        listener = world.listen("127.0.0.1", 8080)
        _, server = world.pair(listener, mapped=True)
        client6, server6 = world.pair(world.listen("::1", 8080))
        server6.shutdown(socket.SHUT_WR)
        me = os.getpid()
        mapped_port, port6 = server.getpeername()[1], client6.getsockname()[1]
        wanted = [
            Row("CLOSE_WAIT", 6, "::1", port6, "::1", 8080, me),
            Row("ESTABLISHED", 4, "127.0.0.1", 8080, "127.0.0.1", mapped_port, me),
            Row("ESTABLISHED", 4, "127.0.0.1", mapped_port, "127.0.0.1", 8080, me),
            Row("FIN_WAIT2", 6, "::1", 8080, "::1", port6, me),
            Row("LISTEN", 4, "127.0.0.1", 8080, None, None, me),
            Row("LISTEN", 6, "::1", 8080, None, None, me),
        ]
        assert eventually(lambda: sorted(tcp_sockets()), wanted) == wanted


@pytest.mark.root
def test_an_ordinary_user_sees_the_sockets_of_others_without_their_processes() -> None:
    with World() as world:
        client, _server = world.pair(world.listen("127.0.0.1", 8080))
        here = client.getsockname()[1]
        program = "from tcptide.kernel.processes import *; print(sorted(tcp_sockets())[0], holders(ProcFs()))"
        done = run([sys.executable, "-c", program], user="nobody")
    assert (done.stdout, done.stderr) == (
        f"{Row('ESTABLISHED', 4, '127.0.0.1', 8080, '127.0.0.1', here, None)} ()\n",
        "",
    )


HOLD_SOCKETS = """
import socket
open("/proc/self/comm", "wb").write(b"n\\xffx")
listener = socket.create_server(("127.0.0.1", 8081))
client = socket.create_connection(("127.0.0.1", 8081))
print("ready", flush=True)
input()
"""


@pytest.mark.root
def test_holders_are_counted_by_process_name_most_sockets_first() -> None:
    with World() as world:
        listener = world.listen("127.0.0.1", 8080)
        world.pair(listener)
        world.connect("127.0.0.1", 8080)  # its other end waits to be accepted and is nobody's yet
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD_SOCKETS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            seen = holders(ProcFs())
            child.communicate("\n")
    assert seen == (
        Holder("process", psutil.Process().name(), {"ESTABLISHED": 3}),
        Holder("process", r"n\udcffx", {"ESTABLISHED": 1}),
    )


@pytest.mark.root
def test_holders_are_not_looked_for_among_too_many_sockets() -> None:
    with World() as world:
        client, server = world.pair(world.listen("127.0.0.1"))
        client.shutdown(socket.SHUT_WR)
        server.close()
        client.close()
        world.listen("::1")
        assert eventually(lambda: ProcFs().counters()["sockstat.TCP.tw"], 1) == 1
        with pytest.raises(SourceError, match=r"^no process names: 3 sockets, looked up to 2$"):
            holders(ProcFs(), max_sockets=2)
        assert holders(ProcFs(), max_sockets=3) == ()


@pytest.mark.parametrize(
    ("uid", "name"),
    [(0, "root"), (3_000_000_001, "uid 3000000001"), (2**32 - 1, "uid 4294967295"), (2**40, "uid 1099511627776")],
)
def test_user_name(uid: int, name: str) -> None:
    assert user_name(uid) == name


@pytest.mark.root
def test_user_name_needs_no_environment_and_no_privilege() -> None:
    program = "import os; from tcptide.kernel.processes import user_name; print(user_name(os.getuid()))"
    done = run([sys.executable, "-c", program], user="nobody")
    assert (done.stdout, done.stderr) == ("nobody\n", "")
