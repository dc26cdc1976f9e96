"""A mapping as it stands in alerts.yaml, and what it makes of messages."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.config.mapping import preset, read_format
from monitor.config.problem import Report
from monitor.config.section import Section
from monitor.config.tree import parse
from monitor.records.decode import Decoded
from monitor.records.formats.decode import MappedDecoder
from monitor.records.formats.evaluate import Envelope
from monitor.records.formats.language import Format
from monitor.records.settings import MeasureSettings

EVERYTHING = MeasureSettings(slices=("segment.any", "prompt_version"))
"""With segments and prompt versions, which are read where something asks for them."""


def form_of(text: str) -> Format:
    """The format that the YAML of `source` says."""
    report = Report("alerts.yaml")
    node = parse(text, report)
    assert node is not None, report.problems
    found = read_format(Section(node, report))
    assert found is not None
    assert report.problems == []
    return found


@dataclass
class Read:
    """What became of some messages."""

    decoded: Decoded
    dropped: Counter[str]

    def records(self) -> list[dict[str, Any]]:
        """Each record with the fields that it has."""
        names = list(self.decoded.table)
        rows = zip(*self.decoded.table.values(), strict=True)
        return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]

    def reasons(self) -> dict[int, str]:
        return {row: refused.reason for row, refused in self.decoded.refused.items()}


@dataclass
class Log:
    """A topic: messages are bytes, or what JSON can spell."""

    form: Format
    settings: MeasureSettings = EVERYTHING
    headers: Sequence[Sequence[tuple[str, bytes | None]]] = ()
    keys: Sequence[bytes | None] = ()
    dropped: Counter[str] = field(default_factory=Counter)

    def read(self, *messages: Any) -> Read:
        values = [m if isinstance(m, bytes | None) else json.dumps(m).encode() for m in messages]
        envelope = Envelope("topic", [1_731_553_911_500] * len(values), self.keys, self.headers)
        decoder = MappedDecoder(self.form, self.settings, self.dropped)
        return Read(decoder.decode_all(values, envelope), self.dropped)


def mapped(text: str, *messages: Any, **carried: Any) -> list[dict[str, Any]]:
    """The records that the mapping `text` makes of messages, all of which must count."""
    read = Log(form_of(text), **carried).read(*messages)
    assert read.reasons() == {}
    return read.records()


def by_preset(name: str, *messages: Any, **carried: Any) -> Read:
    """What a preset makes of messages."""
    return Log(preset(name), **carried).read(*messages)
