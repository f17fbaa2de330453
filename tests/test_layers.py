"""Who imports whom: the core knows nothing of what is built on it, and what is pure stays pure."""

import ast
import os
import re
from collections.abc import Iterator

import pytest

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

#: Third-party packages, and the only files (or folders) that may import them.
ONLY_IN = {
    "sqlite3": ("tcptide/store.py",),
    "psutil": ("tcptide/kernel/processes.py",),
    "nagiosplugin": ("checks/",),
    "pandas": ("reporter/",),
    "numpy": ("reporter/",),
    "matplotlib": ("reporter/",),
    "jinja2": ("reporter/",),
    "markupsafe": ("reporter/",),
    "PIL": ("reporter/",),
    "css_inline": ("reporter/mailview.py",),
    "rich": ("reporter/",),
    "apprise": ("reporter/",),
}

#: What each part of the core may import of the rest of it; whatever isn't named may import all.
TYPES = {"tcptide.errors", "tcptide.model", "tcptide.record"}
TABLES = TYPES | {"tcptide.series", "tcptide.schema", "tcptide.levels", "tcptide.text"}
ANALYSIS = TABLES | {"tcptide.usage", "tcptide.findings", "tcptide.outlook"}
JUDGED = TABLES | {
    *(
        "tcptide.codec",
        "tcptide.outlook",
        "tcptide.observation",
        "tcptide.growth",
        "tcptide.resources",
        "tcptide.tracker",
    ),
    *("tcptide.forecast", "tcptide.detection.leaks", "tcptide.patterns", "tcptide.detection.survival"),
}
STATE = TABLES | {
    *("tcptide.clock", "tcptide.codec", "tcptide.outlook", "tcptide.statefiles", "tcptide.store", "tcptide.writer"),
}
MAY_IMPORT = {
    "tcptide.errors": set(),
    "tcptide.model": set(),
    "tcptide.alarm": {"tcptide.errors"},
    "tcptide.clock": set(),
    "tcptide.text": set(),
    "tcptide.levels": set(),
    "tcptide.series": TYPES,
    "tcptide.schema": TYPES | {"tcptide.series"},
    "tcptide.codec": TYPES,
    "tcptide.values": set(),
    "tcptide.mail": {"tcptide.values"},
    "tcptide.config": TABLES | {"tcptide.mail", "tcptide.values"},
    "tcptide.secret": {"tcptide.errors", "tcptide.mail"},
    "tcptide.privacy": TABLES | {"tcptide.config", "tcptide.mail", "tcptide.outlook"},
    "tcptide.ports": TYPES,
    "tcptide.seen": TYPES,
    "tcptide.lingering": TYPES | {"tcptide.seen"},
    "tcptide.trends": TABLES,
    "tcptide.usage": TABLES,
    "tcptide.findings": ANALYSIS,
    "tcptide.far": TABLES,
    "tcptide.words": set(),
    "tcptide.advice": ANALYSIS | {"tcptide.words"},
    "tcptide.quality": TABLES,
    "tcptide.history_findings": ANALYSIS | {"tcptide.far", "tcptide.quality"},
    "tcptide.forecast": TYPES,
    "tcptide.tracker": TYPES
    | {"tcptide.forecast", *(f"tcptide.detection.{name}" for name in ("leaks", "pace", "ramps"))},
    "tcptide.outlook": TABLES | {"tcptide.forecast"},
    "tcptide.observation": TABLES | {"tcptide.codec", "tcptide.outlook"},
    "tcptide.growth": TYPES | {"tcptide.codec"},
    "tcptide.resources": JUDGED,
    "tcptide.lookout": JUDGED,
    "tcptide.saying": TABLES | {"tcptide.outlook"},
    "tcptide.advance": STATE
    | ANALYSIS
    | {
        *("tcptide.config", "tcptide.history_findings", "tcptide.lookout", "tcptide.observation", "tcptide.saying"),
        "tcptide.privacy",
    },
    "tcptide.statefiles": TYPES | {"tcptide.clock", "tcptide.kernel.processes"},
    "tcptide.store": STATE,
    "tcptide.writer": STATE,
    "tcptide.ledger": STATE,
    "tcptide.history": STATE | {"tcptide.trends", "tcptide.config", "tcptide.advance"},
    "tcptide.snapshot": STATE | {"tcptide.alarm", "tcptide.history", "tcptide.config"},
}
KERNEL_MAY_IMPORT = TYPES

#: Values in, values out: no file, no clock, no process.
PURE = (
    *("errors", "model", "series", "schema", "codec", "levels", "text", "privacy", "ports"),
    *("trends", "usage", "findings", "far", "words", "advice", "quality", "history_findings"),
    *("values", "mail"),
    *("outlook", "observation", "growth", "resources", "lookout", "seen", "lingering", "patterns", "forecast"),
)
#: Of the standard library, what a pure module may use.
PURE_LIBRARY = {
    *("typing", "collections", "collections.abc", "itertools", "functools", "operator", "math", "heapq", "bisect"),
    *("statistics", "json", "re", "string", "textwrap", "struct", "ipaddress", "zlib", "random"),
}


def source_files(*folders: str) -> list[str]:
    """The Python files below the folders, relative to the tree."""
    found = []
    for folder in folders:
        for path, _, names in os.walk(os.path.join(TREE, folder)):
            found += [os.path.relpath(os.path.join(path, name), TREE) for name in names if name.endswith(".py")]
    return sorted(found)


def module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def parsed(file: str) -> ast.Module:
    with open(os.path.join(TREE, file), encoding="utf-8") as source:
        return ast.parse(source.read(), file)


