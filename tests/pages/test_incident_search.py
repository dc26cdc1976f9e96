"""`/incidents`: filters in the address, pages without gaps, and one sentence where nothing is left."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest
from aftermath import HOSTILE, Aftermath
from markupsafe import escape
from sqlalchemy import text

from monitor.web.board import Switchboard
from monitor.web.pages.search import MOST_SHOWN
from monitor.web.server import WebServer
from monitor.web.status import Status

MANY = 2 * MOST_SHOWN + 7
# Three of a time each, as one tick opens them.
INSERT = text("""
    INSERT INTO tocsin_ledger.incident (incident_id, rule, stream, labels, severity, state, onset_at, detected_at,
        opened_at, resolved_at, guaranteed, outcome, summary, config_hash, facts)
    SELECT 'i' || lpad(i::text, 3, '0'), 'slow', CASE WHEN i % 50 = 0 THEN 'my model' ELSE 'search' END, '{}',
           'warning',
           CASE WHEN i % 10 = 0 THEN 'expired' ELSE 'resolved' END, at, at, at, at, true,
           CASE WHEN i % 2 = 0 THEN 'false_alarm' END, :summary || i, 'c0', '{}'
    FROM generate_series(1, :many) AS i, LATERAL (SELECT now() - (1 + i / 3) * interval '1 day' AS at) AS x
""")


@pytest.fixture(scope="module")
def client(burning: Aftermath) -> Iterator[httpx.Client]:
    """Who may read, on a ledger with one incident that fires and many that are over."""
    with burning.engine.begin() as conn:
        conn.execute(INSERT, {"many": MANY, "summary": HOSTILE})
    board = Switchboard(burning.settings, burning.engine)
    server = WebServer(Status, host="127.0.0.1", port=0, token=None, board=board)
    server.start()
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, timeout=20) as client:
        yield client
    assert server.stop(within_s=4)


def ids(page: str) -> list[str]:
    return re.findall(r'class="text"><a href="/incidents/(\w+)">', page)


def said(page: str) -> str:
    found = re.search(r'<p class="sub">(.*?)</p>', page, re.S)
    assert found is not None
    return unescape(re.sub(r"<[^>]+>", "", found[1])).strip()


def test_the_newest_come_first_and_the_older_ones_follow_without_a_gap(
    client: httpx.Client, burning: Aftermath
) -> None:
    seen: list[str] = []
    path: str | None = "/incidents"
    while path:
        page = client.get(path).text
        assert len(ids(page)) <= MOST_SHOWN
        seen += ids(page)
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(onward[1]) if onward else None
    order = "SELECT incident_id FROM tocsin.incidents ORDER BY opened_at DESC, incident_id DESC"
    assert seen == [row[0] for row in burning.read(order)]
    assert len(seen) == MANY + 1
    assert "Back to the newest" in page


def test_filters_are_in_the_address_and_go_along_to_the_older_ones(client: httpx.Client) -> None:
    page = client.get("/incidents?stream=sea*&state=resolved&outcome=&since=90d").text
    assert (
        said(page)
        == "50 incidents with stream sea*, state resolved, since 90d, the newest first; there are older ones."
    )
    assert 'value="sea*"' in page
    assert '<option value="resolved" selected>' in page
    onward = re.search(r'rel="next" href="([^"]+)"', page)
    assert onward is not None
    older = client.get(unescape(onward[1])).text
    assert re.match(
        r"\d+ incidents older than i\d+ with stream sea\*, state resolved, since 90d,", said(older)
    )
    assert set(ids(older)).isdisjoint(ids(page))


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("stream=my+model", 2),
        ("rule=errors", 1),
        ("severity=critical", 1),
        ("state=firing", 1),
        ("state=expired", MANY // 10),
        ("outcome=none&since=5d", 7),
        ("since=1h", 1),
    ],
)
def test_a_filter_leaves_what_it_says(client: httpx.Client, query: str, n: int) -> None:
    assert len(ids(client.get(f"/incidents?{query}").text)) == n


def test_what_is_hostile_in_a_name_is_text(client: httpx.Client) -> None:
    page = client.get("/incidents", params={"stream": HOSTILE, "rule": HOSTILE}).text
    assert "<script>" not in page
    assert said(page) == f"No incidents with stream {HOSTILE}, rule {HOSTILE}."
    assert str(escape(HOSTILE)) in client.get("/incidents").text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("severity=loud", "Loud is no severity: choose one of the list."),
        ("since=soon", "Since soon is no time: write 24h, 7d or 2026-11-14."),
        ("before=nosuch", "There is no incident nosuch: `tocsin incidents` lists them."),
    ],
)
def test_a_mistake_is_one_sentence_and_the_form_is_there(
    client: httpx.Client, query: str, sentence: str
) -> None:
    answer = client.get(f"/incidents?{query}")
    assert answer.status_code == 400
    assert re.search(rf'role="alert"[^>]*>{re.escape(sentence)}<', answer.text)
    assert 'aria-label="Filters"' in answer.text


def test_the_other_pages_lead_there(client: httpx.Client) -> None:
    assert 'href="/incidents">Find older ones</a>' in client.get("/").text
    assert (
        'href="/incidents?stream=chat">All incidents of this stream</a>' in client.get("/streams/chat").text
    )


def test_without_incidents_it_says_so(client: httpx.Client, burning: Aftermath) -> None:
    with burning.engine.begin() as conn:
        conn.execute(text("DELETE FROM tocsin_ledger.incident"))
    assert said(client.get("/incidents").text) == "No incident was ever opened."
