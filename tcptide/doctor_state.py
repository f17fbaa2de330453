"""The part of `tcptide doctor` that looks at the state: where it is, whose it is, what is in it."""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tcptide import levels, schema, statefiles, store
from tcptide.doctor_item import NOTE, OK, PROBLEM, Item, Patient, install_command
from tcptide.kernel import processes
from tcptide.model import Point
from tcptide.statefiles import StateError
from tcptide.text import duration, plural
from tcptide.trends import GAP_INTERVALS

#: Less than this is left on the state's file system: a year of rollups takes about 60 MB.
_FREE_BYTES = 100_000_000

DAY_SECONDS = 86400.0


def examine(patient: Patient) -> Iterator[Item]:
    """The directory, the room on its disk, the database, its newest rows."""
    directory = patient.directory
    named_by = f"{directory} (by {_named_by(patient)})"
    try:
        status = os.stat(directory)
    except FileNotFoundError:
        yield _no_directory(patient, named_by)
        return
    except OSError as error:
        yield Item(PROBLEM, "state", f"{named_by}: {error.strerror}")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield Item(PROBLEM, "state", f"{named_by} is not a directory", "name another place")
        return
    yield _directory(patient, status, named_by)
    if os.access(directory, os.R_OK | os.X_OK, effective_ids=True):
        yield from _room(directory)
        yield from _database(patient)


def _directory(patient: Patient, status: os.stat_result, named_by: str) -> Item:
    owner, mode = processes.user_name(status.st_uid), status.st_mode & 0o7777
    text = f"{named_by}, {owner}'s, mode {mode:04o}"
    quoted = shlex.quote(patient.directory)
    if os.statvfs(patient.directory).f_flag & os.ST_RDONLY:
        return Item(PROBLEM, "state", f"{text}: its file system is read-only")
    if mode & 0o002:
        return Item(PROBLEM, "state", f"{text}: everybody may write there", f"chmod 0750 {quoted}")
    if os.access(patient.directory, os.W_OK | os.X_OK, effective_ids=True):
        return Item(OK, "state", text)
    caller = os.geteuid()
    text += f": {processes.user_name(caller)} cannot write there"
    if status.st_uid == caller:
        fix = f"chmod 0750 {quoted}"
    elif status.st_uid == 0:
        fix = f"chown -R {caller if patient.agent is None else shlex.quote(patient.agent.pw_name + ':')} {quoted}"
    else:
        fix = f"run checks and sampler as {owner}"
    return Item(PROBLEM, "state", text, fix)


def _named_by(patient: Patient) -> str:
    if patient.state_option:
        return "--state-dir"
    if patient.environ.get("TCPTIDE_STATE_DIR"):
        return "$TCPTIDE_STATE_DIR"
    return "the configuration file" if patient.config.state_dir else "the default"


def _no_directory(patient: Patient, named_by: str) -> Item:
    """A sample makes it where it may: below what exists, or with its parents in a home (statefiles.make_directory)."""
    directory = patient.directory
    named = patient.state_option or patient.environ.get("TCPTIDE_STATE_DIR") or patient.config.state_dir
    fix = install_command(directory if named else statefiles.SYSTEM_DIRECTORY, patient.agent)
    parent = os.path.dirname(directory)
    if directory.endswith(f"/{statefiles.HOME_TAIL}"):
        home = directory.removesuffix(f"/{statefiles.HOME_TAIL}")
        while parent != home and not os.path.exists(parent):
            parent = os.path.dirname(parent)
    made = os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK, effective_ids=True)
    if made and directory != statefiles.SYSTEM_DIRECTORY:
        return Item(NOTE, "state", f"{named_by} does not exist, the first sample makes it", fix)
    return Item(PROBLEM, "state", f"{named_by} does not exist", fix)


