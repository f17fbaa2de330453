"""A level that wanders and follows traffic, and since when steady growth would explain what is left over.

A Kalman filter (Kalman 1960) foresees each block; a bank of possible onsets keeps, for each, the generalised
likelihood ratio of "it has grown steadily since then" (Willsky and Jones 1976): what growth does to the filter itself
is known exactly, so a filter that has learned half of a leak still tells it apart. How noisy the blocks are and how
far they wander is learned from second differences, which steady growth is not in. Pure.
"""

import math
from typing import Any

from tcptide.record import NamedTuple

GATE = 25.0  # squared standard deviations beyond which a block is set aside; a second one in a row is a new level
GRACE_BLOCKS = 6.0  # after it blocks are taken as they come, or steep growth would be one new level after the other
NEW_LEVEL = 0.5  # standard deviation of a new level, as a share of the old one
FAR = 24  # blocks: the wander shows in second differences this far apart, and so does a day's swing
STEADY = 300.0  # blocks over which the noise is learned
NEAR_PRIOR, FAR_PRIOR = 20, 15  # blocks that the first guess of each counts for
LEAST_NOISE = 0.3  # times what is expected of counts
NORMAL_MEAN = 0.8  # the mean size of a standard normal number
OUTSTANDING = 4.0  # times the mean size: more doesn't teach more
APART = 1.5  # ages of neighbouring onsets
YOUNG_BLOCKS, OLD_BLOCKS = 4, 220  # onsets younger needn't stand out yet and aren't believed, older are none
MANY = 12  # onsets: with no more, none need go for being near another one
LEAST_EVIDENCE = 4.0  # standard deviations: with less it is none
DIGITS = 1e6  # of a number that is kept: round() takes longer than all else that is done with it


class Kind(NamedTuple):
    """How one state is followed."""

    state: str
    logarithm: bool  # of the counts, with traffic as covariate; or the counts themselves, with none
    slope: float  # of the logarithm in that of traffic, as first guessed
    slope_spread: float  # its standard deviation
    least_wander: float
    threshold: float  # standard deviations that growth must stand out
    least: float  # sockets that it must have come to
    share: float  # and their share of all


class Base(NamedTuple):
    """What is there without growth."""

    level: float
    slope: float
    drift: float

    def at(self, traffic: float) -> float:
        """The value with so much traffic."""
        return self.level + self.slope * traffic + self.drift


class Onset(NamedTuple):
    """Steady growth since a block, as it looks by now."""

    block: int
    share: float  # of CLOSE_WAIT in the other connections there
    per_block: float  # growth
    error: float  # its standard error
    base: Base

    @property
    def evidence(self) -> float:
        """In standard deviations."""
        return self.per_block / self.error


#: A possible onset: its block and share, what growth by one has done to level, slope and drift, score, information.
_Candidate = tuple[int, float, float, float, float, float, float]


#: What the constructor makes, and a dump needn't hold.
_GIVEN = ("kind", "memory", "near_wander", "far_wander")


