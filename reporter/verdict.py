"""A report in one line: what the subject of its mail says."""

from dataclasses import dataclass

from tcptide.text import plural

from .page import Page

SEEN_ENOUGH = 95.0  # percent of the period
MAX_CHARACTERS = 120


@dataclass(frozen=True)
class Verdict:
    """The worst that there is."""

    severity: str  # 'critical', 'warning', or 'fine' where nothing needs attention
    text: str  # 'CRITICAL - 92% of the ports ... are used (+1 more)', 'nothing needs attention'


def verdict(page: Page) -> Verdict:
    """Of what needs attention the first: what goes on goes before what is over."""
    serious = [one for one in page.attention if one.severity != "note"]
    if not serious:
        return _quiet(page)
    worst = serious[0]
    more = f" (+{len(serious) - 1} more)" if serious[1:] else ""
    room = MAX_CHARACTERS - len(more)
    said = f"{worst.severity.upper()} - {worst.what}, {worst.state if worst.goes_on else worst.when}"
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
