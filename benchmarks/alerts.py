"""Receivers that misbehave, then the time from a kill's commit to its webhook: `make bench-alerts`."""

import json
import statistics
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path

from benchmarks import misbehaving
from benchmarks.parties import served
from monitor.config.loading import load
from monitor.killswitch import switches
from monitor.ledger.announcements import open_internal
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.local.postgres import local_postgres
from monitor.notify.worker import Notifier

KILLS = 200
HANGING = 50
EACH = 4
LOST_S = 20
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Party:
    """Takes kills at once and lets everything else hang; notes when what came."""

    def __init__(self):
        self.kills, self.hanging, self.most_hanging = [], 0, 0
        self.news, self.end = threading.Condition(), threading.Event()

    def running(self):
        party = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                at = time.monotonic()
                body = self.rfile.read(int(self.headers["content-length"]))
                party.take(self.path, body, at)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        return served(Handler, self.end)

    def take(self, path, body, at):
        with self.news:
            if path == "/kill":
                self.kills.append((json.loads(body)["data"]["sequence"], at))
            elif path == "/hang":
                self.hanging += 1
                self.most_hanging = max(self.most_hanging, self.hanging)
            self.news.notify_all()
        if path == "/hang":
            self.end.wait(60)
            with self.news:
                self.hanging -= 1

    def arrival(self, sequence):
        """When the state of that number came, None where it did not."""
        with self.news:
            self.news.wait_for(lambda: any(s == sequence for s, _ in self.kills), LOST_S)
            return next((at for s, at in self.kills if s == sequence), None)


def alerts(folder, url, store):
    names = [f"h{i}" for i in range(-(-HANGING // EACH))]
    hanging = "\n".join(f"  {n}: {{webhook: {{url: '{url}/hang', secret: {SECRET}}}}}" for n in names)
    path = Path(folder) / "alerts.yaml"
    path.write_text(
        f"name: bench\nsource: {{bootstrap_servers: 'localhost:9092', topic: predictions}}\n"
        f"store: {{url: '{store}'}}\ndefaults: {{notify: [good]}}\n"
        f"rules: [{{name: errors, signal: error, above: 10%}}]\n"
        f"receivers:\n  good: {{webhook: {{url: '{url}/good', secret: {SECRET}}}}}\n{hanging}\n"
        f"kill_switches: {{chat: {{webhook: {{url: '{url}/kill', secret: {SECRET}}}}}}}\n"
    )
    return load(path, environ={}), tuple(names)


def measured(engine, config, party, notifier):
    """Milliseconds from commit to webhook of alternate trips and releases; None where one was lost."""
    took, chat = [], config.kill_switches["chat"]
    for i in range(KILLS):
        with engine.begin() as conn:
            if i % 2:
                outcome = switches.release(conn, chat, reason="bench", actor="bench")
            else:
                outcome = switches.trip(conn, chat, stream="", reason="bench", actor="bench")
        committed = time.monotonic()
        notifier.wake()
        arrived = party.arrival(outcome.sequence)
        took.append(None if arrived is None else arrived - committed)
    return took


def main():
    party = Party()
    with tempfile.TemporaryDirectory() as folder, local_postgres() as server, party.running() as url:
        misbehaving.measured(server.create_database("bench_misbehaving"), folder)
        store = server.create_database("bench_alerts")
        upgrade(store)
        engine = connect(store, pool_size=20)
        config, names = alerts(folder, url, store)
        with engine.begin() as conn:
            for i in range(EACH):
                about = {"rule": "tocsin.bench", "key": str(i), "summary": "hangs", "detail": "", "at_ms": 0}
                open_internal(conn, config, **about, receivers=names)
        notifier = Notifier(engine, config, most_each=EACH)
        notifier.start()
        with party.news:
            party.news.wait_for(lambda: party.hanging >= HANGING, 30)
        took = measured(engine, config, party, notifier)
        party.end.set()
        notifier.stop(5)
        engine.dispose()
    report(took, party)


def report(took, party):
    good = sorted(t for t in took if t is not None)
    lost, sequences = len(took) - len(good), [s for s, _ in party.kills]
    disorder = sum(b < a for a, b in pairwise(sequences))
    print(f"{party.most_hanging} other requests hung at once; {len(sequences)} webhooks for {KILLS} changes")
    median, p99 = statistics.median(good), good[-(-99 * len(good) // 100) - 1]
    print(
        f"alerts: kill webhook median {median:.2g} s p99 {p99:.2g} s "
        f"with {HANGING} hanging, {lost} lost, {disorder} out of order"
    )


if __name__ == "__main__":
    main()
