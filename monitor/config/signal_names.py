"""The `signal` of a rule: a name, a list or a glob over the registry and the signals that the file defines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from monitor.config.problem import Report, UnsetError, WrongError, listed, meant
from monitor.config.tree import Node, Sequence
from monitor.config.values import named, scalar, text
from monitor.records.signals import BY_NAME, MISSING, Kind, Signal


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The signals that rules may name; `hidden` are defined wrongly, or by a variable that is not set.

    `ranges` are the least and the largest value of each distribution.
    """

    known: Mapping[str, Signal] = field(default_factory=lambda: BY_NAME)
    hidden: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def read_signals(node: Node, report: Report, vocabulary: Vocabulary) -> tuple[Signal, ...]:
    """The signals that a rule watches, each once, in the order written."""
    found: dict[str, Signal] = {}
    items = node.items if isinstance(node, Sequence) else (node,)
    for item in items:
        try:
            for signal in _named(item, vocabulary):
                found.setdefault(signal.name, signal)
        except WrongError as wrong:
            report.add(item.place, item.path, wrong.sentence, wrong.suggestion)
        except UnsetError:
            continue
    if not items:
        raise WrongError("there is no signal")
    return tuple(found.values())


def _named(node: Node, vocabulary: Vocabulary) -> list[Signal]:
    name = text(node)
    if any(c in name for c in "*?["):
        return _globbed(name, named(node), vocabulary)
    if name.removeprefix(MISSING) in vocabulary.hidden:
        raise UnsetError
    if name not in vocabulary.known:
        raise WrongError(f"{named(node)} is not a signal", _nearest(name, vocabulary))
    return [vocabulary.known[name]]


def _globbed(glob: str, shown: str, vocabulary: Vocabulary) -> list[Signal]:
    """A glob stands for what is measured on records; `requests` is traffic, judged otherwise.

    What is missing is meant only by a glob that says so: `*_tokens` is of lengths.
    """
    missing = glob.startswith(MISSING)
    found = [
        s
        for s in vocabulary.known.values()
        if s.kind is not Kind.TRAFFIC and s.name.startswith(MISSING) == missing and fnmatchcase(s.name, glob)
    ]
    if not found and vocabulary.hidden:
        raise UnsetError
    if not found:
        raise WrongError(f"no signal is called {shown}", _nearest(glob.strip("*?"), vocabulary))
    return found


def _nearest(name: str, vocabulary: Vocabulary) -> str:
    commonest = f"the commonest are {listed(['error', 'output_tokens', 'latency_ms'])}"
    return meant(name, vocabulary.known) or commonest


def quantile(node: Node) -> float:
    """`p99` as 0.99."""
    value = scalar(node)
    try:
        found = float(value.text[1:]) if value.text[:1] == "p" else float("nan")
    except ValueError:
        found = float("nan")
    if not 0 < found < 100:
        raise WrongError(f"{named(node)} is not a percentile", "write p50, p90, p95, p99 or p99.9")
    return round(found / 100, 6)
