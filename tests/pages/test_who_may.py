"""Who sees pages and who may change something: sessions, forms of this server alone, and what headers say."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from aftermath import Aftermath
from itsdangerous import URLSafeTimedSerializer
from markupsafe import escape
from starlette.requests import Request
from starlette.responses import Response

from monitor.killswitch.states import state
from monitor.ledger import silences
from monitor.ledger.announcements import open_internal, resolve_internal
from monitor.web import session as sessions
from monitor.web.board import Switchboard
from monitor.web.pages.address import silence_page
from monitor.web.server import WebServer
from monitor.web.session import COOKIE, Sessions
from monitor.web.status import Status

TOKEN = secrets.token_urlsafe()
OURS = {"sec-fetch-site": "same-origin"}
Serve = Callable[..., httpx.Client]
Browse = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def server(burning: Aftermath) -> Iterator[WebServer]:
    yield from served(burning, TOKEN)


def served(burning: Aftermath, token: str | None) -> Iterator[WebServer]:
    board = Switchboard(burning.settings, burning.engine)
    server = WebServer(Status, host="127.0.0.1", port=0, token=token, board=board)
    server.start()
    yield server
    assert server.stop(within_s=4)


@pytest.fixture
def browse() -> Iterator[Browse]:
    """A client like a browser that has not signed in, or with a session of `name`: signing in itself is limited."""
    with ExitStack() as open_ones:

        def make(server: WebServer, name: str | None = None) -> httpx.Client:
            client = httpx.Client(base_url=server.url, headers={"accept": "text/html"}, timeout=20)
            if name is not None:
                client.cookies.set(COOKIE, cookie(name))
            return open_ones.enter_context(client)

        yield make


def cookie(name: str) -> str:
    response = Response()
    Sessions(TOKEN).begin(
        response, Request({"type": "http", "scheme": "http", "path": "/", "headers": []}), name
    )
    return response.headers["set-cookie"].partition("=")[2].partition(";")[0]


@pytest.fixture
def serve(burning: Aftermath, browse: Browse) -> Iterator[Serve]:
    """A server of the test's own, and a client that has not signed in."""
    running: list[Iterator[WebServer]] = []

    def make(token: str | None = TOKEN) -> httpx.Client:
        running.append(served(burning, token))
        return browse(next(running[-1]))

    yield make
    for server in running:
        next(server, None)


def sign_in(client: httpx.Client, token: str = TOKEN, name: str = "ann", to: str = "/", **headers: str):
    values = {"token": token, "name": name}
    return client.post(f"/login?next={to}", data=values, headers=headers or OURS)


@pytest.fixture
def ann(server: WebServer, browse: Browse) -> httpx.Client:
    """A client of who has signed in."""
    return browse(server, "ann")


def stamp_of(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="stamp" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    "path",
    ["/", "/streams", "/streams/chat", "/incidents", "/incidents/x", "/review", "/silences/add", "/nothing"],
)
def test_a_browser_without_a_session_is_sent_to_sign_in(server: WebServer, browse: Browse, path: str) -> None:
    sent = browse(server).get(path)
    assert sent.status_code == 303
    asked = urlsplit(sent.headers["location"])
    assert (asked.path, parse_qs(asked.query)) == ("/login", {"next": [path]})


def test_signing_in_leads_back(serve: Serve) -> None:
    client = serve()
    assert sign_in(client, to="/streams/chat").headers["location"] == "/streams/chat"
    assert client.get("/streams/chat").status_code == 200


@pytest.mark.parametrize(
    "path", ["/metrics", "/openapi.json", "/ofrep/v1/evaluate/flags", "/api/kill/chat/trip"]
)
def test_a_session_opens_nothing_that_is_for_programs(ann: httpx.Client, path: str) -> None:
    assert ann.post(path, headers=OURS).status_code == 401
    assert ann.get(path).status_code == 401


