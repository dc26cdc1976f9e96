"""Damaged inputs for the record decoder and the loader of alerts.yaml: `make fuzz`."""

import hashlib
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import click
import psutil
from decoder import DecoderTarget
from loader import LoaderTarget
from mapped import MappedTarget

CORPUS = Path(__file__).with_name("corpus")
INPUT_S = 2.0
GROWTH_MB = 64
TARGETS = ("decoder", "mapped", "loader")


class TooLongError(Exception):
    """One input took longer than its limit."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooLongError after `seconds` of this process's own time, so that a busy machine is no hang."""

    def over(number: int, frame: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def culprits(target: Any, inputs: list[Any]) -> list[tuple[Any, str]]:
    """The inputs of a failed batch that fail by themselves, or the whole batch; with the error."""
    found = []
    for one in inputs:
        target.forget()
        try:
            with limited(INPUT_S):
                target.feed([one])
        except Exception:
            found.append((one, traceback.format_exc()))
    return found


def target_of(name: str, rng: Random, folder: Path) -> Any:
    """The target of a name."""
    if name == "loader":
        return LoaderTarget(rng, folder)
    if name == "decoder":
        return DecoderTarget(rng)
    return MappedTarget(rng, [name.removeprefix("mapped-")]) if name != "mapped" else MappedTarget(rng)


def fuzz(
    target: Any, inputs: int, *, warm: int, deadline: float = float("inf"), keep: Path | None = CORPUS
) -> dict[str, Any]:
    """Feed `inputs` damaged inputs, or as many as fit before `deadline` (monotonic s); findings go to `keep`.

    Memory is said to have grown since `warm` inputs had been fed.
    """
    fed, crashes, started, warm_mb = 0, 0, time.process_time(), 0.0
    process = psutil.Process()
    while fed < inputs and time.monotonic() < deadline:
        batch = target.inputs()
        try:
            with limited(INPUT_S + 0.1 * len(batch)):
                target.feed(batch)
        except Exception:
            for culprit, error in culprits(target, batch) or [(batch, traceback.format_exc())]:
                crashes += 1
                _keep(target.name, culprit, error, keep)
            target.forget()
        fed += len(batch)
        if not warm_mb and fed >= warm:
            warm_mb = process.memory_info().rss / 1e6
    return {
        "inputs": fed, "crashes": crashes, "cpu_s": time.process_time() - started,
        "rss_mb": process.memory_info().rss / 1e6, "grown_mb": process.memory_info().rss / 1e6 - warm_mb,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, "seen": dict(target.seen.most_common()),
    }  # fmt: skip


def _keep(name: str, culprit: Any, error: str, folder: Path | None) -> None:
    click.echo(f"{name}: {error}\n{culprit!r:.400}", err=True)
    if folder is not None and isinstance(culprit, bytes):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / hashlib.sha256(culprit).hexdigest()[:12]).write_bytes(culprit)


@click.command()
@click.option("--inputs", default=1_000_000, show_default=True, help="For each target.")
@click.option("--minutes", default=float("inf"), help="Stop a target after that long.")
@click.option("--seed", default=1, show_default=True)
@click.option("--target", "only", type=click.Choice([*TARGETS, "all"]), default="all", show_default=True)
def main(inputs: int, minutes: float, seed: int, only: str) -> None:
    """Fuzz; exits 1 after a crash, a hang, or memory that grew."""
    warnings.simplefilter("error")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in TARGETS:
            if only in (name, "all"):
                made = target_of(name, Random(seed), Path(folder))
                found = fuzz(made, inputs, warm=inputs // 10, deadline=time.monotonic() + 60 * minutes)
                bad += found["crashes"] + (found["grown_mb"] > GROWTH_MB)
                click.echo(f"{name}: {found['seen']}")
                click.echo(
                    f"{name}: {found['inputs']} inputs, {found['crashes']} crashes or hangs, {found['cpu_s']:.0f} s of "
                    f"CPU, {found['peak_mb']:.0f} MB at most, {found['grown_mb']:.0f} MB more than after a tenth"
                )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
