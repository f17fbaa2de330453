"""The state directory and the files in it: where it is, who owns it, how a file is made, locked and set aside.

The state has one owner, as a rule the monitoring agent's user. Directories are made with mode 0750 and files with
0640 whatever the umask, so that members of the owner's group read what the owner writes. Root becomes the owner while
it touches the state: what it makes is the owner's, and nothing the owner left there can make root act as root.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from tcptide.clock import Clock
from tcptide.errors import StoreError
from tcptide.kernel.processes import user_name

#: Used when it exists; made by whoever installs tcptide, never by a check.
SYSTEM_DIRECTORY = "/var/lib/tcptide"

#: The end of the default directory in a home (XDG Base Directory Specification).
HOME_TAIL = ".local/state/tcptide"

DATABASE = "tcptide.db"
JOURNAL = "tcptide.db-journal"
LOCK = "sampling.lock"
DAMAGED = "tcptide.db.damaged-"

#: Emptied by others than their owner: no default may lead there, only a directory that was named.
_TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108 - refused, not used

_DAMAGED_A_DAY = 3
_POLL_SECONDS = 0.01


class StateError(StoreError):
    """The state in a directory can't be used now; the text is 'PATH: REASON', short enough for a first line."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


def state_directory(option: str | None, environ: Mapping[str, str], config: str | None) -> str:
    """The directory that holds the state: --state-dir, $TCPTIDE_STATE_DIR, the configuration, or a default.

    The default is /var/lib/tcptide if that exists, usable or not: there is never a second, silent history elsewhere.
    Else it is $XDG_STATE_HOME/tcptide or ~/.local/state/tcptide, home being $HOME or what the user database says; one
    of these that is under a directory for temporary files is passed over. With no home at all it is
    /var/lib/tcptide again, which then doesn't exist, and the caller is told so when it uses it. Nothing is made here.
    """
    named = option or environ.get("TCPTIDE_STATE_DIR") or config
    if named:
        with suppress(FileNotFoundError):  # the working directory is gone: the name as it is will not be found either
            return os.path.abspath(named)
        return named
    if os.path.lexists(SYSTEM_DIRECTORY):
        return SYSTEM_DIRECTORY
    candidates = []
    if environ.get("XDG_STATE_HOME", "").startswith("/"):
        candidates.append(os.path.join(environ["XDG_STATE_HOME"], "tcptide"))
    if environ.get("HOME", "").startswith("/"):
        candidates.append(os.path.join(environ["HOME"], HOME_TAIL))
    candidates.extend(os.path.join(home, HOME_TAIL) for home in _home_of_user())
    for candidate in candidates:
        if not os.path.realpath(candidate).startswith(_TEMPORARY):
            return os.path.normpath(candidate)
    return SYSTEM_DIRECTORY


def _home_of_user() -> list[str]:
    import pwd

    try:
        return [pwd.getpwuid(os.geteuid()).pw_dir]
    except KeyError:
        return []


@contextmanager
def _reasons(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(path, error.strerror or str(error)) from None


@contextmanager
def _as_user(path: str, uid: int, gid: int) -> Iterator[None]:
    """Root becomes this user for a while; for everybody else nothing changes."""
    if os.geteuid() != 0 or uid == 0:
        yield
        return
    own_group, own_groups = os.getegid(), os.getgroups()
    try:
        try:
            os.setgroups(_groups(uid, gid))
            os.setegid(gid)
            os.seteuid(uid)
        except OSError as error:
            reason = f"cannot act as its owner {user_name(uid)}: {error.strerror}"
            raise StateError(path, reason) from None
        yield
    finally:
        os.seteuid(0)
        os.setegid(own_group)
        if os.getgroups() != own_groups:
            os.setgroups(own_groups)


def _groups(uid: int, gid: int) -> list[int]:
    """The group and the user's own: they may be what lets it through to its directory."""
    import pwd

    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]


@contextmanager
def as_owner(directory: str) -> Iterator[None]:
    """Root becomes the owner of the state: of the directory, or if that is root, of the database.

    So what root makes belongs to the owner, and neither a symbolic link nor a crafted journal, which SQLite would
    play back, gets more done than its maker could do. Raises StateError.
    """
    with _reasons(directory):
        status = os.stat(directory)
        if status.st_uid == 0:
            with suppress(FileNotFoundError):
                status = os.lstat(os.path.join(directory, DATABASE))
    with _as_user(directory, status.st_uid, status.st_gid):
        yield


def make_directory(directory: str) -> None:
    """Make the state directory unless it exists: 0750, and as root for the owner of the directory it is made in.

    Missing parents are made (0700) only for the default in a home; /var/lib/tcptide itself is never made.
    Raises StateError.
    """
    with _reasons(directory):
        if os.path.isdir(directory):
            return
        if os.path.lexists(directory):
            raise StateError(directory, "not a directory")
        if directory == SYSTEM_DIRECTORY:
            raise StateError(directory, "No such file or directory")
        missing = [(directory, 0o750)]
        if directory.endswith("/" + HOME_TAIL):
            for parent in (os.path.dirname(directory), os.path.dirname(os.path.dirname(directory))):
                if not os.path.isdir(parent):
                    missing.insert(0, (parent, 0o700))
        owner = os.stat(os.path.dirname(missing[0][0]))
        with _as_user(directory, owner.st_uid, owner.st_gid):
            for path, mode in missing:
                try:
                    os.mkdir(path, mode)
                except FileExistsError:  # another process was quicker
                    continue
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                os.fchmod(descriptor, mode)  # whatever the umask
                os.close(descriptor)


