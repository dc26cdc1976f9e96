"""Runs in a peer's own environment: a drift score for every window of every stream, larger where more has changed.

    python window_worker.py PEER input.npz output.json

`reference` float64[streams, events], `windows` float64[streams, windows, events]. Imports nothing of the project.
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Score = Callable[[Any, Any], list[float]]


def evidently(reference: Any, windows: Any) -> list[float]:
    """The default drift score of a column."""
    import pandas as pd
    from evidently import Report
    from evidently.metrics import ValueDrift

    report, usual = Report([ValueDrift(column="x")]), pd.DataFrame({"x": reference})
    found = [
        report.run(pd.DataFrame({"x": window}), usual).dict()["metrics"][0]["value"] for window in windows
    ]
    return [float(value) for value in found]


def nannyml(reference: Any, windows: Any) -> list[float]:
    """Jensen-Shannon distance, its default, in chunks of one window."""
    import nannyml as nml
    import pandas as pd

    size = windows.shape[1]
    calculator = nml.UnivariateDriftCalculator(
        column_names=["x"], continuous_methods=["jensen_shannon"], chunk_size=size
    )
    calculator.fit(pd.DataFrame({"x": reference}))
    found = calculator.calculate(pd.DataFrame({"x": windows.ravel()})).filter(period="analysis").to_df()
    return [float(value) for value in found[("x", "jensen_shannon", "value")]]


def alibi_detect(reference: Any, windows: Any) -> list[float]:
    """The Kolmogorov-Smirnov distance of its KSDrift."""
    from alibi_detect.cd import KSDrift

    detector = KSDrift(reference[:, None], p_val=0.05)
    return [float(detector.predict(window[:, None])["data"]["distance"][0]) for window in windows]


def popmon(reference: Any, windows: Any) -> list[float]:
    """PSI against the reference, as its report has it."""
    import pandas as pd
    import popmon as pm

    many, size = windows.shape
    hours = pd.date_range("2026-01-01", periods=many, freq="h").repeat(size)
    usual = pd.DataFrame({"x": reference, "t": pd.Timestamp("2025-12-01")})
    report = pm.df_stability_report(
        pd.DataFrame({"x": windows.ravel(), "t": hours}),
        time_axis="t",
        time_width="1h",
        time_offset="2026-01-01",
        features=["t:x"],
        reference_type="external",
        reference=usual,
    )
    found = report.datastore["comparisons"]["x"]
    return [float(value) for value in found["ref_psi"]]


PEERS: dict[str, Score] = {
    "evidently": evidently,
    "nannyml": nannyml,
    "alibi-detect": alibi_detect,
    "popmon": popmon,
}


def main(peer: str, source: str, target: str) -> None:
    warnings.simplefilter("ignore")
    with np.load(source) as data:
        pairs = list(zip(data["reference"], data["windows"], strict=True))
    scores = [PEERS[peer](reference, windows) for reference, windows in pairs]
    Path(target).write_text(json.dumps(scores))


if __name__ == "__main__":
    main(*sys.argv[1:])
