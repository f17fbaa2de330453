"""What needs attention, in words: what was wrong, when, for how long, who it was, what to do; the worst first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from tcptide import advice
from tcptide.findings import HOST
from tcptide.model import Finding
from tcptide.trends import GAP_INTERVALS
from tcptide.words import WORDS

from . import words
from .afterwards import AFTERWARDS, LASTING
from .frames import History, Stretch
from .incidents import Incident, grouped
from .lane import Mark
from .later import Later
from .peak import CODES, Peaks
from .symptoms import Symptom
from .titles import title

SEVERITIES = ("note", "warning", "critical")
GOES_ON, OVER, AT_THE_END = "goes on", "over", "went on at the end of the period"
UNTIL = "went on until"  # some time after the period
ALSO = 3  # more symptoms of an incident, and more times of it, that are told of


@dataclass(frozen=True)
class Attention:
    """One thing that needs attention."""

    number: int  # as pictures mark it
    code: str  # of the finding, or the kind of the symptom
    severity: str
    what: str
    who: str  # '' where nobody is known
    when: str  # Thu 19 Nov 09:22 to 12:17
    lasted: str
    goes_on: bool  # it did in a sample that was fresh when the report was made
    state: str  # 'goes on', 'over', or how it was last seen
    evidence: str
    next_step: str
    also: tuple[str, ...] = ()  # more symptoms, and other times
    subject: str = ""  # for programs, with what follows
    values: Mapping[str, float | int | str] = field(default_factory=dict)
    stretches: tuple[Stretch, ...] = ()  # all times of it, oldest first


@dataclass(frozen=True)
class Summary:
    """The verdict on the period."""

    severity: str  # of the worst, or 'fine'
    text: str
    first: str  # the next step of what is to be done first; '' if nothing is


def attention(
    incidents: Sequence[Incident],
    live: Sequence[Finding],
    peaks: Peaks,
    history: History,
    zone: tzinfo,
    *,
    fresh: bool,
    later: Later | None = None,
) -> tuple[list[Attention], list[Mark]]:
    """What needs attention and where pictures mark it.

    live: the findings of the newest sample, if it is of the period. fresh: it is, and is not old. later: what was out
    of order after the period.
    """
    words_of = _Words(history, zone, fresh, later)
    told: list[tuple[tuple[float, ...], Attention]] = []
    worst = {one.head: peaks.worst(one.head) for one in incidents}
    alike = [(one.head.kind, _who(one.head, worst[one.head][0]), words_of.open(one)) for one in incidents]
    left = list(live)
    for one in grouped(incidents, alike):
        kinds = {symptom.kind for symptom in one.symptoms} if words_of.open(one) else set()
        now = [finding for finding in left if any(finding.code in CODES.get(kind, ()) for kind in kinds)]
        left = [finding for finding in left if finding not in now]
        item = words_of.of_incident(one, *worst[one.head], now)
        told.append((_order(item, one.until), item))
    for finding in left:
        item = words_of.of_finding(finding)
        told.append((_order(item, history.last), item))
    told.sort(key=lambda each: each[0])
    listed = [replace(item, number=number) for number, (_, item) in enumerate(told, 1)]
    marks = [Mark(one.number, each.since, each.until) for one in listed for each in one.stretches if one.lasted]
    return listed, marks


def summary(found: Sequence[Attention], period: str) -> Summary:
    """One sentence on all of them, and what to do first."""
    critical, warnings = (sum(one.severity == name for one in found) for name in ("critical", "warning"))
    serious = [f"{critical} critical"] * bool(critical) + [words.counted(warnings, "warning")] * bool(warnings)
    if not serious:
        return Summary("fine", f"Nothing needs attention {period}.", "")
    going = sum(one.goes_on for one in found if one.severity != "note")
    unknown = sum(not one.goes_on and not _is_over(one.state) for one in found if one.severity != "note")
    now = [f"{words.count(going)} still {'goes' if going == 1 else 'go'} on."] * bool(going)
    now += [f"{words.count(unknown)} went on at its end."] * bool(unknown)
    worst = "critical" if critical else "warning"
    step = found[0].next_step.partition("; ")[0]
    return Summary(
        worst,
        f"{' and '.join(serious)} {period}. {' '.join(now) or 'All of it is over.'}",
        f"{found[0].what}: {step}" if step else "",
    )


def marked(found: Sequence[Attention]) -> str:
    """What pictures mark, in one sentence, for who does not see them."""
    told = "; ".join(f"{one.number} {one.what}, {one.when}" for one in found)
    return f"Marked: {told}." if told else ""


def _order(item: Attention, until: float) -> tuple[float, ...]:
    """What goes on is as bad as what was a level worse and is over."""
    severity = SEVERITIES.index(item.severity)
    return (-severity - (item.goes_on and severity > 0), not item.goes_on, -severity, -until)


def _who(symptom: Symptom, finding: Finding | None) -> str:
    if symptom.kind == "alert" and symptom.event:
        return symptom.event.name
    return "" if finding is None or finding.subject == HOST else finding.subject


@dataclass(frozen=True)
class _Words:
    history: History
    zone: tzinfo
    fresh: bool
    later: Later | None

    def open(self, one: Incident) -> bool:
        """Whether it went on in the last sample."""
        return bool(one.until >= self.history.last - 2 * self.history.spacing_seconds)

    def state(self, one: Incident) -> str:
        if not self.open(one):
            return OVER
        if self.later and not self.fresh:
            return self._since(one, self.later)
        if one.head.kind == "gap":
            return AT_THE_END
        return GOES_ON if self.fresh else self._unknown()

    def _since(self, one: Incident, later: Later) -> str:
        """What became of it after the period."""
        until = later.until(one)
        if until is None:
            return OVER
        if until < later.open_since:
            return f"{UNTIL} {words.stamp(until, self.zone)}"
        return GOES_ON if later.fresh else f"went on at least until {words.stamp(later.last, self.zone)}"

    def _unknown(self) -> str:
        """What nothing is known of since the last sample of the period."""
        silent = self.history.until - self.history.last > GAP_INTERVALS * self.history.spacing_seconds
        return "went on in the last sample" if silent else AT_THE_END

    def of_incident(self, one: Incident, finding: Finding | None, wall: float, now: Sequence[Finding]) -> Attention:
        head, state, who = one.head, self.state(one), _who(one.head, finding)
        goes_on = state == GOES_ON
        about = [each for each in now if each.code in CODES.get(head.kind, ())]
        live = next((each for each in about if each.subject == who), about[0] if about else None)
        said = live or finding
        advised = advice.render(said) if said else None
        known = "; ".join(each.evidence for each in one.symptoms if each.kind == head.kind)
        evidence = [_sentence(known)] if head.kind != "leak" else []
        if advised and head.weak:
            evidence = [_sentence(f"{advised.what}; {advised.evidence}", who)]
        elif advised and advised.evidence:
            last = "Now" if self.fresh else "In the last sample"
            kept = head.event is None or wall != head.event.wall_seconds
            when = f"{'At its worst' if kept else 'When it was recorded'}, {words.stamp(wall, self.zone)}"
            worst = last if live else when
            evidence.append(_sentence(f"{worst}: {self._details(head.kind, said, advised)}"))
        every = one.stretches
        worst_time = Stretch(one.since, one.until)
        times = f", {len(every)} times" if len(every) > 1 else ""
        return Attention(
            0,
            said.code if said else head.kind,
            SEVERITIES[max([one.severity, *(each.severity for each in now if head.kind != "growth")])],
            title(head.kind, who, said, known, goes_on),
            _holder(said),
            words.stretch(worst_time.since, worst_time.until, self.zone) + times,
            words.duration(max(worst_time.seconds, head.seconds)),
            goes_on,
            state,
            " ".join(evidence),
            _next_step(head.kind, advised, _is_over(state)),
            tuple(self._also(one)),
            said.subject if said else HOST,
            said.values if said else {},
            tuple(every),
        )

    def _details(self, kind: str, said: Finding | None, advised: advice.Advice) -> str:
        state = "" if said is None else f"{words.count(float(said.values.get('sockets', 0)))} sockets; "
        return (state if kind == "leak" else "") + advised.evidence

    def _also(self, one: Incident) -> Iterator[str]:
        for symptom in one.symptoms[1 : ALSO + 1]:
            if symptom.kind != one.head.kind and not symptom.pattern:
                yield symptom.evidence
        if one.others:
            times = [words.stretch(each.since, each.until, self.zone) for each in one.others]
            more = f" and {len(times) - ALSO} more" if len(times) > ALSO else ""
            yield f"also {', '.join(times[:ALSO])}{more}"

    def of_finding(self, finding: Finding) -> Attention:
        """Of the newest sample, and of no incident."""
        advised, now = advice.render(finding), self.history.last
        return Attention(
            0,
            finding.code,
            SEVERITIES[finding.severity],
            _capital(advised.what, finding.subject),
            _holder(finding),
            words.stamp(now, self.zone),
            "",
            self.fresh,
            GOES_ON if self.fresh else self._unknown(),
            _sentence(advised.evidence, finding.subject),
            advised.next_step,
            (),
            finding.subject,
            finding.values,
            (Stretch(now, now),),
        )


def _holder(finding: Finding | None) -> str:
    """Who it was, where that is not what it is about."""
    holder = str(finding.values.get("holder", "")) if finding else ""
    return holder if finding and holder != finding.subject else ""


def _sentence(text: str, subject: str = "") -> str:
    return f"{_capital(text, subject)}." if text else ""


def _capital(text: str, subject: str = "") -> str:
    """As a sentence begins; a name is as it is."""
    return text if subject and text.startswith(subject) else text[:1].upper() + text[1:]


def _is_over(state: str) -> bool:
    return state == OVER or state.startswith(UNTIL)


def _next_step(kind: str, advised: advice.Advice | None, over: bool) -> str:
    """What to do: of what is over there is nothing left to look at, but the next time can be prepared for."""
    step = (advised.next_step if advised else "") or _general(kind)
    if not over:
        return step
    lasting = step.rpartition(LASTING)[2] if LASTING in step else ""
    return lasting or AFTERWARDS.get(kind, step)


def _general(kind: str) -> str:
    """The next step where nothing is known of who it was."""
    code = next(iter(CODES.get(kind, ())), "")
    return advice.render(Finding(code, 1, HOST, {})).next_step if code in WORDS else ""
