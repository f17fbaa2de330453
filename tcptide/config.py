"""The configuration file: TOML, read strictly.

What is misspelt, of another type or out of range is an error that names file, key and value: a threshold that is
silently ignored is worse than none. Without a file everything has its default, and no TOML parser is loaded.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tcptide import mail
from tcptide.errors import ConfigError
from tcptide.mail import Mail
from tcptide.record import NamedTuple
from tcptide.values import absolute_path, boolean, number, one_of, whole_number
from tcptide.values import text as one_line

DEFAULT_PATH = "/etc/tcptide/tcptide.toml"
ENVIRONMENT_VARIABLE = "TCPTIDE_CONFIG"


class Retention(NamedTuple):
    """How long the state keeps what."""

    raw_days: int = 14
    rollup_days: int = 400
    event_days: int = 400


class Privacy(NamedTuple):
    """What every output may show. Remote addresses are stored whole; process names only if they may be shown."""

    remote_addresses: str = "full"  # 'full', 'masked' (/24, /48) or 'none'; for mail also 'outbound'
    processes: bool = True


class Pattern(NamedTuple):
    """How the history is judged."""

    sensitivity: str = "quiet"  # 'quiet', 'normal' or 'eager'


class Report(NamedTuple):
    """What reports are like unless the command line says otherwise."""

    timezone: str | None = None  # None: this machine's
    title: str | None = None
    output_dir: str | None = None  # None: where the program is called


class Config(NamedTuple):
    """What the configuration file says, or the defaults."""

    path: str | None = None  # None: no file was read
    state_dir: str | None = None
    interval_seconds: float = 60.0
    max_age_seconds: float = 55.0
    timeout_seconds: float = 8.0
    retention: Retention = Retention()
    privacy: Privacy = Privacy()
    pattern: Pattern = Pattern()
    report: Report = Report()
    mail: Mail = Mail()
    #: (check without 'check_', metric) -> (warning, critical): a range, '' for no threshold, None for the default
    thresholds: Mapping[tuple[str, str], tuple[str | None, str | None]] = {}

    @property
    def connection_limit(self) -> float | None:
        """How many connections are too many: where the critical, else the warning, range of `total` ends."""
        for text in reversed(self.thresholds.get(("tcp_connections", "total"), ())):
            found = _RANGE.fullmatch(text or "")
            if found and found["end"] and not found[0].startswith("@"):
                return float(found["end"])
        return None


class Key(NamedTuple):
    """One key of the file, outside [checks]."""

    name: str  # dotted; its default is the one of Config
    read: Callable[[Any], Any]  # the value, or a ValueError that says what it should be
    help: str


KEYS: tuple[Key, ...] = (
    Key("state_dir", absolute_path, "directory of the state, instead of the one that is found"),
    Key("interval_seconds", number(1, 300), "time between two history rows"),
    Key("max_age_seconds", number(0, 900), "a check uses a sample of at most this age, else it looks itself"),
    Key("timeout_seconds", number(1, 300), "a check that takes longer answers UNKNOWN"),
    Key("retention.raw_days", whole_number(1, 400), "history rows and top lists with addresses are kept this long"),
    Key("retention.rollup_days", whole_number(1, 4000), "rollups of 15 minutes are kept this long"),
    Key("retention.event_days", whole_number(1, 4000), "changes of state are kept this long"),
    Key(
        "privacy.remote_addresses",
        one_of("full", "masked", "none"),
        "remote addresses in every output: whole, as networks (/24, /48), or not at all",
    ),
    Key("privacy.processes", boolean, "process names are looked up, stored and shown"),
    Key(
        "pattern.sensitivity",
        one_of("quiet", "normal", "eager"),
        "how readily a change of the number of connections is named a pattern",
    ),
    Key("report.timezone", one_line, "time zone of reports, such as Europe/Berlin; default: this machine's"),
    Key("report.title", one_line, "what reports are headed with, before the host's name"),
    Key("report.output_dir", absolute_path, "directory for reports, where --output is not given"),
    *(Key(f"mail.{name}", read, help) for name, read, help in mail.KEYS),
)

_BY_NAME = {key.name: key for key in KEYS}
_SECTIONS = ("retention", "privacy", "pattern", "report", "mail", "checks")

_BARE_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?%?"
_RANGE = re.compile(rf"@?(?:(?P<start>~|{_BARE_NUMBER})?:)?(?P<end>{_BARE_NUMBER})?")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def check_range(text: str, percent: bool = False) -> str | None:
    """What is wrong with a threshold range `[@][start:]end`, None if nothing.

    The grammar is the Monitoring Plugins guidelines'; where the metric is a percentage a number may carry a `%`, and
    one between 0 and 1 must: 0.05 meant as a ratio would alarm for ever.
    """
    match = _RANGE.fullmatch(text)
    if not match or not any(character.isdigit() for character in text):
        return "is not a range such as 80, 10:, ~:80, 10:80 or @10:80"
    ends = [end for end in match.groups() if end not in (None, "~")]
    for end in ends:
        if not percent and end.endswith("%"):
            return "has a % for a metric that is no percentage"
        if percent and not end.endswith("%") and 0 < abs(float(end)) < 1:
            return f"has a limit under 1 %; write {end}% if that is meant"
    start = match["start"] or "0"
    if start != "~" and match["end"] and float(start.rstrip("%")) > float(match["end"].rstrip("%")):
        return "has its start above its end"
    return None


def load(path: str | None, environ: Mapping[str, str]) -> Config:
    """The configuration: `path` > $TCPTIDE_CONFIG > /etc/tcptide/tcptide.toml if it exists > the defaults.

    Raises ConfigError with one line that names file and line, or file, key and value.
    """
    named_by = "--config"
    if path is None:
        path, named_by = environ.get(ENVIRONMENT_VARIABLE) or None, f"${ENVIRONMENT_VARIABLE}"
    found = path or DEFAULT_PATH
    try:
        with open(found, "rb") as file:
            raw = file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        if path is None:
            return Config()
        raise ConfigError(f"{path}: {error.strerror} (named by {named_by})") from None
    except OSError as error:
        raise ConfigError(f"{found}: {error.strerror}") from None
    return parse(raw, found)


def parse(raw: bytes, path: str) -> Config:
    """The configuration in a file's content; `path` is for the errors."""
    import tomllib

    try:
        data = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_error(path, str(error), raw)) from None
    except (RecursionError, ValueError) as error:  # nested without end, a number of thousands of digits
        raise ConfigError(f"{path}: {error}") from None
    values: dict[str, Any] = {}
    _read_section(data, "", path, values)
    for section in _SECTIONS[:-1]:
        _read_section(_table(data.get(section, {}), section, path), f"{section}.", path, values)
    return Config(
        path=path,
        **{name: value for name, value in values.items() if "." not in name},
        retention=Retention(**_of_section(values, "retention")),
        privacy=Privacy(**_of_section(values, "privacy")),
        pattern=Pattern(**_of_section(values, "pattern")),
        report=Report(**_of_section(values, "report")),
        mail=_mail(_of_section(values, "mail"), path),
        thresholds=_thresholds(_table(data.get("checks", {}), "checks", path), path),
    )


