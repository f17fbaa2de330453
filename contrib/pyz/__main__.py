"""The first file of dist/tcptide-checks.pyz: runs the check or command by whose name the file was called.

Interpreters that are too old for the rest get as far as here: this file is valid in Python 2.7, too.
"""

import os
import sys

NEEDED = (3, 11)
#: Where distributions have a newer interpreter beside their default.
NEWER = ["/usr/bin/python3.%d" % minor for minor in range(19, 10, -1)]


def called():
    """The name of the check or command, and its arguments."""
    name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
    if not is_known(name) and arguments and is_known(arguments[0]):
        return arguments[0], arguments[1:]
    return name, arguments


def is_known(name):
    """Whether this is the name of an executable."""
    return name == "tcptide" or name.startswith("check_tcp")


def unknown(name, why):
    """End as a check does that has nothing to judge."""
    service = name[len("check_") :].upper() if name.startswith("check_") else "TCPTIDE"
    sys.stdout.write("%s UNKNOWN - %s\n" % (service, why))
    sys.stdout.flush()
    sys.exit(3)


def main():
    """Run what was called."""
    name, arguments = called()
    if sys.version_info < NEEDED:
        for newer in NEWER:
            if os.access(newer, os.X_OK):
                os.execv(newer, [newer] + sys.argv)
        unknown(name, "Python %d.%d or newer is needed, this is %d.%d" % (NEEDED + tuple(sys.version_info[:2])))
    from importlib import import_module

    try:
        module = import_module("tcptide.cli" if name == "tcptide" else "tcptide.checks." + name)
    except ImportError as error:
        if is_known(name) and error.name != "tcptide.checks." + name:
            unknown(name, error)
        unknown(name, "name a check or tcptide: %s check_tcp_connections --help" % os.path.basename(sys.argv[0]))
    sys.argv[1:] = arguments
    sys.exit(module.main())


main()
