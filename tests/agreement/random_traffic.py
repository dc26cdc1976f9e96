"""Logs at random: models that change their ways, gaps, disorder, stragglers, labels and ratings that come later."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Final

# Beyond the clock of whoever runs this: seconds that are old by the database's clock would never kill.
BEGIN_MS: Final = 2_000_000_000_000
SLOWEST_LINES: Final = 1_200
CHANGES_MOST: Final = 7
PROSE: Final = {
    "en": "The quick brown fox jumps over the lazy dog and runs to the river bank every morning",
    "de": "Der schnelle braune Fuchs springt über den faulen Hund und läuft jeden Morgen zum Fluss",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a log is like: times in s, `grid_ms` is what `ts` is rounded down to, shares of lines."""

    models: int
    per_s: float
    pauses: float
    disorder_s: float
    stragglers: float
    broken: float
    grid_ms: int
    starts_s: int
    prose: bool
    tenants: bool
    late_labels: bool


SHAPES: Final[Mapping[str, Sequence[Any]]] = {
    "models": (1, 1, 2, 3),
    "per_s": (0.05, 0.2, 0.5, 1, 2, 3, 5, 5, 10, 20, 50),
    "pauses": (0, 0, 0, 0.004),
    "disorder_s": (0, 0, 0, 0.5, 1.5, 2.5, 5, 20, 60),
    "stragglers": (0, 0, 0.01, 0.05),
    "broken": (0, 0, 0.004),
    "grid_ms": (1, 1, 1, 10, 100, 1000),
    "starts_s": (0, 0, 0, 7, 5 * 3600, 2 * 86_400),
    "prose": (False, False, True),
    "tenants": (False, True),
    "late_labels": (False, False, True),
}
NORMAL: Final[Mapping[str, Any]] = {
    "error": 0.01, "timeout": 0.01, "rejected": 0.01, "truncated": 0.03, "abstained": 0.02, "invalid": 0.02,
    "fallback": 0.02, "missing": 0.05, "wrong": 0.1, "german": 0.05, "yes": 0.7, "length": 1.0, "slowness": 1.0,
    "cost": 0.002, "confidence": 0.85, "share": 1.0, "version": "v1",
}  # fmt: skip
FAILS: Final = (0.1, 0.3, 0.6, 1.0)
OFTEN: Final = (0.2, 0.5, 0.9)
CHANGES: Final[Sequence[tuple[str, Sequence[Any]]]] = (
    *[("error", FAILS)] * 6, *[("recover", (None,))] * 3, ("timeout", OFTEN), ("truncated", OFTEN), ("invalid", OFTEN),
    ("missing", OFTEN), ("wrong", OFTEN), ("fallback", OFTEN), ("length", (0.4, 0.6, 2.0, 4.0)),
    ("slowness", (2.0, 5.0, 10.0)), ("cost", (0.02, 0.1)), ("confidence", (0.5, 0.6, 0.97)), ("german", (0.3, 0.7)),
    ("yes", (0.2, 0.95)), ("share", (0.0001, 0.2, 3.0)), ("version", ("v1", "v2", "v3", None)),
    ("pace", (0.2, 0.5, 2.0, 5.0)), *[("pause", (5, 15, 40, 90, 200, 700))] * 2, ("pause", (1200, 1800, 3600)),
)  # fmt: skip
STATUSES: Final = ("error", "timeout", "rejected")
PAUSES_S: Final = (3, 12, 30, 100, 400, 1300)
STRAGGLES_S: Final = (4, 8, 15, 40, 200)
LABELS_AFTER_S: Final = (1, 5, 30, 300, 900)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log, and the request that it is about."""

    value: bytes
    request: str


def random_shape(rng: Random, **fixed: Any) -> Shape:
    """One choice for each field, those of `fixed` as they are given."""
    return Shape(**{f.name: rng.choice(SHAPES[f.name]) for f in fields(Shape)} | fixed)


def random_traffic(rng: Random, shape: Shape, lines: int) -> list[Line]:
    """A log of about so many predictions, in the order of the file; labels come on top."""
    return _Traffic(rng, shape).lines(min(lines, SLOWEST_LINES) if shape.per_s < 1 else lines)


def punctual(log: Sequence[Line], lateness_ms: int) -> list[Line]:
    """Without the lines that come when the watermark of all lines before has passed their time."""
    kept, newest_ms = [], 0
    for line in log:
        ts = json.loads(line.value).get("ts", 0) if line.value.endswith(b"}") else 0
        newest_ms = max(newest_ms, ts)
        kept += [line] if ts >= newest_ms - lateness_ms else []
    return kept


class _Traffic:
    def __init__(self, rng: Random, shape: Shape) -> None:
        self._rng, self._shape = rng, shape
        self._ways: dict[str, dict[str, Any]] = {f"m{i}": dict(NORMAL) for i in range(shape.models)}
        self._s, self._pace = 0.0, 1.0
        self._begin_ms = BEGIN_MS + 1000 * shape.starts_s + rng.randrange(20_000)
        self._arrived: list[tuple[float, Line]] = []

    def lines(self, n: int) -> list[Line]:
        changes = self._rng.choices(range(n // 4, n), k=self._rng.randint(1, CHANGES_MOST))
        for i in range(n):
            for _ in range(changes.count(i)):
                self._change(self._rng.choice(list(self._ways)))
            if self._rng.random() < self._shape.pauses:
                self._s += self._rng.choice(PAUSES_S)
            self._s += self._rng.expovariate(self._shape.per_s * self._pace)
            self._request(f"i{i}")
        return [line for _, line in sorted(self._arrived, key=lambda arrived: arrived[0])]

    def _change(self, model: str) -> None:
        """One to three things of a model, or of all."""
        for what, values in self._rng.choices(CHANGES, k=self._rng.randint(1, 3)):
            value = self._rng.choice(values)
            if what == "pause":
                self._s += value
            elif what == "pace":
                self._pace = value
            else:
                self._ways[model] |= NORMAL if what == "recover" else {what: value}

    def _request(self, request: str) -> None:
        rng, shape = self._rng, self._shape
        ts = (self._begin_ms + int(self._s * 1000)) // shape.grid_ms * shape.grid_ms
        shares = [way["share"] for way in self._ways.values()]
        model = rng.choices(list(self._ways), shares)[0]
        segment = {"tenant": rng.choice(("t1", "t2"))} if shape.tenants else {}
        named = {"model": model, "id": request, "ts": ts, "segment": segment}
        way = self._ways[model]
        record = self._record(way) | named | {"segment": segment | {"country": rng.choice(("de", "fr"))}}
        delay_s = self._delay()
        # A label that comes before its prediction finds it in the same batch alone.
        self._later(record, way, named, delay_s)
        self._arrive(delay_s, request, self._damaged(record))

    def _record(self, way: Mapping[str, Any]) -> dict[str, Any]:
        """All that has no part in others: most of it at random, and sometimes absent."""
        rng = self._rng
        status = next((s for s in STATUSES if rng.random() < way[s]), "ok")
        record = {
            "status": status,
            "finish_reason": "length" if rng.random() < way["truncated"] else rng.choice(("stop", "tool")),
            "prediction": "A" if rng.random() < way["yes"] else rng.choice("BC"),
            "valid_output": rng.random() >= way["invalid"],
            "features": self._features(way),
            **self._numbers(way),
        }
        if status in ("error", "timeout"):
            record["error_type"] = rng.choice(("E1", "E2") if way["error"] < 0.2 else ("E3", "E1"))
        if way["version"]:
            record["version"] = way["version"]
        sometimes: dict[str, tuple[float, Any]] = {
            "abstained": (way["abstained"], True),
            "fallback": (way["fallback"], True),
            "cold_start": (0.1, rng.random() < 0.2),
            "cached_version": (0.2, rng.choice(("v1", "v2"))),
            "rating": (0.05, rng.choice((-1, 1))),
            "input": (0.3, f"q{rng.randint(0, 20)}"),
            "label": (0.2, self._label(way, record["prediction"])),
            "confidence": (1 - way["missing"], self._probability(way)),
        }
        record |= {key: value for key, (share, value) in sometimes.items() if rng.random() < share}
        record["cache_hit"] = "cached_version" in record
        return record | (self._prose(way) if self._shape.prose else {})

    def _numbers(self, way: Mapping[str, Any]) -> dict[str, Any]:
        rng = self._rng
        return {
            "latency_ms": round(rng.lognormvariate(6, 0.4) * way["slowness"], 1),
            "ttft_ms": round(rng.lognormvariate(4, 0.3) * way["slowness"]),
            "output_tokens": round(rng.lognormvariate(5, 0.5) * way["length"]),
            "input_tokens": round(rng.lognormvariate(4, 0.5)),
            "cost_usd": way["cost"] * rng.random(),
            "batch_size": rng.choice((1, 2, 4, 8)),
            "score": self._probability(way),
        }

    def _features(self, way: Mapping[str, Any]) -> dict[str, Any]:
        income = round(self._rng.lognormvariate(8, 0.3) * way["length"])
        return {
            "income": income,
            "job": "w" if self._rng.random() < way["missing"] else self._rng.choice("xyz"),
        }

    def _probability(self, way: Mapping[str, Any]) -> float:
        return round(min(max(self._rng.gauss(way["confidence"], 0.1), 0), 1), 3)

    def _prose(self, way: Mapping[str, Any]) -> dict[str, Any]:
        language = "de" if self._rng.random() < way["german"] else "en"
        told = self._rng.random() < 0.2
        text = f"{PROSE[language]} {self._rng.randint(0, 99)}"
        return {"expected_language": "en"} | ({"output_language": language} if told else {"output": text})

    def _label(self, way: Mapping[str, Any], prediction: str) -> str:
        return self._rng.choice("ABC") if self._rng.random() < way["wrong"] else prediction

    def _later(
        self, record: Mapping[str, Any], way: Mapping[str, Any], named: Mapping[str, Any], delay_s: float
    ) -> None:
        """The label of a prediction and its rating, some time after it."""
        rng = self._rng
        if not self._shape.late_labels or "label" in record or rng.random() < 0.7:
            return
        after_s = rng.choice(LABELS_AFTER_S) * rng.random()
        then = named["ts"] + int(after_s * 1000)
        label = {"type": "label", **named, "ts": rng.choice((named["ts"], then))}
        self._arrive(
            delay_s + after_s, named["id"], label | {"label": self._label(way, record["prediction"])}
        )
        if rng.random() < 0.2:
            rating = {"type": "feedback", **named, "ts": then, "rating": rng.choice((-1, 1))}
            self._arrive(delay_s + after_s * 1.5, named["id"], rating)

    def _delay(self) -> float:
        rng, shape = self._rng, self._shape
        delay_s = rng.uniform(0, shape.disorder_s) if rng.random() < 0.7 else 0.0
        return delay_s + (rng.choice(STRAGGLES_S) if rng.random() < shape.stragglers else 0)

    def _damaged(self, record: dict[str, Any]) -> dict[str, Any] | bytes:
        """Now and then a record without its time, or half a line."""
        if self._rng.random() >= self._shape.broken:
            return record
        whole = json.dumps(record).encode()
        return self._rng.choice(({k: v for k, v in record.items() if k != "ts"}, whole[: len(whole) // 2]))

    def _arrive(self, delay_s: float, request: str, record: Mapping[str, Any] | bytes) -> None:
        value = record if isinstance(record, bytes) else json.dumps(record).encode()
        self._arrived.append((self._s + delay_s, Line(value, request)))
