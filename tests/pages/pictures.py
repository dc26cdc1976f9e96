"""The pictures of the docs' pages: `make pictures`. A bad night, made of records by production code."""

import json
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from playwright.sync_api import Page, sync_playwright

sys.path.append(str(Path(__file__).parents[1] / "postmortem"))

from aftermath import Aftermath
from conftest import QUIET

from monitor.judge import silencing
from monitor.ledger import attaching
from monitor.ledger.announcements import acknowledge
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.local.postgres import local_postgres
from monitor.notify.worker import Notifier
from monitor.web.board import Switchboard
from monitor.web.server import WebServer
from monitor.web.status import Status

DOCS = Path(__file__).parents[2] / "docs"
ALERTS = """
name: prod
source: {bootstrap_servers: "kafka:9092", topic: predictions}
store: {url: "postgresql://u:p@h/d"}
reference: {learn: 2000, at_least: 0s}
false_alarms: 1 per 7d
defaults: {notify: [desk, oncall]}
samples: {text: true}
rules:
  - {name: errors, signal: error, match: {model: "*"}, above: {warning: 3x, critical: 20%}, kill: models}
  - {name: language, signal: output_language, drift: both}
  - {name: slow, signal: latency_ms, quantile: p99, above: 1.5x}
  - {name: truncated, signal: truncated, above: 3x}
receivers:
  desk: {webhook: {url: "URL/desk", secret: KEY}}
  oncall: {webhook: {url: "URL/busy", secret: KEY}}
kill_switches:
  models: {webhook: {url: "URL/kill", secret: KEY}, per: [model], mode: degrade, to: rules-v3, guard: {fresh: 10m}}
  checkout: {webhook: {url: "URL/kill", secret: KEY}, mode: disable}
"""
ALERTS = ALERTS.replace("{", "{{").replace("}", "}}").replace("URL", "{url}").replace("KEY", "{SECRET}")
NIGHT_S = 3 * 3_600
GERMAN_S, FAILING_S, CUT_S = 24 * 60, 110, (100 * 60, 75 * 60)
"""How long before the end chat-eu begins to answer German, rerank to fail, and chat-us was cut off."""
MODELS = ("chat-eu", "chat-us", "search", "rerank", "vision")
VISION_S = 20 * 60


@dataclass
class Night(Aftermath):
    """Three hours of five models: one drifted and is back, one answers German since v42, one fails and is killed."""

    alerts: str = ALERTS

    def _answer(self, path: str) -> int:
        return 503 if path == "/busy" else 204

    def _play(self) -> None:
        judge, draw = self._begin(), random.Random(1)
        end_ms = time.time_ns() // 1_000_000 // 10_000 * 10_000
        start_ms = end_ms - 1000 * NIGHT_S
        steps = [*range(0, NIGHT_S - 600, 600), *range(NIGHT_S - 600, NIGHT_S, 10)]
        for since, until in zip(steps, [*steps[1:], NIGHT_S], strict=True):
            self.clock_ms = start_ms + 1000 * until
            self._judged(judge, _records(start_ms, since, until, draw))
        self._take_care()
        notifier = Notifier(self.engine, self.settings)
        notifier.start()
        time.sleep(6)
        notifier.stop()
        attaching.look_after(self.engine)

    def _take_care(self) -> None:
        with self.engine.begin() as conn:
            german = "SELECT incident_id FROM tocsin.incidents WHERE rule = 'language' LIMIT 1"
            acknowledge(conn, conn.exec_driver_sql(german).scalar_one(), "ben")
            why, match = "load test until two", {"model": ("vision",)}
            silencing.begin(conn, match, for_ms=7_200_000, author="ann", reason=why)


def _records(start_ms: int, since: int, until: int, draw: random.Random) -> Iterator[tuple[int, bytes]]:
    for second in range(since, until):
        for model in MODELS:
            if model != "vision" or second >= NIGHT_S - VISION_S:
                at_ms = start_ms + 1000 * second + draw.randrange(1000)
                yield at_ms, json.dumps(_record(model, at_ms, NIGHT_S - second, draw)).encode()


def _record(model: str, at_ms: int, left_s: int, draw: random.Random) -> dict[str, Any]:
    """`left_s` before the end of the night."""
    german = model == "chat-eu" and left_s <= GERMAN_S and draw.random() < 0.5
    failing = draw.random() < (0.93 if model == "rerank" and left_s <= FAILING_S else 0.006)
    cut = draw.random() < (0.3 if model == "chat-us" and CUT_S[1] < left_s <= CUT_S[0] else 0.02)
    record = {
        "model": model, "version": "v42" if german else "v41", "id": secrets.token_hex(4), "ts": at_ms,
        "status": "timeout" if failing else "ok", "output_language": "de" if german and draw.random() < 0.6 else "en",
        "latency_ms": round(draw.lognormvariate(6.6, 0.45)), "finish_reason": "length" if cut else "stop",
        "user": f"u{draw.randrange(400)}", "output_tokens": round(draw.lognormvariate(5, 0.5)),
    }  # fmt: skip
    is_german = record["output_language"] == "de"
    answer = (
        "Die Rechnung kommt am Monatsende." if is_german else "The invoice comes at the end of the month."
    )
    texts = {"input": "When does the invoice come?", "output": answer}
    return record | ({"error_type": "UpstreamTimeout"} if failing else texts)


def _looked(page: Page, path: str) -> None:
    page.goto(path)
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    page.evaluate("scrollTo(0, 0)")


def _take(url: str, token: str, made: Aftermath, into: Path) -> None:
    german = made.read(
        "SELECT incident_id FROM tocsin.incidents WHERE rule = 'language' ORDER BY onset_at LIMIT 1"
    )
    desk = {"viewport": {"width": 1180, "height": 1120}}
    phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "color_scheme": "dark"}
    of_german = f"/review?incident={german[0][0]}"
    low = {"viewport": {"width": 1180, "height": 1000}}
    shots = (
        ("status", "/", desk), ("incident", f"/incidents/{german[0][0]}", desk), ("phone", "/", phone),
        ("review", of_german, low),
    )  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        for name, path, settings in shots:
            page = browser.new_page(base_url=url, **settings)
            page.goto("/login")
            page.get_by_label("Your name, if you like").fill("ann")
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/")
            _looked(page, path)
            page.screenshot(path=into / f"{name}.png")
        browser.close()


@click.command()
@click.option("--into", default=DOCS, type=click.Path(path_type=Path), show_default=True)
@click.option("--stay", is_flag=True, help="Keep serving until Enter.")
def main(into: Path, stay: bool) -> None:
    """Make the pictures."""
    token = secrets.token_urlsafe()
    with local_postgres(settings={"fsync": "off"}) as postgres, tempfile.TemporaryDirectory() as folder:
        upgrade(url := postgres.create_database("night"))
        engine = connect(url)
        made = Night(engine, Path(folder))
        status = Status(
            alive={"daemon": None}, ready={"kafka": None, "postgres": None}, lag={("predictions", 0): 12},
            watermark_age_s=3.9, leader=True, outbox_oldest_s=8.0, config_good=True,
        )  # fmt: skip
        server = WebServer(
            lambda: status, host="127.0.0.1", port=0, token=token, board=Switchboard(made.settings, engine)
        )
        server.start()
        _take(server.url, token, made, into)
        if stay:
            click.pause(f"{server.url} with the token {token}")
        server.stop(2)
        engine.dispose()


if __name__ == "__main__":
    main()
