"""The freshest look for everybody: one process walks the kernel while the others wait for what it finds."""

from collections.abc import Callable

from tcptide import alarm, history, statefiles
from tcptide.clock import Clock
from tcptide.config import Retention
from tcptide.history import DEFAULT_RETENTION, Advance
from tcptide.model import Look, Sample
from tcptide.statefiles import StateError
from tcptide.store import Reader
from tcptide.writer import Writer

#: A check that would alarm from an older sample looks again, with this as max_age_seconds.
ALARM_AGE_SECONDS = 5.0

#: Nobody waits longer than this for another process's look, nor longer than a third of the timeout.
_WAIT_SECONDS = 3.0


def look(
    directory: str,
    source: str,
    take: Callable[[], Sample],
    clock: Clock,
    *,
    boot_id: str,
    netns_cookie: int | None,
    max_age_seconds: float,
    timeout_seconds: float,
    wants: Callable[[Sample], bool] | None = None,
    interval_seconds: float = 60.0,
    retention: Retention = DEFAULT_RETENTION,
    advance: Advance | None = None,
    migrate: bool = False,
) -> Look:
    """The newest sample of a source if it is fresh; else a new one, taken by one process at a time and stored.

    directory: of the state. source: the source's name, as take() gives it in the sample's origin. take: looks now; what
    it raises (SourceError) is passed on. boot_id, netns_cookie: what is running now; a sample of another boot or
    namespace is never fresh. max_age_seconds: a fresh sample began (CLOCK_BOOTTIME) at most that long before this call;
    0 still shares a look that another process began after it. wants: whether a sample holds what the caller needs.
    timeout_seconds: the caller's own; at most a third of it, and 3 s, is waited. advance: the detector's step.
    migrate: bring an older schema up to date instead of looking live.

    Never raises for the state: with none that is usable, or none that may be written, the look is live and unstored,
    with the notice 'no history: PATH: REASON'.
    """
    asked = clock.boottime()

    def fresh() -> Sample | None:
        try:
            with Reader(directory) as reader:
                sample = reader.latest(source)
        except StateError:  # what is wrong shows when it comes to writing
            return None
        if sample is None or (sample.origin.boot_id, sample.origin.netns_cookie) != (boot_id, netns_cookie):
            return None
        if not asked - max_age_seconds <= sample.origin.boottime_seconds <= clock.boottime():
            return None
        return sample if wants is None or wants(sample) else None

    def keep(sample: Sample) -> tuple[str, ...]:
        def work(writer: Writer) -> bool:
            return history.append(
                writer, sample, interval_seconds=interval_seconds, retention=retention, advance=advance
            )

        return history.write(directory, clock, work, migrate=migrate)[1]

    sample = fresh()
    if sample is not None:
        return Look(sample, True, ())
    taken = None
    try:
        with statefiles.lock(directory, clock, min(_WAIT_SECONDS, timeout_seconds / 3)):
            sample = fresh()
            if sample is not None:
                return Look(sample, True, ())
            taken = take()
            return Look(taken, True, keep(taken))
    except StateError as error:
        return Look(taken or take(), False, (f"no history: {error}",))
    except alarm.Timeout as error:  # what was seen is worth more than that it is kept
        if taken is None:
            raise
        alarm.stop()
        return Look(taken, False, (f"no history: {directory}: {error}",))


def age_seconds(sample: Sample, clock: Clock) -> float:
    """How long ago a sample of this boot began."""
    return clock.boottime() - sample.origin.boottime_seconds
