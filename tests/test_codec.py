import json

import pytest

from tcptide import codec
from tcptide.errors import StoreError
from tcptide.model import Destination, Holder, Listener, Sample
from tests.storing import make_sample

NOTHING_SEEN = make_sample(unseen=(), netns_cookie=None, netns_inode=None)._replace(
    states={},
    counters={},
    limits=make_sample().limits._replace(reserved_ports=(), tcp_mem_pages=None, tcp_tw_reuse=None),
    ports=None,
    listeners=(),
    not_accepted=None,
    local_ports=(),
    remotes=(),
    holders=(),
    lingering=(),
    tcp_info=None,
)


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(make_sample(), id="everything"),
        pytest.param(NOTHING_SEEN, id="nothing-seen"),
        pytest.param(make_sample(source="netns ü\udcff", unseen=("a,b", "c\nd")), id="odd-names"),
    ],
)
def test_a_sample_comes_back_as_it_was(sample: Sample) -> None:
    back = codec.sample_from_json(codec.sample_to_json(sample))
    assert back == sample
    assert repr(back) == repr(sample)  # the types within too


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a stored sample is malformed"),
        ("{", "a stored sample is malformed"),
        ("null", "a stored sample is malformed"),
        ("[1,2,3]", "a stored sample is malformed"),
        ("[1,[]]", "a stored sample is of another version"),
        ('{"shape":1,"fields":2}', "a stored sample is of another version"),
    ],
)
def test_other_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        codec.sample_from_json(text)


def test_our_shape_with_wrong_content_is_refused() -> None:
    shape, fields = json.loads(codec.sample_to_json(make_sample()))
    for number in range(len(fields)):
        broken = [*fields[:number], 7, *fields[number + 1 :]]
        if Sample._fields[number] == "not_accepted":
            continue
        with pytest.raises(StoreError, match="malformed"):
            codec.sample_from_json(json.dumps([shape, broken]))
    with pytest.raises(StoreError, match="malformed"):
        codec.sample_from_json(json.dumps([shape, fields[:-1]]))


def test_top_lists_are_five_deep_and_come_back() -> None:
    sample = make_sample()
    top = codec.top_from_json(codec.top_to_json(sample))
    assert sample.ports is not None
    assert top.destinations == tuple(one._replace(utilisation_percent=92.0) for one in sample.ports.worst[:5])
    assert top.bind == (("192.0.2.10", 12.3), ("192.0.2.11", 3.5))
    assert top.listeners == (Listener("0.0.0.0", 443, 12, 128, 33, "nginx.service", 9.3),)
    assert top.local_ports == sample.local_ports[:5]
    assert top.remotes == sample.remotes[:5]
    assert top.holders == sample.holders[:5] + sample.holders[6:11]
    assert top.lingering == sample.lingering


def test_top_lists_of_nothing() -> None:
    assert codec.top_to_json(NOTHING_SEEN) == "[[],[],[],[],[],{},[]]"
    assert codec.top_from_json("[[],[],[],[],[],{},[]]") == codec.Top((), (), (), (), (), (), ())


def test_a_holders_zeros_are_not_kept() -> None:
    holder = Holder("user", "www", {"ESTABLISHED": 0, "CLOSE_WAIT": 5, "BOUND": 0})
    top = codec.top_from_json(codec.top_to_json(NOTHING_SEEN._replace(holders=(holder,))))
    assert top.holders == (Holder("user", "www", {"CLOSE_WAIT": 5}),)


def test_rows_of_an_older_program_lack_fields() -> None:
    (destination,) = codec.top_from_json('[[["192.0.2.1","192.0.2.2",443,5,0,1.5]],[],[],[],[],{},[]]').destinations
    assert destination == Destination("192.0.2.1", "192.0.2.2", 443, 5, 0, 1.5, None, 0)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[[1],[],[],[],[],{},[]]"])
def test_other_top_lists_are_refused(text: str) -> None:
    with pytest.raises(StoreError, match="malformed"):
        codec.top_from_json(text)
