"""Going on from a dump: at every step it equals not stopping, and what is no dump is refused."""

import json

import pytest

from tcptide.patterns import SENSITIVITIES, Detector
from tests.series import DAY, HOUR, States, Watch, bursts, days, split, told, usual


def eventful(interval: int) -> list[States | None]:
    """Bursts, a flood, an outage, a shift, a leak, and gaps (None)."""
    samples = 4 * DAY // interval
    counts = days(800, samples, interval, swing=0.4)
    part = samples // 8
    counts[: 2 * part] = bursts(counts[: 2 * part], 12, 2500)
    for number in range(3 * part, 3 * part + 15):
        counts[number] *= 8
    for number in range(4 * part, 4 * part + 10):
        counts[number] = 5
    for number in range(5 * part, samples):
        counts[number] *= 2
    found: list[States | None] = [split(count) for count in counts]
    for number, states in enumerate(found[6 * part :]):
        assert states is not None
        states["CLOSE_WAIT"] += number * interval // 60
    found[part] = found[3 * part + 8] = found[7 * part] = None
    return found


def feed(seen: Watch, sample: States | None, stops: bool) -> None:
    if stops:
        seen.restart()
    if sample is None:
        seen.wall += 2 * HOUR + 20 * seen.interval
    else:
        seen.see([sample])


@pytest.mark.parametrize("sensitivity", SENSITIVITIES)
@pytest.mark.parametrize("interval", [300, 3600], ids=["fine", "coarse"])
def test_going_on_from_a_dump_at_every_step_equals_not_stopping(interval: int, sensitivity: str) -> None:
    whole, stopping = Watch(sensitivity, interval), Watch(sensitivity, interval)
    for sample in eventful(interval):
        feed(whole, sample, stops=False)
        feed(stopping, sample, stops=True)
        assert stopping.verdicts[-1:] == whole.verdicts[-1:]
    assert stopping.detector.dump() == whole.detector.dump()


def test_the_eventful_series_has_it_all() -> None:
    seen = Watch(interval=300)
    for sample in eventful(300):
        feed(seen, sample, stops=False)
    names = {verdict.pattern for verdict in seen.verdicts}
    assert names >= {"periodic", "rapid_increase", "rapid_decrease", "level_shift", "slow_leak"}


def test_a_dump_keeps_the_interval_that_was_found_out() -> None:
    seen = Watch()
    seen.see(usual(100, 100))
    seen.see(usual(100, 100), 300)
    seen.restart()
    assert seen.detector.interval_seconds == 300
    assert told(seen.see([2000] * 10, 300))[-1] == "rapid_increase"


GOOD = json.loads(json.dumps(Detector(60).dump()))


@pytest.mark.parametrize(
    "garbage",
    [
        {},
        [],
        None,
        "garbage",
        7,
        {"pace": GOOD["pace"]},
        {**GOOD, "changes": {}},
        {**GOOD, "changes": None},
        {**GOOD, "leaks": {}},
        {**GOOD, "leaks": None},
        {**GOOD, "leaked": 3},
        {**GOOD, "leaked": [1]},
        {**GOOD, "pattern": []},
        {**GOOD, "pattern": None},
        {**GOOD, "pace": [60.0]},
        {**GOOD, "pace": [None, 0, 0.0, []]},
        {**GOOD, "pace": ["60", 0, 0.0, []]},
        {**GOOD, "pace": [3600.0, 0, 0.0, []]},
    ],
    ids=[
        "empty",
        "list",
        "none",
        "text",
        "number",
        "only-a-pace",
        "changes-empty",
        "changes-none",
        "leaks-empty",
        "leaks-none",
        "leaked-a-number",
        "leaked-short",
        "pattern-empty",
        "pattern-none",
        "pace-short",
        "interval-none",
        "interval-a-text",
        "interval-of-other-days",
    ],
)
def test_garbage_is_no_dump(garbage: object) -> None:
    with pytest.raises(ValueError):
        Detector.load(60, "quiet", garbage)  # type: ignore[arg-type]