def imported(file: str, *, at_start_only: bool = False) -> Iterator[str]:
    """The modules that a file imports, relative ones by their place in the tree."""
    tree = parsed(file)
    for node in tree.body if at_start_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(file.split("/")[: -node.level]) + "." * bool(node.module) if node.level else ""
            base = package + (node.module or "")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                path = os.path.join(TREE, inner.replace(".", "/"))
                yield inner if os.path.isdir(path) or os.path.isfile(path + ".py") else base


CORE, CHECKS, REPORTER = source_files("tcptide"), source_files("checks"), source_files("reporter")
ALL = [*CORE, *CHECKS, *REPORTER]


def test_there_is_something_to_test() -> None:
    assert "tcptide/store.py" in CORE
    assert "tcptide.kernel.netlink" in set(imported("tcptide/kernel/sockdiag.py"))
    assert "checks.frame" in set(imported("checks/check_tcptide.py"))
    assert {"tcptide." + name for name in PURE} <= {module_name(file) for file in CORE}
    assert set(MAY_IMPORT) <= {module_name(file) for file in CORE}


@pytest.mark.parametrize("file", CORE)
def test_core_knows_nothing_of_what_is_built_on_it(file: str) -> None:
    assert not [name for name in imported(file) if re.match(r"(tcptide\.)?(checks|reporter|templates)\b", name)]


@pytest.mark.parametrize("file", CHECKS)
def test_checks_and_reporter_do_not_know_each_other(file: str) -> None:
    assert {name.partition(".")[0] for name in imported(file)}.isdisjoint({"reporter"})


@pytest.mark.parametrize("file", REPORTER)
def test_reporter_and_checks_do_not_know_each_other(file: str) -> None:
    assert {name.partition(".")[0] for name in imported(file)}.isdisjoint({"checks", "nagiosplugin"})


@pytest.mark.parametrize("file", ALL)
def test_third_party_packages_stay_where_they_belong(file: str) -> None:
    for name in {name.partition(".")[0] for name in imported(file)} & set(ONLY_IN):
        assert file.startswith(ONLY_IN[name]), name


@pytest.mark.parametrize("file", [file for file in CORE if module_name(file) in MAY_IMPORT])
def test_layers_of_the_core(file: str) -> None:
    of_core = {name for name in imported(file) if name.startswith("tcptide.")}
    assert of_core <= MAY_IMPORT[module_name(file)] | {"tcptide.record"}


@pytest.mark.parametrize("file", source_files("tcptide/kernel"))
def test_kernel_stands_on_types_alone(file: str) -> None:
    of_core = {name for name in imported(file) if name.startswith("tcptide.")}
    assert {name for name in of_core if not name.startswith("tcptide.kernel")} <= KERNEL_MAY_IMPORT


@pytest.mark.parametrize("file", [*CORE, *CHECKS])
def test_a_check_makes_its_types_fast(file: str) -> None:
    names = [alias.name for node in ast.walk(parsed(file)) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert "NamedTuple" not in names or "tcptide.record" in imported(file) or file == "tcptide/record.py"


PURE_FILES = [
    *(f"tcptide/{name}.py" for name in PURE),
    *source_files("tcptide/detection", "tcptide/simulation"),
]


@pytest.mark.parametrize("file", source_files("tcptide/detection"))
def test_detection_knows_its_samples_only(file: str) -> None:
    of_core = {name for name in imported(file) if name.startswith("tcptide.")}
    assert {name for name in of_core if not name.startswith("tcptide.detection")} <= TYPES | {"tcptide.lingering"}


@pytest.mark.parametrize("file", PURE_FILES)
def test_pure_modules_touch_nothing(file: str) -> None:
    assert {each for each in imported(file) if not each.startswith("tcptide")} <= PURE_LIBRARY
    called = {
        node.func.id for node in ast.walk(parsed(file)) if isinstance(node, ast.Call) and hasattr(node.func, "id")
    }
    assert called.isdisjoint({"open", "print", "input", "exec", "eval"})


def test_no_circle_of_imports() -> None:
    graph = {module_name(file): {*imported(file, at_start_only=True)} for file in ALL}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above, name])
        if name not in done:
            for inner in graph.get(name, ()):
                visit(inner, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_only_put_writes_to_stdout_in_checks() -> None:
    """What a check prints ends up in a monitoring system: one place decides how."""
    writers = [
        file
        for file in CHECKS
        for node in ast.walk(parsed(file))
        if (isinstance(node, ast.Name) and node.id == "print")
        or (isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr"))
    ]
    assert set(writers) == {"checks/output.py"}


def test_judges_are_pure() -> None:
    """No judge reaches for the clock, a file or the state: all of that is handed to it."""
    for file in CHECKS:
        for node in parsed(file).body:
            if isinstance(node, ast.FunctionDef) and node.name == "judge":
                names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                assert names.isdisjoint({"os", "time", "open", "Reader", "ProcFs", "SYSTEM", "snapshot", "statefiles"})


@pytest.mark.parametrize("file", [*ALL, *source_files("tests", "bench")])
def test_packages_inside_packages_are_never_named(file: str) -> None:
    """In the tree they are `checks` and `reporter`: under two names they would be two modules, each with its types."""
    if file == "tests/test_packaging.py":  # looks at what is installed, from other processes
        return
    with open(os.path.join(TREE, file), encoding="utf-8") as source:
        assert not re.findall(r"tcptide[.](?:checks|reporter)\b", source.read())
