"""An automatic release of one model's state, from the trip to the release, on a real ledger."""

from pathlib import Path

from bench_of_checkpoints import RULES, Ledger, drained, errors, prepared, settings_of
from judging import HEAD
from sqlalchemy import Engine, text

AUTO = "    per: [model]\n    release: auto after 10m\n    probe: 5% for 1m\n"


def aged(ledger: Ledger, minutes: int) -> None:
    """As if the switch had changed so much earlier."""
    with ledger.engine.begin() as conn:
        earlier = text("UPDATE tocsin_ledger.kill_switch SET since = since - make_interval(mins => :minutes)")
        conn.execute(earlier, {"minutes": minutes})


def test_a_probe_whose_records_are_good_releases_the_model(engine: Engine, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, RULES, HEAD.replace("    release: manual\n", AUTO))
    ledger = prepared(engine, settings, age_s=640)
    ledger.store_errors(0, [(100, 1)] * 60)
    ledger.store_errors(60, [(200, 200)] * 3, slots=True)
    judge = ledger.session()
    drained(judge)
    aged(ledger, 11)
    drained(judge)
    assert ledger.rows("SELECT switch, stream, state, share FROM tocsin.kill_switches") == [
        ("chat", "chat-eu", "probing", 0.05)
    ]
    aged(ledger, 2)
    soon_ms = ledger.start_ms + 650_000
    good = errors(soon_ms, [(200, 0)], slots=True)
    ledger.store(good, soon_ms + 10_000, 200, clock_ms=soon_ms + 12_000)
    drained(judge)
    drained(judge)
    assert ledger.rows("SELECT action, stream, actor FROM tocsin.kill_events ORDER BY sequence") == [
        ("tripped", "chat-eu", "rule errors"),
        ("probing", "chat-eu", "tocsin"),
        ("released", "chat-eu", "tocsin"),
    ]
