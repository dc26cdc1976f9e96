"""The page of the HTTP interface names every page for people, beside what the OpenAPI document has."""

import sys

from doc_pages import ROOT

from monitor.web.app import web_app
from monitor.web.board import Switchboard
from monitor.web.status import Status

sys.path.insert(0, str(ROOT / "docs" / "reference"))
from http_page import PAGES


def test_every_page_for_people_is_there_and_no_other(ledger, settings):
    app = web_app(Status, "token", Switchboard(settings, ledger))
    routes = {route.path.replace(":path", "") for route in app.routes if not route.include_in_schema}
    assert routes == set(PAGES)
