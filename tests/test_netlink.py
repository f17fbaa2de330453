"""The netlink conversation: recorded answers, and the kernel itself."""

import os
import resource
import socket
from collections.abc import Iterator
from struct import pack

import pytest

from tcptide.errors import SourceError
from tcptide.kernel import netlink, sockdiag
from tests.dumps import recorded
from tests.worlds import World


def answer(datagrams: list[bytes]) -> tuple[list[bytes], int]:
    """What is made of an answer that comes in these pieces: its chunks, and how often it was said to be interrupted."""
    kernel, program = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    interruptions: list[None] = []
    with kernel, program:
        for datagram in datagrams:
            kernel.send(datagram)
        program.setblocking(False)
        return [bytes(chunk) for chunk in netlink.receive(program, lambda: interruptions.append(None))], len(
            interruptions
        )


WHOLE = {
    "empty": [],
    "one-socket": [124],
    "several-chunks": [3720, 4092, 2108],
    "end-in-chunk": [2256],
    "mixed-sizes-nobody": [2096],
}


@pytest.mark.parametrize(("name", "sizes"), WHOLE.items(), ids=WHOLE)
def test_a_whole_answer(name: str, sizes: list[int]) -> None:
    chunks, interruptions = answer(recorded(name))
    assert [len(chunk) for chunk in chunks] == sizes
    assert b"".join(recorded(name)).startswith(b"".join(chunks))
    assert interruptions == 0


@pytest.mark.parametrize("name", ["interrupted", "interrupted-at-end"])
def test_an_inconsistent_answer_is_whole_and_says_so(name: str) -> None:
    chunks, interruptions = answer(recorded(name))
    assert [len(chunk) for chunk in chunks] == [124]
    assert interruptions == 1


def test_an_inconsistent_answer_whose_end_is_in_the_chunk_says_so() -> None:
    one, end = recorded("interrupted-at-end")
    assert answer([one + end]) == ([one], 1)


REFUSED = {
    "error": "sock_diag: the kernel answered EINVAL: Invalid argument",
    "error-cut-short": "sock_diag: the kernel answered with an error message cut short",
    "done-with-errno": "sock_diag: the kernel answered ENOBUFS: No buffer space available",
    "no-message": "sock_diag: 12 bytes are no netlink message",
}


@pytest.mark.parametrize(("name", "message"), REFUSED.items(), ids=REFUSED)
def test_an_error_is_named(name: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        answer(recorded(name))
    assert str(caught.value) == message


def test_an_unknown_errno_is_given_as_its_number() -> None:
    with pytest.raises(SourceError, match=r"^sock_diag: the kernel answered 4000: Unknown error 4000$"):
        answer([pack("=IHHIIi", 20, netlink.NLMSG_ERROR, 0, 1, 0, -4000)])


def test_an_empty_end_marker_is_one() -> None:
    assert answer([pack("=IHHII", 16, netlink.NLMSG_DONE, 2, 1, 0)]) == ([], 0)


def test_an_answer_without_an_end_is_named() -> None:
    with pytest.raises(SourceError, match=r"^sock_diag: dump failed: EAGAIN: Resource temporarily unavailable$"):
        answer(recorded("several-chunks")[:-1])


def test_a_chunk_that_did_not_fit_is_named() -> None:
    with pytest.raises(SourceError, match=r"^sock_diag: message of 70000 bytes truncated to 65536$"):
        answer([bytes(70000)])


def test_a_message_s_tail_that_looks_like_an_end_marker_is_none() -> None:
    """Before Linux 5.9 an ordinary user gets the send queue (20 bytes), the user (3), the inode and one attribute."""
    tail = pack("=IIIHHI", 20, 3, 4711, 5, 8, 0)
    message = pack("=IHHII", 96, 18, 2, 1, 7) + bytes(60) + tail
    assert netlink.scan(message * 2, 192) == (192, False, False)
    assert netlink.scan(message, 96) == (96, False, False)


@pytest.fixture
def empty_world() -> Iterator[World]:
    with World() as world:
        yield world


def ask(message_type: int, payload: bytes) -> list[bytes]:
    return [bytes(chunk) for chunk in netlink.dump(message_type, payload, lambda: None)]


@pytest.mark.root
@pytest.mark.usefixtures("empty_world")
class TestKernel:
    def test_empty_namespace(self) -> None:
        assert ask(18, sockdiag.request(0xFFF)) == []

    def test_bad_filter_program(self) -> None:
        with pytest.raises(SourceError, match=r"^sock_diag: the kernel answered EINVAL: Invalid argument$"):
            ask(18, sockdiag.request(0xFFF, b"\0\0\0\0"))

    def test_request_too_short(self) -> None:
        with pytest.raises(SourceError, match=r"^sock_diag: the kernel answered EINVAL: Invalid argument$"):
            ask(18, bytes(8))

    def test_dump_can_be_left_early(self, empty_world: World) -> None:
        """The socket is closed, not left to the garbage collector."""
        listener = empty_world.listen("127.0.0.1")
        for _ in range(200):
            empty_world.pair(listener)
        before = os.listdir("/proc/self/fd")
        walk = netlink.dump(18, sockdiag.request(0xFFF), lambda: None)
        assert len(next(walk)) > 88
        assert len(os.listdir("/proc/self/fd")) == len(before) + 1
        walk.close()  # type: ignore[attr-defined]
        assert os.listdir("/proc/self/fd") == before


def test_without_a_descriptor_it_is_named() -> None:
    with open("/proc/self/status") as free:
        number = free.fileno()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        with pytest.raises(SourceError, match=r"^sock_diag: cannot open a netlink socket: Too many open files$"):
            ask(18, sockdiag.request(0xFFF))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_attribute_is_padded() -> None:
    assert netlink.attribute(1, b"abcde") == pack("=HH", 9, 1) + b"abcde\0\0\0"
    assert netlink.attribute(1, b"abcd") == pack("=HH", 8, 1) + b"abcd"
