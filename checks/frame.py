"""From the command line to the exit status: the one place that asks, compares, prints, records and exits.

A check is a CheckSpec, a pure judge, and a main that hands both to `run`.
"""

import gc
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import NoReturn

from tcptide import alarm, config, history, privacy, snapshot, statefiles, trends
from tcptide.clock import SYSTEM, Clock
from tcptide.config import Config
from tcptide.errors import StoreError, TcptideError
from tcptide.kernel import netns
from tcptide.kernel.procfs import ProcFs
from tcptide.kernel.sockdiag import SocketFilter
from tcptide.model import Look, Point, Rates
from tcptide.outlook import Outlook, current
from tcptide.record import NamedTuple
from tcptide.sampler import take_filtered, take_sample
from tcptide.series import COUNTERS, point_of
from tcptide.store import Reader

from . import options as command_line
from . import output, ranges
from .output import Answer
from .ranges import CRITICAL, UNKNOWN, WARNING, Outcome
from .spec import CheckSpec, Judged

#: Pure: what was seen, how it changes and what the history says, in; what is to be said of it out.
Judge = Callable[[Look, Rates, Point, Outlook | None, Namespace], Judged]


class Context(NamedTuple):
    """What a check asks with."""

    spec: CheckSpec
    options: Namespace
    config: Config
    directory: str  # of the state
    source: str
    proc: ProcFs
    clock: Clock
    timeout_seconds: float


#: Answers from what is at most so many seconds old.
Ask = Callable[[Context, float], Answer]


def run(spec: CheckSpec, ask: Ask) -> NoReturn:
    """Run a check as an executable, to the end of the process. Whatever goes wrong is one UNKNOWN line."""
    gc.disable()  # there will be nothing to collect in so short a life
    arguments = sys.argv[1:]
    chosen = Namespace(output="text", verbose=0, timeout=None)
    try:
        chosen = command_line.read(spec, arguments)
        text, state = _judged(spec, ask, chosen)
    except command_line.HelpAsked as asked:
        text, state = str(asked), UNKNOWN
    except (Exception, KeyboardInterrupt, alarm.Timeout) as error:
        alarm.stop()
        text, state = output.failure(spec, _reason(error), chosen.output), UNKNOWN
        if chosen.verbose > 2 and chosen.output == "text":
            text += _traceback(error)
    output.put(text)
    os._exit(state)  # all is written and closed; tidying up the interpreter would take a tenth of the time again


def sampled(judge: Judge) -> Ask:
    """A check of the newest sample, with rates if its spec needs them."""

    def ask(context: Context, max_age_seconds: float) -> Answer:
        look = newest(context, max_age_seconds)
        point = point_of(look.sample)
        return answer(context, judge, look, point, *_past(context, point))

    return ask


def newest(context: Context, max_age_seconds: float, *, tcp_info: bool = False) -> Look:
    """The newest sample, or a look now; with tcp_info one that holds it."""
    return snapshot.look(
        context.directory,
        context.source,
        lambda: take_sample(
            context.proc,
            context.clock,
            source=context.source,
            tcp_info=tcp_info,
            linger_seconds=context.config.interval_seconds,
        ),
        context.clock,
        boot_id=context.proc.boot_id(),
        netns_cookie=netns.cookie(),
        max_age_seconds=max_age_seconds,
        timeout_seconds=context.timeout_seconds,
        wants=(lambda sample: sample.tcp_info is not None) if tcp_info else None,
        interval_seconds=context.config.interval_seconds,
        retention=context.config.retention,
        advance=history.judged(context.config),
    )


def filtered(context: Context, judge: Judge, wanted: SocketFilter) -> Answer:
    """A check of a part of the sockets: looked at now, neither stored nor compared with what was before."""
    look = Look(take_filtered(context.proc, context.clock, wanted), False, ())
    return answer(context, judge, look, point_of(look.sample), NO_RATES, None)


def answer(context: Context, judge: Judge, look: Look, point: Point, rates: Rates, outlook: Outlook | None) -> Answer:
    """The judge's view of a look, with what line 1 must say of the look itself."""
    settings = context.config.privacy
    look = look._replace(sample=privacy.without_processes(look.sample, settings), shown=privacy.mask(settings))
    origin = look.sample.origin
    marks = []
    if context.source == "host" and context.proc.has_veth():
        marks.append("host namespace only")
    if origin.method != "sock_diag":
        marks.append(f"seen by {origin.method}")
    if origin.simulated:
        marks.append("SIMULATED")
    judged = judge(look, rates, point, outlook, context.options)
    return Answer(judged, look.sample, snapshot.age_seconds(look.sample, context.clock), look.notices, tuple(marks))


