"""What went wrong in the period: symptoms that came together are one incident, incidents of one kind are told once."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from .frames import Stretch
from .symptoms import CAUSES, Symptom

NEAR_SECONDS = 1800.0  # symptoms that are nearer than this overlap
AROUND_SECONDS = 2700.0  # a weak one belongs to what begins or ends so near to it
ALIKE = 6.0  # times that one symptom of an incident may be longer than another


@dataclass(frozen=True)
class Incident:
    """Symptoms that came together, led by the one that says the most of the cause."""

    symptoms: tuple[Symptom, ...]  # the leading one first, then by severity
    others: tuple["Incident", ...] = ()  # of the same kind at other times; `symptoms` are of the worst

    @property
    def head(self) -> Symptom:
        """The symptom that names it."""
        return self.symptoms[0]

    @property
    def severity(self) -> int:
        """Of the worst symptom."""
        return max(one.severity for one in self.symptoms)

    @property
    def since(self) -> float:
        """Wall clock seconds when the first of them began."""
        return min(one.since for one in self.symptoms)

    @property
    def until(self) -> float:
        """And when the last of them was over; a pattern outlasts what made it."""
        measured = [one.until for one in self.symptoms if not one.pattern]
        return max(measured or [one.until for one in self.symptoms])

    @property
    def stretches(self) -> list[Stretch]:
        """All times of it, oldest first."""
        every = [self, *self.others]
        return sorted((Stretch(one.since, one.until) for one in every), key=lambda one: one.since)


def incidents(every: Iterable[Symptom]) -> list[Incident]:
    """One for what came together, oldest first."""
    found: list[list[Symptom]] = []
    for one in sorted(every, key=lambda one: (one.rank, one.since)):
        homes = [group for group in found if _together(group, one)]
        home = max(homes, key=partial(_common_seconds, one)) if one.counted and homes else next(iter(homes), None)
        if home is None:
            found.append([one])
        else:
            home.append(one)
    return sorted((_incident(group) for group in found), key=lambda one: one.since)


def _incident(group: Sequence[Symptom]) -> Incident:
    head = min(group, key=lambda one: (one.rank, -one.severity, one.since))
    rest = sorted((one for one in group if one is not head), key=lambda one: (-one.severity, one.rank))
    return Incident((head, *rest))


def _together(group: Sequence[Symptom], one: Symptom) -> bool:
    """Whether a symptom belongs to those that lead it: each cause is an incident of its own."""
    kind = group[0].kind
    if "gap" in (one.kind, kind) or (one.kind in CAUSES and one.kind != kind and not one.counted):
        return False
    if one.kind == kind == "alert" and _service(one) != _service(group[0]):
        return False
    since, until = min(other.since for other in group), max(other.until for other in group)
    overlap = one.since <= until + NEAR_SECONDS and one.until >= since - NEAR_SECONDS
    long, short = max(until - since, one.until - one.since), min(until - since, one.until - one.since)
    alike = long <= ALIKE * max(short, NEAR_SECONDS)
    if not one.weak:
        return overlap and alike
    begins, ends = abs(one.since - since) <= AROUND_SECONDS, abs(one.since - until) <= AROUND_SECONDS
    return (overlap and alike) or begins or ends


def _common_seconds(one: Symptom, group: Sequence[Symptom]) -> float:
    return max(min(one.until, other.until) - max(one.since, other.since) for other in group)


def _service(one: Symptom) -> str:
    return one.event.name if one.event else ""


def grouped(every: Sequence[Incident], alike: Sequence[Hashable]) -> list[Incident]:
    """Those that are alike as one, the worst of them leading."""
    groups: dict[Hashable, list[Incident]] = {}
    for one, key in zip(every, alike, strict=True):
        groups.setdefault(key, []).append(one)
    found = []
    for together in groups.values():
        worst = max(together, key=lambda one: (one.severity, one.until - one.since))
        found.append(replace(worst, others=tuple(one for one in together if one is not worst)))
    return found
