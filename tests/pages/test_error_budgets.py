"""What is left of error budgets, on the status page, on a stream's page, and by `tocsin status`."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aftermath import Aftermath
from click.testing import CliRunner
from sqlalchemy import text

from monitor import cli
from monitor.ledger.budgets import Budget, budgets
from monitor.web.board import Switchboard
from monitor.web.pages.overview import MOST_BUDGETS
from monitor.web.server import WebServer
from monitor.web.status import Status

STREAMS = MOST_BUDGETS + 3
SECTION = re.compile(r'<section aria-labelledby="h-budgets".*?</section>', re.S)
REST = "rules: [{name: errors, signal: error, above: 2x}]\nreceivers: {default: {log: {}}}\n"


@pytest.fixture(scope="module")
def client(burning: Aftermath) -> Iterator[httpx.Client]:
    board = Switchboard(burning.settings, burning.engine)
    server = WebServer(Status, host="127.0.0.1", port=0, token=None, board=board)
    server.start()
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, timeout=20) as client:
        yield client
    assert server.stop(within_s=4)


@pytest.fixture
def spent(burning: Aftermath) -> Iterator[None]:
    """Two objectives of `chat`, and one of each of many other streams, which have all of it left."""
    with burning.engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO tocsin_ledger.stream (key, labels, state) "
                "SELECT 'm' || i, '{}', 'watched' FROM generate_series(1, :n) AS i"
            ),
            {"n": STREAMS},
        )
        conn.execute(
            text(
                "INSERT INTO tocsin_ledger.slo SELECT 'up', stream_id, 0.985, 0, 0, 1 "
                "FROM tocsin_ledger.stream WHERE key LIKE 'm%'"
            )
        )
        conn.execute(
            text(
                "INSERT INTO tocsin_ledger.slo SELECT rule, stream_id, 0.999, good, 100000, budget_left "
                "FROM tocsin_ledger.stream, "
                "(VALUES ('fast', 99880, -0.2), ('up', 99958, 0.58)) AS x (rule, good, budget_left) WHERE key = 'chat'"
            )
        )
    yield
    with burning.engine.begin() as conn:
        conn.execute(text("DELETE FROM tocsin_ledger.slo"))
        conn.execute(text("DELETE FROM tocsin_ledger.stream WHERE key LIKE 'm%'"))


def rows(page: str) -> list[list[str]]:
    [section] = SECTION.findall(page)
    cells = [
        re.findall(r"<t[hd] role=\"(?:rowheader|cell)\".*?</t[hd]>", row, re.S)
        for row in section.split("<tr")
    ]
    return [[" ".join(re.sub("<[^>]+>", "", cell).split()) for cell in row] for row in cells if row]


@pytest.mark.usefixtures("spent")
def test_the_status_page_has_the_worst_first_and_counts_the_rest(client: httpx.Client) -> None:
    page = client.get("/").text
    found = rows(page)
    assert found[:3] == [
        ["fast", "chat", "99.9%", "99.88% of 100,000", "overspent by 20%"],
        ["up", "chat", "99.9%", "99.958% of 100,000", "58%"],
        ["up", "m1", "98.5%", "– of 0", "100%"],
    ]
    assert len(found) == MOST_BUDGETS
    assert f"{STREAMS + 2 - MOST_BUDGETS} more have as much left or more." in page
    assert re.findall(r'<rect class="left" width="([\d.]+)"', page)[:3] == ["0.0", "58.0", "100.0"]


@pytest.mark.usefixtures("spent")
def test_the_page_of_a_stream_has_its_own(client: httpx.Client) -> None:
    assert rows(client.get("/streams/chat").text) == [
        ["fast", "99.9%", "99.88% of 100,000", "overspent by 20%"],
        ["up", "99.9%", "99.958% of 100,000", "58%"],
    ]


def test_without_objectives_there_is_no_such_section(client: httpx.Client) -> None:
    for path in ("/", "/streams/chat"):
        assert SECTION.findall(client.get(path).text) == []


def status(burning: Aftermath, folder: Path) -> str:
    url = burning.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    path = folder / "alerts.yaml"
    path.write_text(f'store: {{url: "{url}"}}\n{REST}')
    return CliRunner().invoke(cli.cli, ["status", "-c", str(path)], catch_exceptions=False).output


@pytest.mark.usefixtures("spent")
def test_the_command_has_them_too(burning: Aftermath, tmp_path: Path) -> None:
    lines = status(burning, tmp_path).splitlines()
    assert "Error budgets" in [line.strip() for line in lines]
    [row] = [line for line in lines if "overspent" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        "fast", "chat", "99.9%", "99.88%", "overspent by 20%",
    ]  # fmt: skip
    with burning.engine.begin() as conn:
        conn.execute(text("DELETE FROM tocsin_ledger.slo"))
        assert budgets(conn, 5).worst == []
    assert "Error budgets" not in status(burning, tmp_path)


@pytest.mark.parametrize(
    ("left", "said", "filled"), [(1.0, "100%", 1.0), (0.0, "0%", 0.0), (-1.5, "overspent by 150%", 0.0)]
)
def test_what_is_left_is_said_and_fills_a_bar(left: float, said: str, filled: float) -> None:
    budget = Budget("up", "chat", 0.99995, 999_999, 1_000_000, left)
    assert (budget.aim, budget.share, str(budget), budget.filled) == ("99.995%", "99.9999%", said, filled)
