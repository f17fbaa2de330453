"""What checks recorded as WARNING or CRITICAL: a part of what explains it, else a symptom of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tcptide.model import Event

from .frames import History
from .peak import CODES
from .symptoms import TOGETHER_SECONDS, Symptom

ALERTS = (1, 2)  # the states WARNING and CRITICAL; an UNKNOWN says nothing of connections

#: What a check's message begins with -> the kinds of symptoms that it is about, where no code says more.
CHECKS: Mapping[str, tuple[str, ...]] = {
    "TCP_CONNECTIONS": ("conntrack", "memory"),
    "TCP_ERRORS": ("failed_opens", "retransmits", "accept_queue", "syn_flood", "memory"),
    "TCP_LISTEN_QUEUE": ("accept_queue",),
    "TCP_PORT_EXHAUSTION": ("ports", "bind"),
    "TCP_TIME_WAIT": ("time_wait",),
    "TCP_PATTERN": ("leak", "growth", "flood", "outage", "level_shift", "syn_flood"),
    "TCP_QUALITY": ("retransmits",),
    "TCPTIDE": ("gap",),
}

COUNTED = "TCP_CONNECTIONS "  # how the message begins of a check that counts, and knows of few causes


def with_alerts(
    every: Sequence[Symptom], events: Sequence[Event], history: History, before: Sequence[Event] = ()
) -> list[Symptom]:
    """The symptoms and the alerts: one that a symptom explains makes that as severe, and is not told twice.

    before: the last changes before the period of what was the case when it began.
    """
    found = list(every)
    for alert in _alerts(events, history, before):
        about = _kinds(alert.event)
        near = [one for one in found if one.kind in about and _overlap(one, alert)]
        if not near:
            found.append(alert)
            continue
        best = max(near, key=lambda one: (one.severity, one.seconds))
        found[found.index(best)] = replace(best, severity=max(best.severity, alert.severity))
    return found


def _alerts(events: Sequence[Event], history: History, before: Sequence[Event]) -> Iterator[Symptom]:
    """From a service's first bad state to the next good one, in the order in which they end."""
    standing = {  # since, and the worst
        one.name: (history.since, one) for one in before if one.kind == "threshold" and one.new in ALERTS
    }
    seen = {one.name for one in before}
    for event in events:
        if event.kind != "threshold":
            continue
        since, worst = standing.pop(event.name, (event.wall_seconds, event))
        if event.name not in seen and event.old in ALERTS:
            since = history.since
            if event.new not in ALERTS:
                yield _alert(since, event.wall_seconds, event, event.old, "it was given before the period began")
        elif worst is not event and event.new not in ALERTS:
            yield _alert(since, event.wall_seconds, worst, worst.new, worst.message)
        if event.new in ALERTS:
            standing[event.name] = since, event if event.new > worst.new else worst
        seen.add(event.name)
    for since, worst in standing.values():
        yield _alert(since, max(worst.wall_seconds, history.until), worst, worst.new, worst.message)


def _alert(since: float, until: float, event: Event, severity: int, evidence: str) -> Symptom:
    counted = event.message.startswith(COUNTED) and not _by_code(event)
    return Symptom("alert", severity, since, until, until - since, event.wall_seconds, evidence, event, counted)


def _kinds(event: Event | None) -> tuple[str, ...]:
    """The kinds of symptoms that an alert is about."""
    if event is None:
        return ()
    return _by_code(event) or CHECKS.get(event.message.partition(" ")[0], ())


def _by_code(event: Event) -> tuple[str, ...]:
    return tuple(kind for kind, codes in CODES.items() if event.code in codes)


def _overlap(one: Symptom, other: Symptom) -> bool:
    return one.since <= other.until + TOGETHER_SECONDS and one.until >= other.since - TOGETHER_SECONDS
