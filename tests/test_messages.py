"""How single messages of recorded dumps are read, and how chunks are sorted by form."""

from struct import pack

import pytest

from tcptide.errors import SourceError
from tcptide.kernel.messages import Entry, Form, by_form, common_form, entries, readers, state_name
from tests.dumps import chunks, split

IPV4, IPV6 = 2, 10
LOCALHOST = bytes((127, 0, 0, 1)) + bytes(12)
LOCALHOST_6 = bytes(15) + b"\x01"
ANY = bytes(16)

ENTRIES = {
    "listeners": [
        Entry(IPV4, 10, ANY, 20008, 0, 0, 5, 0, 1, False),
        Entry(IPV4, 10, ANY, 20008, 0, 0, 5, 0, 1, False),
        Entry(IPV4, 10, LOCALHOST, 8080, 0, 3, 9, 1, 7001, False),
        Entry(IPV6, 10, ANY, 20009, 0, 0, 7, 0, 1, False),
        Entry(IPV6, 10, ANY, 20010, 0, 0, 8, 0, 1, True),
    ],
    "bound-idle": [
        Entry(IPV4, 7, LOCALHOST, 20011, 0, 0, 0, 65534, 7002, False),
        Entry(IPV6, 7, LOCALHOST_6, 20012, 0, 0, 0, 0, 1, True),
    ],
    "explicit": [
        Entry(IPV4, 1, LOCALHOST, 20013, 8080, 0, 0, 0, 1, False),
        Entry(IPV4, 1, LOCALHOST, 20014, 8080, 0, 0, 0, 1, False),
    ],
    "empty": [],
}


@pytest.mark.parametrize(("name", "expected"), ENTRIES.items(), ids=ENTRIES)
def test_entries_of(name: str, expected: list[Entry]) -> None:
    assert sorted(entry for chunk in chunks(name) for entry in entries(chunk)) == expected


def test_entries_of_a_kernel_without_cgroup_ids() -> None:
    assert {entry.cgroup for entry in entries(chunks("no-cgroups")[0])} == {None}


FULL, FULL_NOBODY = Form(124, True, 108, False), Form(116, True, 100, False)
SHORT, SHORT_TIME_WAIT = Form(96, False, None, False), Form(96, False, None, True)

FORMS = {
    "one-socket": {FULL: 1},
    "one-socket-nobody": {FULL_NOBODY: 1},
    "one-time-wait": {SHORT_TIME_WAIT: 1},
    "ipv4-mapped": {FULL: 6},
    "mixed-sizes": {FULL: 12, SHORT: 4, SHORT_TIME_WAIT: 4},
    "mixed-sizes-nobody": {FULL_NOBODY: 12, Form(88, False, None, False): 4, Form(88, False, None, True): 4},
    "no-cgroups": {Form(112, True, None, False): 12, SHORT: 4, SHORT_TIME_WAIT: 4},
    "odd-length": {
        Form(128, True, 108, False): 12,
        Form(100, False, None, False): 4,
        Form(100, False, None, True): 4,
    },
    "listeners": {FULL: 3, Form(132, True, 116, False): 2},
}