class Follower:
    """Follows one state, block by block."""

    def __init__(self, kind: Kind, memory: float, first: float, spread: float, wander: float) -> None:
        """memory: what a block leaves of the wander of the block before; spread: how sure `first` is."""
        self.kind, self.memory = kind, memory
        # Of the wander's variance, in second differences of neighbours and of blocks far apart; of the noise's 6.
        self.near_wander = 6 - 8 * memory + 2 * memory**2
        self.far_wander = 6 - 8 * memory**FAR + 2 * memory ** (2 * FAR)
        self.base = (first, kind.slope, 0.0)  # level, slope and drift, as in Base
        self.covariance = [spread**2, 0.0, 0.0, kind.slope_spread**2, 0.0, wander**2]  # ll ls ld ss sd dd
        self.wander, self.noise = wander**2, 1.0
        self.bank: list[_Candidate] = []
        self.rests: list[float] = []
        self.scale = math.exp(min(first, 40.0)) if kind.logarithm else 1.0  # sockets that the bank's numbers are in
        self.near = self.far = self.usual = 0.0
        self.seen = self.outliers = 0
        self.block, self.grace = 0, -1.0

    def jump(self, value: float) -> None:
        """The level may be any other by now; `value` is seen."""
        size = 1.0 if self.kind.logarithm else max(abs(self.base[0]), abs(value)) + 1.0
        self.covariance[0] += (NEW_LEVEL * size) ** 2

    def at(self, traffic: float) -> float:
        """The value foreseen with so much traffic."""
        level, slope, drift = self.base
        return level + slope * traffic + drift

    def forget(self, base: Base | None) -> None:
        """No growth goes on; `base`, if known, is what it was without."""
        self.base = base or self.base
        self.bank, self.rests, self.outliers = [], [], 0
        self.jump(0.0)

    def step(
        self, block: int, value: float, traffic: float, variance: float, unit: float, learn: bool, share: float
    ) -> None:
        """A block: its value, as counts of this `variance` give it, with one more of what grows as `unit` of it."""
        fade = self.memory ** (block - self.block)
        self.block = block
        ll, ls, ld, ss, sd, dd = self.covariance
        ld, sd, dd = ld * fade, sd * fade, dd * fade * fade + self.wander * (1 - fade * fade)
        hl, hs, hd = ll + traffic * ls + ld, ls + traffic * ss + sd, ld + traffic * sd + dd
        total = hl + traffic * hs + hd + self.noise * variance
        level, slope, drift = self.base
        drift *= fade
        off = value - (level + slope * traffic + drift)
        bank = self.bank
        if off * off > GATE * total and block > self.grace:
            self.outliers += 1
            self.base, self.covariance = (level, slope, drift), [ll, ls, ld, ss, sd, dd]
            if self.outliers == 2:
                self.jump(value)
                self.grace, self.outliers = block + GRACE_BLOCKS, 0
            self.bank = [(*onset[:4], fade * onset[4], *onset[5:]) for onset in bank]
            return
        self.outliers = 0
        kl, ks, kd = hl / total, hs / total, hd / total
        level, slope = level + kl * off, slope + ks * off
        self.base = (level, slope, drift + kd * off)
        self.covariance = [ll - kl * hl, ls - kl * hs, ld - kl * hd, ss - ks * hs, sd - ks * hd, dd - kd * hd]
        unit *= self.scale
        precision = 1.0 / total
        weight, young = off * precision, block - YOUNG_BLOCKS
        self.bank = []  # where growth since then doesn't stand out at all, a later onset tells as much (Page 1954)
        for since, then, on_level, on_slope, on_drift, score, information in bank:
            if score >= 0.0 and (since > young or score * score >= information):
                # The sign of growth by one, in what is off.
                sign = (block - since) * unit - on_level - traffic * on_slope - fade * on_drift
                self.bank.append(
                    (
                        since,
                        then,
                        on_level + kl * sign,
                        on_slope + ks * sign,
                        fade * on_drift + kd * sign,
                        score + sign * weight,
                        information + sign * sign * precision,
                    )
                )
        self.bank.append((block, share, 0.0, 0.0, 0.0, 0.0, 0.0))
        if len(self.bank) > MANY or block - self.bank[0][0] > OLD_BLOCKS:
            self._thin()
        rest = value - level - slope * traffic
        self._learn((DIGITS * rest + 0.5) // 1.0 / DIGITS, variance, learn)

    def _thin(self) -> None:
        """Fewer onsets, the older the fewer."""
        bank, now = self.bank, self.block
        for i in range(len(bank) - 3, 0, -1):
            if now - bank[i][0] >= YOUNG_BLOCKS and now - bank[i - 1][0] < APART * (now - bank[i + 1][0]):
                del bank[i]
        if now - bank[0][0] > OLD_BLOCKS:
            del bank[0]

    def _learn(self, rest: float, variance: float, learn: bool) -> None:
        """How noisy blocks are and how far they wander; from every other one, since it takes as long as to foresee."""
        rests = self.rests
        rests.append(rest)
        self.seen += 1
        if not learn or len(rests) <= 2 or self.seen % 2:
            del rests[: -2 * FAR]
            return
        near = self.near_wander
        if not self.near:
            self.near = NORMAL_MEAN * math.sqrt(6 * self.noise * variance + self.wander * near)
            self.usual = variance
        weight = 1.0 / min(STEADY, 0.5 * self.seen + NEAR_PRIOR)
        size, most = abs(rest - 2 * rests[-2] + rests[-3]), OUTSTANDING * self.near
        self.near += weight * ((size if size < most else most) - self.near)
        self.usual += weight * (variance - self.usual)
        noise = ((self.near / NORMAL_MEAN) ** 2 - self.wander * near) / 6 / self.usual
        self.noise = noise if noise > LEAST_NOISE else LEAST_NOISE
        if len(rests) > 2 * FAR:
            far = self.far_wander
            self.far = self.far or NORMAL_MEAN * math.sqrt(6 * self.noise * variance + self.wander * far)
            weight = 1.0 / min(STEADY, 0.5 * self.seen - FAR + FAR_PRIOR)
            size, most = abs(rest - 2 * rests[-1 - FAR] + rests[0]), OUTSTANDING * self.far
            self.far += weight * ((size if size < most else most) - self.far)
            wander, least = (self.far**2 - self.near**2) / NORMAL_MEAN**2 / far, self.kind.least_wander**2
            self.wander = wander if wander > least else least
            del rests[0]

    def best(self, total: float) -> Onset | None:
        """The onset that explains most, of those with some evidence and since which enough has come together."""
        found, most, enough = None, LEAST_EVIDENCE**2, max(self.kind.least, self.kind.share * total) / self.scale
        for onset in self.bank:
            age = self.block - onset[0]
            if age < YOUNG_BLOCKS:
                break
            score, information = onset[5], onset[6]
            if score > 0.0 and score * score > most * information and score * age > enough * information:
                found, most = onset, score * score / information
        if found is None:
            return None
        block, share, on_level, on_slope, on_drift, score, information = found
        rate = score / information
        level, slope, drift = self.base
        base = Base(level - rate * on_level, slope - rate * on_slope, drift - rate * on_drift)
        return Onset(block, share, rate * self.scale, self.scale / math.sqrt(information), base)

    def dump(self) -> list[Any]:
        """What load() needs, as JSON."""
        return [value for key, value in vars(self).items() if key not in _GIVEN]

    def load(self, dumped: list[Any]) -> None:
        """Go on from a dump. Raises ValueError or TypeError for what isn't one."""
        keys = [key for key in vars(self) if key not in _GIVEN]
        vars(self).update(zip(keys, dumped, strict=True))
        level, slope, drift = self.base
        self.base = (level, slope, drift)
        self.bank = [tuple(onset) for onset in self.bank]  # type: ignore[misc]  # JSON made lists of them
