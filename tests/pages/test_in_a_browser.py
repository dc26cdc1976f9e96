"""The pages during an incident, in a real Chromium: what is seen and done at 3 am, by mouse, by keyboard, by phone."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from aftermath import HOSTILE, Aftermath
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from monitor.killswitch.states import state
from monitor.ledger.attaching import look_after
from monitor.web.board import Switchboard
from monitor.web.server import WebServer
from monitor.web.status import Status

TOKEN = "s3cret-token-of-http"
WELL = Status(
    alive={"daemon": None}, ready={"kafka": None, "postgres": None}, lag={("predictions", 0): 7}, watermark_age_s=4.2,
    leader=True, outbox_oldest_s=0.0, config_good=True,
)  # fmt: skip
PATIENT_MS = 30_000
MISTAKEN = "the server responded with a status of 400 (Bad Request)"
"""What a browser says of a form that it gets back."""
Look = Callable[..., Page]


@pytest.fixture(scope="module")
def server(burning: Aftermath) -> Iterator[WebServer]:
    """The pages of the incident, whose summary, stream's label, reasons and words of receivers are hostile."""
    with burning.engine.begin() as conn:
        values = {"hostile": HOSTILE}
        conn.execute(text("UPDATE tocsin_ledger.incident SET summary = summary || :hostile"), values)
        conn.execute(
            text("UPDATE tocsin_ledger.delivery SET response = :hostile, receiver = :hostile"), values
        )
        conn.execute(text("UPDATE tocsin_ledger.kill_switch SET reason = :hostile"), values)
        conn.execute(text("UPDATE tocsin_ledger.version SET version = version || :hostile"), values)
        conn.execute(
            text("UPDATE tocsin_ledger.category SET name = name || :hostile WHERE signal = 67"), values
        )
        conn.execute(
            text(
                "INSERT INTO tocsin_ledger.stream (key, labels, state, first_seen, last_seen) "
                "VALUES (:hostile, jsonb_build_object('model', CAST(:hostile AS text)), 'learning', now(), now())"
            ),
            values,
        )
        conn.execute(
            text(
                "INSERT INTO tocsin_ledger.slo SELECT rule, stream_id, 0.999, 998, 1000, left_ "
                "FROM tocsin_ledger.stream, (VALUES (:hostile, -1.0), ('up', 0.4)) AS x (rule, left_) "
                "WHERE key = 'chat'"
            ),
            values,
        )
    board = Switchboard(burning.settings, burning.engine)
    server = WebServer(lambda: WELL, host="127.0.0.1", port=0, token=TOKEN, board=board)
    server.start()
    yield server
    assert server.stop(within_s=4)


@pytest.fixture(scope="module")
def session(server: WebServer, browser: Browser) -> dict[str, object]:
    """What a browser keeps of who has signed in."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server.url}/streams")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_label("Your name, if you like").fill("ann")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{server.url}/streams")
        kept = context.storage_state()
    return dict(kept)


@pytest.fixture
def look(server: WebServer, browser: Browser, session: dict[str, object]) -> Iterator[Look]:
    """A page of the server for who has signed in; nothing may be an error in it, or come from elsewhere."""
    said: list[str] = []
    contexts = []

    def open_page(path: str = "/", **settings: object) -> Page:
        context = browser.new_context(base_url=server.url, storage_state=session, **settings)
        contexts.append(context)
        context.set_default_timeout(PATIENT_MS)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        page.goto(path)
        return page

    asked: set[str] = set()
    yield open_page
    for context in contexts:
        context.close()
    assert [line for line in said if not line.endswith(MISTAKEN)] == []
    assert asked == {urlsplit(server.url).netloc}


def drawn(page: Page) -> None:
    """Every plot of the page has been looked at, and is there."""
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
        page.wait_for_function("i => i.complete", arg=image.element_handle())
        assert image.evaluate("i => i.naturalWidth") > 0


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]


def test_at_3_am_it_says_what_fires_what_is_killed_and_how_the_monitor_is(look: Look) -> None:
    page = look()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 incident fires, 1 kill switch is tripped")
    firing = page.get_by_role("region", name="Firing")
    expect(firing).to_contain_text("critical")
    expect(firing.get_by_role("link").first).to_have_text(f"chat: 46% of requests fail, was 1%{HOSTILE}")
    expect(firing).to_contain_text("nobody has it yet")
    expect(page.get_by_role("region", name="Kill switches")).to_contain_text("tripped disable, confirmed")
    streams = page.get_by_role("region", name="Streams")
    expect(streams).to_contain_text("killed by chat")
    expect(streams).to_contain_text("90% usually 1%, limit 10%")
    alt = "error of chat, the last 3 hours: now 90%, usually 1%, limit 10%"
    expect(streams.get_by_role("img")).to_have_attribute("alt", alt)
    budgets = page.get_by_role("region", name="Error budgets")
    for said in (HOSTILE, "overspent by 100%"):
        expect(budgets.get_by_role("row").nth(1)).to_contain_text(said)
    expect(page.get_by_role("region", name="Messages")).to_contain_text("delivered")
    expect(page.get_by_role("region", name="Tocsin itself")).to_contain_text("this replica leads")
    drawn(page)


def test_a_switch_is_released_and_tripped_by_the_keyboard_alone(look: Look, burning: Aftermath) -> None:
    page = look()
    for act, now in (("Release chat", "is released"), ("Trip chat", "is tripped")):
        tab_to(page, act)
        page.keyboard.press("Enter")
        page.wait_for_url("**/switches/**")
        tab_to(page, "Reason")
        page.keyboard.type("looked at it")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_contain_text(f"chat {now}")
    with burning.engine.begin() as conn:
        assert state(conn)["chat", ""].tripped
    [(actor, reason)] = burning.read(
        "SELECT actor, reason FROM tocsin.kill_events ORDER BY sequence DESC LIMIT 1"
    )
    assert (actor, reason) == ("web: ann", "looked at it")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called `name` has the focus, which must be seen."""
    said = "e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText"
    named = f"e => [{said}, getComputedStyle(e).outlineStyle]"
    for _ in range(60):
        page.keyboard.press("Tab")
        words, outline = page.locator(":focus").evaluate(named)
        if " ".join(words.split()) == name:
            assert outline != "none"
            return
    raise AssertionError(f"Tab does not lead to {name}")


