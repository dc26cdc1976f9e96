"""How peers are tuned and told in the table of the detection benchmark."""

import math

import numpy as np
import pytest

from benchmarks.detection import false_alarms, real, river_peers, window_peers, window_tools
from benchmarks.detection.counted import FalseAlarms
from benchmarks.detection.real_cases import Case
from benchmarks.detection.river_peers import Peer, Row, cell, table, with_real
from benchmarks.real_data import Stream
from benchmarks.real_streams import Alarm, Evidence
from benchmarks.real_streams import Row as RealRow

CASE = Case("s", "invalid_output", np.repeat([0.0, 1.0], 1_000), 1_000)
QUIET = Case("q", "output_tokens", np.arange(1_000.0), 1_000)
ROW = Row("error", "Tocsin", "nothing", "", 0.0, 0.0, (("1% -> 3%", (10.0, math.nan, 30.0)),))


class Above:
    """Alarms on every value above its setting."""

    def __init__(self, setting: float) -> None:
        self._setting, self.drift_detected = setting, False

    def update(self, value: float) -> None:
        self.drift_detected = value > self._setting


ABOVE = Peer("Above", Above, (0.0, 1.0, 2.0, 3.0), "setting")


def test_the_threshold_of_a_window_is_passed_once_in_100_000_healthy_events():
    scores = np.arange(400.0)
    assert (scores > window_peers.lowest(scores, 500)).sum() == 2
    assert (scores > window_peers.lowest(scores, 100)).sum() == 0


def test_a_window_alarms_at_its_end():
    assert window_peers.delay(np.array([0.1, 0.9, 0.9]), 0.5, 500) == 1_000
    assert math.isnan(window_peers.delay(np.array([0.1, 0.2]), 0.5, 500))


def test_a_peer_gets_the_most_sensitive_setting_that_keeps_to_one_alarm_in_100_000():
    stream = np.zeros(river_peers.WARM_UP + 100_000)
    stream[-2:], stream[-1] = 2.0, 3.0
    healthy = river_peers.Healthy(ABOVE, [stream])
    assert [healthy.alarms(setting) for setting in ABOVE.settings] == [2, 2, 1, 0]
    assert river_peers._tuned(ABOVE, [healthy]) == 2.0


def test_alarms_of_the_warm_up_are_not_counted():
    stream = np.ones(river_peers.WARM_UP + 10)
    stream[river_peers.WARM_UP :] = 0
    assert river_peers.Healthy(ABOVE, [stream]).alarms(0.0) == 0


@pytest.mark.parametrize(
    ("late", "before", "changes", "text"),
    [(504.0, 0, True, "504 (0)"), (math.nan, 2, True, "- (2)"), (math.nan, 1, False, "(1)")],
)
def test_a_cell_says_how_late_and_what_alarmed_before(late, before, changes, text):
    assert cell(late, before, changes) == text


def test_on_a_real_stream_half_of_the_quiet_part_is_for_learning():
    values = np.zeros(40)
    values[[5, 15, 23]] = 1.0
    assert river_peers._real(ABOVE, 0.0, Case("s", "invalid_output", values, 20)) == "4 (1)"


def test_windows_of_a_real_stream_meet_at_the_change():
    (reference, drawn), (_, seen) = window_peers._real_pairs(CASE)
    assert len(reference) == 500
    assert drawn.size == window_peers.REAL_DRAWN
    assert seen.shape == (15, 100)
    assert seen[:5].max() == 0
    assert seen[5:].min() == 1


def test_the_table_has_a_part_a_signal_and_leaves_empty_what_was_not_measured():
    rows = [ROW, Row("error", "other", "steady", "x", 1.0, 2.0, ROW.delays)]
    told = table(with_real(rows, "Tocsin", [(CASE, "18 (0)"), (QUIET, "(0)")]))
    head, _, mine, other = told.splitlines()
    assert head.endswith("| 1% -> 3% | s: invalid_output |")
    assert mine.endswith("| 20 (1 of 3 missed) | 18 (0) |")
    assert other.endswith("| 20 (1 of 3 missed) |  |")


def test_tocsins_cell_counts_the_alarms_of_that_signal():
    stream = Stream("s", "c", [{}] * 1_000, [{}] * 1_000, ("invalid_output",))
    alarms = (
        Alarm("a", "invalid_output", 7),
        Alarm("b", "latency_ms", 8),
        Alarm("a", "invalid_output", 1_017),
    )
    row = RealRow(stream, "invalid_output", Evidence(1_000, 1.0, 30, 2), alarms)
    assert list(real.cells([CASE, QUIET], [row])) == [(CASE, "18 (1)")]


def test_every_tool_is_pinned():
    assert [tool.name for tool in window_tools.tools()] == ["evidently", "nannyml", "alibi-detect", "popmon"]
    assert all("==" in tool.packages[0] for tool in window_tools.tools())


def test_a_tool_that_does_not_install_says_so_in_its_own_words(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_CACHE", str(tmp_path))
    tool = window_tools.Tool(("no such package==1",))
    with pytest.raises(RuntimeError, match=r"^python ended with 1: .+"):
        tool.install()
    assert not tool.ready


def test_a_cell_above_the_budget_is_listed_with_its_interval_and_reason():
    broken = false_alarms.Cell("nights", "one limit for all hours", FalseAlarms(200, 20_000, 1e3))
    line = false_alarms.explained([broken])
    assert line.startswith("- nights, A = 1,000: 10.00 (")
    assert line.endswith("broken; one limit for all hours")
