"""Runs in a peer's own environment: a drift score for every window of every stream, larger where more has changed.

    python window_worker.py PEER input.npz output.json

For every stream `i`: `reference_i` float64[events], `windows_i` float64[windows, events]: 0 and 1 for a rate,
a code below ten for a category.
Imports nothing of the project.
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Score = Callable[[Any, Any], list[float]]


def is_rate(reference: Any) -> bool:
    return bool(np.isin(reference, (0, 1)).all())


def is_mix(reference: Any) -> bool:
    return bool(np.isin(reference, range(10)).all())


def evidently(reference: Any, windows: Any) -> list[float]:
    """The default drift score of a column, a column for each window."""
    import pandas as pd
    from evidently import Report
    from evidently.metrics import ValueDrift

    names = [f"w{i}" for i in range(len(windows))]
    found: list[float] = []
    for first in range(0, len(names), 50):
        some = names[first : first + 50]
        current = pd.DataFrame(dict(zip(some, windows[first:], strict=False)))
        usual = pd.DataFrame(dict.fromkeys(some, reference))
        done = Report([ValueDrift(column=name) for name in some]).run(current, usual)
        found += [_distance(metric) for metric in done.dict()["metrics"]]
    return found


def _distance(metric: Any) -> float:
    """Up to 1,000 values of a reference Evidently tests, and its score is a p-value: the less, the more has changed."""
    value = float(metric["value"])
    return float(-np.log(max(value, 1e-300))) if "p_value" in metric["config"]["method"] else value


def nannyml(reference: Any, windows: Any) -> list[float]:
    """Jensen-Shannon distance, its default, in chunks of one window; a rate or mix is a categorical column."""
    import nannyml as nml
    import pandas as pd

    mixes = ["x"] if is_mix(reference) else []
    calculator = nml.UnivariateDriftCalculator(
        column_names=["x"], treat_as_categorical=mixes, chunk_size=windows.shape[1]
    )
    calculator.fit(pd.DataFrame({"x": reference}))
    found = calculator.calculate(pd.DataFrame({"x": windows.ravel()})).filter(period="analysis").to_df()
    return [float(value) for value in found[("x", "jensen_shannon", "value")]]


def alibi_detect(reference: Any, windows: Any) -> list[float]:
    """Its tests for one feature: Fisher's exact test of a risen rate (-ln p), chi-squared of a mix, else
    Kolmogorov-Smirnov's distance."""
    from alibi_detect.cd import ChiSquareDrift, FETDrift, KSDrift

    if is_rate(reference):
        test = FETDrift(reference[:, None].astype(np.int64), alternative="greater")
        p = [test.predict(window[:, None].astype(np.int64))["data"]["p_val"][0] for window in windows]
        return [float(-np.log(max(each, 1e-300))) for each in p]
    if is_mix(reference):
        chi = ChiSquareDrift(reference[:, None].astype(np.int64))
        return [
            float(chi.predict(window[:, None].astype(np.int64))["data"]["distance"][0]) for window in windows
        ]
    detector = KSDrift(reference[:, None])
    return [float(detector.predict(window[:, None])["data"]["distance"][0]) for window in windows]


def popmon(reference: Any, windows: Any) -> list[float]:
    """Kolmogorov-Smirnov's statistic against the reference; of a mix the largest difference of a category's share.

    Its PSI and Jensen-Shannon divergence compare counts, not shares (1.4.12), so that they see the window's size alone.
    """
    import pandas as pd
    import popmon as pm

    many, size = windows.shape
    mix = is_mix(reference) and not is_rate(reference)
    kind = (lambda x: x.astype(int).astype(str)) if mix else (lambda x: x)
    hours = pd.date_range("2026-01-01", periods=many, freq="h").repeat(size)
    report = pm.df_stability_report(
        pd.DataFrame({"x": kind(windows.ravel()), "t": hours}),
        time_axis="t",
        time_width="1h",
        time_offset="2026-01-01",
        features=["t:x"],
        reference_type="external",
        reference=pd.DataFrame({"x": kind(reference), "t": pd.Timestamp("2025-12-01")}),
    )
    return [
        float(value)
        for value in report.datastore["comparisons"]["x"]["ref_max_prob_diff" if mix else "ref_ks"]
    ]


PEERS: dict[str, Score] = {
    "evidently": evidently,
    "nannyml": nannyml,
    "alibi-detect": alibi_detect,
    "popmon": popmon,
}


def main(peer: str, source: str, target: str) -> None:
    warnings.simplefilter("ignore")
    with np.load(source) as data:
        count = len(data.files) // 2
        pairs = [(data[f"reference_{i}"], data[f"windows_{i}"]) for i in range(count)]
    scores = [PEERS[peer](reference, windows) for reference, windows in pairs]
    Path(target).write_text(json.dumps(scores))


if __name__ == "__main__":
    main(*sys.argv[1:])
