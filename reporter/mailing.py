"""The mail of a report: made when it is needed, and sent once."""

import argparse
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from tcptide import ledger, privacy
from tcptide.clock import SYSTEM
from tcptide.config import Config
from tcptide.errors import StoreError
from tcptide.model import Report

from . import files
from .load import Loaded
from .page import Page

if TYPE_CHECKING:
    from .posting import Letter


@dataclass(frozen=True)
class Mailing:
    """The mail of a report, which is made when it is needed."""

    settings: Config
    directory: str  # of the state
    loaded: Loaded
    page: Page
    rebuild: Callable[[Config], Page]  # with another privacy
    report: str  # path of what was written besides, the first of it; may be empty
    whole: str  # path of what was written that holds all of the report; may be empty

    @cached_property
    def letter(self) -> "Letter":
        """With the privacy of mail, which is the stricter one."""
        from . import message  # a report that is not mailed shall not pay for loading what mail needs

        shown = privacy.mailed(self.settings.privacy, self.settings.mail)
        same = shown == self.settings.privacy
        page = self.page if same else self.rebuild(self.settings._replace(privacy=shown))
        label = self.loaded.calendar.label if self.loaded.calendar else ""
        return message.letter(page, self.settings.mail, label, self.whole, self.label)

    @property
    def label(self) -> str:
        """Of the period, calendar or not: the name of its row in the ledger, and in the name of its file."""
        if self.loaded.calendar:
            return self.loaded.calendar.label
        since, until = (datetime.fromtimestamp(wall, UTC) for wall in (self.loaded.since, self.loaded.until))
        return f"{since:%Y%m%dT%H%M}Z-{until:%Y%m%dT%H%M}Z"

    def post(self, given: argparse.Namespace, directory: str) -> list[str]:
        """--email: returns what to say of it. directory: for the mail's file. Raises TcptideError."""
        from .posting import Office

        source = self.loaded.source
        path = os.path.join(directory, f"{files.stem(source.hostname, source.name, self.label)}.eml")
        office = Office(self.directory, self.settings.mail, os.environ, SYSTEM)
        when = given.mail_when or self.settings.mail.when
        made = self._made(self.report or path)
        return office.post(source.name, made, path, lambda: self.letter, when=when, resend=given.resend)

    def remember(self, *, with_mail: bool) -> None:
        """Enter into the ledger that the report was made, if that is allowed: who only reads needs no ledger.

        with_mail: its mail was made as well, and may be sent by --send.
        """
        report = self._made(self.report)
        if with_mail:
            report = report._replace(message_id=self.letter.message_id)
        with suppress(StoreError):
            ledger.made(self.directory, SYSTEM, self.loaded.source.name, report)

    def _made(self, path: str) -> Report:
        return Report(self.label, self.loaded.since, self.loaded.until, SYSTEM.wall(), path)
