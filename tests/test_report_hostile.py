"""Names that somebody else chose, in what is no page: JSON, mail, names of files, and words on a terminal."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from reporter import files, formats

from . import test_report_html as pages
from .test_mail_browser import part, received

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def document(name: str) -> str:
    (file,) = formats.make(["json"], pages.PAGES[name]())
    return file.content.decode()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = value.values()
    if isinstance(value, str):
        yield value
    elif not isinstance(value, int | float | None):
        for each in value:
            yield from strings(each)


def test_names_are_data_in_json() -> None:
    text = document("hostile")
    found = json.loads(text)
    assert UNPRINTABLE.search(text) is None
    assert [one for one in strings(found) if UNPRINTABLE.search(one)] == []
    assert found["hostname"] == pages.SHOWN
    assert set(found) == set(json.loads(document("judged")))


def test_names_are_no_paths() -> None:
    for name in (pages.HOSTILE, pages.LONG, "../../etc/passwd", "-rf", "a/b", ".", ""):
        stem = files.stem(name, name, "2026-W47")
        assert re.fullmatch("tcptide-report-[A-Za-z0-9._-]*-2026-W47", stem) and len(stem) <= 140, stem
    made = formats.make(["png"], pages.PAGES["hostile"]())
    assert [file.suffix for file in made if not re.fullmatch("-[a-z_-]+[.]png", file.suffix)] == []


def test_saved_report_is_summed_up_without_acting_on_the_terminal(script: Callable[[str], str], tmp_path: str) -> None:
    saved = json.loads(document("judged"))
    saved["hostname"] = saved["source"] = saved["timestamp"] = pages.HOSTILE.replace("\udcff", "")
    saved["alerts"] = [{**one, "level": pages.HOSTILE.replace("\udcff", "")} for one in saved["alerts"]]
    with open(f"{tmp_path}/saved.json", "w", encoding="utf-8") as file:
        json.dump(saved, file)
    command = [script("tcptide-report"), "-v", "--from", f"{tmp_path}/saved.json", "--output", f"{tmp_path}/"]
    done = subprocess.run(command, check=False, env={}, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert UNPRINTABLE.search(done.stdout) is None


def test_names_are_text_in_a_mails_text() -> None:
    text = part("hostile", "plain")
    assert UNPRINTABLE.search(text) is None
    assert "<script>alert(1)</script>" in text and "{{ 7*7 }}" in text
    assert not re.search("^Bcc:", text, re.MULTILINE)


def test_names_are_no_headers() -> None:
    found = received("hostile")
    assert set(found.keys()) == set(received("judged").keys())
    assert all(UNPRINTABLE.search(value) is None and "\n" not in value for value in found.values())
    assert found["Subject"].startswith("tcptide <script>alert(1)</script>")
    assert [one.addr_spec for one in (*found["From"].addresses, *found["To"].addresses)] == [
        "tcptide@example.org",
        "ops@example.org",
    ]
