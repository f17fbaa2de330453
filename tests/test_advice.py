"""Findings, and the words that are made of them."""

import string
from typing import Any

import pytest

from tcptide import advice, findings, levels
from tcptide.model import Finding, Forecast, Rates
from tests.samples import COUNTS, destination, listener, no_rates, rates, sample, states

ERRORS = {"active_opens": 10.0, "passive_opens": 0.0, "out_segs": 100.0}
OVERFLOWING = rates(listen_overflows=42.0)
SHORT_OF_MEMORY = rates(memory_pressures=0.5, abort_on_memory=2.0, pruned=12.0)

#: What they are of is full in 8 to 20 minutes.
FORECASTS = tuple(
    Forecast(resource, 720.0, 480.0, 1200.0, None)
    for resource in ("conntrack", "time_wait", "ports 10.0.0.1 10.0.0.5:5432")
)

#: Each kind of finding, from the least that brings it about.
CASES: dict[str, tuple[dict[str, Any], Rates, int, str]] = {
    "destination_knee": ({"worst": (destination(14_116),)}, rates(), 0, "10.0.0.5:5432"),
    "destination_range": ({"worst": (destination(19_762),)}, rates(), 1, "10.0.0.5:5432"),
    "destination_time_wait": (
        {"worst": (destination(24_000, time_wait=12_101, reusable=100),)},
        rates(),
        2,
        "10.0.0.5:5432",
    ),
    "destination_leak": (
        {"worst": (destination(60_000, 64_512),), "port_range": (1024, 65535)},
        rates(),
        2,
        "10.0.0.5:5432",
    ),
    "barred": ({"barred": 14_117, "capacity": 14_115}, rates(), 1, "host"),
    "bind": ({"bind": (("10.0.0.1", 90.1),)}, rates(), 1, "10.0.0.1"),
    "time_wait_limit": ({}, rates(time_wait_overflows=0.1), 1, "host"),
    "accept_queue_filling": ({"listeners": (listener(91),)}, rates(), 1, ":8080"),
    "accept_queue_full": ({"listeners": (listener(129),)}, rates(), 2, ":8080"),
    "listen_overflows": ({"listeners": ()}, OVERFLOWING, 1, "host"),
    "failed_opens": ({}, rates(**ERRORS, attempt_fails=0.9), 1, "host"),
    "retransmits": ({}, rates(**ERRORS, retrans_segs=15.0, orig_data_sent=90.0), 2, "host"),
    "syn_retransmits": ({}, rates(**ERRORS, retrans_segs=15.0, syn_retransmits=14.0, orig_data_sent=90.0), 2, "host"),
    "conntrack_limit": ({"nf_conntrack_count": 240_000}, rates(), 2, "host"),
    "orphan_limit": ({"counters": {**COUNTS, "sockstat.TCP.orphan": 49_153}}, SHORT_OF_MEMORY, 1, "host"),
    "memory_limit": ({"counters": {**COUNTS, "sockstat.TCP.mem": 142_520}}, SHORT_OF_MEMORY, 1, "host"),
    "memory_pressure": ({}, SHORT_OF_MEMORY, 1, "host"),
    "syn_flood": (
        {"states": states(SYN_RECV=128), "local_ports": ((8080, 900), (22, 4))},
        rates(syncookies_sent=350.0, req_queue_full_drops=4.0),
        1,
        ":8080",
    ),
}

#: What only the history knows.
BY_HISTORY = {"seen", "expected", "for_seconds"}

each_case = pytest.mark.parametrize(("code", "case"), CASES.items(), ids=list(CASES))


def sentences(code: str) -> tuple[str, ...]:
    words = advice.WORDS[code]
    return words.what, *words.evidence, *words.next_step


def test_quiet_host_has_no_findings() -> None:
    assert findings.find(sample(), rates()) == ()
    assert findings.find(sample(), no_rates()) == ()
    assert findings.find(sample(ports=None, listeners=(), counters={}, states={}), no_rates()) == ()


