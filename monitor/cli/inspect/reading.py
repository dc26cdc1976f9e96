"""How messages are read, as `source` in alerts.yaml says it, and what becomes of messages that are read so."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML

from monitor.cli.enveloped import unpacked
from monitor.cli.inspect.taking import Taken
from monitor.config.mapping import read_format
from monitor.config.problem import Report
from monitor.config.section import Section
from monitor.config.tree import parse
from monitor.errors import ConfigError
from monitor.records.columns import Column, Table
from monitor.records.decode import RecordDecoder
from monitor.records.formats.decode import MappedDecoder
from monitor.records.formats.evaluate import Envelope
from monitor.records.formats.language import Format
from monitor.records.settings import MeasureSettings
from monitor.records.signals import MISSING, SIGNALS

AT_ONCE: Final = 5_000
EVERY_FIELD: Final = MeasureSettings(
    asked=frozenset(s.code for s in SIGNALS if s.name.startswith(MISSING)), slices=("segment.any",)
)
"""Reads every field of a record, also those that are read only where a rule asks."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`source.format` and `source.map`; of `map`, `guessed` names the fields that names and values suggest.

    `notes` say of a guessed field what is not sure.
    """

    preset: str | None = None
    map: Mapping[str, Any] = field(default_factory=dict)
    guessed: frozenset[str] = frozenset()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return self.preset or ("a mapping" if self.map else "Tocsin's own record")

    @property
    def source(self) -> dict[str, Any]:
        """The keys of `source` that say it."""
        named = {"format": self.preset} if self.preset else {}
        return named | ({"map": dict(self.map)} if self.map else {})

    @property
    def form(self) -> Format | None:
        """What messages are decoded by; None for records of Tocsin's own."""
        report = Report("source")
        node = parse(flow(self.source), report) if self.source else None
        found = None if node is None else read_format(Section(node, report))
        if report.problems:
            raise ConfigError([str(problem) for problem in report.in_order()])
        return found


def flow(value: Any) -> str:
    """YAML on one line: `{field: took, unit: s}`."""
    yaml = YAML()
    yaml.default_flow_style = True
    yaml.width = 1 << 16
    yaml.allow_unicode = True
    written = StringIO()
    yaml.dump(value, written)
    return written.getvalue().removesuffix("...\n").strip()


@dataclass(slots=True)
class Outcome:
    """What became of messages: `table` has the records as columns, `dropped` counts values that no field can take.

    `rows` says which message each record is of. `why` has the clause for each reason of a refusal.
    """

    table: Table = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    ignored: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def n(self) -> int:
        """How many records there are."""
        return len(self.rows)

    def column(self, name: str) -> Column:
        """The values of a field, None where a record has none."""
        return self.table.get(name) or [None] * self.n

    def given(self, name: str) -> int:
        """How many records have a field."""
        column = self.table.get(name)
        return 0 if column is None else len(column) - column.count(None)


def decoded(taken: Taken, form: Format | None) -> Outcome:
    """All messages by `form`."""
    outcome = Outcome()
    decoder = None if form is None else MappedDecoder(form, EVERY_FIELD, outcome.dropped)
    own = RecordDecoder(EVERY_FIELD, outcome.dropped)
    for first in range(0, len(taken.values), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        values, headers = taken.values[some], taken.headers[some]
        if form is not None and form.enveloped and not headers:
            values, headers = unpacked(values)
        if decoder is None:
            found = own.decode_all(values)
        else:
            stamps = taken.timestamps_ms[some] or [-1] * len(values)
            found = decoder.decode_all(values, Envelope("", stamps, taken.keys[some], headers))
        for name, column in found.table.items():
            outcome.table.setdefault(name, []).extend(column)
        outcome.rows += [first + row for row in found.rows]
        outcome.ignored += len(found.ignored)
        for refused in found.refused.values():
            outcome.refused[refused.reason] += 1
            outcome.why.setdefault(refused.reason, refused.detail)
    return outcome
