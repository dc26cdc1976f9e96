"""Language samples as cells: what a closed pane's answers were written in, and whether that was expected."""

import numpy as np

from monitor.judge.rows import Flags
from monitor.records import fold
from monitor.records.delta import I64, Cells, Languages
from monitor.records.signals import BY_NAME, WHOLE

WRONG_LANGUAGE = BY_NAME["wrong_language"].code
OUTPUT_LANGUAGE = BY_NAME["output_language"].code


def sample_cells(languages: Languages) -> Cells:
    """The cells that a closed pane's language sample stands for: languages, and whether they were expected."""
    judged = (languages.wrong >= 0) & (languages.signal == OUTPUT_LANGUAGE)
    parts = [_sampled(languages, languages.signal, languages.bucket, np.ones(len(languages.hash), np.bool_))]
    signal = np.full(len(languages.hash), WRONG_LANGUAGE, np.int64)
    parts.append(_sampled(languages, signal, languages.wrong, judged))
    return fold.fold_cells(fold.concat(parts, Cells))


def _sampled(languages: Languages, signal: I64, bucket: I64, mask: Flags) -> Cells:
    columns = (languages.stream, languages.slice, signal, languages.pane, languages.evidence, bucket)
    stream, slices, code, pane, evidence, category = (c[mask] for c in columns)
    once = np.ones(len(stream), np.int64)
    by_slice = Cells(stream, slices, code, pane, evidence, category, once)
    whole = Cells(stream, np.full(len(stream), WHOLE, np.int64), code, pane, evidence, category, once)
    return fold.concat([whole, by_slice], Cells)
