"""All metrics there are, one row each, and the page that shows them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.web.status import Status

Samples = Mapping[tuple[str, ...], float]


class Type(StrEnum):
    """The types of the text format that we use."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Row:
    """One metric as it is scraped; `read` gives its samples by the values of its labels."""

    name: str
    type: Type
    labels: tuple[str, ...]
    help: str
    read: Callable[[Status], Samples]


def _by_text(counts: Mapping[tuple[str, str], int] | Mapping[tuple[str, int], int]) -> Samples:
    return {tuple(map(str, labels)): float(count) for labels, count in counts.items()}


def _one(value: float | None) -> Samples:
    return {} if value is None else {(): float(value)}


METRICS: Final[tuple[Row, ...]] = (
    Row(
        "tocsin_records_total",
        Type.COUNTER,
        ("topic", "result"),
        "Records read since the start, by what became of them: counted, ignored, or the reason why one was skipped.",
        lambda s: _by_text(s.records),
    ),
    Row(
        "tocsin_fields_dropped_total",
        Type.COUNTER,
        ("field",),
        "Fields of a wrong type or range that were left out of a record that counted.",
        lambda s: {(name,): float(n) for name, n in s.fields_dropped.items()},
    ),
    Row(
        "tocsin_labels_total",
        Type.COUNTER,
        ("result",),
        "Labels that came later: judged, or unmatched, since nothing says what was predicted.",
        lambda s: {(name,): float(n) for name, n in s.labels.items()},
    ),
    Row(
        "tocsin_consumer_lag",
        Type.GAUGE,
        ("topic", "partition"),
        "Records of a partition that are not read yet.",
        lambda s: _by_text(s.lag),
    ),
    Row(
        "tocsin_watermark_age_seconds",
        Type.GAUGE,
        (),
        "How far behind the clock the watermark is: everything older is judged.",
        lambda s: _one(s.watermark_age_s),
    ),
    Row(
        "tocsin_judge_leader",
        Type.GAUGE,
        (),
        "1 in the replica that judges, 0 in the others.",
        lambda s: _one(s.leader),
    ),
    Row(
        "tocsin_config_good",
        Type.GAUGE,
        (),
        "1 while alerts.yaml as it was read last is in effect, 0 where it is wrong and the one before holds.",
        lambda s: _one(s.config_good),
    ),
    Row(
        "tocsin_incidents",
        Type.GAUGE,
        ("severity", "state"),
        "Incidents in the ledger.",
        lambda s: _by_text(s.incidents),
    ),
    Row(
        "tocsin_deliveries_total",
        Type.COUNTER,
        ("receiver", "result"),
        "Attempts to deliver a message since the start.",
        lambda s: _by_text(s.deliveries),
    ),
    Row(
        "tocsin_outbox_oldest_seconds",
        Type.GAUGE,
        (),
        "Age of the oldest message that waits to be delivered, 0 where none waits.",
        lambda s: _one(s.outbox_oldest_s),
    ),
    Row(
        "tocsin_kill_switch_tripped",
        Type.GAUGE,
        ("switch",),
        "1 while a kill switch is tripped.",
        lambda s: {(name,): float(on) for name, on in s.tripped.items()},
    ),
    Row(
        "tocsin_error_budget_left_ratio",
        Type.GAUGE,
        ("rule", "stream"),
        "What is left of an objective's error budget, 1 at the start, below 0 when it is overspent.",
        lambda s: {labels: float(left) for labels, left in s.error_budgets.items()},
    ),
)


class StatusCollector(Collector):
    """Turns the daemon's status into metric families at every scrape; keeps nothing."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        for row in METRICS:
            yield _family(row, row.read(status))


def registry(status: Callable[[], Status]) -> CollectorRegistry:
    """A registry of prometheus_client's with this daemon's metrics and nothing else."""
    metrics = CollectorRegistry(auto_describe=False)
    metrics.register(StatusCollector(status))
    return metrics


def _family(row: Row, samples: Samples) -> Metric:
    kind = CounterMetricFamily if row.type is Type.COUNTER else GaugeMetricFamily
    family = kind(row.name, row.help, labels=row.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family