def test_the_first_tab_skips_to_the_content(look: Look) -> None:
    page = look()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_an_incident_is_taken_with_an_outcome(look: Look, burning: Aftermath) -> None:
    page = look(f"/incidents/{burning.incident}")
    expect(page.get_by_role("heading", name="What to do")).to_be_visible()
    page.get_by_label("What it turned out to be").select_option("true")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status").first).to_contain_text("is acknowledged; its outcome is true now.")
    expect(page.get_by_role("button", name="Save")).to_be_visible()
    asked = "SELECT acknowledged_by, outcome FROM tocsin.incidents"
    assert burning.read(asked) == [("web: ann", "true")]


def test_the_day_after_it_is_found_by_the_keyboard_alone(look: Look, burning: Aftermath) -> None:
    page = look()
    page.get_by_role("navigation").get_by_role("link", name="Incidents").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents")
    for name, typed in (("Stream", "ch*"), ("Opened since", "7d")):
        tab_to(page, name)
        page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_url("**since=7d")
    expect(page.get_by_role("main")).to_contain_text(
        "1 incident with stream ch*, since 7d, the newest first."
    )
    tab_to(page, f"chat: 46% of requests fail, was 1%{HOSTILE}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/incidents/{burning.incident}")


def test_its_page_is_the_report_with_a_chart(look: Look, burning: Aftermath) -> None:
    page = look(f"/incidents/{burning.incident}")
    for question in ("What fired, when, and against what?", "Who was told, when, and by which attempt?"):
        expect(page.get_by_role("heading", name=question)).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("was detected")
    drawn(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the report").click()
    assert download.value.suggested_filename == f"incident-{burning.incident}.html"


def test_a_silence_is_added_after_a_mistake_and_ended(look: Look, burning: Aftermath) -> None:
    page = look("/silences/add")
    page.get_by_label("What").fill("modle=chat")
    page.get_by_label("For how long").fill("2h")
    page.get_by_label("Reason").fill(HOSTILE)
    page.get_by_role("button", name="Silence it").click()
    expect(page.get_by_role("alert")).to_have_text("Modle is not a label: did you mean model?.")
    expect(page.get_by_label("Reason")).to_have_value(HOSTILE)
    page.get_by_label("What").fill("model=chat")
    page.get_by_role("button", name="Silence it").click()
    expect(page.get_by_role("status").first).to_have_text(
        "model=chat is silent for 2h; it holds for 1 incident that fires now."
    )
    expect(page.get_by_role("region", name="Silences")).to_contain_text(HOSTILE)
    page.get_by_role("link", name="End silence").click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_role("region", name="Silences")).to_contain_text("None is in force.")
    assert burning.read("SELECT author, expired_by FROM tocsin.silences") == [("web: ann", "web: ann")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_violation_or_scrolls_sideways_on_a_phone(
    look: Look, burning: Aftermath, scheme: str
) -> None:
    incident = f"/incidents/{burning.incident}"
    page = look(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    forms = (f"{incident}/accept", "/switches/trip?switch=chat", "/silences/add", "/login")
    for path in (
        "/",
        "/incidents",
        "/incidents?stream=nosuch&since=7d",
        "/incidents?since=soon",
        "/review",
        "/streams",
        "/streams/chat",
        f"/streams/{quote(HOSTILE, safe='')}",
        incident,
        *forms,
    ):
        page.goto(path)
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_as_a_file_has_no_serious_violation_and_needs_nothing_else(
    look: Look, browser: Browser, burning: Aftermath, tmp_path: Path, scheme: str
) -> None:
    page = look(f"/incidents/{burning.incident}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the report").click()
    download.value.save_as(file := tmp_path / "report.html")
    with browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme) as context:
        report, asked = context.new_page(), list[str]()
        report.on("request", lambda request: asked.append(request.url))
        report.on("console", lambda message: asked.append(message.text))
        report.goto(file.as_uri())
        assert asked == [file.as_uri()]
        assert report.evaluate("document.documentElement.scrollWidth") <= 390
        assert report.locator("svg").count() == 1
        assert violations(report) == []


def test_plots_and_page_are_dark_where_the_system_is(look: Look) -> None:
    page = look(color_scheme="dark")
    assert brightness(page, "body") < 60
    light = look(color_scheme="light")
    assert brightness(light, "body") > 200
    assert ink(page) > 140 > ink(light)


def brightness(page: Page, of: str) -> float:
    colour = page.locator(of).evaluate("e => getComputedStyle(e).backgroundColor")
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(", "))) / 3


