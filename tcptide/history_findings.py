"""What is wrong by the history, as data: leaks, floods, outages, shifts, degraded quality."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tcptide.far import is_far
from tcptide.findings import HOST, Values, known, toward
from tcptide.model import Finding, Leak, Sample
from tcptide.outlook import Outlook
from tcptide.text import endpoint, network
from tcptide.usage import in_state

if TYPE_CHECKING:  # most that load this have nothing to do with quality
    from tcptide.quality import Degradation

#: Of what is more than expected, the least that must come from one address or network for it to be named.
SHARE = 0.5

_CODES = {"rapid_increase": "flood", "rapid_decrease": "outage", "level_shift": "level_shift"}

_SERVICE = r"(?!user@)[A-Za-z0-9_:.@\\-]+\.service"
_ADDRESS = r"[0-9a-f.:]+(/[0-9]+)?"


def of_outlook(outlook: Outlook, sample: Sample, shown: Callable[[str], str] = str) -> tuple[Finding, ...]:
    """What the pattern and the leaks are, for whoever can do something about it; a spike is over before that.

    shown: how a remote address is written; `outlook` and `sample` have the whole ones.
    """
    leaks = tuple(map(of_leak, outlook.leaks))
    if outlook.verdict.pattern == "slow_leak" and not leaks:
        return tuple(_of_growth(outlook))
    if outlook.syn_flood:
        return _of_half_open(outlook, sample), *leaks
    code = _CODES.get(outlook.verdict.pattern)
    return leaks if code is None else (Finding(code, 1, HOST, _risen(outlook, sample, shown)), *leaks)


def of_leak(leak: Leak) -> Finding:
    """Sockets that a program has forgotten."""
    values = known(
        sockets=leak.sockets,
        oldest_seconds=leak.oldest_seconds,
        per_hour=leak.per_hour,
        holder=leak.holder,
        restart=_command("restart", leak.holder),
    )
    return Finding("leak_close_wait" if leak.state == "CLOSE_WAIT" else "leak_established", 1, leak.holder, values)


def of_degradation(worse: "Degradation", connections: int) -> Finding:
    """Connections that fare worse than is usual; `connections` are those that were looked at."""
    now, usual = worse.now, worse.usual
    if worse.kind == "retransmitting":
        name = "retransmitting_percent"
        values = known(now_percent=now[name], usual_percent=usual[name], connections=connections)
        return Finding("quality_retransmitting", 1, HOST, values)
    values = known(
        now_ms=now["rtt_p50_ms"],
        usual_ms=usual["rtt_p50_ms"],
        now_tail_ms=now["rtt_p95_ms"],
        usual_tail_ms=usual["rtt_p95_ms"],
        connections=connections,
    )
    return Finding("quality_rtt", 1, HOST, values)


def _of_growth(outlook: Outlook) -> Iterator[Finding]:
    """A leak that only the numbers tell of."""
    verdict = outlook.verdict
    more = (verdict.seen or 0.0) - (verdict.expected or 0.0) if outlook.change is None else outlook.change
    values = _common(outlook) | known(per_hour=outlook.per_hour, sockets=round(more))
    if verdict.grew == "CLOSE_WAIT" and verdict.holder:
        yield Finding("leak_close_wait", 1, verdict.holder, values)
    elif verdict.grew == "ESTABLISHED" and verdict.holder:
        yield Finding("leak_established", 1, verdict.holder, values)
    else:
        yield Finding("growth", 1, HOST, values)


def _of_half_open(outlook: Outlook, sample: Sample) -> Finding:
    """A SYN flood that was seen as it began, whether or not SYN cookies are sent yet."""
    port = outlook.local_port
    listener = next((one for one in sample.listeners if one.port == port), None)
    values = _common(outlook) | known(
        syn_recv=in_state(sample, "SYN_RECV") or round(outlook.change or 0.0),
        backlog=listener.backlog if listener else None,
    )
    return Finding("syn_flood", 1, f":{port}" if port else HOST, values)


def _common(outlook: Outlook) -> Values:
    verdict = outlook.verdict
    return known(
        seen=verdict.seen,
        expected=verdict.expected,
        for_seconds=None if verdict.since is None else max(0.0, outlook.wall_seconds - verdict.since),
        state=verdict.grew,
        change=None if outlook.change is None else f"{outlook.change:+.0f}",
        holder=verdict.holder,
        owner=verdict.holder,  # what is said only of a known one
        restart=_command("restart", verdict.holder),
        status=_command("status", verdict.holder),
    )


def _risen(outlook: Outlook, sample: Sample, shown: Callable[[str], str]) -> Values:
    """With where it comes from or goes to, as far as that stands out.

    `source` is of an address that nobody here loses by a limit on it: far away, and shown whole.
    """
    port, destination, filter, source = outlook.local_port, None, None, None
    remote = None if outlook.destination else _remote(outlook, sample)
    if outlook.destination:
        destination = shown(outlook.destination[0]), outlook.destination[1]
        filter = toward(*destination)
    elif port:
        filter = f"'sport = :{port}'"
        if remote and remote == shown(remote) and is_far(remote, sample):
            source = f"{'ip6' if ':' in remote else 'ip'} saddr {remote}"
    return _common(outlook) | known(
        local_port=None if destination else port,
        destination=endpoint(*destination) if destination else None,
        remote=remote and _shown(remote, shown),
        source=source,
        filter=filter,
    )


def _remote(outlook: Outlook, sample: Sample) -> str | None:
    """The address, else the network, that most of what is beyond the expected must come from.

    Before, it had at most all that was expected; so what it has more than that is new.
    """
    verdict = outlook.verdict
    if verdict.seen is None or verdict.expected is None or verdict.seen <= verdict.expected:
        return None
    networks: dict[str, int] = {}
    shown = [(address, count) for address, count in sample.remotes if re.fullmatch(_ADDRESS, address)]
    for address, count in shown:
        if "/" not in address:
            networks[network(address)] = networks.get(network(address), 0) + count
    for name, count in (*shown[:1], *sorted(networks.items(), key=lambda item: -item[1])[:1]):
        if count - verdict.expected >= SHARE * (verdict.seen - verdict.expected):
            return name
    return None


def _shown(remote: str, shown: Callable[[str], str]) -> str | None:
    """An address or a network as it may be shown; None if it may not."""
    address, slash, _ = remote.partition("/")
    written = shown(address)
    if not re.fullmatch(_ADDRESS, written):
        return None
    return remote if slash else written


def _command(verb: str, holder: str | None) -> str | None:
    """The command for a unit; a user's session or a container has none."""
    return f"systemctl {verb} {holder}" if holder and re.fullmatch(_SERVICE, holder) else None
