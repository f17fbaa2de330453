"""From a socket's cgroup to the name that a sysadmin knows: a systemd unit, a container, a pod.

sock_diag gives each socket the id of the cgroup it was created in (INET_DIAG_CGROUP_ID), which is the inode number
of that cgroup's directory in the cgroup v2 hierarchy.
"""

import os
from collections.abc import Collection, Iterator
from itertools import islice

from tcptide.kernel.procfs import printable

#: A walk ends there: far more cgroups than a host has units and containers.
MAX_DIRECTORIES = 20_000

_UNIT_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap")


def unit_name(path: str) -> str | None:
    """The unit, container or pod of a cgroup path; None for the root.

    The outermost one counts, as in the host's own tools: a service inside a container is the container's. Only
    `user@UID.service` is looked into, for the user's own units. Services of which systemd starts one for each
    connection (Accept=yes) are one, 'ssh@.service': their whole names have remote addresses in them. A container has
    its engine's name and the 12 digits that engines print ('docker-3f4e5d6c7b8a'), a container of Kubernetes its pod's
    ('pod' and the uid), one of LXC 'lxc-' and its name. What is none of these keeps its slice or its path.
    """
    above, manager = "", None
    parts = [part for part in path.split("/") if part]
    for part in parts:
        container = _pod(part) or _container(part, above)
        if container:
            return printable(container)
        above = part
    for part in parts:
        if part.startswith("user@") and part.endswith(".service"):
            manager = part
        elif part.endswith(_UNIT_SUFFIXES):
            if manager and part == "init.scope":  # the manager's own process
                return printable(manager)
            return printable(_without_connection(part))
    if manager or not parts:
        return manager
    return printable(parts[-1] if parts[-1].endswith(".slice") else "/".join(parts))


def _without_connection(unit: str) -> str:
    """The template of 'ssh@3-10.0.0.1:22-192.0.2.7:51234.service'; other units as they are."""
    name, at, instance = unit.removesuffix(".service").partition("@")
    pieces = instance.split("-")
    if at and len(pieces) > 2 and pieces[0].isdecimal() and all(map(_is_endpoint, pieces[-2:])):
        return f"{name}@.service"
    return unit


def _is_endpoint(text: str) -> bool:
    address, _, port = text.rpartition(":")
    return port.isdecimal() and bool(address) and set(address) <= set("0123456789abcdef.:")


def names(ids: Collection[int], mount: str | None) -> dict[int, str]:
    """The names of those cgroups of `ids` that are found below `mount`, the directory of the cgroup v2 hierarchy.

    Missing are the root cgroup, cgroups that are gone, and all of them where there is no mount or it cannot be read.
    """
    found: dict[int, str] = {}
    wanted = set(ids)
    if mount is None or not wanted:
        return found
    for inode, path in islice(_directories(mount), MAX_DIRECTORIES):
        if inode in wanted:
            wanted.remove(inode)
            if name := unit_name(path):
                found[inode] = name
            if not wanted:
                break
    return found


def _directories(mount: str) -> Iterator[tuple[int, str]]:
    """Inode number and path below `mount` of each directory, breadth first: units are near the root."""
    level = [""]
    while level:
        below: list[str] = []
        for directory in level:
            try:
                status = os.stat(mount + directory)
                if not directory:
                    yield status.st_ino, "/"
                if status.st_nlink == 2:  # no directories in it: most cgroups, and each holds dozens of files
                    continue
                with os.scandir(mount + directory) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            below.append(f"{directory}/{entry.name}")
                            yield entry.inode(), below[-1]
            except OSError:
                continue  # it went away meanwhile, or is hidden
        level = below


def _pod(part: str) -> str | None:
    """'pod<uid>', 'kubepods-burstable-pod<uid, with _ for ->.slice' (kubelet's cgroupfs and systemd drivers)."""
    before, found, uid = part.partition(".slice")[0].rpartition("pod")
    uid = uid.replace("_", "-")
    if found and (not before or before.endswith("-")) and _is_hex(uid.replace("-", ""), 32):
        return "pod" + uid
    return None


def _container(part: str, above: str) -> str | None:
    """'docker-<id>.scope', 'docker/<id>', '...slice:cri-containerd:<id>', 'lxc.payload.<name>', 'lxc/<name>'."""
    if part.startswith("libpod-payload-"):  # Podman in a service of systemd's (Quadlet), which is what people know
        return None
    if part.startswith("lxc.payload."):
        return "lxc-" + part.removeprefix("lxc.payload.")
    if above in ("lxc", "lxc.payload"):
        return "lxc-" + part
    part = part.removesuffix(".scope")
    engine, digits = part[:-64], part[-64:]
    if not _is_hex(digits, 64) or (engine and engine[-1] not in "-:"):
        return None
    engine = engine[:-1].rpartition(":")[2] or above
    return f"{engine}-{digits[:12]}" if engine else digits[:12]


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and not text.strip("0123456789abcdef")
