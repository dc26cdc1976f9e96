"""The `signal` of a rule: a name, a list or a glob over the registry."""

from fnmatch import fnmatchcase

from monitor.config.problem import Report, UnsetError, WrongError, listed, meant
from monitor.config.section import NOT_YET
from monitor.config.tree import Node, Sequence
from monitor.config.values import named, scalar, text
from monitor.records.signals import BY_NAME, SIGNALS, Kind, Signal, planned


def read_signals(node: Node, report: Report) -> tuple[Signal, ...]:
    """The signals that a rule watches, each once, in the order written."""
    found: dict[str, Signal] = {}
    items = node.items if isinstance(node, Sequence) else (node,)
    for item in items:
        try:
            for signal in _named(item):
                found.setdefault(signal.name, signal)
        except WrongError as wrong:
            report.add(item.place, item.path, wrong.sentence, wrong.suggestion)
        except UnsetError:
            continue
    if not items:
        raise WrongError("there is no signal")
    return tuple(found.values())


def _named(node: Node) -> list[Signal]:
    name = text(node)
    if any(c in name for c in "*?["):
        return _globbed(name, named(node))
    if planned(name):
        raise WrongError(f"the signal {name} {NOT_YET}")
    if name not in BY_NAME:
        raise WrongError(f"{named(node)} is not a signal", _nearest(name))
    return [BY_NAME[name]]


def _globbed(glob: str, shown: str) -> list[Signal]:
    """A glob stands for what is measured on records; `requests` is traffic, judged otherwise."""
    found = [s for s in SIGNALS if s.kind is not Kind.TRAFFIC and fnmatchcase(s.name, glob)]
    if not found and planned(glob):
        raise WrongError(f"the signal {glob} {NOT_YET}")
    if not found:
        raise WrongError(f"no signal is called {shown}", _nearest(glob.strip("*?")))
    return found


def _nearest(name: str) -> str:
    return meant(name, BY_NAME) or f"the commonest are {listed(['error', 'output_tokens', 'latency_ms'])}"


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