def ink(page: Page) -> float:
    """The mean brightness of the greys of a plot's text, as the browser paints them."""
    page.goto("/streams/chat")
    drawn(page)
    return float(page.locator("img.large").first.evaluate(
        """image => {
            const canvas = document.createElement('canvas');
            canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
            const context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
            let sum = 0, n = 0;
            for (let i = 0; i < pixels.length; i += 4) {
                const [r, g, b, a] = pixels.slice(i, i + 4);
                if (a > 250 && Math.abs(r - g) < 24 && Math.abs(g - b) < 24) { sum += (r + g + b) / 3; n += 1; }
            }
            return sum / n;
        }"""
    ))  # fmt: skip


def test_a_page_that_is_left_open_becomes_fresh_by_itself_and_can_be_paused(
    look: Look, burning: Aftermath
) -> None:
    page = look()
    page.clock.install()
    page.goto("/")
    with burning.engine.begin() as conn:
        conn.execute(
            text("UPDATE tocsin_ledger.incident SET acknowledged_by = 'bob', acknowledged_at = now()")
        )
    page.clock.run_for(16_000)
    expect(page.get_by_role("region", name="Firing")).to_contain_text("taken by bob")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Refreshing is paused.")).to_be_visible()


def test_the_page_of_a_stream_becomes_fresh_too(look: Look, burning: Aftermath) -> None:
    page = look()
    page.clock.install()
    page.goto("/streams/chat")
    with burning.engine.begin() as conn:
        conn.execute(text("UPDATE tocsin_ledger.version SET n = 987654"))
    page.clock.run_for(16_000)
    expect(page.get_by_role("region", name="Versions")).to_contain_text("987,654")


def test_samples_are_reviewed_by_the_keyboard_the_unmarked_first(look: Look, burning: Aftermath) -> None:
    look_after(burning.engine)
    page = look(f"/incidents/{burning.incident}")
    page.get_by_role("link", name="Review its samples").click()
    title = page.get_by_role("heading", level=2, name="Sample")
    first = title.inner_text()
    lead(page, "ArrowRight")
    expect(title).not_to_have_text(first)
    lead(page, "ArrowLeft")
    expect(title).to_have_text(first)
    expect(page.get_by_role("region", name="Record")).to_contain_text('"status": "error"')
    tab_to(page, "Note")
    page.keyboard.type(HOSTILE)
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text(first)
    tab_to(page, "Bad")
    page.keyboard.press("Enter")
    name = first.removeprefix("Sample ")
    expect(page.get_by_role("status").first).to_have_text(f"{name} is marked bad.")
    expect(title).not_to_have_text(first)
    page.goto(f"/review?sample={name}")
    expect(page.get_by_role("definition").filter(has_text="by web: ann")).to_contain_text(HOSTILE)
    marks = "SELECT sample_id, mark, note, marked_by, counted FROM tocsin.marks"
    assert burning.read(marks) == [(name, "bad", HOSTILE, "web: ann", True)]


def lead(page: Page, key: str) -> None:
    """Press a key for which a page's script waits."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def test_samples_are_filtered_and_exported(look: Look, burning: Aftermath) -> None:
    page = look("/review")
    page.get_by_label("Kept as").select_option("first")
    page.get_by_label("Marks").select_option("unmarked only")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("definition").filter(has_text="first")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="as JSON lines").click()
    lines = download.value.path().read_text().splitlines()
    kept = burning.read("SELECT count(*) FROM tocsin.samples WHERE why = 'first' AND mark IS NULL")
    assert (len(lines), {json.loads(line)["why"] for line in lines}) == (kept[0][0], {"first"})
    page.get_by_label("Stream").fill("nothing of that name")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("main")).to_contain_text("There is nothing to review with these filters.")


def test_accepting_says_what_it_does_before_it_does_it(look: Look, burning: Aftermath) -> None:
    page = look(f"/incidents/{burning.incident}")
    page.get_by_role("link", name="It is meant to be so: accept").click()
    expect(page.get_by_role("main")).to_contain_text("46% of requests fail")
    expect(page.get_by_role("main")).to_contain_text("becomes the reference")
    page.get_by_role("button", name="Make it the new normal").click()
    expect(page.get_by_role("status").first).to_contain_text("is accepted: error is judged by reference #")
    assert burning.read("SELECT outcome FROM tocsin.incidents") == [("expected",)]
