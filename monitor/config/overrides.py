"""`overrides` of a rule: which of its lines are in effect for which streams, and the rule that they make.

A rule with overrides is read once for every way in which its lines can combine. A stream falls into just one of them.
"""

from collections.abc import Mapping as ByKey
from dataclasses import dataclass, replace
from typing import Final

from monitor.config.matching import read_globs
from monitor.config.model import Streams
from monitor.config.never import warn_of_labels
from monitor.config.problem import Report
from monitor.config.rule import Choice, Match
from monitor.config.section import Section
from monitor.config.tree import Mapping, Node, Sequence

KEY: Final = "overrides"
FIXED: Final = frozenset({"name", "signal", "each", KEY})
MOST_LINES: Final = 100
MOST_VARIANTS: Final = 64
_HOW: Final = "write - {match: {model: chat-*}, above: 5%}"

Won = ByKey[str, int]


@dataclass(frozen=True, slots=True)
class Variant:
    """A rule as some streams have it: its node with the overrides' values, and which streams these are.

    `lines` are the lines of alerts.yaml whose override is in effect.
    """

    node: Mapping
    choice: Choice | None = None
    lines: tuple[int, ...] = ()


def variants(node: Mapping, streams: Streams, report: Report) -> list[Variant]:
    """All variants of the rule in `node`, the one without any override first."""
    given = node.values.get(KEY)
    plain = _without(node)
    if given is None:
        return [Variant(plain)]
    lines = _lines(given, report)
    matches = [_match(line, streams, report) for line in lines]
    sets = [frozenset(line.values) - {"match"} for line in lines]
    ways = _ways(sets)
    if len(ways) > MOST_VARIANTS:
        sentence = f"these overrides can combine in more than {MOST_VARIANTS} ways"
        report.add(given.place, given.path, sentence, "make rules of their own of some")
        return [Variant(plain)]
    lined = tuple(zip(matches, sets, strict=True))
    return [_variant(plain, lines, lined, won) for won in ways]


def _without(node: Mapping) -> Mapping:
    return replace(
        node,
        values={k: v for k, v in node.values.items() if k != KEY},
        keys={k: v for k, v in node.keys.items() if k != KEY},
    )


def _lines(given: Node, report: Report) -> list[Mapping]:
    if not isinstance(given, Sequence) or not 0 < len(given.items) <= MOST_LINES:
        report.add(given.place, given.path, f"this must be a list of 1 to {MOST_LINES} lines", _HOW)
        return []
    found = [item for item in given.items if isinstance(item, Mapping)]
    for item in given.items:
        if not isinstance(item, Mapping):
            report.add(item.place, item.path, "this must be keys with values", _HOW)
    for line in found:
        _check_keys(line, report)
    return found


def _check_keys(line: Mapping, report: Report) -> None:
    for key in FIXED & line.values.keys():
        sentence = f"an override cannot change `{key}`"
        report.add(line.keys[key], line.values[key].path, sentence, "make a rule of its own of it")
    if "match" not in line.values:
        report.add(line.place, line.path, "`match` is missing", _HOW)
    elif len(line.values) == 1:
        report.add(line.place, line.path, "this override changes nothing", _HOW)


def _match(line: Mapping, streams: Streams, report: Report) -> Match:
    section = Section(line, report)
    globs = read_globs(section, streams.labels)
    warn_of_labels(section, globs, streams)
    return Match(globs, () if globs.keys() <= set(streams.by) else streams.namings)


def _ways(sets: list[frozenset[str]]) -> list[Won]:
    """Every way in which lines can win keys; later lines win, so lines of the same keys make few."""
    ways: list[Won] = [{}]
    for i, keys in enumerate(sets):
        more = [{**won, **dict.fromkeys(keys, i)} for won in ways]
        ways += [won for j, won in enumerate(more) if won not in ways and won not in more[:j]]
        if len(ways) > MOST_VARIANTS:
            break
    return ways


def _variant(
    plain: Mapping, lines: list[Mapping], lined: tuple[tuple[Match, frozenset[str]], ...], won: Won
) -> Variant:
    taken = {key: lines[i] for key, i in won.items() if key not in FIXED}
    node = replace(
        plain,
        values={**plain.values, **{key: line.values[key] for key, line in taken.items()}},
        keys={**plain.keys, **{key: line.keys[key] for key, line in taken.items()}},
    )
    at = tuple(sorted({lines[i].place.line for i in won.values()}))
    return Variant(node, Choice(lined, frozenset(won.items())), at)
