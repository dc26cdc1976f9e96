"""What a process has cost so far: CPU seconds and memory."""

from pathlib import Path
from typing import Any, Final

from monitor.local.extra import load_extra

_PSUTIL: Final[Any] = load_extra("psutil")


def cpu_s(pid: int) -> float:
    """User and system seconds of a process, all threads."""
    times = _PSUTIL.Process(pid).cpu_times()
    return float(times.user + times.system)


def peak_mib(pid: int) -> float:
    """The most memory a process has had resident, in MiB; where only the present is known, that."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return float(_PSUTIL.Process(pid).memory_info().rss) / 2**20
