"""Receivers that refuse, hang, cut the connection or lie, and one that is fine: part of `make bench-alerts`."""

import re
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from statistics import median

from sqlalchemy import select

from benchmarks.parties import served
from monitor.config.loading import load
from monitor.ledger.announcements import open_internal
from monitor.ledger.decided import delivery
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.notify.backoff import INCIDENTS
from monitor.notify.worker import Notifier

MESSAGES = 8
GOOD = 100
RETRY_AFTER_S = 2
WITHIN_S = 180
BAD_ANSWERS = {"429": 2, "500": 3, "hang": 1, "cut": 3, "lie": 3}
"""How often each message is treated badly by a receiver of that kind before it is taken."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Parties:
    """Notes when each message came; `arrivals` by (kind, number)."""

    def __init__(self):
        self.arrivals = defaultdict(list)
        self.news, self.end = threading.Condition(), threading.Event()

    def treatment(self, kind, body):
        """What this attempt gets: the kind of badness, or "" for a good answer."""
        number = int(re.search(rb"message (\d+) of", body)[1])
        with self.news:
            came = self.arrivals[kind, number]
            came.append(time.monotonic())
            self.news.notify_all()
        return kind if len(came) <= BAD_ANSWERS.get(kind, 0) else ""

    def running(self):
        parties = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                bad = parties.treatment(self.path.strip("/"), body)
                if bad == "hang":
                    parties.end.wait(60)
                if bad not in ("hang", "cut"):
                    self.answer(bad)

            def answer(self, bad):
                text = b"no_idea" if bad == "lie" else b"ok"
                self.send_response(int(bad) if bad.isdecimal() else 200)
                if bad == "429":
                    self.send_header("retry-after", str(RETRY_AFTER_S))
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        return served(Handler, self.end)


def configured(folder, url, store):
    hooks = "\n".join(
        f"  {name}: {{webhook: {{url: '{url}/{kind}', secret: {SECRET}}}}}"
        for name, kind in (
            ("r429", "429"),
            ("r500", "500"),
            ("hang", "hang"),
            ("cut", "cut"),
            ("good", "good"),
        )
    )
    path = Path(folder) / "misbehaving.yaml"
    path.write_text(
        f"name: bench\nsource: {{bootstrap_servers: 'localhost:9092', topic: predictions}}\n"
        f"store: {{url: '{store}'}}\ndefaults: {{notify: [good]}}\n"
        f"rules: [{{name: errors, signal: error, above: 10%}}]\n"
        f"receivers:\n{hooks}\n  lie: {{slack: {{url: '{url}/lie'}}}}\n"
    )
    return load(path, environ={})


def opened(engine, config, number, receivers):
    """One incident that these receivers are told of."""
    about = {"key": f"{receivers[0]} {number}", "summary": f"message {number} of {MESSAGES}", "detail": ""}
    with engine.begin() as conn:
        open_internal(conn, config, rule="tocsin.bench", at_ms=0, receivers=receivers, **about)
    return time.monotonic()


def shortest_pause_s(kind, attempt):
    """What the retry policy lets pass at least between the `attempt`-th send and the next."""
    own = min(INCIDENTS.first_s * 2 ** (attempt - 1), INCIDENTS.most_s) / 2
    return max(own, RETRY_AFTER_S) if kind == "429" else own


def measured(store, folder):
    """Print what every kind of receiver saw; returns how many deliveries were lost."""
    parties = Parties()
    upgrade(store)
    engine = connect(store, pool_size=20)
    with parties.running() as url:
        config = configured(folder, url, store)
        bad = ("r429", "r500", "hang", "cut", "lie")
        for number in range(MESSAGES):
            opened(engine, config, number, bad)
        notifier = Notifier(engine, config)
        notifier.start()
        time.sleep(1)
        took = [good_one(engine, config, parties, notifier, number) for number in range(GOOD)]
        lost = await_all(engine)
        notifier.stop(5)
    engine.dispose()
    report(parties, took, lost)
    return lost


def good_one(engine, config, parties, notifier, number):
    """Seconds from the commit of a message to the receiver that is fine, None where it never came."""
    committed = opened(engine, config, number, ("good",))
    notifier.wake()
    with parties.news:
        parties.news.wait_for(lambda: parties.arrivals["good", number], 20)
        came = parties.arrivals["good", number]
    time.sleep(0.05)
    return came[0] - committed if came else None


def await_all(engine):
    """How many deliveries have not been delivered when the time is up."""
    until = time.monotonic() + WITHIN_S
    while True:
        with engine.begin() as conn:
            open_ones = conn.execute(select(delivery.c.state).where(delivery.c.state != "delivered")).all()
        if not open_ones or time.monotonic() > until:
            return len(open_ones)
        time.sleep(0.5)


def report(parties, took, lost):
    for kind, refusals in BAD_ANSWERS.items():
        each = [times for (k, _), times in sorted(parties.arrivals.items()) if k == kind]
        gaps = [(n, b - a) for times in each for n, (a, b) in enumerate(pairwise(times), 1)]
        early = sum(gap < shortest_pause_s(kind, n) for n, gap in gaps)
        sends = ", ".join(str(n) for n in sorted({len(times) for times in each}))
        all_s = max(times[-1] for times in each) - min(times[0] for times in each)
        print(
            f"{kind}: {len(each)} messages, refused {refusals} times each: {sends} sends a message, "
            f"{early} of {len(gaps)} repeats too early, all taken within {all_s:.1f} s"
        )
    came = sorted(t for t in took if t is not None)
    p99 = came[-(-99 * len(came) // 100) - 1]
    print(
        f"good: {len(came)} of {GOOD} messages meanwhile, median {median(came):.2g} s p99 {p99:.2g} s; "
        f"{lost} deliveries lost in all"
    )
