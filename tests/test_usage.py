"""Shares of limits and of what happened."""

import pytest

from tcptide import usage
from tcptide.usage import Share
from tests.samples import SSH, listener, no_rates, rates, sample


def test_shares_of_limits() -> None:
    seen = sample()
    assert usage.time_wait(seen) == (61, 65536)
    assert usage.conntrack(seen) == (2410, 262144)
    assert usage.orphans(seen) == (2, 65536)
    assert usage.memory(seen) == (1900, 190026)


def test_no_limit_no_share() -> None:
    seen = sample(tcp_max_tw_buckets=None, nf_conntrack_max=None, tcp_max_orphans=None, tcp_mem_pages=None, counters={})
    assert [of(seen) for of in (usage.time_wait, usage.conntrack, usage.orphans, usage.memory)] == [None] * 4
    assert usage.orphans(sample(counters={})) is None
    assert usage.time_wait(sample(tcp_max_tw_buckets=0)) is None


def test_percent_is_never_over_100() -> None:
    assert Share(65, 64).percent == 100.0
    assert Share(1, 3).percent == pytest.approx(33.333, abs=0.001)


def test_shares_of_what_happened() -> None:
    seen = rates(active_opens=3.0, passive_opens=1.0, attempt_fails=1.0, out_segs=100.0, retrans_segs=2.0)
    assert usage.opened_per_second(seen) == 4.0
    assert usage.failed_opens(seen) == (1.0, 4.0)
    assert usage.retransmits(seen) == (2.0, 100.0)


def test_half_open_connections_that_the_other_side_breaks_off_are_no_failures() -> None:
    seen = rates(active_opens=3.0, passive_opens=1.0, attempt_fails=1.0, embryonic_resets=0.75)
    assert usage.failed_opens(seen) == (0.25, 4.0)
    assert usage.failed_opens(rates(active_opens=4.0, attempt_fails=1.0, embryonic_resets=1.5)) == (0.0, 4.0)
    assert usage.failed_opens(rates(active_opens=4.0, attempt_fails=1.0, embryonic_resets=None)) == (1.0, 4.0)


@pytest.mark.parametrize(
    ("part", "whole", "at_least"),
    [(0, 50, 0.0), (3, 50, 1.26), (8, 50, 5.96), (50, 50, 84.75), (80, 500, 11.68), (8_000, 50_000, 15.51)],
)
def test_a_share_of_little_is_less_sure(part: int, whole: int, at_least: float) -> None:
    seen = rates(active_opens=whole / 60, attempt_fails=part / 60)
    found = usage.at_least(usage.failed_opens(seen), seen)
    assert found == pytest.approx(at_least, abs=0.01)
    assert usage.at_least(None, seen) is None


def test_what_comes_together_is_one_to_chance() -> None:
    seen, tenth = (rates(out_segs=segments, retrans_segs=segments / 20) for segments in (1000.0, 100.0))
    assert usage.at_least(usage.retransmits(seen), seen, 10) == usage.at_least(usage.retransmits(tenth), tenth)


def test_syn_retransmits_are_not_data() -> None:
    assert usage.retransmitted_data(rates(retrans_segs=5.0, syn_retransmits=2.0, orig_data_sent=50.0)) == (3.0, 50.0)
    assert usage.retransmitted_data(rates(retrans_segs=1.0, syn_retransmits=2.0, orig_data_sent=50.0)) == (0.0, 50.0)


def test_nothing_happened_no_share() -> None:
    assert usage.failed_opens(rates()) is None
    assert usage.retransmits(rates()) is None
    assert usage.failed_opens(no_rates()) is None
    assert usage.opened_per_second(rates(passive_opens=None)) is None


@pytest.mark.parametrize(
    ("opens", "enough"), [(49, False), (50, True), (51, True)], ids=["too-few", "just-enough", "enough"]
)
def test_enough_counts_what_happened_between_the_two_samples(opens: int, enough: bool) -> None:
    assert usage.enough(usage.failed_opens(rates(active_opens=opens / 60)), rates(), 50) is enough
    assert usage.enough(None, rates(), 0) is False


def test_long_queues() -> None:
    short, small_but_long, large = listener(7, 7), listener(8, 9, port=81), listener(64, 128, port=82)
    seen = sample(listeners=(short, large, SSH, small_but_long))
    assert usage.long_queues(seen, rates()) == (small_but_long, large)
    assert usage.long_queues(seen, no_rates()) == (small_but_long, large)
    assert usage.long_queues(seen, rates(listen_overflows=0.1)) == (short, small_but_long, large, SSH)
