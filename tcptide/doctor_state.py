"""The part of `tcptide doctor` that looks at the state: where it is, whose it is, what is in it."""

import os
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tcptide import levels, schema, statefiles, store
from tcptide.doctor_item import NOTE, OK, PROBLEM, Item, Patient
from tcptide.kernel import processes
from tcptide.model import Point
from tcptide.statefiles import StateError
from tcptide.text import duration, plural
from tcptide.trends import GAP_INTERVALS

#: Less than this is left on the state's file system: a year of rollups takes about 60 MB.
_FREE_BYTES = 100_000_000


def examine(patient: Patient) -> Iterator[Item]:
    """The directory, the room on its disk, the database, its newest rows."""
    directory = patient.directory
    named_by = f"{directory} (by {_named_by(patient)})"
    try:
        status = os.stat(directory)
    except FileNotFoundError:
        yield _no_directory(directory, named_by)
        return
    except OSError as error:
        yield Item(PROBLEM, "state", f"{named_by}: {error.strerror}")
        return
    owner, mode = processes.user_name(status.st_uid), status.st_mode & 0o7777
    text = f"{named_by}, {owner}'s, mode {mode:04o}"
    if mode & 0o002:
        yield Item(PROBLEM, "state", f"{text}: everybody may write there", f"chmod 0750 {directory}")
    elif not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        who = processes.user_name(os.geteuid())
        yield Item(PROBLEM, "state", f"{text}: {who} cannot write there", f"run checks and sampler as {owner}")
    else:
        yield Item(OK, "state", text)
    yield from _room(directory)
    yield from _database(patient)


def _named_by(patient: Patient) -> str:
    if patient.state_option:
        return "--state-dir"
    if patient.environ.get("TCPTIDE_STATE_DIR"):
        return "$TCPTIDE_STATE_DIR"
    return "the configuration file" if patient.config.state_dir else "the default"


def _no_directory(directory: str, named_by: str) -> Item:
    fix = f"install -d -m 0750 -o nagios -g nagios {statefiles.SYSTEM_DIRECTORY}, with the user who runs the checks"
    parent = os.path.dirname(directory)
    made = os.access(parent, os.W_OK | os.X_OK, effective_ids=True) or directory.endswith(f"/{statefiles.HOME_TAIL}")
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
            day = reader.points(patient.source, wall - 86400, wall)
    except store.NoHistoryError:
        yield Item(NOTE, "database", "no samples yet", "tcptide sample takes the first")
        return
    except StateError as error:
        yield Item(PROBLEM, "database", str(error), _REMEDIES.get(type(error), ""))
        return
    owner = os.stat(os.path.join(directory, statefiles.DATABASE)).st_uid
    text = f"schema {schema.VERSION}, {size / 1e6:.1f} MB"
    if owner != os.stat(directory).st_uid:
        fix = f"chown --reference={directory} {directory}/*"
        yield Item(PROBLEM, "database", f"{text}, belongs to {processes.user_name(owner)}, unlike its directory", fix)
    else:
        yield Item(OK, "database", text)
    if any(source.simulated for source in sources):
        yield Item(NOTE, "samples", "a SIMULATED history", "samples of this host need a directory of their own")
    else:
        yield from _samples(patient, [source.name for source in sources], newest, day)


_REMEDIES: dict[type[StateError], str] = {
    store.DamagedError: "the next tcptide sample sets it aside and begins a new one",
    store.NewerSchemaError: "install that version of tcptide",
}


def _samples(patient: Patient, sources: Iterable[str], newest: list[Point], day: list[Point]) -> Iterator[Item]:
    if not newest:
        known = ", ".join(sources) or "nothing"
        yield Item(PROBLEM, "samples", f"none of {patient.source}, only of {known}", "see --source")
        return
    same_boot = newest[0].boot_id == patient.proc.boot_id()
    age = patient.clock.boottime() - newest[0].boottime_seconds
    age = age if same_boot else patient.clock.wall() - newest[0].wall_seconds
    text = f"last of {patient.source} {duration(max(0.0, age))} ago"
    warning, critical = levels.of("tcptide", "sample_age_seconds")
    if warning is not None and age > warning:
        problem = critical is not None and age > critical
        yield Item(PROBLEM if problem else NOTE, "samples", text, "`tcptide sample` should run every minute")
    else:
        yield Item(OK, "samples", text)
    longest = GAP_INTERVALS * patient.config.interval_seconds
    pauses = [later.wall_seconds - earlier.wall_seconds for earlier, later in pairwise(day)]
    gaps = [pause for pause in pauses if pause > longest]
    text = f"{plural(len(day), 'row')} in the last 24 h"
    if gaps:
        text += f", {plural(len(gaps), 'gap')}, the longest {duration(max(gaps))}"
    yield Item(NOTE if gaps else OK, "history", text)
