"""A test file from the disk to a `Suite`, or to everything that is wrong with it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from monitor import config as alerts
from monitor.cli.testing import wishes
from monitor.cli.testing.fields import readers
from monitor.cli.testing.shapes import Shape
from monitor.cli.testing.spans import span
from monitor.cli.testing.suite import Case, Series, Stretch, Suite
from monitor.cli.testing.traffic import MOST_RECORDS
from monitor.config import REPLAY
from monitor.config.including import read_text
from monitor.config.model import Config
from monitor.config.problem import Report, UnsetError, WrongError, listed, meant
from monitor.config.section import Section
from monitor.config.tree import Mapping, Node, Sequence, parse, shown
from monitor.config.values import MS, NUMBER, moment, plain_text, scalar, text, whole, written
from monitor.errors import ConfigError, UsageError

_RATE: Final = re.compile(rf"({NUMBER})\s*/\s*(s|m|h|d)", re.ASCII)
_OF_STREAM: Final = ("model", "version", "prompt_version")
MOST_LEARNED: Final = 1_000_000


def read_suite(path: str) -> Suite:
    """The tests in `path`. Raises ConfigError with all problems at once, UsageError where alerts.yaml is not there."""
    report = Report(path)
    content = read_text(path, report)
    root = None if content is None else parse(content, report)
    if root is None:
        raise ConfigError([str(problem) for problem in report.in_order()])
    section = Section(root, report)
    named = section.must("config", plain_text, None, "the alerts.yaml to test, as seen from this file")
    if named is None:
        raise ConfigError([str(problem) for problem in report.in_order()])
    config = _config(Path(path).parent / named, section)
    items = section.must("tests", _items, (), "write tests: [{name: ..., input: [...], expect: [...]}]")
    cases = tuple(case for item in items if (case := _case(item, config, path, report)) is not None)
    _refuse_doubles(cases, section)
    section.close()
    if report.problems:
        raise ConfigError([str(problem) for problem in report.in_order()])
    return Suite(path, config, cases)


def _config(path: Path, section: Section) -> Config:
    if not path.is_file():
        place, _ = section.place("config")
        raise UsageError(f"{section.report.file}:{place.line}: there is no file {path}")
    return alerts.load(path, need=REPLAY)


def _items(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Sequence) or not node.items:
        raise WrongError("this must be a list with at least one item")
    return node.items


def _refuse_doubles(cases: tuple[Case, ...], section: Section) -> None:
    first: dict[str, int] = {}
    for case in cases:
        if case.name in first:
            sentence = f"the test on line {first[case.name]} has the same name: its records are drawn from it"
            section.wrong(f"{case.name}: {sentence}", "rename one", at="tests")
        first.setdefault(case.name, case.line)


def _mapping(node: Node, report: Report) -> Section | None:
    if isinstance(node, Mapping):
        return Section(node, report)
    report.add(node.place, node.path, "this must be keys with values")
    return None


def _case(node: Node, config: Config, path: str, report: Report) -> Case | None:
    section = _mapping(node, report)
    if section is None:
        return None
    name = section.must("name", text, "", "what should happen, in words")
    start_ms = section.take("start", _start, None)
    reader = _Input(config, Path(path).parent, report)
    reader.read(section)
    expected = section.must("expect", _items, (), "write expect: [{at: 1h, firing: []}]")
    found = [wishes.expectation(item, config, report) for item in expected]
    section.close()
    return Case(
        name=name,
        line=node.place.line,
        start_ms=start_ms,
        series=tuple(Series(tuple(stretches)) for stretches in reader.series),
        records=tuple(reader.records),
        expected=tuple(sorted((e for e in found if e is not None), key=lambda e: e.at_ms)),
    )


def _start(node: Node) -> int:
    at = moment(text(node))
    if at is None or at < 0:
        raise WrongError(
            f"{written(scalar(node))} is no time with a time zone", "such as 2026-01-05T08:00:00Z"
        )
    return at


class _Input:
    """Reads `input`: a line with `stream` begins a series, one without goes on from the line before."""

    def __init__(self, config: Config, folder: Path, report: Report) -> None:
        self.series: list[list[Stretch]] = []
        self.records: list[Path] = []
        self._config = config
        self._folder = folder
        self._report = report
        self._readers = readers(config)

    def read(self, section: Section) -> None:
        """All of `input`."""
        before = len(self._report.problems)
        how = "write input: [{stream: {model: ...}, for: 1h, requests: 2/s}]"
        for item in section.must("input", _items, (), how):
            self._line(item)
        comes = any(stretch.per_ms for series in self.series for stretch in series)
        if len(self._report.problems) == before and not self.records and not comes:
            section.wrong("there is not one record in this", "give it requests", at="input")

    def _line(self, node: Node) -> None:
        section = _mapping(node, self._report)
        if section is None:
            return
        if "records" in section:
            file = section.take("records", self._file, None)
            self.records += [file] if file is not None else []
            section.close()
            return
        self._stretch(section)

    def _file(self, node: Node) -> Path:
        found = self._folder / plain_text(node)
        if not found.is_file():
            raise WrongError(f"there is no file {written(scalar(node))}", "name it as seen from this file")
        return found

    def _stretch(self, section: Section) -> None:
        before = self.series[-1][-1] if self.series and "stream" not in section else None
        if before is None and "stream" not in section:
            section.wrong("the first line needs a stream", "such as stream: {model: chat-eu}")
            return
        names = section.take("stream", self._labels, {}) if before is None else before.stream
        per_ms = section.take("requests", _rate, before.per_ms if before else 0.0)
        if before is None and "requests" not in section:
            section.wrong("`requests` is missing", "how many come, such as requests: 2/s")
        stretch = Stretch(
            stream=names,
            lasts_ms=section.must("for", span("1s"), 0, "how long it goes on, such as for: 1h"),
            per_ms=per_ms,
            shapes={**(before.shapes if before else {}), **self._shapes(section)},
            learned=section.take("learned", whole(100, MOST_LEARNED), 0),
            labels_ms=section.take("labels_after", span("1s"), before.labels_ms if before else None),
        )
        self._check(section, stretch)
        if before is None:
            self.series.append([])
        self.series[-1].append(stretch)

    def _check(self, section: Section, stretch: Stretch) -> None:
        for key, place in section.node.keys.items():
            if key not in section.asked:
                near = meant(key, {*section.asked, *self._readers})
                path = section.node.values[key].path
                advice = (
                    near if near.startswith("did") else "a signal of docs/signals.md, or a field of a record"
                )
                self._report.add(place, path, f"{shown(key)} is not a key here", advice)
        if stretch.lasts_ms * stretch.per_ms > MOST_RECORDS:
            section.wrong(f"these are more than {MOST_RECORDS:,} records", "fewer requests show the same")
        if stretch.learned and not stretch.per_ms:
            section.wrong("what is learned has a rate", "give it requests", at="learned")

    def _labels(self, node: Node) -> dict[str, str]:
        section = _mapping(node, self._report)
        by = dict.fromkeys((*self._config.streams.by, *_OF_STREAM))
        if section is None:
            raise UnsetError
        for key in section.node.values:
            if key not in by and not key.startswith("segment."):
                section.wrong(f"{shown(key)} tells no stream", f"a stream has {listed(by)}", at=key)
        if "model" not in section and not section.misspelt("model"):
            section.wrong("`model` is missing", "every record has one")
        return {key: section.take(key, plain_text, "") for key in section.node.values}

    def _shapes(self, section: Section) -> dict[str, Shape]:
        found: dict[str, Shape] = {}
        for key in section.node.values:
            read = self._reader(key)
            if read is not None:
                shape = section.take(key, read, None)
                found |= {key: shape} if shape is not None else {}
        return found

    def _reader(self, key: str) -> Callable[[Node], Shape] | None:
        return self._readers.get("expected_language" if key.startswith("segment.") else key)


def _rate(node: Node) -> float:
    value = scalar(node)
    if value.text == "0":
        return 0.0
    match = _RATE.fullmatch(value.text.strip())
    if match is None or not 0 <= float(match[1]) <= 1e6:
        raise WrongError(f"{written(value)} is no rate of requests", "write 2/s, 30/m, 100/h, or 0")
    return float(match[1]) / MS[match[2]]
