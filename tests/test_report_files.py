"""What becomes of the files that tcptide-report writes, and of those that were there."""

import os
import resource

import pytest

from reporter import files
from reporter.files import File

from .reports import NAME, Report, mode, report, state, text_of

__all__ = ["report", "state"]  # fixtures


def test_new_page_is_for_owner_and_group_less_the_umask(report: Report, tmp_path: str) -> None:
    report("--output", "usual.html", umask=0)
    report("--output", "strict.html", umask=0o077)
    assert [mode(f"{tmp_path}/{name}.html") for name in ("usual", "strict")] == [0o640, 0o600]


def test_page_that_anybody_may_have_made_gives_nothing_away(report: Report, tmp_path: str) -> None:
    os.chmod(tmp_path, 0o1777)
    with open(f"{tmp_path}/{NAME}", "w", encoding="utf-8"):
        os.chmod(f"{tmp_path}/{NAME}", 0o666)
        if os.geteuid() == 0:
            os.chown(f"{tmp_path}/{NAME}", 65534, 65534)
    assert report().returncode == 0
    found = os.stat(f"{tmp_path}/{NAME}")
    assert (found.st_uid, found.st_gid, mode(f"{tmp_path}/{NAME}")) == (os.geteuid(), os.getegid(), 0o640)


def test_replaced_page_keeps_its_mode(report: Report, tmp_path: str) -> None:
    with open(f"{tmp_path}/{NAME}", "w", encoding="utf-8") as file:
        file.write("old")
    os.chmod(f"{tmp_path}/{NAME}", 0o644)
    assert report("--output", str(tmp_path)).returncode == 0
    assert mode(f"{tmp_path}/{NAME}") == 0o644
    assert "web1" in text_of(f"{tmp_path}/{NAME}")


@pytest.mark.root
def test_root_keeps_the_owner_of_a_page_that_it_replaces(report: Report, tmp_path: str) -> None:
    with open(f"{tmp_path}/{NAME}", "w", encoding="utf-8"):
        os.chown(f"{tmp_path}/{NAME}", 65534, 65534)
    assert report().returncode == 0
    found = os.stat(f"{tmp_path}/{NAME}")
    assert (found.st_uid, found.st_gid, found.st_size > 1000) == (65534, 65534, True)


def test_symbolic_link_is_not_followed(report: Report, tmp_path: str) -> None:
    os.symlink("/etc/motd", f"{tmp_path}/{NAME}")
    done = report()
    line = f"tcptide-report: --output: {tmp_path}/{NAME} is there and is no regular file\n"
    assert (done.returncode, done.stderr) == (2, line)
    assert os.readlink(f"{tmp_path}/{NAME}") == "/etc/motd"


def test_full_disk_leaves_the_old_page(report: Report, tmp_path: str) -> None:
    with open(f"{tmp_path}/{NAME}", "w", encoding="utf-8") as file:
        file.write("old")

    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = report(before=no_large_files)
    assert (done.returncode, done.stderr) == (1, f"tcptide-report: {tmp_path}/{NAME}: File too large\n")
    assert os.listdir(tmp_path) == [NAME]
    assert text_of(f"{tmp_path}/{NAME}") == "" and os.path.getsize(f"{tmp_path}/{NAME}") == 3


@pytest.mark.parametrize("signal_sent", [False, True], ids=["error", "signal"])
def test_write_that_is_cut_short_leaves_nothing(
    tmp_path: str, monkeypatch: pytest.MonkeyPatch, signal_sent: bool
) -> None:
    """A directory has come into the way since the path was looked at; or the run is ended before the renaming."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    os.mkdir(f"{tmp_path}/{NAME}")
    if signal_sent:
        monkeypatch.setattr(os, "rename", end)
    with pytest.raises(KeyboardInterrupt if signal_sent else IsADirectoryError):
        files.write([f"{tmp_path}/{NAME}"], [File(".html", b"page")])
    assert os.listdir(tmp_path) == [NAME]
