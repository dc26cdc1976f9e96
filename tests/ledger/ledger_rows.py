"""Rows as ingest and the judge write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from monitor.ledger.moments import millis
from monitor.ledger.tables import DAY_MS, ensure_pane_days
from monitor.records.signals import BY_NAME

T0 = datetime(2026, 11, 14, 2, 51, 20, tzinfo=UTC)
PANE = timedelta(seconds=10)


class Rows:
    """A ledger with stream 1 `chat-eu`, which has the version slices v41 (1) and v42 (2), and stream 2 `b`."""

    def __init__(self, ledger: Engine) -> None:
        self.ledger = ledger
        ensure_pane_days(ledger, [millis(T0) // DAY_MS, millis(T0) // DAY_MS + 1])
        self.add("stream", key="chat-eu", labels='{"model": "chat-eu"}')
        self.add("stream", key="b", labels="{}")
        for stream, version in ((1, "v41"), (1, "v42"), (2, "v1")):
            self.add("slice", stream_id=stream, field="version", value=version)

    def add(self, table: str, **values: object) -> None:
        columns, names = ", ".join(values), ", ".join(f":{column}" for column in values)
        with self.ledger.begin() as connection:
            statement = f"INSERT INTO tocsin_ledger.{table} ({columns}) VALUES ({names})"
            connection.execute(text(statement), values)

    def pane(
        self,
        signal: str,
        counts: dict[int, int],
        *,
        at: datetime = T0,
        late: bool = False,
        part: int = 0,
        stream: int = 1,
    ) -> None:
        self.add(
            "pane",
            stream_id=stream,
            signal=BY_NAME[signal].code,
            slice_id=part,
            pane_start=at,
            evidence_start=at + PANE * 7 if late else at,
            n=sum(counts.values()),
            buckets=sorted(counts),
            counts=[counts[b] for b in sorted(counts)],
        )

    def values(self, signal: str, values: NDArray[np.float64], **where: Any) -> None:
        scale = BY_NAME[signal].scale
        if scale is None:
            raise ValueError(f"{signal} is no distribution")
        buckets, counts = np.unique(scale.bucket(values), return_counts=True)
        self.pane(signal, dict(zip(buckets.tolist(), counts.tolist(), strict=True)), **where)

    def incident(self, incident_id: str, **values: object) -> None:
        what = {"rule": "r", "stream": "chat-eu", "labels": "{}", "severity": "warning", "state": "firing"}
        rest = {
            "detected_at": T0 + PANE,
            "guaranteed": True,
            "summary": "",
            "config_hash": "c",
            "facts": "{}",
        }
        self.add("incident", incident_id=incident_id, **(what | rest | values))

    def read(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        with self.ledger.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]
