"""Pages while Postgres does not answer: they say so, and the probes and flags do not wait for them."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from aftermath import Aftermath
from sqlalchemy import Engine, text

from monitor.errors import LedgerUnavailable
from monitor.ledger.engine import connect
from monitor.web.board import Switchboard
from monitor.web.pages.reading import AT_ONCE, Reading
from monitor.web.server import WebServer
from monitor.web.status import Status

WHY = "no broker answers at kafka:9092"
KNOWN = Status(ready={"kafka": WHY}, watermark_age_s=61.0, leader=True)


@contextmanager
def serving(
    burning: Aftermath, engine: Engine, status: Callable[[], Status] = lambda: KNOWN
) -> Iterator[httpx.Client]:
    board = Switchboard(burning.settings, engine)
    server = WebServer(status, host="127.0.0.1", port=0, token=None, board=board)
    server.start()
    try:
        with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, timeout=30) as client:
            yield client
    finally:
        assert server.stop(within_s=8)


@pytest.mark.parametrize("path", ["/", "/streams", "/streams/chat", "/incidents", "/incidents/x", "/review"])
def test_without_postgres_a_page_says_so_and_what_is_known(burning: Aftermath, path: str) -> None:
    gone = connect("postgresql://u@127.0.0.1:1/d")
    with serving(burning, gone) as client:
        answer = client.get(path)
    gone.dispose()
    assert answer.status_code == 503
    assert "<h1>The ledger cannot be read</h1>" in answer.text
    assert "Postgres at 127.0.0.1:1/d cannot be used" in answer.text
    assert WHY in answer.text
    assert "61 s old" in answer.text


def test_what_is_known_is_shown_though_the_status_waits_a_second_for_the_ledger(burning: Aftermath) -> None:
    def slow() -> Status:
        time.sleep(1.1)
        return Status(ready={"kafka": WHY})

    gone = connect("postgresql://u@127.0.0.1:1/d")
    with serving(burning, gone, slow) as client:
        assert WHY in client.get("/").text
    gone.dispose()


def test_what_is_not_known_is_not_called_ready(burning: Aftermath) -> None:
    gone = connect("postgresql://u@127.0.0.1:1/d")
    with serving(burning, gone, Status) as client:
        page = client.get("/").text
    gone.dispose()
    assert re.search(r"<dt>Ready</dt><dd>\s*not known\s*</dd>", page)


def test_probes_answer_while_many_pages_wait_for_a_lock(burning: Aftermath) -> None:
    with serving(burning, burning.engine) as client, ThreadPoolExecutor(20) as people:
        with burning.engine.begin() as holder:
            holder.execute(text("LOCK TABLE tocsin_ledger.incident IN ACCESS EXCLUSIVE MODE"))
            pages = [
                people.submit(httpx.get, client.base_url.join("/streams/chat"), timeout=30) for _ in range(20)
            ]
            time.sleep(0.2)
            asked = time.monotonic()
            answers = [client.get("/healthz"), client.post("/ofrep/v1/evaluate/flags/chat.enabled")]
            took = time.monotonic() - asked
            assert not any(page.done() for page in pages)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert took < 1.5
        assert {page.result().status_code for page in pages} <= {200, 503}


def test_at_most_three_ask_at_once_and_nobody_waits_for_ever(burning: Aftermath) -> None:
    reading = Reading(burning.engine, within_s=0.5)

    async def many() -> list[object]:
        slow = [reading.read(lambda conn: conn.execute(text("SELECT pg_sleep(1.5)"))) for _ in range(9)]
        return await asyncio.gather(*slow, return_exceptions=True)

    found = asyncio.run(many())
    assert all(isinstance(each, LedgerUnavailable) for each in found)
    asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    assert burning.read(asked) == [(AT_ONCE,)]


def test_pages_only_read(burning: Aftermath) -> None:
    write = text("DELETE FROM tocsin_ledger.timeline")
    with pytest.raises(LedgerUnavailable, match="read-only"):
        asyncio.run(Reading(burning.engine).read(lambda conn: conn.execute(write)))
