"""The one family of errors; each executable turns it into one clear line and the right exit status."""


class TcptideError(Exception):
    """Whatever tcptide itself reports; its text is one line that a sysadmin can act on."""


class SourceError(TcptideError):
    """The kernel or /proc could not be asked, or answered with an error."""


class ParseError(TcptideError):
    """Text or bytes from the kernel that do not have the expected form.

    The text names the path, the line number (from 1; 0 = the file as a whole) and the first 80 characters of
    the offending text.
    """

    def __init__(self, path: str, line_number: int, text: str, problem: str) -> None:
        shown = repr(text) if len(text) <= 80 else repr(text[:80]) + "..."  # a line of netstat is 3 KB
        super().__init__(f"{path}:{line_number}: {problem}: {shown}")
        self.path, self.line_number, self.text, self.problem = path, line_number, text, problem


class StoreError(TcptideError):
    """The state could not be opened, read or written; the file is left as it is."""


class ConfigError(TcptideError):
    """A configuration file or an option that cannot be used; names file, key and value."""


class NoDataError(TcptideError):
    """There is nothing to judge or report in what was asked for."""
