"""The tables of metrics and options in docs/, between two comments, the first of which names the table."""

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence

import reporter.cli
import tcptide.cli
from checks import options
from checks.spec import CheckSpec, Metric

from . import flag, for_monitoring, variable

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MADE = re.compile(r"(?<=<!-- made by `make contrib`: )(?P<name>\w+) -->\n.*?(?=<!-- end -->)", re.DOTALL)


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """The page of each executable. Raises ValueError if a page has not its marks."""
    made = {
        f"docs/{spec.name}.md": {"metrics": _metrics(spec), "options": _options(options.parser(spec), _variables(spec))}
        for spec in checks
    }
    made["docs/tcptide.md"] = {name: _options(parser) for name, parser in commands(tcptide.cli.parser()).items()}
    made["docs/tcptide-report.md"] = {"options": _options(reporter.cli.parser())}
    return {path: _filled(path, tables) for path, tables in made.items()}


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of an executable that has some, by name."""
    (action,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    found: dict[str, argparse.ArgumentParser] = action.choices
    return found


def _filled(path: str, tables: Mapping[str, Iterator[str]]) -> str:
    with open(os.path.join(TREE, path), encoding="utf-8") as file:
        text = file.read()
    marked = [found["name"] for found in MADE.finditer(text)]
    if sorted(marked) != sorted(tables):
        raise ValueError(f"{path}: marks {', '.join(marked)}, not {', '.join(tables)}")
    return MADE.sub(lambda found: "\n".join([f"{found['name']} -->", "", *tables[found["name"]], "", ""]), text)


def _metrics(spec: CheckSpec) -> Iterator[str]:
    yield from ("| label | unit | warning / critical | meaning |", "| --- | --- | --- | --- |")
    for metric in spec.metrics:
        yield f"| `{metric.label}` | {metric.unit} | {_levels(spec, metric)} | {_cell(metric.help)} |"


def _levels(spec: CheckSpec, metric: Metric) -> str:
    bounds = ["none" if bound is None else f"{bound:g}" for bound in spec.levels(metric.label)]
    return "" if bounds == ["none", "none"] else " / ".join(bounds)


def _variables(spec: CheckSpec) -> dict[str, str]:
    """What each option is called in Icinga 2."""
    return {flag(option): variable(spec, option) for option in for_monitoring(spec)}


def _options(parser: argparse.ArgumentParser, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """One row an option, but for --help and --version, which every executable has."""
    named = "| option | [in Icinga 2](icinga.md#options-and-thresholds) | meaning |", "| --- | --- | --- |"
    yield from named if variables is not None else ("| option | meaning |", "| --- | --- |")
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._VersionAction):
            continue
        cells = [", ".join(f"`{name}`" for name in action.option_strings)]
        if action.metavar:
            cells[0] += f" `{action.metavar}`"
        if variables is not None:
            known = variables.get(action.option_strings[-1])
            cells.append(f"`{known}`" if known else "")
        again = (
            "; repeatable" if isinstance(action, argparse._AppendAction) and "repeat" not in str(action.help) else ""
        )
        cells.append(_cell((action.help or "").replace("%%", "%") + again))
        yield f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