@each_case
def test_found(code: str, case: tuple[dict[str, Any], Rates, int, str]) -> None:
    changes, per_second, severity, subject = case
    (found,) = findings.find(sample(**changes), per_second, forecasts=FORECASTS)
    assert (found.code, found.severity, found.subject) == (code, severity, subject)


@each_case
def test_words_know_all_of_their_numbers(code: str, case: tuple[dict[str, Any], Rates, int, str]) -> None:
    """Every placeholder of the words is a value of the finding."""
    changes, per_second, _, _ = case
    (found,) = findings.find(sample(**changes), per_second, forecasts=FORECASTS)
    needed = {name for sentence in sentences(code) for _, name, _, _ in string.Formatter().parse(sentence) if name}
    assert needed - BY_HISTORY <= {"subject", *found.values}


@pytest.mark.parametrize(
    ("changes", "per_second"),
    [
        ({"worst": (destination(14_115),)}, rates()),
        ({"barred": 14_116, "capacity": 14_116}, rates()),
        ({"bind": (("10.0.0.1", 90.0),)}, rates()),
        ({"states": states(TIME_WAIT=58_982)}, rates()),
        ({"listeners": (listener(90),)}, rates()),
        ({"listeners": (listener(7, 7),)}, rates()),
        ({}, rates(**ERRORS, attempt_fails=0.75)),
        ({}, rates(active_opens=0.8, attempt_fails=0.8)),
        ({}, rates(**ERRORS, retrans_segs=5.0)),
        ({}, rates(out_segs=16.0, retrans_segs=16.0)),
        ({"nf_conntrack_count": 209_715}, rates()),
        ({"counters": {**COUNTS, "sockstat.TCP.orphan": 49_152}}, rates()),
        ({}, rates(pruned=12.0)),
        ({"states": states(SYN_RECV=63)}, rates(syncookies_sent=350.0)),
        ({"states": states(SYN_RECV=512)}, rates(syncookies_sent=0.9)),
        ({"states": states(SYN_RECV=512)}, rates()),
    ],
    ids=[
        "half-of-the-ports",
        "half-of-the-range-barred",
        "bind-90-percent",
        "time-wait-90-percent",
        "queue-under-70-percent",
        "seven-wait",
        "failed-7-percent-may-be-5",
        "under-50-opens",
        "retransmits-5-percent-may-be-3",
        "under-1000-segments",
        "conntrack-80-percent",
        "orphans-75-percent",
        "receive-queues-pruned-for-their-own-size",
        "63-half-open",
        "a-cookie-now-and-then",
        "many-half-open-but-no-cookies",
    ],
)
def test_not_found_yet(changes: dict[str, Any], per_second: Rates) -> None:
    assert findings.find(sample(**changes), per_second) == ()


def test_worst_first_and_by_topic() -> None:
    seen = sample(worst=(destination(14_116),), bind=(("10.0.0.1", 95.0),), listeners=(listener(129),))
    found = findings.find(seen, rates())
    assert [(each.severity, each.code) for each in found] == [
        (2, "accept_queue_full"),
        (1, "bind"),
        (0, "destination_knee"),
    ]
    assert [each.code for each in findings.find(seen, rates(), ("ports",))] == ["bind", "destination_knee"]


def test_no_port_left_is_critical() -> None:
    (found,) = findings.find(sample(worst=(), barred=28_232, capacity=0), rates())
    assert (found.code, found.severity) == ("barred", 2)


def test_cure_fits_the_host() -> None:
    """TIME_WAIT can't be taken over without timestamps, nor where that is done already; a wide range is wide."""
    many = {"worst": (destination(24_000, time_wait=24_000),)}
    codes = [
        findings.find(sample(**many, **changes), rates())[0].code
        for changes in (
            {},
            {"tcp_timestamps": 0},
            {"tcp_tw_reuse": 1},
            {"tcp_tw_reuse": 1, "port_range": (1024, 65535)},
        )
    ]
    assert codes == ["destination_time_wait", "destination_range", "destination_range", "destination_leak"]


