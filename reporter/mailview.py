"""The HTML and the text of a mail: the same findings and figures, in two templates."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import css_inline
from markupsafe import Markup

from tcptide.text import one_line

from . import rendering
from .attention import SEVERITIES
from .page import Page
from .picture import Picture
from .tables import Cell
from .verdict import Verdict

COLUMNS = 76


@dataclass(frozen=True)
class View:
    """What both show."""

    page: Page
    verdict: Verdict
    subject: str
    pictures: Sequence[tuple[Picture, str]]  # each with its content id; empty: the mail is without it
    closing: Sequence[str]

    def html(self) -> str:
        """For mail programs: each element has its style, since some drop style sheets; only the dark one is left."""
        environment = rendering.environment()
        environment.filters["alternative"] = alternative
        plain = environment.get_template("mail.html").render(
            **self._values(),
            levels=SEVERITIES,
            style=Markup(rendering.own_file("mail.css")),  # noqa: S704 - the program's own
        )
        inlined = _INLINER.inline(plain)
        dark = rendering.own_file("mail-dark.css")
        return inlined.replace("</head>", f"<style>\n{dark}</style></head>", 1)

    def text(self) -> str:
        """For those who read text: at most 78 columns."""
        environment = rendering.environment(escape=False)
        environment.filters.update(alternative=alternative, wrapped=wrapped, item=item, heading=heading, line=line)
        return environment.get_template("mail.txt").render(**self._values())

    def _values(self) -> dict[str, object]:
        return {
            "page": self.page,
            "verdict": self.verdict,
            "subject": self.subject,
            "pictures": self.pictures,
            "closing": self.closing,
            "quality": list(_quality(self.page)),
        }


_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False)


def alternative(picture: Picture) -> str:
    """What the picture says, for who does not see it."""
    return " ".join(filter(None, (f"{picture.title}:", picture.finding, picture.marked)))


def wrapped(text: str, indent: str = "", first: str | None = None) -> str:
    """Lines of at most COLUMNS; white space and what does not print can't begin a new one."""
    clean = one_line(" ".join(str(rendering.printable(text)).split()))
    begin = indent if first is None else first
    return textwrap.fill(clean, COLUMNS, initial_indent=begin, subsequent_indent=indent, break_on_hyphens=False)


def item(text: str) -> str:
    """A point of a list."""
    return wrapped(text, "  ", "- ")


def heading(text: str) -> str:
    """A title with a line under it."""
    return f"{text}\n{'-' * len(text)}"


def line(row: Sequence[Cell], columns: Sequence[str]) -> str:
    """A row of a table: `10.0.0.5:5432 (app.service): ports 1,129, used 4%`, `TIME_WAIT table: 1%, no forecast`."""
    names = [f"{name.lower()} " for name in columns[1:]] if len(columns) > 2 else [""] * (len(row) - 1)
    cells = [
        ("" if cell.text.startswith(("no ", "not ")) else name) + _cell(cell)
        for name, cell in zip(names, row[1:], strict=True)
    ]
    return f"{_cell(row[0])}: {', '.join(cells)}"


def _cell(cell: Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def _quality(page: Page) -> Iterator[tuple[str, str]]:
    quality = page.quality
    gaps = [f"{gap.since.text} to {gap.until.text} ({gap.length})" for gap in quality.gaps]
    if quality.more_gaps:
        gaps.append(f"and {quality.more_gaps} shorter ones")
    yield "Samples", quality.samples
    yield "Coverage", quality.coverage
    yield "Gaps", "; ".join(gaps) or "none"
    yield "Restarts", "; ".join(f"{when.text}, {what}" for when, what in quality.restarts) or "none"
    for name, what in (
        ("How it looked", quality.looked),
        ("Not seen", quality.unseen),
        ("Never had a value", quality.never),
    ):
        if what:
            yield name, "; ".join(what)
