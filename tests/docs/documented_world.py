"""What the pages speak of: an alerts.yaml, files, and a ledger with an incident that the judge opened."""

import gzip
import json
import shutil
import sys
from datetime import timedelta

from doc_pages import ROOT, blocks
from sqlalchemy import text

from monitor.cli.chores import note_config
from monitor.ledger import partitions, tables
from monitor.ledger.engine import connect
from monitor.ledger.moments import millis
from monitor.local.receiver import KILL, PAGERDUTY, SLACK
from monitor.records.signals import BY_NAME

sys.path += [str(ROOT / "tests" / folder) for folder in ("cli", "judge")]

from bench_of_checkpoints import TOPIC, Ledger, drained
from stored import PANE, T0, Stored

INCIDENT = "k3v9q2m7ab"
SAMPLES = ("k3v9q2m7abcd", "x7w2m4n5p6qr")
REFERENCE = 77
ALERTS = (ROOT / "alerts.yaml").read_text().replace('"${PD_KEY}"', '"${PD_KEY}", url: "${PD_URL}"')
assert "PD_URL" in ALERTS, "the tests would page the real PagerDuty"
CALM, FAILING = [(100, 1)] * 60, [(100, 30)] * 60
WEEK = timedelta(days=7)


def environment(url, receiver):
    """The variables of alerts.yaml; whom it tells is on this machine."""
    return {
        "DATABASE_URL": url,
        "SLACK_URL": receiver.url(SLACK),
        "PD_KEY": "0123456789abcdef0123456789abcdef",
        "PD_URL": receiver.url(PAGERDUTY),
        "KILL_URL": receiver.url(KILL),
        "KILL_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }


def log(calm, failing=0):
    """Records at 2 a second: of the first ones 1% fail, of the last ones half."""
    for i in range(calm + failing):
        fails = i % (100 if i < calm else 2) == 0
        record = {
            "model": "chat-eu",
            "version": "v42",
            "ts": millis(T0) + 500 * i,
            "status": "error" if fails else "ok",
            "latency_ms": 400 + i % 97,
            "output_tokens": 100 + i % 40,
        }
        yield json.dumps(record) + "\n"


def write_files(folder):
    """What the pages name by its file."""
    failing = "".join(log(calm=3_000, failing=1_200))
    for name in ("log.jsonl", "predictions.jsonl"):
        (folder / name).write_text(failing)
    (folder / "predictions.jsonl.gz").write_bytes(gzip.compress(failing.encode()))
    (folder / "eval.jsonl").write_text("".join(log(calm=500)))
    shutil.copy(ROOT / "docs" / "examples" / "credit.jsonl.gz", folder)
    (folder / "alerts.yaml").write_text(ALERTS)
    (rule_tests,) = blocks(ROOT / "docs" / "testing-rules.md", "yaml")
    (folder / "alerts.test.yaml").write_text(rule_tests)


def fill(url, settings):
    """A week that is kept by the hour; then, around `T0`, ten minutes of calm and ten of failure, judged."""
    engine = connect(url)
    tables.ensure_partitions(engine)
    note_config(engine, settings, "judge-1")
    stored = Stored(engine)
    _week(engine, stored)
    stored.reference(REFERENCE, "error", {0: 9_900, 1: 100}, origin="promoted", block_s=10)
    ledger = Ledger(engine, settings, millis(T0 - len(CALM) * PANE))
    ledger.store_errors(0, CALM)
    ledger.store_errors(len(CALM), FAILING)
    drained(ledger.session())
    _renamed(engine)
    _samples(stored)
    engine.dispose()


def _week(engine, stored):
    first = T0.replace(hour=0, minute=0, second=0) - WEEK
    span_ms = tables.PANE_1H.span_ms
    partitions.ensure(engine, tables.PANE_1H, {millis(at) // span_ms for at in (first, T0)})
    counted = {"stream_id": 1, "signal": BY_NAME["error"].code, "slice_id": 0, "step_s": 3_600, "n": 3_600}
    for hour in range(WEEK // timedelta(hours=1)):
        at = first + timedelta(hours=hour)
        stored.add("pane", pane_start=at, evidence_start=at, buckets=[0, 1], counts=[3_564, 36], **counted)


def _renamed(engine):
    """An incident's id is a hash, the pages' is made up."""
    with engine.begin() as conn:
        for table in ("incident", "timeline"):
            conn.execute(text(f"UPDATE tocsin_ledger.{table} SET incident_id = :id"), {"id": INCIDENT})


def _samples(stored):
    for offset, sample_id in enumerate(SAMPLES):
        stored.add(
            "sample", topic_id=TOPIC, topic="predictions", partition=0, kafka_offset=offset, why="share", stream_id=1,
            at=T0, version="v42", sample_id=sample_id, record='{"model": "chat-eu"}', signals='{"latency_ms": 812}',
        )  # fmt: skip