def _syntax_error(path: str, message: str, raw: bytes) -> str:
    """The message names the place as '... (at line 3, column 5)' or '... (at end of document)'."""
    what, _, where = message.rpartition(" (at ")
    line = re.match(r"line ([0-9]+)", where)
    number = line[1] if line else str(len(raw.decode().splitlines()) or 1)
    return f"{path}:{number}: {what}"


def _read_section(table: Mapping[str, Any], prefix: str, path: str, values: dict[str, Any]) -> None:
    for name, value in table.items():
        if not prefix and name in _SECTIONS:
            continue
        key = None if "." in name else _BY_NAME.get(prefix + name)
        if key is None:
            known = [known.removeprefix(prefix) for known in _BY_NAME if known.rpartition(".")[0] == prefix[:-1]]
            raise _unknown(path, prefix + _shown(name), value, [*known, *(() if prefix else _SECTIONS)])
        try:
            values[key.name] = key.read(value)
        except ValueError as error:
            raise ConfigError(f"{path}: {key.name}: {value!r:.60} {error}") from None


def _of_section(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    return {name.removeprefix(f"{section}."): value for name, value in values.items() if name.startswith(f"{section}.")}


def _mail(values: dict[str, Any], path: str) -> Mail:
    """The keys fit together, too; without any of them nothing is mailed."""
    found = Mail(**{"from_" if name == "from" else name: value for name, value in values.items()})
    if values and (problem := found.problem()):
        raise ConfigError(f"{path}: mail.{problem[0]}: {problem[1]}")
    return found


def _thresholds(checks: Mapping[str, Any], path: str) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """Names of metrics are left to the check: only it knows all of its own."""
    if not checks:
        return {}
    from tcptide import levels

    known = sorted({check for check, _ in levels.DEFAULTS})
    thresholds: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for check, by_level in checks.items():
        section = f"checks.{_shown(check)}"
        if check not in known:
            raise _unknown(path, section, by_level, known)
        for level, by_metric in _table(by_level, section, path).items():
            if level not in ("warning", "critical"):
                raise _unknown(path, f"{section}.{_shown(level)}", by_metric, ("warning", "critical"))
            for metric, text in _table(by_metric, f"{section}.{level}", path).items():
                given = _range(text, f"{section}.{level}.{_shown(metric)}", path)
                warning, critical = thresholds.get((check, metric), (None, None))
                thresholds[check, metric] = (given, critical) if level == "warning" else (warning, given)
    return thresholds


def _range(value: Any, name: str, path: str) -> str:
    text = str(value) if isinstance(value, str | int | float) else ""
    problem = check_range(text, percent="%" in text) if text or value != "" else None
    if problem:
        raise ConfigError(f"{path}: {name}: {value!r:.60} {problem}")
    return text


def _table(value: Any, name: str, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {name}: {value!r:.60} is not a section")
    return value


def _unknown(path: str, name: str, value: Any, known: Iterable[str]) -> ConfigError:
    return ConfigError(f"{path}: {name}: unknown (its value is {value!r:.60}); known here: {', '.join(known)}")


def _shown(key: str) -> str:
    """A key as it is written in the file; a quoted key may hold anything, a line's end included."""
    return key if _BARE_KEY.fullmatch(key) else repr(key)
