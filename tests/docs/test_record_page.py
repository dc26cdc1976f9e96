"""The page of the prediction record: every field has its line, and what the page shows is read as it says."""

import json
from collections import Counter

import pytest
from doc_pages import ROOT, blocks

from monitor.config.mapping import FIELDS as MAPPED
from monitor.records.decode import RecordDecoder
from monitor.records.fields import FIELDS
from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME, MISSING, SIGNALS, Kind
from monitor.records.timing import instants_ms

PAGE = ROOT / "docs" / "reference" / "record.md"
EXAMPLES = [line for block in blocks(PAGE, "json") for line in block.replace(",\n", ",").splitlines()]


def test_every_field_is_described_once_and_nothing_else_is():
    assert FIELDS.keys() == set(MAPPED)
    assert all(field.meaning for field in FIELDS.values())
    lines = [line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert Counter(lines) >= Counter(FIELDS.keys())


def test_every_signal_is_fed_by_a_field():
    fed = {signal for field in FIELDS.values() for signal in field.signals}
    plain = {s.name for s in SIGNALS if s.kind is not Kind.TRAFFIC and not s.name.startswith(MISSING)}
    assert fed & BY_NAME.keys() == plain
    missing = {s.name for s in SIGNALS if s.name.startswith(MISSING)}
    assert missing == {f"{MISSING}{name}" for name in FIELDS if name not in ("model", "type")}


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_is_a_record_in_which_nothing_is_wrong(line):
    dropped = Counter()
    decoded = RecordDecoder(MeasureSettings(), dropped).decode_all([line.encode()])
    assert (decoded.refused, dropped) == ({}, {})
    assert json.loads(line).keys() <= FIELDS.keys()


def test_times_are_told_apart_as_the_page_says():
    seconds = 1_795_336_200.0
    written = ["2026-11-22T08:30:00Z", "2026-11-22 09:30:00,000+0100"]
    numbers = [seconds, seconds * 1e3, seconds * 1e6, seconds * 1e9]
    assert set(instants_ms([*written, *numbers])) == {seconds * 1e3}
    assert all(f'`"{text}"`' in PAGE.read_text() for text in written)
