"""Writes a simulated history through the ordinary writer: rows, rollups and pruning as of a real host."""

from collections.abc import Iterator, Sequence

from tcptide import history, statefiles
from tcptide.clock import Clock
from tcptide.config import Config
from tcptide.model import Sample
from tcptide.schema import QUARTER_SECONDS
from tcptide.simulation.host import DAY_SECONDS, Host, Incident
from tcptide.simulation.profile import DEFAULT, Profile
from tcptide.statefiles import StateError
from tcptide.writer import Writer

FINE_SECONDS = 60.0

#: The step of what is only kept as rollups: three rows a quarter of an hour give them as well as fifteen do.
COARSE_SECONDS = 300.0

_UP_SECONDS = 30 * DAY_SECONDS  # since the boot, when the history begins
_TURN_SECONDS = 3.0


def samples(host: Host, since: float, until: float, step: float) -> Iterator[Sample]:
    """What a sampler sees every `step` seconds in since <= wall clock < until."""
    for number in range(round((until - since) / step)):
        sample = host.look(since + number * step, step)
        if sample is not None:
            yield sample


def simulate(
    directory: str,
    clock: Clock,
    *,
    since: float,
    until: float,
    seed: int,
    incidents: Sequence[Incident],
    settings: Config,
    profile: Profile = DEFAULT,
) -> int:
    """Write the history of a simulated host into an empty state; returns how many samples were written.

    Rows older than the retention's raw_days would not be kept, so there the step is coarse. Raises StateError, also for
    a state that holds anything already; what was written before an error is kept.
    """
    host = Host(seed, since - _UP_SECONDS, incidents, profile)
    kept_since = (until - settings.retention.raw_days * DAY_SECONDS) // QUARTER_SECONDS * QUARTER_SECONDS
    turn = max(since, kept_since)
    # The coarse part ends with the first sample of the fine one: that is what rolls its last quarter up.
    coarse = since + (turn - since) % COARSE_SECONDS
    parts = ((coarse, turn + COARSE_SECONDS, COARSE_SECONDS), (turn + FINE_SECONDS, until, FINE_SECONDS))
    with statefiles.lock(directory, clock, _TURN_SECONDS), Writer(directory) as writer:
        sources = writer.sources()
        if sources:
            held = "a simulated history" if sources[0].simulated else "real samples"
            raise StateError(directory, f"holds {held}; a simulation needs a state of its own, see --state-dir")
        return sum(
            history.extend(
                writer,
                samples(host, begin, end, step),
                interval_seconds=step,
                retention=settings.retention,
                advance=history.judged(settings._replace(interval_seconds=step)),
            )
            for begin, end, step in parts
        )
