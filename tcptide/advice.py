"""The one place that makes words of findings: what is wrong, the evidence, one safe next step with its side effect.

Nothing of it is ever done by itself. `find` is that of tcptide.findings, the sentences are those of tcptide.words.
"""

from collections.abc import Callable, Mapping

from tcptide.findings import find
from tcptide.model import Finding
from tcptide.record import NamedTuple
from tcptide.text import duration, number, percent
from tcptide.words import WORDS

__all__ = ["WORDS", "Advice", "find", "render"]


class Advice(NamedTuple):
    """A finding in words."""

    what: str
    evidence: str
    next_step: str


def render(finding: Finding, translate: Callable[[str], str] = str) -> Advice:
    """The finding in words. `translate` gets each sentence and clause; a clause of which not all is known is dropped.

    In `what`, which has no clauses, `?` stands for what isn't known.
    """
    words = _Known(holder=translate("its owner"), subject=finding.subject)
    words.update((name, _word(name, value)) for name, value in finding.values.items())
    what, evidence, next_step = WORDS[finding.code]
    return Advice(
        translate(what).format_map(words), _clauses(evidence, words, translate), _clauses(next_step, words, translate)
    )


class _Known(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "?"


def _clauses(clauses: tuple[str, ...], words: Mapping[str, str], translate: Callable[[str], str]) -> str:
    """A first sample, say, has no rates: nothing is said of them."""
    known = []
    for clause in clauses:
        try:
            known.append(translate(clause).format(**words))
        except KeyError:
            continue
    return "; ".join(known)


def _word(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if name.endswith("_percent"):
        return percent(value)
    if name.endswith("_ms"):
        return f"{number(value)} ms"
    return duration(value) if name.endswith("_seconds") else number(value)
