"""What `make bench` says of its measurements."""

import io
import json
from collections.abc import Sequence

from rich.console import Console

from benchmarks.figures import DaemonRound, Figures, Reading, Spike
from benchmarks.spikes import spike_of
from monitor.local.receiver import KILL, Received


def daemon_round(seconds: float, cpu_s: float) -> DaemonRound:
    judged = Reading(1_000, seconds, cpu_s)
    return DaemonRound(ingested=judged, judged=judged, start_s=2.0, peak_mib=210.0, alarms=0)


def figures(bare: Sequence[Reading], daemon: Sequence[DaemonRound], spikes: Sequence[Spike]) -> Figures:
    return Figures(bare, daemon, spikes, peak_many_mib=350.0, streams=200)


ONE = figures(
    bare=[Reading(1_000, 1.0, 0.5)],
    daemon=[daemon_round(1.887, 1.25)],
    spikes=[Spike(10.0, 0.9), Spike(11.2, 0.5), Spike(14.0, 1.4)],
)


def test_the_last_line_has_the_form_that_scripts_read() -> None:
    assert ONE.last_line == (
        "bench: 0.53 of bare poll, pipeline median 0.9 s max 1.4 s, spike to kill median 11.2 s"
    )


def test_the_share_of_bare_poll_is_one_of_medians_so_one_disturbed_round_does_not_count() -> None:
    disturbed = figures(
        bare=[Reading(1_000, 1.0, 1.0), Reading(1_000, 9.0, 1.0), Reading(1_000, 1.0, 1.0)],
        daemon=[daemon_round(2.0, 2.0), daemon_round(2.0, 2.0), daemon_round(30.0, 2.0)],
        spikes=ONE.spikes,
    )
    assert disturbed.ratio == 0.5


def test_the_share_by_cpu_seconds_does_not_see_the_clock() -> None:
    assert ONE.cpu_ratio == 0.4


def test_a_spike_counts_from_its_first_record_and_the_pipeline_from_evidence_until() -> None:
    data = {"evidence_until": "2026-11-22T12:00:09.000Z"}
    body = json.dumps({"type": "kill_switch.tripped", "data": data}).encode()
    kill = Received(at_ms=1_795_348_809_750, path=KILL, headers={}, body=body, signed=True)
    spike = spike_of(1_795_348_799_250, kill)
    assert (spike.to_kill_s, round(spike.pipeline_s, 3)) == (10.5, 0.75)


def test_the_table_has_both_memory_figures_and_the_limits() -> None:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(ONE.table())
    text = console.export_text()
    for wanted in ("with 1 stream ", "210 MiB", "with 200 streams", "350 MiB", "at least 0.5", "under 2 s"):
        assert wanted in text
