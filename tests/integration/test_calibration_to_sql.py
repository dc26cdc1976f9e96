"""Two real classifiers on CIFAR-10, from their records to the expected calibration error in SQL."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sql_log import Log

MODELS = {"wideresnet-16-4": 0.0541, "lenet-5": 0.1079}
ALERTS = """
rules:
  - {name: accuracy, signal: incorrect, above: 2x}
"""
ERROR = (
    "SELECT tocsin.expected_calibration_error(:stream, now() - interval '1 day', now()), sum(n), sum(correct) "
    "FROM tocsin.calibration WHERE stream = :stream"
)


@pytest.fixture
def log(ledger_url: str, tmp_path: Path) -> Iterator[Log]:
    made = Log(ledger_url, tmp_path, ALERTS)
    yield made
    made.engine.dispose()


def error_of(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    places = np.minimum((confidence * 20).astype(int), 19)
    gaps = [
        (places == i).mean() * abs(correct[places == i].mean() - confidence[places == i].mean())
        for i in np.unique(places)
    ]
    return float(sum(gaps))


@pytest.mark.parametrize("model", MODELS)
def test_a_real_models_calibration_error_is_that_of_its_predictions(
    log: Log, real_data: Path, model: str
) -> None:
    with np.load(real_data / "confidence" / f"{model}-cifar-10.npz") as data:
        shares, truth = data["predictions"], data["ground_truth"].ravel()
    confidence = np.minimum(shares.max(axis=1).astype(float), 1.0)
    predicted = shares.argmax(axis=1)
    rows = zip(predicted.tolist(), truth.tolist(), confidence.tolist(), strict=True)
    records = [
        {
            "model": model,
            "ts": log.start_ms + 10 * i,
            "prediction": f"c{p}",
            "label": f"c{t}",
            "confidence": c,
        }
        for i, (p, t, c) in enumerate(rows)
    ]
    for first in range(0, len(records), 4_000):
        log.judge(*records[first : first + 4_000])
    ((found, n, correct),) = log.read(ERROR, stream=model)
    assert (n, correct) == (len(records), int((predicted == truth).sum()))
    assert found == pytest.approx(error_of(confidence, predicted == truth), rel=1e-9)
    assert found == pytest.approx(MODELS[model], abs=5e-5)
