"""How much of a limit is used up, and which share of what happened went wrong: pure, from a sample and its rates.

None: a part of it was not seen, or there is nothing to take a share of.
"""

from math import sqrt

from tcptide import levels
from tcptide.model import Listener, Rates, Sample
from tcptide.record import NamedTuple

_DEVIATIONS = 3.0  # a minute in a thousand is chance; a fleet has half a million of them a day


class Share(NamedTuple):
    """A part of a whole, both in the same unit."""

    part: float
    whole: float

    @property
    def percent(self) -> float:
        """At most 100: the kernel counts a limit loosely, and the counters of a share one after the other."""
        return min(100.0, 100 * self.part / self.whole)


def share(part: float | None, whole: float | None) -> Share | None:
    """The share, if both are known and there is a whole."""
    return Share(part, whole) if part is not None and whole else None


def in_state(sample: Sample, state: str) -> int:
    """Sockets in a state, both families."""
    return sum(sample.states.get(state, (0, 0)))


def time_wait(sample: Sample) -> Share | None:
    """TIME_WAIT sockets of net.ipv4.tcp_max_tw_buckets; above it they are cut short."""
    return share(in_state(sample, "TIME_WAIT"), sample.limits.tcp_max_tw_buckets)


def conntrack(sample: Sample) -> Share | None:
    """Entries of net.netfilter.nf_conntrack_max; at it new connections are dropped."""
    return share(sample.limits.nf_conntrack_count, sample.limits.nf_conntrack_max)


def orphans(sample: Sample) -> Share | None:
    """Sockets without a process of net.ipv4.tcp_max_orphans; above it they are reset."""
    return share(sample.counters.get("sockstat.TCP.orphan"), sample.limits.tcp_max_orphans)


def memory(sample: Sample) -> Share | None:
    """Pages of all TCP sockets of the machine, of net.ipv4.tcp_mem's upper limit."""
    pages = sample.limits.tcp_mem_pages
    return share(sample.counters.get("sockstat.TCP.mem"), pages and pages[2])


def opened_per_second(rates: Rates) -> float | None:
    """Connections opened by either side."""
    active, passive = rates.per_second.get("active_opens"), rates.per_second.get("passive_opens")
    return None if active is None or passive is None else active + passive


def failed_opens(rates: Rates) -> Share | None:
    """Opens that were refused or timed out, of all opens; per second.

    The kernel doesn't tell which side a failure was on (Tcp.AttemptFails), so both sides' opens are the whole. What the
    other side broke off half-open is none: load balancers check a service that way, by the second.
    """
    failed, broken_off = rates.per_second.get("attempt_fails"), rates.per_second.get("embryonic_resets")
    known = None if failed is None else max(0.0, failed - (broken_off or 0.0))
    return share(known, opened_per_second(rates))


def retransmits(rates: Rates) -> Share | None:
    """Segments sent again, SYNs included, of the segments sent; per second."""
    return share(rates.per_second.get("retrans_segs"), rates.per_second.get("out_segs"))


def mostly_syns(rates: Rates) -> bool:
    """Whether what is sent again are SYNs and answers to them, for the most part: then no path loses data."""
    again, syn = rates.per_second.get("retrans_segs"), rates.per_second.get("syn_retransmits")
    return again is not None and syn is not None and 2 * syn > again


def retransmitted_data(rates: Rates) -> Share | None:
    """The same of segments with data, without SYNs."""
    again, syn = rates.per_second.get("retrans_segs"), rates.per_second.get("syn_retransmits")
    known = None if again is None or syn is None else max(0.0, again - syn)
    return share(known, rates.per_second.get("orig_data_sent"))


def enough(of: Share | None, rates: Rates, minimum: float) -> bool:
    """Whether so much happened between the two samples that its share says something."""
    return of is not None and of.whole * rates.seconds >= minimum - 0.5  # a count that came back from a rate


def at_least(of: Share | None, rates: Rates, together: float = 1.0) -> float | None:
    """The percentage that a share is at least, chance allowed for: Wilson's lower bound, three standard deviations.

    together: so many of what is counted come at once, and are one event to chance.
    """
    if of is None:
        return None
    number = of.whole * rates.seconds / together
    part, sure = of.percent / 100, _DEVIATIONS**2 / number
    middle, spread = part + sure / 2, sqrt(part * (1 - part) * sure + sure**2 / 4)
    return 100 * max(0.0, middle - spread) / (1 + sure)


def long_queues(sample: Sample, rates: Rates) -> tuple[Listener, ...]:
    """The listeners whose accept queue is worth judging, fullest first; all, once the kernel counted an overflow."""
    overflowed = (rates.per_second.get("listen_overflows") or 0) > 0
    judged = (one for one in sample.listeners if overflowed or one.queue >= levels.MINIMUM_WAITING)
    return tuple(sorted(judged, key=lambda one: -one.utilisation_percent))
