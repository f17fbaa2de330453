"""Which Series a report is made of: a year of the others would be a quarter more to read."""

from tcptide import series

#: What nothing on the page is told from.
NOT_SHOWN = frozenset(
    (
        *("total_ipv6", "memory_limit_pages", "in_segs", "in_errs", "out_rsts"),
        *("listen_drops", "receive_queue_drops", "backlog_drops", "pruned"),
        *series.TCP_INFO,
    )
)
NAMES = tuple(name for name in series.NAMES if name not in NOT_SHOWN)
COUNTERS = tuple(name for name in series.COUNTERS if name not in NOT_SHOWN)
