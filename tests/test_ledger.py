"""The ledger of reports: what is kept of each, and that one process at a time mails."""

import os
import stat

import pytest

from tcptide import history, ledger, statefiles
from tcptide.clock import SYSTEM
from tcptide.model import Report
from tcptide.statefiles import StateError
from tcptide.writer import Writer
from tests.storing import WALL, make_sample, refusal, store_samples

WEEK = Report("2026-W47", 10.0, 20.0, 30.0, "/reports/a.html")
KEPT = WEEK._replace(mail="/reports/a.eml", message_id="<a@b>", pending=("a@b.c", "d@e.f"), failure="450 later")


def test_a_report_is_kept_with_what_became_of_its_mail(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    ledger.made(state_dir, SYSTEM, "host", WEEK)
    assert ledger.reports(state_dir, "host") == [WEEK]
    ledger.keep(state_dir, SYSTEM, "host", KEPT)
    assert ledger.reports(state_dir, "host") == [KEPT]
    ledger.made(state_dir, SYSTEM, "host", WEEK._replace(made_seconds=40.0, path="/reports/b.html"))
    assert ledger.reports(state_dir, "host") == [KEPT._replace(made_seconds=40.0, path="/reports/b.html")]
    ledger.keep(state_dir, SYSTEM, "host", KEPT._replace(pending=(), mailed_seconds=50.0, failure=None))
    ledger.made(state_dir, SYSTEM, "host", WEEK._replace(label="2026-W48", made_seconds=20.0))
    assert [(one.label, one.mailed_seconds) for one in ledger.reports(state_dir, "host")] == [
        ("2026-W48", None),
        ("2026-W47", 50.0),
    ]
    assert ledger.reports(state_dir, "blue") == []
    ledger.made(state_dir, SYSTEM, "blue", WEEK)
    assert ledger.reports(state_dir, "blue") == []


def test_failure_before_there_is_a_mail_stays_until_a_run_succeeds(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    failed = Report("2026-W46", 5.0, 10.0, 15.0, "", failure="no disk")
    ledger.failed(state_dir, SYSTEM, "host", failed)
    ledger.failed(state_dir, SYSTEM, "host", failed._replace(made_seconds=16.0, failure="no memory"))
    assert ledger.reports(state_dir, "host") == [failed._replace(failure="no memory")]
    ledger.made(state_dir, SYSTEM, "host", failed._replace(path="/reports/a.html", failure=None))
    assert [one.failure for one in ledger.reports(state_dir, "host")] == ["no memory"]  # it was not mailed
    ledger.settled(state_dir, SYSTEM, "host", WEEK)
    assert [one.failure for one in ledger.reports(state_dir, "host")] == [None, None]
    ledger.keep(state_dir, SYSTEM, "host", KEPT)
    ledger.failed(state_dir, SYSTEM, "host", WEEK._replace(failure="no disk"))
    ledger.settled(state_dir, SYSTEM, "host", failed._replace(failure=None))
    assert ledger.reports(state_dir, "host")[1] == KEPT
    ledger.keep(state_dir, SYSTEM, "host", KEPT._replace(pending=(), failure=None, mailed_seconds=40.0))
    ledger.failed(state_dir, SYSTEM, "host", WEEK._replace(failure="no disk"))
    assert ledger.reports(state_dir, "host")[1].failure is None


def test_reports_go_with_the_events(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    ledger.made(state_dir, SYSTEM, "host", WEEK._replace(made_seconds=WALL - 401 * 86400))
    ledger.made(state_dir, SYSTEM, "host", WEEK._replace(label="2026-W48", made_seconds=WALL - 399 * 86400))
    with statefiles.lock(state_dir, SYSTEM, 1), Writer(state_dir) as writer:
        history.append(writer, make_sample(16))
    assert [one.label for one in ledger.reports(state_dir, "host")] == ["2026-W48"]


def test_one_at_a_time_mails(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    with ledger.turn(state_dir, SYSTEM, 0):
        store_samples(state_dir, make_sample(1))  # samples go on
        with pytest.raises(StateError) as caught, ledger.turn(state_dir, SYSTEM, 0.02):
            pass
    assert str(caught.value) == f"{state_dir}: mailing.lock was held for 0.0 s"
    with ledger.turn(state_dir, SYSTEM, 0):
        assert stat.S_IMODE(os.stat(f"{state_dir}/mailing.lock").st_mode) == 0o640


def test_a_name_that_is_no_text_is_a_state_error(state_dir: str) -> None:
    store_samples(state_dir, make_sample(0))
    reason = refusal(lambda: ledger.made(state_dir, SYSTEM, "host", WEEK._replace(path="/\udcff")), StateError)
    assert "surrogates not allowed" in reason
