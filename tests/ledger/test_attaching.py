"""What single records show of an incident, read from its facts."""

from typing import Any

import pytest

from monitor.ledger.attaching import sought_of
from monitor.ledger.facts import Budget, Facts
from monitor.records.shown import Sought


def facts(**fields: Any) -> Facts:
    given = {"signal": "error", "quantity": "rate"} | fields
    return Facts(
        env="prod", rule="r", severity="warning", stream="chat-eu", kind="rate", onset_ms=0, detected_ms=0, **given
    )  # fmt: skip


@pytest.mark.parametrize(
    ("of", "sought"),
    [
        ({}, {"signal": "error"}),
        ({"part": ("version", "v2")}, {"signal": "error", "version": "v2"}),
        (
            {"signal": "output_language", "quantity": "share:de"},
            {"signal": "output_language", "category": "de"},
        ),
        (
            {"signal": "latency_ms", "quantity": "p99", "at_least": 800.0, "reference": 500.0},
            {"signal": "latency_ms", "above": 800.0},
        ),
        (
            {"signal": "confidence", "quantity": "p50", "side": "down", "reference": 0.8},
            {"signal": "confidence", "below": 0.8},
        ),
        (
            {"signal": "latency_ms", "budget": Budget(target=0.99, over_ms=1, left=0.5, below=100.0)},
            {"signal": "latency_ms", "above": 100.0},
        ),
        ({"budget": Budget(target=0.99, over_ms=1, left=0.5)}, {"signal": "error"}),
    ],
)
def test_what_a_record_shows(of: dict[str, Any], sought: dict[str, Any]) -> None:
    assert sought_of(facts(**of)) == Sought("chat-eu", **sought)


@pytest.mark.parametrize(
    "of",
    [
        {"side": "down"},
        {"signal": None},
        {"signal": "requests", "quantity": "count"},
        {"signal": "cost_usd", "quantity": "total"},
        {"signal": "output_language", "quantity": "share:en", "side": "down"},
        {"signal": "latency_ms", "quantity": "p99"},
    ],
)
def test_what_no_record_shows_by_itself(of: dict[str, Any]) -> None:
    assert sought_of(facts(**of)) is None