def test_programs_get_401_and_no_page(server: WebServer, browse: Browse) -> None:
    answer = browse(server).get("/", headers={"accept": "*/*"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_the_session_is_a_cookie_that_only_this_site_sends_and_no_script_reads(serve: Serve) -> None:
    client = serve()
    plain = sign_in(client).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Max-Age=43200", "Path=/"} <= set(plain.split("; "))
    assert "Secure" not in plain
    proxied = {"x-forwarded-proto": "https", "host": "tocsin.example", "origin": "https://tocsin.example"}
    secure = sign_in(client, **proxied)
    assert "Secure" in secure.headers["set-cookie"].split("; ")


def test_every_replica_knows_it_and_a_changed_token_ends_it(serve: Serve, ann: httpx.Client) -> None:
    for token, status in ((TOKEN, 200), ("another", 303)):
        replica = serve(token)
        replica.cookies.set(COOKIE, ann.cookies[COOKIE])
        assert replica.get("/streams").status_code == status


def test_it_ends_after_twelve_hours_and_cannot_be_made_up(
    server: WebServer, browse: Browse, ann: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = browse(server)
    for value in (
        "x",
        URLSafeTimedSerializer("guess", salt="tocsin session").dumps({"name": "a", "key": "k"}),
    ):
        forged.cookies.set(COOKIE, value)
        assert forged.get("/streams").status_code == 303
    monkeypatch.setattr(sessions, "LASTS_S", -1)
    assert ann.get("/streams").status_code == 303


def test_a_wrong_token_is_said_and_tried_five_times_at_most(serve: Serve) -> None:
    client = serve()
    answers = [sign_in(client, "guess") for _ in range(6)]
    assert [a.status_code for a in answers] == [403] * 5 + [429]
    assert "This is not the token of http.token." in answers[0].text
    assert "wait 5 s" in answers[-1].text
    assert sign_in(client).status_code == 429


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/\\evil.example", "x", "/a%0d%0ab"]
)
def test_signing_in_never_leads_elsewhere(serve: Serve, onward: str) -> None:
    assert sign_in(serve(), to=onward).headers["location"] == "/"


def test_another_site_signs_nobody_in(serve: Serve) -> None:
    client = serve()
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
        answer = sign_in(client, **headers)
        assert answer.status_code == 403
        assert COOKIE not in answer.headers.get("set-cookie", "")


def test_signing_out_ends_it(ann: httpx.Client) -> None:
    said = ann.post("/logout", data={"stamp": stamp_of(ann, "/")}, headers=OURS)
    assert (said.status_code, said.headers["location"]) == (303, "/login")
    assert any(
        c.startswith(f'{COOKIE}=""; ') and "Max-Age=0" in c for c in said.headers.get_list("set-cookie")
    )


def test_a_trip_is_the_commands_trip_with_who_did_it(ann: httpx.Client, burning: Aftermath) -> None:
    stamp = stamp_of(ann, "/switches/release?switch=chat")
    done = ann.post(
        "/switches/release", data={"stamp": stamp, "switch": "chat", "reason": "mended"}, headers=OURS
    )
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert "chat is released, sequence " in ann.get("/").text
    done = ann.post(
        "/switches/trip", data={"stamp": stamp, "switch": "chat", "reason": "again"}, headers=OURS
    )
    assert done.status_code == 303
    with burning.engine.begin() as conn:
        assert state(conn)["chat", ""].tripped
    newest = "SELECT action, actor, reason FROM tocsin.kill_events ORDER BY sequence DESC LIMIT 2"
    assert burning.read(newest) == [("tripped", "web: ann", "again"), ("released", "web: ann", "mended")]


def test_a_switch_with_a_state_for_each_model_asks_which(burning: Aftermath, browse: Browse) -> None:
    chat = burning.settings.kill_switches["chat"]
    each = replace(chat, name="each/model", per=("model",))
    settings = replace(burning.settings, kill_switches={"each/model": each})
    board = Switchboard(settings, burning.engine)
    server = WebServer(Status, host="127.0.0.1", port=0, token=TOKEN, board=board)
    server.start()
    ann, path = browse(server, "ann"), "/switches/trip?switch=each%2Fmodel"
    assert 'name="stream" value=""' in ann.get(path).text
    values = {"switch": "each/model", "reason": "r", "stamp": stamp_of(ann, path)}
    refused = ann.post("/switches/trip", data=values, headers=OURS)
    assert refused.status_code == 400
    assert "has a state for each model" in refused.text
    ann.post("/switches/trip", data=values | {"stream": "meta/llama"}, headers=OURS)
    page = ann.get("/").text
    assert "each/model of meta/llama is tripped" in page
    again = "/switches/release?switch=each%2Fmodel&amp;stream=meta%2Fllama"
    assert again in page
    assert (
        '<input type="hidden" name="stream" value="meta/llama">' in ann.get(again.replace("&amp;", "&")).text
    )
    assert server.stop(within_s=4)


def test_tocsins_own_incident_has_a_page_too(ann: httpx.Client, burning: Aftermath) -> None:
    with burning.engine.begin() as conn:
        opened = open_internal(
            conn,
            burning.settings,
            rule="tocsin.behind",
            key="predictions",
            summary="8,000 records behind",
            detail="judging takes longer than reading",
            at_ms=burning.clock_ms,
        )
    page = ann.get(f"/incidents/{opened}")
    with burning.engine.begin() as conn:
        resolve_internal(conn, rule="tocsin.behind", key="predictions", detail="")
    assert page.status_code == 200
    assert "<h1>8,000 records behind</h1>" in page.text
    assert '<p class="story">judging takes longer than reading</p>' in page.text
    assert "Tocsin itself" in page.text
    assert "accept" not in page.text


CHANGES = [
    ("/switches/trip", {"switch": "chat", "reason": "r"}),
    ("/switches/release", {"switch": "chat", "reason": "r"}),
    ("/incidents/INCIDENT/acknowledge", {"outcome": "true"}),
    ("/incidents/INCIDENT/accept", {}),
    ("/silences/add", {"match": "model=chat", "length": "1h", "reason": "r"}),
    ("/silences/x/expire", {}),
    ("/logout", {}),
]


@pytest.mark.parametrize(
    "how", ["no stamp", "stamp of another", "cross-site", "other origin", "no origin", "no session", "bearer"]
)
def test_a_form_of_another_site_changes_nothing(
    server: WebServer, browse: Browse, ann: httpx.Client, burning: Aftermath, how: str
) -> None:
    before = changes(burning)
    stamp, headers, client = stamp_of(ann, "/silences/add"), dict(OURS), ann
    match how:
        case "no stamp":
            stamp = ""
        case "stamp of another":
            stamp = stamp_of(browse(server, "bob"), "/silences/add")
        case "cross-site":
            headers = {"origin": str(ann.base_url), "sec-fetch-site": "cross-site"}
        case "other origin":
            headers = {"origin": "http://evil.example"}
        case "no origin":
            headers = {}
        case "no session":
            client = browse(server)
        case "bearer":
            client = browse(server)
            headers |= {"authorization": f"Bearer {TOKEN}"}
    for path, values in CHANGES:
        path = path.replace("INCIDENT", burning.incident)
        answer = client.post(path, data={**values, "stamp": stamp}, headers=headers)
        assert answer.status_code == (401 if how == "no session" else 403)
    assert changes(burning) == before


def changes(burning: Aftermath) -> list[tuple[object, ...]]:
    return burning.read(
        "SELECT (SELECT count(*) FROM tocsin.kill_events), (SELECT count(*) FROM tocsin.silences), "
        "(SELECT count(*) FROM tocsin.timeline), (SELECT count(*) FROM tocsin_ledger.reference)"
    )


def test_where_only_the_origin_is_told_the_asked_host_decides(ann: httpx.Client) -> None:
    values = {"stamp": stamp_of(ann, "/silences/add"), "match": "model=x", "length": "1h", "reason": "r"}
    assert ann.post("/silences/add", data=values, headers={"origin": str(ann.base_url)}).status_code == 303
    proxied = {"origin": "https://tocsin.example", "x-forwarded-host": "tocsin.example"}
    assert ann.post("/silences/add", data=values, headers=proxied).status_code == 303


@pytest.mark.parametrize(
    ("path", "values", "sentence"),
    [
        ("/switches/trip", {"switch": "chat", "reason": " "}, "Reason must be 1 to 2000 characters"),
        ("/switches/trip", {"switch": "chat", "reason": "r", "stream": "x"}, "leave out stream"),
        ("/silences/add", {"match": "modle=a", "length": "1h", "reason": "r"}, "did you mean model?"),
        (
            "/silences/add",
            {"match": "model=it's", "length": "1h", "reason": "r"},
            "A quote or a backslash stands alone",
        ),
        ("/silences/add", {"match": "model=a", "length": "soon", "reason": "r"}, "Soon is not a duration"),
        ("/silences/add", {"match": "", "length": "1h", "reason": "r"}, "Say what to silence"),
        ("/silences/nosuch/expire", {}, "There is no silence nosuch in force."),
        ("/incidents/nosuch/acknowledge", {}, "There is no incident nosuch: `tocsin incidents` lists them."),
        ("/incidents/nosuch/accept", {}, "There is no incident nosuch"),
        ("/incidents/nosuch/acknowledge", {"outcome": "fine"}, "Fine is no outcome"),
    ],
)
def test_a_mistake_gives_the_form_back_with_one_sentence(
    ann: httpx.Client, burning: Aftermath, path: str, values: dict[str, str], sentence: str
) -> None:
    before = changes(burning)
    answer = ann.post(path, data={**values, "stamp": stamp_of(ann, "/streams")}, headers=OURS)
    assert answer.status_code == 400
    assert re.search(rf'role="alert"[^>]*>[^<]*{re.escape(sentence)}', answer.text)
    if values.get("match"):
        assert f'value="{escape(values["match"])}"' in answer.text
    assert changes(burning) == before


def test_a_silence_needs_no_reason(ann: httpx.Client, burning: Aftermath) -> None:
    form = ann.get("/silences/add").text
    assert re.search(r'<input id="f-length"[^>]* required', form)
    assert not re.search(r'<input id="f-reason"[^>]* required', form)
    values = {"match": "model=quiet", "length": "1h", "stamp": stamp_of(ann, "/silences/add")}
    assert ann.post("/silences/add", data=values, headers=OURS).status_code == 303
    row = re.search(r"model=quiet</td>.*?</tr>", ann.get("/").text, re.S)
    assert row is not None
    assert '<td role="cell" data-label="Why" class="text">–</td>' in row[0]


@pytest.mark.parametrize("stream", ["my model", "a,b", "what? [*] it's", "!chat", "chat"])
def test_the_form_that_a_page_fills_in_silences_that_stream_alone(
    ann: httpx.Client, burning: Aftermath, stream: str
) -> None:
    asked = parse_qs(urlsplit(silence_page(rule="errors", stream=stream)).query)["match"][0]
    form = ann.get(silence_page(rule="errors", stream=stream)).text
    assert f'value="{escape(asked)}"' in form
    values = {"match": asked, "length": "1h", "reason": "r", "stamp": stamp_of(ann, "/silences/add")}
    assert ann.post("/silences/add", data=values, headers=OURS).status_code == 303
    with burning.engine.begin() as conn:
        made = silences.in_force(conn, burning.clock_ms)[-1]
        silences.expire(conn, made.silence_id, "bob")
    others = ("my", "a", "b", "b,a", "xchat", "whats [*] it's", "chat")
    accepted = [each for each in (stream, *others) if made.match.accepts({"rule": "errors", "stream": each})]
    assert set(accepted) == {stream}


def test_a_switch_that_there_is_not_is_404_and_a_file_is_no_form(ann: httpx.Client) -> None:
    assert ann.get("/switches/trip?switch=chta").status_code == 404
    answer = ann.post("/silences/add", files={"match": b"x"}, headers=OURS)
    assert answer.status_code == 415


def test_without_a_token_pages_are_for_reading_on_this_machine(serve: Serve, burning: Aftermath) -> None:
    client = serve(token=None)
    page = client.get("/")
    assert page.status_code == 200
    assert not re.findall(r"<form|/switches/|/silences/", page.text)
    assert client.get(f"/incidents/{burning.incident}").status_code == 200
    for path, values in CHANGES[:-1]:
        answer = client.post(path.replace("INCIDENT", burning.incident), data=values, headers=OURS)
        assert answer.status_code == 403
        assert "this needs http.token" in answer.text.lower()
    rebound = {"host": "rebound.example:9844"}
    assert client.get("/", headers=rebound).status_code == 403
    assert client.get("/healthz", headers=rebound).status_code == 200


def test_headers_forbid_scripts_frames_and_guessing(ann: httpx.Client, burning: Aftermath) -> None:
    for path in (
        "/",
        "/streams",
        "/streams/chat",
        "/incidents",
        f"/incidents/{burning.incident}",
        "/silences/add",
        "/nothing",
    ):
        headers = ann.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_what_there_is_not_is_a_page_of_one_sentence(ann: httpx.Client) -> None:
    for path in ("/nothing", "/streams/nosuch", "/incidents/nosuch", "/static/x.js"):
        answer = ann.get(path)
        assert answer.status_code == 404
        assert "<h1>This cannot be shown or done</h1>" in answer.text
    assert ann.get("/charts/chat/nosuch.svg").status_code == 404


@pytest.mark.parametrize(("block", "is_named"), [("10", False), ("NULL", True)])
def test_a_stream_names_the_signals_outside_the_promise(
    ann: httpx.Client, burning: Aftermath, block: str, is_named: bool
) -> None:
    with burning.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE tocsin_ledger.reference SET block_s = {block} WHERE retired_at IS NULL")
    page = ann.get("/streams/chat")
    assert page.status_code == 200
    assert (re.search("Outside the false-alarm promise: [a-z_, ]*error", page.text) is not None) == is_named


def test_a_chart_is_drawn_once_and_kept(ann: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import vl_convert

    drawn: list[object] = []
    real = vl_convert.vegalite_to_svg
    monkeypatch.setattr(vl_convert, "vegalite_to_svg", lambda spec: drawn.append(spec) or real(spec))
    monkeypatch.setattr("monitor.web.pages.charts.time.time_ns", lambda: 1)
    first, second = (ann.get("/charts/chat/error.svg?size=small") for _ in range(2))
    assert first.text == second.text
    assert len(drawn) == 1
    assert first.headers["content-type"].startswith("image/svg+xml")
    assert "prefers-color-scheme:dark" in first.text
    assert "<script" not in first.text


def test_without_the_extra_the_page_has_numbers_and_names_it(
    ann: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.web.plots.drawing.find_spec", lambda name: None)
    for path in ("/", "/streams/chat"):
        page = ann.get(path).text
        assert "<img" not in page
        assert "Plots need the extra: pip install 'tocsin[plot]'." in page
        assert "usually 1%, limit 10%" in page
    assert ann.get("/charts/chat/error.svg").status_code == 404


def test_the_report_is_a_file_that_can_do_nothing(ann: httpx.Client, burning: Aftermath) -> None:
    report = ann.get(f"/incidents/{burning.incident}/report.html")
    assert report.headers["content-disposition"] == f'attachment; filename="incident-{burning.incident}.html"'
    assert "sandbox" in report.headers["content-security-policy"]
    assert "What fired, when, and against what?" in report.text
    assert "<svg" in report.text