def test_time_wait_of_others_cures_nothing() -> None:
    """Only what this destination's ports are in, and only those that connect() can't take over yet, makes a cure."""
    elsewhere = sample(worst=(destination(24_000, time_wait=12_000),), states=states(TIME_WAIT=60_000))
    assert findings.find(elsewhere, rates(), ("ports",))[0].code == "destination_range"
    taken_over = sample(worst=(destination(24_000, time_wait=24_000, reusable=12_000),))
    assert findings.find(taken_over, rates())[0].code == "destination_range"


def test_thresholds_in_force_are_asked() -> None:
    asked = []

    def severity(check: str, metric: str, value: float) -> int:
        asked.append((check, metric))
        return 1

    found = findings.find(sample(worst=(destination(10),), listeners=(listener(8),)), rates(**ERRORS), None, severity)
    assert {each.severity for each in found} == {1}
    assert {label for each in found for label in findings.EXPLAINS[each.code]} >= {metric for _, metric in asked}
    assert findings.find(sample(worst=(destination(24_000),)), rates(), None, lambda *asked: 0)[0].code == (
        "destination_knee"
    )


def test_every_finding_says_what_it_explains() -> None:
    assert set(findings.EXPLAINS) == set(advice.WORDS)
    assert {label for labels in findings.EXPLAINS.values() for label in labels} >= {
        metric for (_, metric) in levels.DEFAULTS
    }


def test_values_are_data() -> None:
    (found,) = findings.find(sample(worst=(destination(25_974),)), rates())
    assert found.values["used_percent"] == pytest.approx(92.005, abs=0.001)
    assert found.values["used"] == 25_974
    assert found.values["holder"] == "app.service"


def test_what_is_not_known_is_left_out_and_said() -> None:
    (found,) = findings.find(sample(worst=(destination(14_116, holder=None),)), rates())
    assert "holder" not in found.values
    assert advice.render(found).evidence.endswith("; mostly by its owner")
    assert advice.render(found).next_step.endswith("a connection pool or keep-alive in its owner")
    (found,) = findings.find(sample(listeners=(listener(129, unit=None),), somaxconn=None), no_rates())
    assert advice.render(found).evidence == "129 wait, backlog 128; held by uid 33"


@pytest.mark.parametrize(
    ("remote", "filter"),
    [
        ("10.0.0.5", "'dst 10.0.0.5:5432'"),
        ("2001:db8::1", "'dst [2001:db8::1]:5432'"),
        ("10.0.0.0/24", "'dport = :5432'"),
        ("*", "'dport = :5432'"),
    ],
    ids=["ipv4", "ipv6", "masked", "not-shown"],
)
def test_filter_can_be_pasted_whatever_is_masked(remote: str, filter: str) -> None:
    (found,) = findings.find(sample(worst=(destination(14_116, remote=remote),)), rates())
    words = advice.render(found)
    assert words.next_step.startswith(f"ss -tanp {filter} lists them (reads only); ")


def test_what_fills_up_says_how_long_it_takes() -> None:
    seen = sample(worst=(destination(25_974),))
    (found,) = findings.find(seen, rates(), ("ports",), forecasts=FORECASTS)
    assert advice.render(found).evidence == (
        "25974 of 28231; 0 of them in TIME_WAIT; 0 more that connect() may take over; mostly by app.service; at this "
        "rate full in 8-20 min"
    )
    for forecast in (
        FORECASTS[2]._replace(resource="ports 10.0.0.1 10.0.0.6:5432"),
        Forecast(FORECASTS[2].resource, None, None, None, "no growth"),
    ):
        (found,) = findings.find(seen, rates(), ("ports",), forecasts=(forecast,))
        assert advice.render(found).evidence.endswith("; mostly by app.service")
    (found,) = findings.find(sample(), rates(time_wait_overflows=0.1), forecasts=[FORECASTS[1]._replace(high=None)])
    assert (
        advice.render(found).evidence
        == "61 of 65536; 0/s created; 0.1/s cut short; at this rate full in 8 min at the earliest"
    )


