"""The judgement in the database: every row has its verdict, whatever happened to the state in between."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tcptide import advance, history, statefiles
from tcptide.clock import SYSTEM
from tcptide.config import Config, Pattern, Privacy
from tcptide.lookout import Lookout
from tcptide.model import Sample
from tcptide.observation import Observation
from tcptide.outlook import Outlook
from tcptide.simulate import samples
from tcptide.simulation.host import INCIDENTS, Host, Incident
from tcptide.statefiles import StateError
from tcptide.store import Reader
from tcptide.writer import Writer

from .storing import outcome, rows, sql

NIGHT = 1_800_237_600.0  # a Monday, 2:00 UTC: few connections
FLOOD = Incident("flood", NIGHT + 5400, NIGHT + 7200, INCIDENTS["flood"][2])
CONFIG = Config()
HISTORY = list(samples(Host(1, NIGHT - 86_400, (FLOOD,)), NIGHT, NIGHT + 3 * 3600, 60.0))


def add(directory: str, *more: Sample, config: Config = CONFIG, together: bool = False) -> None:
    """Each sample as by a process of its own, or all by one."""
    judged = history.judged(config)
    for part in [more] if together else [(sample,) for sample in more]:
        with statefiles.lock(directory, SYSTEM, 1), Writer(directory) as writer:
            history.extend(writer, part, interval_seconds=config.interval_seconds, advance=judged)


def found_in(directory: str) -> tuple[Any, ...]:
    """All that the judgement has left in a state."""
    verdicts = sql(directory, "SELECT pattern, expected, pattern_since FROM sample ORDER BY id")
    events = sql(directory, "SELECT wall, name, kind, old, new, code, message, finding FROM event ORDER BY id")
    return verdicts, events, sql(directory, "SELECT * FROM detector")


def outlook(directory: str) -> Outlook | None:
    with Reader(directory) as reader:
        return reader.outlook("host")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    directory = str(tmp_path_factory.mktemp("state"))
    add(directory, *HISTORY, together=True)
    return found_in(directory)


def test_one_process_a_row_leaves_what_one_for_all_does(state_dir: str, uninterrupted: tuple[Any, ...]) -> None:
    add(state_dir, *HISTORY)
    assert found_in(state_dir) == uninterrupted
    verdicts = [pattern for pattern, *_ in uninterrupted[0]]
    assert {"insufficient_data", "normal"} < set(verdicts)


def spoil(statement: str) -> Callable[[str], None]:
    def spoiled(directory: str) -> None:
        sql(directory, statement)

    return spoiled


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(spoil("DELETE FROM detector"), id="gone"),
        pytest.param(spoil("UPDATE detector SET version = '0'"), id="other-version"),
        pytest.param(spoil("UPDATE detector SET parameters = 'eager, 60 s'"), id="other-parameters"),
        pytest.param(spoil("UPDATE detector SET last_sample_id = last_sample_id - 1"), id="missed-a-row"),
        pytest.param(spoil("UPDATE detector SET state = replace(state, '1', '2')"), id="damaged"),
        pytest.param(spoil("UPDATE detector SET state = ''"), id="empty"),
        pytest.param(spoil("UPDATE detector SET state = 7"), id="a-number"),
    ],
)
def test_a_state_that_does_not_fit_is_made_again_from_the_rows(
    state_dir: str, spoil: Callable[[str], None], uninterrupted: tuple[Any, ...]
) -> None:
    add(state_dir, *HISTORY[:120], together=True)
    spoil(state_dir)
    add(state_dir, *HISTORY[120:], together=True)
    assert found_in(state_dir) == uninterrupted


def test_who_cannot_read_what_the_history_says_has_it_from_the_rows(state_dir: str) -> None:
    add(state_dir, *HISTORY[:150], together=True)
    with Reader(state_dir) as reader:
        assert advance.judged_again(reader, "host", CONFIG) == reader.outlook("host") is not None
        assert advance.judged_again(reader, "elsewhere", CONFIG) is None


def test_rows_that_were_added_without_it_are_judged_when_it_comes_back(
    state_dir: str, uninterrupted: tuple[Any, ...]
) -> None:
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        history.extend(writer, HISTORY[:-1])
    add(state_dir, HISTORY[-1])
    verdicts, events, state = found_in(state_dir)
    assert ([verdicts[-1]], state) == (uninterrupted[0][-1:], uninterrupted[2])
    assert verdicts[:-1] == [(None, None, None)] * (len(HISTORY) - 1)
    assert events == []  # what was is no news


def test_a_day_and_an_hour_is_judged_again_at_most(state_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, step = [], Lookout.step

    def watched(self: Lookout, row: Observation) -> Outlook:
        seen.append(row.wall_seconds)
        return step(self, row)

    monkeypatch.setattr(Lookout, "step", watched)
    monkeypatch.setattr(advance, "REPLAYED_ROWS", 30)
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        history.extend(writer, HISTORY[:100])
    add(state_dir, HISTORY[100])
    assert seen == [sample.origin.wall_seconds for sample in HISTORY[70:101]]


def test_events_say_what_began_and_what_ended(state_dir: str) -> None:
    add(state_dir, *HISTORY, together=True)
    with Reader(state_dir) as reader:
        events = [event for event in reader.events("host", 0, 1e10) if event.kind == "pattern"]
    assert [(event.name, event.old, event.new) for event in events] == [("pattern", 0, 1), ("pattern", 1, 0)]
    began, over = events
    assert began.wall_seconds == pytest.approx(FLOOD.begins_seconds, abs=300)
    assert began.finding is not None
    assert json.loads(began.finding)["code"] == began.code
    assert "SYN_RECV" in began.message
    assert (over.code, over.finding) == (None, None)
    assert over.message.startswith("normal after ")


def test_the_outlook_is_that_of_the_newest_row(state_dir: str) -> None:
    add(state_dir, *HISTORY[:100])
    first = outlook(state_dir)
    add(state_dir, HISTORY[100])
    second = outlook(state_dir)
    assert first is not None
    assert second is not None
    times = [HISTORY[place].origin.wall_seconds for place in (99, 100)]
    assert [first.wall_seconds, second.wall_seconds] == times
    assert sql(state_dir, "SELECT pattern, expected FROM sample ORDER BY id DESC LIMIT 1") == [
        (second.verdict.pattern, second.verdict.expected)
    ]


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("full", "ports 192.0.2.10 192.0.2.50:5432"),
        ("masked", "ports 192.0.2.10 192.0.2.0/24:5432"),
        ("none", "ports 192.0.2.10 *:5432"),
    ],
)
def test_events_show_addresses_as_configured(state_dir: str, shown: str, name: str) -> None:
    surge = Incident("port-exhaustion", NIGHT + 3600, NIGHT + 7200, INCIDENTS["port-exhaustion"][2])
    host = Host(1, NIGHT - 86_400, (surge,))
    surging = list(samples(host, NIGHT, NIGHT + 5400, 60.0))
    add(state_dir, *surging, config=Config(privacy=Privacy(shown)), together=True)
    with Reader(state_dir) as reader:
        events = reader.events("host", 0, 1e10)
    (near,) = [event for event in events if event.kind == "forecast" and event.name.startswith("ports ")]
    assert (near.name, near.old, near.new) == (name, 0, 1)
    assert near.message.startswith(f"ports to {name.split()[-1]} full in ")
    assert near.finding is not None
    assert json.loads(near.finding)["subject"] == name.split()[-1]
    said = "".join(f"{event.message}{event.finding}" for event in events)
    assert ("192.0.2.50" in said) == (shown == "full")


@pytest.mark.parametrize("stored", ["NULL", "''", "'[1,[]]'", "7"])
def test_an_outlook_that_cannot_be_read_is_none(state_dir: str, stored: str) -> None:
    add(state_dir, *HISTORY[:3])
    sql(state_dir, f"UPDATE detector SET outlook = {stored}")
    assert outlook(state_dir) is None
    add(state_dir, HISTORY[3])
    assert outlook(state_dir) is not None


def test_no_row_no_outlook(state_dir: str) -> None:
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        history.append(writer, HISTORY[0])
    assert outlook(state_dir) is None


def test_a_state_of_the_first_schema_gets_an_outlook_with_the_next_row(state_dir: str) -> None:
    add(state_dir, *HISTORY[:3])
    sql(state_dir, "DELETE FROM detector", "ALTER TABLE detector DROP COLUMN outlook", "PRAGMA user_version = 1")
    assert history.migrate(state_dir, SYSTEM)
    assert outlook(state_dir) is None
    add(state_dir, HISTORY[3])
    assert outlook(state_dir) is not None


def test_sources_are_judged_apart(state_dir: str, uninterrupted: tuple[Any, ...]) -> None:
    def other(sample: Sample) -> Sample:
        return sample._replace(origin=sample.origin._replace(source="netns-1"))

    mixed = [each for sample in HISTORY for each in (sample, other(sample))]
    add(state_dir, *mixed, together=True)
    kept: Sequence[Any] = sql(state_dir, "SELECT state FROM detector ORDER BY source_id")
    assert kept[0] == kept[1] == (uninterrupted[2][0][5],)


def test_another_sensitivity_is_another_judgement(state_dir: str) -> None:
    add(state_dir, *HISTORY[:60], together=True)
    add(state_dir, HISTORY[60], config=Config(pattern=Pattern("eager")))
    assert sql(state_dir, "SELECT parameters FROM detector") == [("eager, 60 s",)]


def test_top_lists_that_cannot_be_read_cost_who_is_behind_it_and_no_more(state_dir: str) -> None:
    add(state_dir, *HISTORY[:60], together=True)
    sql(state_dir, "UPDATE sample SET top = 'x'", "DELETE FROM detector")
    add(state_dir, HISTORY[60])
    found = outlook(state_dir)
    assert found is not None
    assert found.verdict.pattern == "normal"


def test_a_judgement_that_fails_costs_no_answer(state_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Lookout, row: object) -> Outlook:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Lookout, "step", fail)
    notice = "no history: DIR: the history cannot be judged: ZeroDivisionError('division by zero')"
    assert outcome(state_dir, advance=history.judged(CONFIG)) == (False, [notice])
    assert rows(state_dir) == 0
    with pytest.raises(StateError):
        add(state_dir, HISTORY[0])
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        history.extend(writer, HISTORY[:2])
        with pytest.raises(StateError, match="cannot be judged"):
            advance.judged_again(writer, "host", CONFIG)
