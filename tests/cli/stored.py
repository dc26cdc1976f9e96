"""A ledger with what ingest and the judge would have written, for commands that read it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from monitor.ledger.moments import millis
from monitor.ledger.tables import DAY_MS, ensure_pane_days
from monitor.records.signals import BY_NAME

T0 = datetime(2026, 11, 14, 2, 51, 20, tzinfo=UTC)
PANE = timedelta(seconds=10)


class Stored:
    """Stream 1 is `chat-eu`, stream 2 `search`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        for model in ("chat-eu", "search"):
            self.add("stream", key=model, labels=json.dumps({"model": model}))
        ensure_pane_days(engine, [millis(T0) // DAY_MS])

    def add(self, table: str, **values: object) -> None:
        columns, names = ", ".join(values), ", ".join(f":{column}" for column in values)
        with self._engine.begin() as conn:
            conn.execute(text(f"INSERT INTO tocsin_ledger.{table} ({columns}) VALUES ({names})"), values)

    def incident(self, incident_id: str, *, facts: dict[str, Any] | None = None, **values: object) -> None:
        """A warning of the rule `errors` on chat-eu, unless `values` say otherwise."""
        row = {
            "rule": "errors", "stream": "chat-eu", "labels": "{}", "signal": "error", "quantity": "rate",
            "unit": "share", "severity": "warning", "state": "firing", "onset_at": T0, "detected_at": T0 + 3 * PANE,
            "guaranteed": True, "summary": f"summary of {incident_id}", "config_hash": "c0",
        }  # fmt: skip
        self.add("incident", incident_id=incident_id, **(row | values), facts=json.dumps(facts or {}))

    def pane(self, signal: str, number: int, counts: dict[int, int], stream: int = 1) -> None:
        """The counts by bucket of the pane that begins `number` panes after `T0`."""
        at = T0 + number * PANE
        self.add(
            "pane",
            stream_id=stream,
            signal=BY_NAME[signal].code,
            slice_id=0,
            pane_start=at,
            evidence_start=at,
            n=sum(counts.values()),
            buckets=sorted(counts),
            counts=[counts[b] for b in sorted(counts)],
        )

    def reference(self, reference_id: int, signal: str, counts: dict[int, int], **values: object) -> None:
        """A learned reference of chat-eu."""
        row = {
            "reference_id": reference_id, "stream_id": 1, "signal": BY_NAME[signal].code, "origin": "learned",
            "provisional": False, "n": sum(counts.values()), "learned_from": T0 - timedelta(days=2),
            "learned_until": T0 - timedelta(days=1), "buckets": sorted(counts),
            "counts": [counts[b] for b in sorted(counts)],
        }  # fmt: skip
        self.add("reference", **(row | values))
