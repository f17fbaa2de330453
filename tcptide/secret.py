"""The password for the SMTP server: from the environment or a file, never from a command line, which others see."""

import os
import stat
from collections.abc import Mapping

from tcptide.errors import ConfigError
from tcptide.mail import PASSWORD_VARIABLE, Mail

_TOO_OPEN = 0o037  # beyond 0640
_MAX_BYTES = 4096


def password(mail: Mail, environ: Mapping[str, str]) -> str:
    """What to log in with as mail.smtp_user. Raises ConfigError with one line that names where it was looked for."""
    if given := environ.get(PASSWORD_VARIABLE):
        return given
    if mail.smtp_password_file is None:
        raise ConfigError(f"mail.smtp_user: needs a password: mail.smtp_password_file or ${PASSWORD_VARIABLE}")
    return read(mail.smtp_password_file)


def read(path: str) -> str:
    """The first line of a file that its owner and at most its group may read. Raises ConfigError."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path}: is no regular file")
            if status.st_mode & _TOO_OPEN:
                mode = stat.S_IMODE(status.st_mode)
                raise ConfigError(f"{path}: has mode {mode:04o}, others can read or change it: chmod 0640 {path}")
            line = file.read(_MAX_BYTES).decode().partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror} (named by mail.smtp_password_file)") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    if not line or not line.isprintable():
        raise ConfigError(f"{path}: its first line is no password")
    return line
