"""The history's judgement in an append: verdict, outlook, state and events of each row, in the row's transaction."""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from tcptide import codec, outlook, privacy
from tcptide.config import Config
from tcptide.errors import StoreError, TcptideError
from tcptide.lookout import VERSION, Change, Lookout
from tcptide.model import Point, Sample, Verdict
from tcptide.observation import Observation, observe
from tcptide.outlook import Outlook
from tcptide.record import NamedTuple
from tcptide.statefiles import StateError
from tcptide.store import Reader
from tcptide.writer import Writer

#: How many rows are judged again when there is no state to go on from: a day and an hour at a row a minute.
REPLAYED_ROWS = 1500

_NO_TOP = codec.Top((), (), (), (), (), (), ())


class _Reached(NamedTuple):
    """How far a source's judgement has got."""

    row: Point
    lookout: Lookout
    outlook: Outlook


def judged_again(reader: Reader, source: str, config: Config) -> Outlook | None:
    """What the history says as of its newest row, where what was stored of it can't be read; None without any row.

    It takes half a second. Raises StateError, also for a fault in here.
    """
    with _faults(reader):
        return _replayed(reader, source, config)[1]


class Judging:
    """history.Advancing: goes on from the stored state, or from the last rows where there is none that fits."""

    def __init__(self, writer: Writer, config: Config) -> None:
        self._writer = writer
        self._config = config
        self._interval, self._sensitivity = config.interval_seconds, config.pattern.sensitivity
        self._privacy = config.privacy
        self._reached: dict[int, _Reached] = {}  # by source

    def row(self, source_id: int, previous: Point | None, row: Point, top: str, sample: Sample) -> Verdict:
        """Take in the row that was just added after `previous`; its verdict. Adds its events.

        A fault in here is a StateError: it may cost the row, never the answer of the check that adds it.
        """
        with _faults(self._writer):
            known = self._reached.get(source_id)
            lookout = known.lookout if known else self._loaded(source_id, previous)
            lookout = lookout or _replayed(self._writer, sample.origin.source, self._config, row.id)[0]
            found = lookout.step(_observed(row, top, self._config))
            for change in lookout.changes:
                self._add_event(source_id, row, change, found, sample)
        self._reached[source_id] = _Reached(row, lookout, found)
        return found.verdict

    def keep(self) -> None:
        """Store state and outlook of each source's last row."""
        for source_id, (row, lookout, found) in self._reached.items():
            state = json.dumps(lookout.dump(), separators=(",", ":"))
            kept = f"{_checksum(state)}{state}"
            self._writer.put_detector(source_id, VERSION, self._parameters, row.id, kept, outlook.to_json(found))

    @property
    def _parameters(self) -> str:
        return f"{self._sensitivity}, {self._interval:g} s"

    def _loaded(self, source_id: int, previous: Point | None) -> Lookout | None:
        """Where it has got to with the row before, if that is what the state holds, whole and of this version."""
        kept = self._writer.detector(source_id)
        if kept is None or previous is None or kept[:3] != (VERSION, self._parameters, previous.id):
            return None
        checksum, state = kept[3][:8], kept[3][8:]
        if checksum != _checksum(state):
            return None
        try:
            return Lookout.load(self._interval, self._sensitivity, json.loads(state))
        except ValueError:
            return None

    def _add_event(self, source_id: int, row: Point, change: Change, found: Outlook, sample: Sample) -> None:
        """What became or ceased to be the case; with addresses as they may be shown, since events are."""
        from tcptide import saying  # few rows have something to tell, and every check that adds one loads this module
        from tcptide.findings import of_limit
        from tcptide.history_findings import of_outlook

        ahead, write = change.forecast, privacy.mask(self._privacy)
        if ahead is None:
            kind, name, before, now = "pattern", "pattern", change.before is not None, found.alarm
            finding = next(iter(of_outlook(found, sample, write)), None)
            message = saying.change(outlook.masked(found, write), change.before)
        else:
            kind, name = "forecast", outlook.masked_resource(ahead.resource, write)
            before, now = ahead.seconds is None, ahead.seconds is not None
            finding, message = of_limit(ahead, sample, write), saying.reach(ahead._replace(resource=name))
        code, data = (finding.code, json.dumps(finding._asdict())) if finding else (None, None)
        self._writer.add_event(source_id, row.wall_seconds, name, kind, int(before), int(now), code, message, data)


@contextmanager
def _faults(reader: Reader) -> Iterator[None]:
    try:
        yield
    except TcptideError:
        raise
    except Exception as error:
        raise StateError(reader.directory, f"the history cannot be judged: {error!r}") from error


def _replayed(
    reader: Reader, source: str, config: Config, before_id: int | None = None
) -> tuple[Lookout, Outlook | None]:
    """The lookout that has seen the last rows, or those before one, and what it said of the last of them."""
    lookout, found = Lookout(config.interval_seconds, config.pattern.sensitivity), None
    for row, top in reader.last_rows(source, REPLAYED_ROWS, before_id):
        found = lookout.step(_observed(row, top, config))
    return lookout, found


def _observed(row: Point, top: str, config: Config) -> Observation:
    limit = config.connection_limit
    limits = {} if limit is None else {"connections": limit}
    try:
        return observe(row, codec.top_from_json(top), limits)
    except StoreError:  # damaged: what the row's numbers say is still worth having
        return observe(row, _NO_TOP, limits)


def _checksum(state: str) -> str:
    return f"{zlib.crc32(state.encode()):08x}"
