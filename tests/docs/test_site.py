"""The site is built without a network and without a warning, and holds nothing of other hosts."""

import re
import subprocess
import sys

import pytest
from doc_pages import ROOT
from sqlalchemy import create_engine

sys.path.insert(0, str(ROOT / "docs" / "reference"))
import build


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        ROOT / "mkdocs.yml",
        "-d",
        folder,
    ]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return folder


def test_it_fetches_nothing_when_it_is_opened(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text()
        fetched = re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?(https?:[^\"' >]+)", text)
        links = re.findall(r"<link[^>]+rel=[\"']?(?:stylesheet|preconnect|icon)[^>]*>", text)
        fetched += [link for link in links if "http" in link]
        assert fetched == [], page


def test_every_page_can_be_reached(site):
    front = (site / "index.html").read_text()
    written = {page.relative_to(site).as_posix() for page in site.rglob("*.html")} - {
        "404.html",
        "index.html",
    }
    assert {
        page for page in written if f'href="{page}"' not in front and f"href={page}" not in front
    } == set()


def test_links_within_the_site_are_links_and_others_are_names(site):
    record = (site / "reference" / "record.html").read_text()
    assert re.search(r'href="?\.\./signals\.html#signals-of-your-own"?>a signal of your own</a>', record)
    formats = (site / "formats.html").read_text()
    assert "Each preset is a file in the language below" in formats


def test_every_command_is_described_with_its_options(site):
    from monitor.cli.registry import COMMANDS

    text = (site / "reference" / "commands.html").read_text()
    for command in COMMANDS:
        assert f'id="tocsin-{command.name}"' in text
    assert "--fail-on" in text
    assert "Sentinel" not in text


@pytest.mark.parametrize("name", build.PAGES)
def test_a_page_that_is_made_of_code_is_what_the_code_says_now(name):
    assert (ROOT / "docs/reference" / name).read_text() == build.PAGES[name](), "make docs writes it anew"


def test_the_page_of_views_is_made_of_a_migrated_ledger(ledger_url):
    engine = create_engine(ledger_url)
    assert (ROOT / "docs/reference/views.md").read_text() == build.views(engine), "make docs writes it anew"
    engine.dispose()
