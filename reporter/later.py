"""What became, after the period, of what went on at its end."""

from collections.abc import Sequence
from dataclasses import dataclass

from tcptide.trends import GAP_INTERVALS

from . import frames, patterns
from .incidents import Incident, incidents
from .limits import Limits
from .load import Loaded
from .symptoms import TOGETHER_SECONDS, symptoms

BEFORE = 2  # points of the period, so that there are rates and gaps from its end on


@dataclass(frozen=True)
class Later:
    """What was out of order in the time after a period."""

    incidents: Sequence[Incident]
    end: float  # of the period, wall clock seconds as the rest
    last: float  # its newest sample
    open_since: float  # what lasts until then went on in its last sample
    fresh: bool  # that is the newest of all, and was not old when the report was made

    def until(self, one: Incident) -> float | None:
        """Up to when it was seen to go on; None: it was over with the period."""
        own = {symptom.kind for symptom in one.symptoms if not symptom.pattern} or {one.head.kind}
        near = self.end + TOGETHER_SECONDS
        found = [
            each.until
            for each in self.incidents
            if any(symptom.kind in own and symptom.since <= near for symptom in each.symptoms)
        ]
        return max(found, default=None)


def later(loaded: Loaded, limits: Limits, interval_seconds: float, made_wall: float) -> Later | None:
    """The time after the period, as far as it was read; None where nothing was stored since."""
    if not loaded.later or not loaded.points:
        return None
    points = [*loaded.points[-BEFORE:], *loaded.later]
    since, until = points[0].wall_seconds, points[-1].wall_seconds
    verdicts = {**loaded.verdicts, **loaded.later_verdicts}
    history = frames.history(points, since, until, interval_seconds, verdicts=verdicts)
    marked = patterns.marked(history, points, verdicts, loaded.later_events)
    spacing = history.spacing_seconds
    fresh = made_wall - history.last <= GAP_INTERVALS * spacing
    found = incidents(symptoms(history, limits, marked))
    return Later(found, loaded.until, history.last, history.last - 2 * spacing, fresh)
