"""Builds the checks and `tcptide` as one file: contrib/pyz/build.py dist/tcptide-checks.pyz.

nagiosplugin is taken from the interpreter that runs this, with its license; psutil is compiled for one machine and
stays out. Beside each source lies its bytecode, which this version of Python uses; another compiles the sources at each
start, which takes two to three times as long. The same sources and interpreter give the same bytes.
"""

import importlib.util
import os
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import files

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHEBANG = b"#!/usr/bin/env python3\n"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can name

#: Of the tree, and where it lies in the file.
FOLDERS = {"tcptide": "tcptide", "checks": "tcptide/checks"}


def contents() -> Iterator[tuple[str, bytes]]:
    """Names in the file, and what they hold."""
    sources = dict([("__main__.py", os.path.join(TREE, "contrib/pyz/__main__.py")), *_tree(), *_nagiosplugin()])
    for name, path in sorted(sources.items()):
        with open(path, "rb") as file:
            held = file.read()
        yield name, held
        if name.endswith(".py") and name != "__main__.py":  # which must be read by any version
            yield name + "c", _bytecode(name, held)


def _tree() -> Iterator[tuple[str, str]]:
    yield "LICENSE", os.path.join(TREE, "LICENSE")
    for folder, target in FOLDERS.items():
        for path, _, names in os.walk(os.path.join(TREE, folder)):
            for name in names:
                if name.endswith(".py"):
                    full = os.path.join(path, name)
                    yield target + full.removeprefix(os.path.join(TREE, folder)), full


def _nagiosplugin() -> Iterator[tuple[str, str]]:
    for file in files("nagiosplugin") or ():
        top, *inner = file.parts
        if top == "nagiosplugin" and file.suffix == ".py" and inner[0] not in ("examples", "tests"):
            yield str(file), str(file.locate())
        elif file.name.startswith("LICENSE"):
            yield "nagiosplugin/LICENSE.txt", str(file.locate())


def _bytecode(name: str, source: bytes) -> bytes:
    """As `python -m compileall --invalidation-mode unchecked-hash` writes it: the file is whole or not there."""
    import marshal

    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    flags = (0b01).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + marshal.dumps(code)


def main() -> None:
    """The script."""
    (target,) = sys.argv[1:]
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    with open(f"{target}.new", "wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, held in contents():
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3  # Unix
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, held)
        os.chmod(file.fileno(), 0o755)  # noqa: S103 - a program for everybody
    os.rename(f"{target}.new", target)


if __name__ == "__main__":
    main()
