"""A topic of labels or ratings alone: they need no `type`, and no model where their prediction is known."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from record_building import CLOCK_MS, START_MS, Counted, Partition, batch, value

from monitor.config.mapping import preset, read_format
from monitor.config.problem import Report
from monitor.config.section import Section
from monitor.config.tree import parse
from monitor.records.labels import labels_in
from monitor.records.predictions import Predictions
from monitor.records.settings import MeasureSettings

HOUR_MS = 3_600_000
PREDICTIONS = MeasureSettings(join_ms=2 * HOUR_MS, labelled_elsewhere=True)


def labels_of(type_of: str, source: str = "{}") -> MeasureSettings:
    """How messages of a source of this type are measured; `source` is its mapping."""
    report = Report("alerts.yaml")
    node = parse(source, report)
    assert node is not None
    form = read_format(Section(node, report), type_of)
    assert report.problems == []
    return replace(PREDICTIONS, format=form)


class Pair:
    """A topic of predictions, and one of what is said of them."""

    def __init__(self, settings: MeasureSettings, answers: MeasureSettings = PREDICTIONS) -> None:
        predictions = Predictions(2 * HOUR_MS, 1_000)
        self.answers = Partition.make(answers, predictions=predictions)
        self.labels = Partition.make(settings, predictions=predictions, names=self.answers.names)

    def predicted(self, *values: bytes) -> None:
        self.answers.aggregator.add(batch(values), CLOCK_MS)
        self.answers.counted()

    def told(self, *messages: dict[str, Any]) -> Counted:
        self.labels.aggregator.add(batch([json.dumps(m).encode() for m in messages]), CLOCK_MS)
        return self.labels.counted()


def test_a_label_of_its_own_topic_needs_neither_type_nor_model() -> None:
    pair = Pair(labels_of("label"))
    pair.predicted(value(id="a", prediction="x", version="v1"), value(id="b", prediction="x", version="v2"))
    counted = pair.told({"id": "a", "label": "x", "ts": START_MS}, {"id": "b", "label": "y", "ts": START_MS})
    assert counted.rate("incorrect") == (1, 2)
    assert counted.rate("incorrect", version="v2") == (1, 1)
    assert labels_in(counted.intake.delta.cells) == (2, 0)
    assert (counted.requests(), counted.reasons()) == (0, {})


def test_it_is_mapped_as_any_message_and_its_own_type_means_nothing() -> None:
    mapping = "map: {id: /transaction/id, label: /verdict, ts: {field: decided, unit: s}}"
    pair = Pair(labels_of("label", mapping))
    pair.predicted(value(id="7", prediction="fraud"))
    message = {
        "type": "chargeback",
        "transaction": {"id": 7},
        "verdict": "fraud",
        "decided": START_MS / 1_000,
    }
    assert pair.told(message).rate("incorrect") == (0, 1)


def test_feedback_of_its_own_topic_is_of_the_version_that_answered() -> None:
    pair = Pair(labels_of("feedback"))
    pair.predicted(value(id="a", confidence=0.5, version="v1"))
    counted = pair.told({"id": "a", "rating": -1, "ts": START_MS})
    assert counted.rate("negative_feedback", version="v1") == (1, 1)


def test_of_two_models_that_answered_one_id_the_label_says_which() -> None:
    pair = Pair(labels_of("label"))
    pair.predicted(value(id="a", prediction="x"), value(id="a", model="shadow", prediction="y"))
    counted = pair.told({"id": "a", "model": "chat-eu", "label": "x", "ts": START_MS})
    assert counted.rate("incorrect") == (0, 1)
    assert pair.told({"id": "a", "label": "x", "ts": START_MS}).of("incorrect", "shadow") == {1: 1}


@pytest.mark.parametrize(
    "message", [{"id": "other", "label": "x"}, {"label": "x"}, {"id": "a", "model": " "}]
)
def test_one_without_a_model_whose_prediction_is_not_known_is_skipped_and_makes_no_stream(
    message: dict[str, Any],
) -> None:
    pair = Pair(labels_of("label"))
    counted = pair.told(message, {"id": "b", "model": "chat-eu", "label": "x"})
    assert counted.reasons() == {0: "no_model"}
    assert counted.intake.counted == 1
    assert labels_in(counted.intake.delta.cells) == (0, 1)
    [skipped] = counted.intake.skipped
    assert skipped.detail == "it names no model, and no prediction of its id is remembered"


def test_of_a_message_of_several_labels_those_count_whose_predictions_are_known() -> None:
    """One that asks for what nobody remembers would else take a whole batch with it."""
    pair = Pair(labels_of("label", "each: /labels/*"))
    pair.predicted(value(id="a", prediction="x"), value(id="b", prediction="x"))
    known = [{"id": "a", "label": "x", "ts": START_MS}, {"id": "b", "label": "y", "ts": START_MS}]
    unknown = {"id": "c", "label": "x"}
    counted = pair.told({"labels": known}, {"labels": [unknown, known[0]]}, {"labels": [unknown, unknown]})
    assert (counted.intake.counted, counted.reasons()) == (2, {2: "no_model"})
    assert counted.rate("incorrect") == (1, 3)
    assert counted.dropped == {"model": 1}


def test_a_label_on_what_is_long_past_counts_there_and_is_evidence_when_it_comes() -> None:
    """Else a judge that starts with such labels would begin months ago, and take what it then learns for old."""
    pair = Pair(labels_of("label"))
    long_ago = CLOCK_MS - 60 * 24 * HOUR_MS
    counted = pair.told({"id": "a", "model": "chat-eu", "correct": False, "ts": long_ago})
    cells = counted.intake.delta.cells
    assert set(cells.pane.tolist()) == {long_ago // 10_000}
    assert set(cells.evidence.tolist()) == {(CLOCK_MS - 3_000) // 10_000}
    assert counted.intake.max_event_ms == CLOCK_MS
    assert counted.rate("incorrect") == (1, 1)


def test_evaluations_of_opentelemetry_are_of_the_model_and_version_that_answered() -> None:
    """Spans predict nothing that labels ask for, and are remembered all the same: for their model and version."""
    folder = Path(__file__).parent / "formats"
    spans, events = (
        (folder / f"{name}.jsonl").read_bytes().splitlines() for name in ("otel", "otel-evaluations")
    )
    rated = replace(
        PREDICTIONS, format=preset("otel-evaluations"), bad_below=0.95, slices=("segment.evaluation",)
    )
    pair = Pair(rated, replace(PREDICTIONS, format=preset("otel")))
    pair.predicted(*spans)
    counted = pair.told(*map(json.loads, events))
    assert counted.of("negative_feedback", "gpt-4o") == {1: 1}
    assert counted.of("negative_feedback", "gpt-4o", version="gpt-4o-2024-08-06") == {1: 1}
    assert counted.of("incorrect", "gpt-4o", **{"segment.evaluation": "Relevance"}) == {0: 1}
