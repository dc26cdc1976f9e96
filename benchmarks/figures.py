"""What was measured, and how it is told; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.table import Table

LEAST_RATIO: Final = 0.5
LONGEST_PIPELINE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Records read in `seconds` on the clock and `cpu_s` seconds of the process, all its threads."""

    records: int
    seconds: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.records / self.seconds

    def __str__(self) -> str:
        return f"{self.per_second:,.0f} records/s in {self.seconds:.1f} s, {self.per_cpu_second:,.0f} a CPU second"

    @property
    def per_cpu_second(self) -> float:
        return self.records / self.cpu_s


@dataclass(frozen=True, slots=True)
class DaemonRound:
    """One run of the daemon over the topic: until all was in checkpoints, and until all was judged.

    Both count from when it was ready, `start_s` after its process began. `alarms` is how many incidents it opened.
    """

    ingested: Reading
    judged: Reading
    start_s: float
    peak_mib: float
    alarms: int


@dataclass(frozen=True, slots=True)
class Spike:
    """Seconds until the kill webhook arrived: from the first failing record, and from the last of the evidence."""

    to_kill_s: float
    pipeline_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All of one run; `bare` and `daemon` have a value for each round, `peak_many_mib` is with `streams` streams."""

    bare: Sequence[Reading]
    daemon: Sequence[DaemonRound]
    spikes: Sequence[Spike]
    peak_many_mib: float
    streams: int

    @property
    def ratio(self) -> float:
        """Records/s of the daemon, all judged, against bare poll; medians over the rounds."""
        return median(r.judged.per_second for r in self.daemon) / median(r.per_second for r in self.bare)

    @property
    def cpu_ratio(self) -> float:
        """The same for records a CPU second, which depends less on who else uses the machine."""
        judged = median(r.judged.per_cpu_second for r in self.daemon)
        return judged / median(r.per_cpu_second for r in self.bare)

    @property
    def last_line(self) -> str:
        pipeline = [s.pipeline_s for s in self.spikes]
        kill = median(s.to_kill_s for s in self.spikes)
        return (
            f"bench: {self.ratio:.2f} of bare poll, pipeline median {median(pipeline):.1f} s "
            f"max {max(pipeline):.1f} s, spike to kill median {kill:.1f} s"
        )

    def table(self) -> Table:
        """The figures, a row each; rounds in the order they were run."""
        table = Table("", "median", "rounds", title="Tocsin, all five detectors on, against bare poll")
        _speed(table, "bare kafka-python poll", self.bare)
        _speed(table, "tocsin run, until all is in checkpoints", [r.ingested for r in self.daemon])
        _speed(table, "tocsin run, until all is judged", [r.judged for r in self.daemon])
        table.add_row("share of bare poll", f"{self.ratio:.2f}", f"at least {LEAST_RATIO} wanted")
        table.add_row("share of bare poll by CPU seconds", f"{self.cpu_ratio:.2f}", "")
        starts = [r.start_s for r in self.daemon]
        table.add_row("from the daemon's start until ready", f"{median(starts):.1f} s", _each(starts, ".1f"))
        table.add_row("incidents on this load", str(sum(r.alarms for r in self.daemon)), "none wanted")
        table.add_section()
        kills, pipeline = [s.to_kill_s for s in self.spikes], [s.pipeline_s for s in self.spikes]
        table.add_row(
            "first failing record to kill webhook", f"{median(kills):.1f} s", f"max {max(kills):.1f} s"
        )
        limit = f"max {max(pipeline):.1f} s, under {LONGEST_PIPELINE_S:g} s wanted"
        table.add_row("of that after evidence_until", f"{median(pipeline):.1f} s", limit)
        table.add_section()
        peaks = [r.peak_mib for r in self.daemon]
        table.add_row("peak memory with 1 stream", f"{median(peaks):.0f} MiB", _each(peaks, ".0f"))
        table.add_row(f"peak memory with {self.streams} streams", f"{self.peak_many_mib:.0f} MiB", "")
        return table


def _speed(table: Table, what: str, rounds: Sequence[Reading]) -> None:
    clock, cpu = [r.per_second for r in rounds], [r.per_cpu_second for r in rounds]
    seconds = f"in {_each([r.seconds for r in rounds], '.1f')} s"
    table.add_row(what, f"{median(clock):,.0f} records/s", seconds)
    table.add_row("", f"{median(cpu):,.0f} records/CPU s", _each(cpu, ",.0f"))


def _each(values: Sequence[float], form: str) -> str:
    return "  ".join(format(value, form) for value in values)
