"""A report in one line: what the subject of its mail says."""

from dataclasses import dataclass

from tcptide.text import plural

from .page import SEVERITIES, Attention, Page

SEEN_ENOUGH = 95.0  # percent of the period
MAX_CHARACTERS = 120


@dataclass(frozen=True)
class Verdict:
    """The worst that there is."""

    severity: str  # 'critical', 'warning', or 'fine' where nothing needs attention
    text: str  # 'CRITICAL - 92% of the ports ... are used (+1 more)', 'nothing needs attention'


def verdict(page: Page) -> Verdict:
    """What is the case now goes before what was."""
    every = [(one, one.what) for one in page.now or ()]
    every += [(one, f"{one.what}: {one.evidence.partition(',')[0]}") for one in page.seen]
    serious = [(one, text) for one, text in every if _rank(one)]
    if not serious:
        return _quiet(page)
    worst, text = max(serious, key=lambda one: _rank(one[0]))  # the first of equals
    more = f" (+{len(serious) - 1} more)" if serious[1:] else ""
    room = MAX_CHARACTERS - len(more)
    said = f"{worst.severity.upper()} - {text}"
    return Verdict(worst.severity, f"{said if len(said) <= room else said[: room - 3] + '...'}{more}")


def _quiet(page: Page) -> Verdict:
    """Nothing is said to be wrong; as far as was seen."""
    if page.stale:
        return Verdict("warning", f"WARNING - no samples for {page.stale}")
    covered = page.quality.covered_percent
    if covered is not None and covered < SEEN_ENOUGH:
        gaps = len(page.quality.gaps) + page.quality.more_gaps
        return Verdict("fine", f"nothing needs attention in the {page.quality.coverage} seen, {plural(gaps, 'gap')}")
    return Verdict("fine", "nothing needs attention")


def _rank(one: Attention) -> int:
    return SEVERITIES.index(one.severity)