@pytest.mark.parametrize(("name", "expected"), FORMS.items(), ids=FORMS)
def test_messages_are_sorted_by_form(name: str, expected: dict[Form, int]) -> None:
    (chunk,) = chunks(name)
    assert {form: len(part) // form.length for form, part in by_form(chunk)} == expected
    assert common_form(chunk) == (next(iter(expected)) if len(expected) == 1 else None)


def test_nothing_is_lost_in_sorting() -> None:
    (chunk,) = chunks("mixed-sizes")
    assert sorted(each for _, part in by_form(chunk) for each in split(part)) == sorted(split(chunk))


def test_messages_of_one_length_that_are_not_alike_are_taken_apart() -> None:
    """Two attributes change places: then one Struct doesn't read both."""
    (one,) = chunks("one-socket")
    other = one[:88] + one[104:116] + one[88:104] + one[116:]
    assert len(other) == len(one)
    assert common_form(one + other) is None
    assert [form for form, _ in by_form(one + other)] == [FULL, Form(124, True, 92, False)]


@pytest.mark.parametrize(
    "at", [0, 4, 88, 90, 104, 106], ids=["length", "type", "head", "kind", "cgroup-length", "cgroup"]
)
def test_a_common_form_is_proved_for_every_message(at: int) -> None:
    """A byte of the last message that makes it another form."""
    (one,) = chunks("one-socket")
    last = bytearray(one)
    last[at] ^= 1
    assert common_form(one * 3 + one) == FULL
    assert common_form(one * 3 + last) is None


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("tcp-info", Form(408, True, 108, False, 128, 280)),
        ("tcp-info-nobody", Form(400, True, 100, False, 120, 280)),
        ("tcp-info-before-4.10", Form(296, True, 108, False, 128, 168)),
        ("tcp-info-of-2.6", Form(232, True, 108, False, 128, 104)),
    ],
)
def test_where_tcp_info_is(name: str, form: Form) -> None:
    full = [one for chunk in chunks(name) for one in split(chunk) if len(one) == form.length]
    assert common_form(b"".join(full)) == form
    for at in (form.info_at or 0) - 4, (form.info_at or 0) - 2:  # its length, its kind
        last = bytearray(full[-1])
        last[at] ^= 1
        assert common_form(b"".join([*full, last])) is None


def test_time_wait_is_no_form_of_other_short_messages() -> None:
    (one,) = chunks("one-time-wait")
    other = one[:17] + b"\x03" + one[18:]
    assert common_form(one * 2) == SHORT_TIME_WAIT
    assert common_form(other * 2) == SHORT
    assert common_form(one + other) is None
    assert common_form(other + one) is None


def test_what_is_read_of_a_form() -> None:
    (full,), (short,) = chunks("one-socket"), chunks("one-time-wait")
    far = pack(">H", 8080) + LOCALHOST + LOCALHOST
    assert [reader.unpack(full) for reader in readers(FULL)] == [
        (IPV4, 1, 0, 1),
        (IPV4, far, 0, 1),
        (LOCALHOST,),
        (IPV4, LOCALHOST),
    ]
    assert [reader.unpack(short) for reader in readers(SHORT_TIME_WAIT)] == [
        (IPV4, 6),
        (IPV4, far),
        (LOCALHOST,),
        (IPV4, LOCALHOST),
    ]


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (bytes(87), "sock_diag: 87 bytes left over at byte 0 of a chunk of 87"),
        (bytes(88), "sock_diag: odd message at byte 0 of 88: type 0, length 0"),
        (pack("=IH", 92, 18) + bytes(82), "sock_diag: odd message at byte 0 of 88: type 18, length 92"),
        (pack("=IH", 2**32 - 1, 18) + bytes(82), "sock_diag: odd message at byte 0 of 88: type 18, length 4294967295"),
        (pack("=IH", 88, 4) + bytes(82), "sock_diag: odd message at byte 0 of 88: type 4, length 88"),
        (
            pack("=IH", 92, 18) + bytes(82) + pack("=HH", 0, 8),
            "sock_diag: odd attribute at byte 88 of a message: type 8, length 0",
        ),
    ],
    ids=["short", "no-length", "too-long", "far-too-long", "overrun-message", "endless-attribute"],
)
def test_what_is_no_message_is_named(chunk: bytes, message: str) -> None:
    for read in (common_form, lambda data: list(by_form(data)), lambda data: list(entries(data))):
        with pytest.raises(SourceError) as caught:
            read(chunk)
        assert str(caught.value) == message


def test_bytes_after_the_last_attribute_that_are_none_do_not_matter() -> None:
    chunk = pack("=IH", 90, 18) + bytes(84)
    assert common_form(chunk + bytes(2)) == Form(92, False, None, False)


def test_state_names() -> None:
    assert [state_name(number) for number in (3, 12, 7)] == ["SYN_RECV", "SYN_RECV", "BOUND"]
    with pytest.raises(SourceError, match=r"^sock_diag: unknown socket state 0$"):
        state_name(0)
