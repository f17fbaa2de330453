"""What is read off a page as a thing to do."""

import pytest

from .pages import Step, parsed

PAGE = """\
# Title

Do this:

    # install -m 0644 a \\
        /etc/a
    # check
    OK - said

as somebody, in `/etc/a.conf`:

    # no comment of the file: a command

## Second

The file `/etc/b.conf`:

    [mail]
    to = "x"

    [report]
    title = "y"

For yourself:

    $ tcptide doctor

    printed by nobody
"""


def test_commands_files_and_what_is_shown_are_told_apart() -> None:
    assert parsed(PAGE) == [
        Step("", "install -m 0644 a \\\n    /etc/a", "", ()),
        Step("", "check", "", ("OK - said",)),
        Step("", "no comment of the file: a command", "", ()),
        Step("Second", "", "/etc/b.conf", ("[mail]", 'to = "x"', "", "[report]", 'title = "y"')),
    ]


def test_file_with_commands_right_below_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Two: a file and commands in one block: put a word between them$"):
        parsed("## Two\n\nThe file `/etc/b.conf`:\n\n    [mail]\n\n    # now what?\n")
