"""The part of `tcptide doctor` that looks at SELinux and AppArmor: what confines it, how the state is labelled."""

import os
import re
from collections.abc import Iterator

from tcptide.doctor_item import NOTE, OK, Item, Patient

#: Whether SELinux denies or only logs; the file is there where it is on.
ENFORCE = "/sys/fs/selinux/enforce"
_ATTRIBUTE = "security.selinux"

#: user:role:type and, as a rule, a level, which may have colons of its own.
_LABEL = re.compile(r"[^:\s]+:[^:\s]+:(?P<type>[^:\s]+)(:\S+)?")


def examine(patient: Patient) -> Iterator[Item]:
    """One item: the domain of this process, which is a check's only where the agent starts both."""
    context = patient.proc.security_context()
    yield judged(context, _enforce(ENFORCE), label(patient.directory) if context and type_of(context) else None)


def judged(context: str | None, enforce: str | None, state: str | None) -> Item:
    """Pure.

    context: of /proc/self/attr/current; enforce: '1' or '0'; state: the label of the state directory. None: not there.
    """
    if context is None:
        return Item(OK, "confinement", "SELinux: off, AppArmor: off")
    domain = type_of(context)
    if domain is None:
        text = f"SELinux: off, AppArmor: {context}"
        return Item(OK if context.startswith("unconfined") else NOTE, "confinement", text)
    mode = {"1": "enforcing", "0": "permissive"}.get(enforce or "", "on")
    labelled = "the state has no label" if state is None else f"the state is {type_of(state) or state} ({state})"
    text = f"SELinux: {mode}, runs in {domain} ({context}), {labelled}"
    if domain.startswith("unconfined"):
        return Item(OK, "confinement", text)
    return Item(NOTE, "confinement", text, "docs/selinux.md says what a confined check needs")


def type_of(text: str) -> str | None:
    """The type of an SELinux label, for a process its domain; None for what is not one (AppArmor's profiles)."""
    found = _LABEL.fullmatch(text)
    return found["type"] if found else None


def label(path: str) -> str | None:
    """The SELinux label of a file; None if it has none, or is not there."""
    try:
        return os.getxattr(path, _ATTRIBUTE).rstrip(b"\0").decode("ascii", "replace") or None
    except OSError:
        return None


def _enforce(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None
