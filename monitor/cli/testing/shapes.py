"""What the values of a field are like: `1%`, `200 +- 40%`, `10..30`, `{en: 98%, de: 2%}`; read, and drawn from."""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.config.problem import WrongError
from monitor.config.section import Section
from monitor.config.tree import Mapping, Node, shown
from monitor.config.values import NUMBER, scalar, text, written

_SHARE: Final = re.compile(rf"({NUMBER})\s*(%)?", re.ASCII)
_AROUND: Final = re.compile(rf"({NUMBER})\s*(?:(?:\+-|\+/-|±)\s*({NUMBER})\s*(%)?)?", re.ASCII)
_BETWEEN: Final = re.compile(rf"({NUMBER})\s*\.\.\s*({NUMBER})", re.ASCII)
_HOW: Final = "write 200, 200 +- 40%, 200 +- 80 or 10..30"
ROUNDING: Final = 1e-6

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Share:
    """Of so many records it is true."""

    p: float

    def drawn(self, n: int, rng: np.random.Generator) -> Column:
        """bool[n]."""
        return rng.random(n) < self.p


@dataclass(frozen=True, slots=True)
class Around:
    """Numbers with this mean and standard deviation: log-normal, or Beta where they are probabilities."""

    mean: float
    deviation: float
    probability: bool = False

    def drawn(self, n: int, rng: np.random.Generator) -> Column:
        """float64[n]."""
        if not self.deviation:
            return np.full(n, self.mean)
        if self.probability:
            size = self.mean * (1 - self.mean) / self.deviation**2 - 1
            return rng.beta(self.mean * size, (1 - self.mean) * size, n)
        variance = math.log1p((self.deviation / self.mean) ** 2)
        return rng.lognormal(math.log(self.mean) - variance / 2, math.sqrt(variance), n)


@dataclass(frozen=True, slots=True)
class Between:
    """Numbers spread evenly."""

    low: float
    high: float

    def drawn(self, n: int, rng: np.random.Generator) -> Column:
        """float64[n]."""
        return rng.uniform(self.low, self.high, n)


@dataclass(frozen=True, slots=True)
class Mix:
    """Names with their shares, which come to 1."""

    shares: tuple[tuple[str, float], ...]

    def drawn(self, n: int, rng: np.random.Generator) -> Column:
        """object[n] of text."""
        names = np.array([name for name, _ in self.shares], object)
        edges = np.cumsum([share for _, share in self.shares])[:-1]
        picked: Column = names[np.searchsorted(edges, rng.random(n), side="right")]
        return picked


Shape = Share | Around | Between | Mix


def share(node: Node) -> Share:
    """`5%` or `0.05`, none and all too."""
    value = scalar(node)
    match = _SHARE.fullmatch(value.text.strip())
    p = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= p <= 1:
        raise WrongError(f"{written(value)} is no share", "write one from 0% to 100%")
    return Share(p)


def numbers(node: Node) -> Shape:
    """Numbers from 0 on."""
    return _numbers(node, probability=False)


def probabilities(node: Node) -> Shape:
    """Numbers from 0 to 1."""
    return _numbers(node, probability=True)


def _numbers(node: Node, *, probability: bool) -> Shape:
    value = scalar(node)
    spread, around = (form.fullmatch(value.text.strip()) for form in (_BETWEEN, _AROUND))
    if spread is not None and float(spread[1]) < float(spread[2]):
        found: Shape = Between(float(spread[1]), float(spread[2]))
        highest = float(spread[2])
    elif around is not None:
        found = _around(float(around[1]), float(around[2] or 0), bool(around[3]), probability)
        highest = float(around[1])
    else:
        raise WrongError(f"{written(value)} is no range of numbers", _HOW)
    if probability and highest > 1:
        raise WrongError(f"{written(value)}: a probability is at most 1", "such as 0.85 +- 10%")
    return found


def _around(mean: float, deviation: float, relative: bool, probability: bool) -> Around:
    deviation = deviation / 100 * mean if relative else deviation
    if deviation and not mean:
        raise WrongError("nothing can spread around 0", _HOW)
    if probability and deviation and deviation**2 >= mean * (1 - mean):
        raise WrongError("a probability cannot spread so far", "write a smaller deviation")
    return Around(mean, deviation, probability)


def mix(node: Node) -> Mix:
    """One name, or names with their shares."""
    if not isinstance(node, Mapping):
        return Mix(((text(node), 1.0),))
    shares = tuple((name, share(value).p) for name, value in node.values.items())
    total = sum(p for _, p in shares)
    if abs(total - 1) > ROUNDING:
        raise WrongError(f"these shares come to {total:.4g}, not to 1", "such as {en: 98%, de: 2%}")
    return Mix(shares)


def only(section: Section, known: Collection[str], where: str) -> None:
    """Reports the keys of `section` that are not among `known`."""
    for key in section.node.values:
        if key not in known:
            section.wrong(f"{shown(key)} is not {where}", f"there is {', '.join(known)}", at=key)
