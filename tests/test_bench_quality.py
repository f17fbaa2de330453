"""The benchmark of check_tcp_quality runs, and tells a job from an incident."""

from bench import quality


def test_a_nightly_job_is_left_alone() -> None:
    told = quality.told(quality.host(1010))
    assert (told.host.job, told.host.incident, told.false_days) == ("nightly", "none", frozenset())


def test_an_incident_is_found() -> None:
    told = quality.told(quality.host(1032))
    assert (told.host.job, told.host.incident, told.false_days) == ("none", "rtt", frozenset())
    assert told.found_after is not None
    assert told.found_after < 10