def test_syn_flood_names_the_listener_whose_queue_is_full() -> None:
    flooded = {"states": states(SYN_RECV=512), "local_ports": ((8080, 900), (22, 4))}
    (found,) = findings.find(sample(**flooded), rates(syncookies_sent=350.0))
    words = advice.render(found)
    assert words.what == "signs of a SYN flood at :8080: 512 half-open connections"
    assert words.evidence == "350 SYN cookies/s; backlog 128"
    assert words.next_step == (
        "ss -tn state syn-recv (reads only) lists where they come from: what is no client can be blocked before this "
        "host, SYN cookies serve the others"
    )
    (found,) = findings.find(sample(**flooded), rates(req_queue_full_drops=80.0))
    assert advice.render(found).next_step.endswith(
        "; sysctl -w net.ipv4.tcp_syncookies=1 answers the 80/s that are dropped (side effect: connections that begin "
        "with a cookie lack window scaling unless both ends have TCP timestamps on)"
    )
    (found,) = findings.find(sample(states=states(SYN_RECV=100)), rates(syncookies_sent=350.0))
    assert (found.subject, advice.render(found).evidence) == ("host", "350 SYN cookies/s")


def test_memory_pressure_names_whom_to_look_for_before_more_memory() -> None:
    (found,) = findings.find(sample(), rates(abort_on_memory=2.0))
    words = advice.render(found)
    assert words.what == "TCP ran short of memory: connections slow down, then they are aborted"
    assert words.evidence == "1900 of 190026 pages of the whole machine (net.ipv4.tcp_mem); 2 connections/s aborted"
    assert words.next_step == (
        "ss -tmnp (reads only): a large Recv-Q is a program that does not read, a large Send-Q a peer that does not; "
        "if none stands out sysctl -w net.ipv4.tcp_mem='95013 190027 285039' (side effect: up to 390 MB more of the "
        "machine's memory, which cannot be swapped)"
    )
    (found,) = findings.find(sample(tcp_mem_pages=None, counters={}), rates(abort_on_memory=2.0))
    assert advice.render(found).evidence == "2 connections/s aborted"
    assert "sysctl" not in advice.render(found).next_step


def test_translate_gets_whole_sentences_with_placeholders() -> None:
    heard = []

    def translate(sentence: str) -> str:
        heard.append(sentence)
        return sentence.replace("are used", "sind belegt")

    (found,) = findings.find(sample(worst=(destination(19_762),)), rates())
    assert advice.render(found, translate).what == "70% of the ports from 10.0.0.1 to 10.0.0.5:5432 sind belegt"
    assert set(sentences("destination_range")) <= set(heard)


def test_punctuation_of_a_translation_drops_nothing() -> None:
    (found,) = findings.find(sample(), rates(time_wait_overflows=0.1))
    words = advice.render(
        found._replace(values={**found.values, "created_per_second": 7.0}), lambda text: f"a, b; {text}"
    )
    assert words.evidence == "a, b; 61 of 65536; a, b; 7/s created; a, b; 0.1/s cut short"


@each_case
def test_next_step_never_shows_what_is_not_known(code: str, case: tuple[dict[str, Any], Rates, int, str]) -> None:
    changes, per_second, _, _ = case
    (found,) = findings.find(sample(**changes), per_second)
    assert "?" not in advice.render(found).next_step
    assert "?" not in advice.render(found._replace(values={})).next_step


def test_braces_in_a_name_are_only_a_name() -> None:
    assert advice.render(Finding("bind", 1, "{used}", {"used_percent": 91.0})).what == (
        "bind() to {used} without a port finds 91% of the ports taken"
    )


@pytest.mark.parametrize("code", advice.WORDS)
def test_next_step_is_safe(code: str) -> None:
    """Nothing removed or useless, a side effect or none named, and nothing that a plugin's output can't carry."""
    words = " ".join(sentences(code))
    assert "tcp_tw_recycle" not in words
    assert "tcp_fin_timeout" not in words
    assert "|" not in words
    assert "(side effect: " in words or "(reads only" in words
    assert words.isascii()