def _room(directory: str) -> Iterator[Item]:
    disk = os.statvfs(directory)
    free = disk.f_bavail * disk.f_frsize
    text = f"{free / 1e6:.0f} MB free"
    yield Item(PROBLEM, "disk", text, "a year takes about 60 MB") if free < _FREE_BYTES else Item(OK, "disk", text)
    try:
        damaged = statefiles.damaged_files(directory)
    except StateError as error:
        yield Item(PROBLEM, "damage", str(error))
        return
    if damaged:
        text = f"{plural(len(damaged), 'database')} set aside as damaged: {', '.join(damaged)}"
        yield Item(NOTE, "damage", text, "check the disk; delete them when nothing is to be saved")


def _database(patient: Patient) -> Iterator[Item]:
    directory, wall = patient.directory, patient.clock.wall()
    try:
        with store.Reader(directory) as reader:
            sources = reader.sources()
            size = statefiles.size_bytes(directory)
            newest = reader.recent(patient.source, 1)
            day = reader.points(patient.source, wall - DAY_SECONDS, wall)
            before = reader.before(patient.source, wall - DAY_SECONDS)
    except store.NoHistoryError:
        yield Item(NOTE, "database", "no samples yet", patient.sampler)
        return
    except StateError as error:
        older = isinstance(error, store.OlderSchemaError)
        yield Item(PROBLEM, "database", str(error), patient.sampler if older else _REMEDIES.get(type(error), ""))
        return
    owner = os.stat(os.path.join(directory, statefiles.DATABASE)).st_uid
    text = f"schema {schema.VERSION}, {size / 1e6:.1f} MB"
    if owner != os.stat(directory).st_uid:
        quoted = shlex.quote(directory)
        fix = f"chown --reference={quoted} {quoted}/*"
        yield Item(PROBLEM, "database", f"{text}, belongs to {processes.user_name(owner)}, unlike its directory", fix)
    else:
        yield Item(OK, "database", text)
    if any(source.simulated for source in sources):
        yield Item(NOTE, "samples", "a SIMULATED history", "samples of this host need a directory of their own")
    else:
        yield from _samples(patient, [source.name for source in sources], newest)
        if newest:
            yield _history(wall, patient.config.interval_seconds, before, day)


_REMEDIES: dict[type[StateError], str] = {
    store.DamagedError: "the next tcptide sample sets it aside and begins a new one",
    store.NewerSchemaError: "install that version of tcptide",
}


def _samples(patient: Patient, sources: Iterable[str], newest: list[Point]) -> Iterator[Item]:
    if not newest:
        known = ", ".join(sources) or "nothing"
        yield Item(PROBLEM, "samples", f"none of {patient.source}, only of {known}", "see --source")
        return
    same_boot = newest[0].boot_id == patient.proc.boot_id()
    age = patient.clock.boottime() - newest[0].boottime_seconds
    age = age if same_boot else patient.clock.wall() - newest[0].wall_seconds
    text = f"last of {patient.source} {duration(max(0.0, age))} ago"
    warning, critical = levels.of("tcptide", "sample_age_seconds", patient.config.interval_seconds)
    if warning is not None and age > warning:
        problem = critical is not None and age > critical
        yield Item(PROBLEM if problem else NOTE, "samples", text, "`tcptide sample` should run every minute")
    else:
        yield Item(OK, "samples", text)


def _history(wall: float, interval_seconds: float, before: Point | None, day: list[Point]) -> Item:
    """The rows of the day that ends at `wall` and the pauses between them, with what was before the first of them."""
    rows = day if before is None else [before, *day]
    times = [*(row.wall_seconds for row in rows), wall]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    gaps = [pause for pause in pauses if pause > GAP_INTERVALS * interval_seconds]
    text = f"{plural(len(day), 'row')} in the last 24 h"
    if gaps:
        text += f", {plural(len(gaps), 'gap')}, the longest {duration(max(gaps))}"
    return Item(NOTE if gaps else OK, "history", text)
