"""What the report says is wrong now: by the newest sample with its rates, and by the history."""

from pathlib import Path

from reporter import load
from tcptide import history, statefiles
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.writer import Writer

from .reporting import WALL, built, minute, quiet_hour
from .samples import outlook, rates, states

HALF_OPEN = {"states": states(SYN_RECV=512), "local_ports": ((8080, 900), (22, 4))}
FLOODED = outlook("rapid_increase", grew="SYN_RECV", change=510.0, local_port=8080)


def test_a_syn_flood_that_only_the_history_shows_is_called_so() -> None:
    told = built([*quiet_hour(), minute(61, **HALF_OPEN)], outlook=FLOODED)
    assert [one.what for one in told.attention] == ["Signs of a SYN flood at :8080: 512 half-open connections"]
    assert [one.evidence for one in told.attention] == ["Backlog 128; 1204 connections, 900 expected; for 2 h."]


def test_a_syn_flood_that_is_seen_both_ways_is_told_once() -> None:
    answered = rates(syncookies_sent=350.0)
    told = built([*quiet_hour(), minute(61, **HALF_OPEN)], outlook=FLOODED, rates=answered)
    assert [one.evidence for one in told.attention] == ["350 SYN cookies/s; backlog 128."]


def test_samples_a_second_apart_have_rates(tmp_path: Path) -> None:
    samples = [minute(second / 60) for second in range(120)]
    with statefiles.lock(str(tmp_path), SYSTEM, 5.0), Writer(str(tmp_path)) as writer:
        assert history.extend(writer, samples, interval_seconds=1.0) == 120
    loaded = load.load(str(tmp_path), None, None, None, Config(), WALL + 1e6)
    assert (loaded.rates.missing, loaded.rates.seconds) == (None, 30.0)