def check_files(directory: str) -> bool:
    """Whether there is a database; raises StateError if it, or its journal, can't be trusted.

    Neither may be anything but a regular file. In a directory that everybody may write to the database must belong to
    the directory's owner, to root or to the caller: others could have put it there. (Root becomes its owner.) A journal
    must belong to the database's owner or to root: SQLite does to the database, and to a file the journal names, what
    it says.
    """
    caller = owner = os.geteuid()
    found = False
    with _reasons(directory):
        parent = os.stat(directory)
        for name in (DATABASE, JOURNAL):
            try:
                status = os.lstat(os.path.join(directory, name))
            except FileNotFoundError:
                continue
            if name == DATABASE:
                found, owner = True, status.st_uid
                anybodys = caller != 0 and parent.st_mode & stat.S_IWOTH
                trusted = not anybodys or owner in (parent.st_uid, caller, 0)
            else:
                trusted = status.st_uid in (owner, 0)
            if stat.S_ISLNK(status.st_mode):
                raise StateError(directory, f"{name} is a symbolic link")
            if not stat.S_ISREG(status.st_mode):
                raise StateError(directory, f"{name} is not a regular file")
            if not trusted:
                raise StateError(directory, f"{name} belongs to {user_name(status.st_uid)}")
    return found


def demand_access(directory: str) -> None:
    """Raises StateError with the kernel's reason if the database can't be read by the caller."""
    with _reasons(directory):
        os.close(os.open(os.path.join(directory, DATABASE), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))


def open_or_make(directory: str, name: str) -> int:
    """A descriptor of a file of the state, never through a link; made if it is missing, exclusively.

    What is made has mode 0640 and the group of the directory, if the caller may give it that: whom the administrator
    let into the directory can read what is in it. Raises StateError.
    """
    path = os.path.join(directory, name)
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    with _reasons(directory):
        if os.path.islink(path):  # O_NOFOLLOW holds if one comes between, with less clear words
            raise StateError(directory, f"{name} is a symbolic link")
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            pass
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o640)
        except FileExistsError:  # another process was quicker
            return os.open(path, flags)
        os.fchmod(descriptor, 0o640)  # whatever the umask
        with suppress(PermissionError):
            os.fchown(descriptor, -1, os.stat(directory).st_gid)
        return descriptor


@contextmanager
def lock(directory: str, clock: Clock, wait_seconds: float, name: str = LOCK) -> Iterator[None]:
    """Hold sampling.lock, which every writer of the state holds, or another lock; makes the directory if it may.

    The lock file is never deleted: two processes would hold two locks. The kernel frees the lock of a killed
    process. Raises StateError, also when the lock wasn't had within wait_seconds.
    """
    make_directory(directory)
    with as_owner(directory):
        descriptor = open_or_make(directory, name)
    try:
        deadline = clock.boottime() + wait_seconds
        with _reasons(directory):
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if clock.boottime() >= deadline:
                        raise StateError(directory, f"{name} was held for {wait_seconds:.1f} s") from None
                clock.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def damaged_files(directory: str) -> list[str]:
    """The names of the databases that were set aside as damaged, oldest first. Raises StateError."""
    with _reasons(directory):
        names = os.listdir(directory)
    return sorted(name for name in names if name.startswith(DAMAGED) and not name.endswith("-journal"))


def size_bytes(directory: str) -> int:
    """The size of the database and its journal, damaged ones not counted. Raises StateError."""
    total = 0
    with _reasons(directory):
        for name in (DATABASE, JOURNAL):
            try:
                total += os.lstat(os.path.join(directory, name)).st_size
            except FileNotFoundError:
                continue
    return total


def set_aside(directory: str, wall_seconds: float) -> str:
    """Rename a damaged database together with its journal; returns the new name. The caller holds the lock.

    Nothing is ever deleted. The journal goes first: left behind, it would be played back into the next database.
    After the third within a day StateError is raised instead: the disk is at fault then, and copies would fill it.
    """
    with as_owner(directory), _reasons(directory):
        stamp = f"{DAMAGED}{_utc(wall_seconds)}"
        recent = [name for name in damaged_files(directory) if name >= f"{DAMAGED}{_utc(wall_seconds - 86400)}"]
        if len(recent) >= _DAMAGED_A_DAY:
            raise StateError(directory, f"damaged again, {len(recent)} damaged files within a day")
        name, number = stamp, 1
        while os.path.lexists(os.path.join(directory, name)):
            number += 1
            name = f"{stamp}.{number}"
        for old, new in ((JOURNAL, f"{name}-journal"), (DATABASE, name)):
            try:
                os.rename(os.path.join(directory, old), os.path.join(directory, new))
            except FileNotFoundError:
                continue
        return name


def _utc(wall_seconds: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall_seconds))
