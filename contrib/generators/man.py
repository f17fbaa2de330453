"""contrib/man: a page of section 1 for each executable, by argparse-manpage."""

import argparse
from collections.abc import Iterator, Mapping, Sequence

from argparse_manpage.manpage import Manpage

import reporter.cli
import tcptide.cli
from checks import options
from checks.spec import CheckSpec
from tcptide import __version__, config, statefiles

EXIT_OF_CHECK = {
    "0": "OK",
    "1": "WARNING",
    "2": "CRITICAL",
    "3": "UNKNOWN: the check could not judge, or was called or configured wrongly; also for --help and --version",
}
EXIT_OF_OTHERS = {"0": "done", "1": "failed", "2": "called or configured wrongly"}


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """The pages, by file."""
    names = ["tcptide", "tcptide-report", *(spec.name for spec in checks)]
    pages = {spec.name: _check(spec, names) for spec in checks}
    for parser, summary in (
        (tcptide.cli.parser(), "samples of the TCP connections of this host"),
        (reporter.cli.parser(), "report about the TCP connections of this host"),
    ):
        parts = {"EXIT STATUS": _listed(EXIT_OF_OTHERS), **_ending(parser.prog, names)}
        pages[parser.prog] = _page(parser, summary, parts)
    return {f"contrib/man/{name}.1": page for name, page in pages.items()}


def _check(spec: CheckSpec, names: Sequence[str]) -> str:
    parser = options.parser(spec)
    parser.description = spec.summary
    summary = spec.summary.partition(".")[0].partition(":")[0]
    metrics = {f"{metric.label}{options.levels_text(spec, metric)}": metric.help for metric in spec.metrics}
    parts = {
        "METRICS": "With their default WARNING / CRITICAL:\n" + _listed(metrics),
        "EXIT STATUS": _listed(EXIT_OF_CHECK),
        **_ending(spec.name, names),
    }
    return _page(parser, summary[0].lower() + summary[1:], parts)


def _page(parser: argparse.ArgumentParser, summary: str, parts: Mapping[str, str]) -> str:
    page = Manpage(parser, format="single-commands-section")
    page.date = ""  # of no use, and it would change from build to build
    page.source, page.manual = f"tcptide {__version__}", "tcptide"
    page.description = summary
    page.synopsis[1:] = map(_escaped, page.synopsis[1:])
    for heading, text in parts.items():
        page.add_section(heading, "=", text)
    return str(page)


def _ending(name: str, names: Sequence[str]) -> dict[str, str]:
    paths = {config.DEFAULT_PATH: "configuration", f"{statefiles.SYSTEM_DIRECTORY}/": "state"}
    others = [f".BR {_escaped(other)} (1)" for other in names if other != name]
    return {"FILES": _listed(paths), "SEE ALSO": " ,\n".join(others)}


def _listed(items: Mapping[str, str]) -> str:
    return "\n".join(line for term, text in items.items() for line in _item(term, text))


def _item(term: str, text: str) -> Iterator[str]:
    yield from (".TP", f".B {_escaped(term)}", _escaped(text))


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
