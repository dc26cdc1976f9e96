"""`tocsin postmortem`: a page about an incident that production code made, looked at by a real browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aftermath import HOSTILE, Aftermath
from click.testing import CliRunner, Result
from sqlalchemy import text

from monitor import cli
from monitor.errors import UsageError
from monitor.postmortem import chart
from monitor.postmortem.page import page
from monitor.postmortem.queries import QUERIES, Answer, answer

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def postmortem(made: Aftermath, folder: Path, *arguments: str) -> Result:
    url = made.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    path = folder / "alerts.yaml"
    rules = "rules: [{name: e, signal: error, above: 2x}]\nreceivers: {default: {slack: {url: 'https://s.example'}}}"
    path.write_text(f'store: {{url: "{url}"}}\n{rules}')
    return CliRunner().invoke(cli.cli, ["postmortem", *arguments, "-c", str(path)])


@pytest.fixture(scope="module")
def report(made: Aftermath, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the incident, whose summary is as hostile as its error texts."""
    folder = tmp_path_factory.mktemp("report")
    with made.engine.begin() as conn:
        conn.execute(
            text("UPDATE tocsin_ledger.incident SET summary = summary || :hostile"), {"hostile": HOSTILE}
        )
    found = folder / "report.html"
    result = postmortem(made, folder, made.incident, "-o", str(found))
    assert result.exit_code == 0, result.exception
    return found


class Read(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_says_what_happened_in_words(made, report) -> None:
    said = " ".join(Read(report.read_text()).text.split())
    assert re.search(r"It began [\d :-]+ and was detected \d+ s later by rule errors on chat\.", said)
    assert "Version v42 first appeared" in said
    assert re.search(r"desk heard of it [\d.]+ (s|min) after it began; it was taken", said)
    assert re.search(
        r"Switch chat tripped [\d :-]+ \(disable\) by rule errors, confirmed [\d.]+ m?s later\.", said
    )
    assert re.search(
        r"\d+ requests of 25 users came while it lasted; 54\d of them failed\. They cost \$1\.\d+\.", said
    )


def test_it_has_every_question_with_its_query(report) -> None:
    said = Read(report.read_text()).text
    for query in QUERIES:
        assert query.question in said
        assert query.sql in said


def test_hostile_names_are_text_and_nothing_in_it_can_run_or_be_fetched(report) -> None:
    written = report.read_text()
    read = Read(written)
    assert HOSTILE in read.text
    assert not {"script", "iframe", "object", "embed", "link", "img", "b", "base", "form"} & {
        t for t, _ in read.tags
    }
    for _, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "action")]
    assert not re.findall(r"url\(|@import", written)


def test_the_chart_marks_onset_detection_version_and_kill(report) -> None:
    drawn = report.read_text().partition("<svg")[2].partition("</svg>")[0]
    for label in (
        "onset",
        "detected",
        "version v42",
        "tripped chat",
        "released chat",
        "resolved",
        "limit",
        "reference",
    ):
        assert f">{label}<" in drawn


def test_a_version_cannot_end_the_chart(made) -> None:
    with made.engine.begin() as conn:
        (query,) = (q for q in QUERIES if q.name == "signal")
        signal = answer(conn, query, made.incident)
    drawn = chart.svg(chart.described(signal, HOSTILE, True, [(signal.rows[3].minute, HOSTILE)]))
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


def test_without_the_extra_it_says_what_to_install(made, monkeypatch) -> None:
    monkeypatch.setattr(chart, "find_spec", lambda name: None)
    with made.engine.begin() as conn:
        answers: dict[str, Answer] = {q.name: answer(conn, q, made.incident) for q in QUERIES}
    written = page(made.incident, answers)
    assert "<svg" not in written
    assert "A chart needs the extra: pip install 'tocsin[plot]'." in Read(written).text


def test_an_incident_or_a_folder_that_is_not_there_is_one_sentence(made, tmp_path) -> None:
    result = postmortem(made, tmp_path, "nosuch", "-o", str(tmp_path / "r.html"))
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "there is no incident nosuch: `tocsin incidents` lists them"
    result = postmortem(made, tmp_path, made.incident, "-o", str(tmp_path / "no" / "r.html"))
    assert str(result.exception) == f"-o {tmp_path}/no/r.html: there is no directory {tmp_path}/no"


def seen_by_a_browser(page: Path, folder: Path) -> tuple[str, list[str], list[str]]:
    """The page's elements once it is loaded, what its console said, and the addresses that it asked for."""
    log = folder / "net.json"
    done = subprocess.run(
        [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--no-first-run",
            f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    # What the browser asks for by itself has no origin.
    asked = {
        e["url"] for e in events if "url" in e and e.get("initiator", "not an origin") != "not an origin"
    }
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line], sorted(asked)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: install it as `chromium`")
def test_a_browser_shows_it_without_a_console_error_or_a_request_elsewhere(report, tmp_path) -> None:
    shown, console, asked = seen_by_a_browser(report, tmp_path)
    assert "<svg" in shown
    assert (console, asked) == ([], [])


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: install it as `chromium`")
def test_a_browser_would_have_told_of_both(tmp_path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<img src='http://127.0.0.1:9/x'><script>console.error('oh')</script>")
    _, console, asked = seen_by_a_browser(page, tmp_path)
    assert asked == ["http://127.0.0.1:9/x"]
    assert console