NO_RATES = Rates(0.0, dict.fromkeys(COUNTERS), "first")


def _past(context: Context, point: Point) -> tuple[Rates, Outlook | None]:
    """What the history adds to the newest sample. An unreadable state is no news: the look has said so."""
    rates, outlook, needs = NO_RATES, None, context.spec.needs
    if "rates" not in needs and "outlook" not in needs:
        return rates, outlook
    rows = int(trends.MAX_SECONDS / context.config.interval_seconds) + 2
    try:
        with Reader(context.directory) as reader:
            if "rates" in needs:
                rates = trends.rates(point, reader.recent(context.source, rows))
            if "outlook" in needs:
                outlook = current(_outlook(context, reader), point, trends.MAX_SECONDS)
    except StoreError:
        pass
    return rates, outlook


def _outlook(context: Context, reader: Reader) -> Outlook | None:
    """What was stored, or what the rows say where that is lost or of another version: until the next row is judged."""
    stored = reader.outlook(context.source)
    if stored is None:
        from tcptide.advance import judged_again  # which loads the detector

        return judged_again(reader, context.source, context.config)
    return stored


def _judged(spec: CheckSpec, ask: Ask, options: Namespace) -> tuple[str, int]:
    _ring_after(options.timeout or command_line.DEFAULTS.timeout_seconds)
    settings = config.load(options.config, os.environ)
    timeout_seconds = options.timeout or settings.timeout_seconds
    _ring_after(timeout_seconds)
    thresholds = ranges.resolve(spec, options.warning, options.critical, settings)
    proc = ProcFs()
    context = Context(
        spec,
        options,
        settings,
        statefiles.state_directory(options.state_dir, os.environ, settings.state_dir),
        options.source or netns.source_name(proc),
        proc,
        SYSTEM,
        timeout_seconds,
    )
    found = ask(context, settings.max_age_seconds if options.max_age is None else options.max_age)
    outcome = ranges.evaluate(spec, found.judged, thresholds)
    try:
        if outcome.state in (WARNING, CRITICAL) and (found.age_seconds or 0.0) > snapshot.ALARM_AGE_SECONDS:
            found = ask(context, snapshot.ALARM_AGE_SECONDS)
            outcome = ranges.evaluate(spec, found.judged, thresholds)
        if options.record:
            found = _recorded(context, found, outcome)
    except (TcptideError, alarm.Timeout) as error:  # what was found is still true
        alarm.stop()
        found = found._replace(notices=(*found.notices, str(error)))
    alarm.stop()
    if options.output == "json":
        return output.as_json(spec, found, outcome, thresholds), outcome.state
    return output.plain(spec, found, outcome, thresholds, options.verbose), outcome.state


def _recorded(context: Context, found: Answer, outcome: Outcome) -> Answer:
    """Record the state for the service that --record names; the answer with a notice if that could not be done."""
    import json

    if found.sample is None:
        return found._replace(notices=(*found.notices, "not recorded: no sample"))
    finding = outcome.cause
    try:
        history.record(
            context.directory,
            found.sample.origin,
            context.clock,
            context.options.record,
            outcome.state,
            output.first_line(context.spec, found, outcome)[0],
            code=finding.code if finding else None,
            finding=json.dumps(finding._asdict()) if finding else None,
            recorded_by=context.spec.name,
        )
    except StoreError as error:
        return found._replace(notices=unrecorded(found.notices, str(error)))
    return found


def unrecorded(notices: tuple[str, ...], reason: str) -> tuple[str, ...]:
    """What keeps the history from being read or written keeps states from being recorded too: that is one notice."""
    if notices and notices[0].casefold() == f"no history: {reason}".casefold():
        return (f"no history, not recorded: {reason}", *notices[1:])
    return (*notices, f"not recorded: {reason}")


def _reason(error: BaseException) -> str:
    if isinstance(error, command_line.UsageError):
        return f"usage: {error}; see --help"
    return alarm.reason(error)


def _ring_after(seconds: float) -> None:
    alarm.ring_after(seconds, f"no answer within {seconds:g} s")


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(
        f"{output.clean(line)}\n" for text in traceback.format_exception(error) for line in text.splitlines()
    )
