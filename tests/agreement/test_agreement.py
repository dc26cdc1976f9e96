"""Replays in parts, judges on a ledger and backtests come to one verdict; where they do not, it is told."""

import os
import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import agreement
import pytest
from click.testing import CliRunner, Result
from random_rules import KINDS, random_rules
from sqlalchemy import Connection, Engine

from monitor.cli.lines import Lines
from monitor.cli.replayer import Replay
from monitor.judge import store
from monitor.judge.memory import Memory
from monitor.records.delta import Delta

# Seeds of the day: what one run misses another may find, and the seed is in the report.
SEED = 100 * (1 if os.environ.get("CI") else int(time.time() // 86_400))
SMALL = (300, 600)
BUSY = 26
"""The seed of a case in which each of the faults below makes a difference."""
small_case = partial(agreement.case_of, sizes=SMALL)


def told(seed: int, folder: Path, engine: Engine | None = None) -> list[str]:
    _, found = agreement.disagreements(small_case(seed, folder), engine, parts=engine is None)
    return [one.line for one in found]


def ran(monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(agreement, "case_of", small_case)
    return CliRunner().invoke(agreement.main, ["--cases", "1", "--seed", str(BUSY), "--way", "replay"])


@pytest.mark.parametrize("seed", range(SEED, SEED + 8))
def test_a_log_in_parts_is_judged_as_a_whole(seed: int, tmp_path: Path) -> None:
    assert told(seed, tmp_path) == []


@pytest.mark.parametrize("seed", range(SEED + 8, SEED + 10))
def test_judges_of_a_ledger_come_to_the_same(seed: int, tmp_path: Path, engine: Engine) -> None:
    assert told(seed, tmp_path, engine) == []


@pytest.mark.parametrize("kind", KINDS)
def test_rules_of_every_kind_are_written(kind: str, tmp_path: Path) -> None:
    rules = random_rules(Random(SEED), tmp_path, without=[other for other in KINDS if other != kind])
    assert len({rule.name for rule in rules.config.rules}) == len(rules.kinds)


def test_where_all_agree_the_last_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed = ran(monkeypatch)
    assert re.fullmatch(r"agreement: 1 cases, [1-9]\d* moves, \d+ kills, 0 disagreements\n", agreed.output)
    assert agreed.exit_code == 0


def test_a_part_that_loses_its_last_line_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Replay.feed

    def forgetful(self: Replay, lines: Lines) -> None:
        if len(lines.values) > 1:
            feed(self, Lines(lines.numbers[:-1], lines.ts_ms[:-1], lines.values[:-1]))

    monkeypatch.setattr(Replay, "feed", forgetful)
    broken = ran(monkeypatch)
    line, last = broken.output.splitlines()
    assert line.startswith(f"seed {BUSY}: replay and parts differ in ")
    assert f"; {agreement.alone(BUSY)}; only replay: Move(detected_ms=" in line
    assert last.endswith(" kills, 1 disagreements")
    assert broken.exit_code == 1


def test_a_judge_that_forgets_open_panes_when_another_goes_on_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: Engine
) -> None:
    load = store.load

    def forgetful(conn: Connection) -> Memory | None:
        memory = load(conn)
        return None if memory is None else replace(memory, open=Delta())

    monkeypatch.setattr(store, "load", forgetful)
    (differs, *_) = told(BUSY, tmp_path, engine)
    assert differs.startswith(f"seed {BUSY}: replay and run differ in ")
