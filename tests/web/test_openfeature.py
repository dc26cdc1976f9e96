"""The OpenFeature SDK with its OFREP provider, as a service would use it: tripped, released, server gone."""

import re
import time
from pathlib import Path

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from web_token import TOKEN

from monitor.killswitch.switches import release, trip

STALE_S = 1.1
DOCS = Path(__file__).parents[2] / "docs" / "kill-switch.md"


@pytest.fixture
def reading():
    """An OpenFeature client of a server."""

    def make(client, token=TOKEN):
        provider = OFREPProvider(str(client.base_url), headers_factory=lambda: {"X-API-Key": token})
        api.set_provider(provider)
        return api.get_client()

    yield make
    api.clear_providers()


def test_tripped_released_and_server_gone(serving, ledger, settings, reading):
    chat = settings.kill_switches["chat"]
    with serving() as client:
        flags = reading(client)
        assert flags.get_boolean_value("chat.enabled", False) is True
        assert flags.get_string_value("chat.serve", "?") == "normal"
        with ledger.begin() as conn:
            trip(conn, chat, stream="", reason="r", actor="ann")
        time.sleep(STALE_S)
        assert flags.get_boolean_value("chat.enabled", True) is False
        assert flags.get_string_value("chat.serve", "?") == "rules-v3"
        with ledger.begin() as conn:
            release(conn, chat, reason="r", actor="ann")
        time.sleep(STALE_S)
        assert flags.get_boolean_value("chat.enabled", False) is True
    gone = flags.get_boolean_details("chat.enabled", True)
    assert (gone.value, gone.error_code) == (True, ErrorCode.GENERAL)


def test_a_switch_with_per_by_its_label(serving, ledger, settings, reading):
    models = settings.kill_switches["all/models"]
    with serving() as client:
        flags = reading(client)
        with ledger.begin() as conn:
            trip(conn, models, stream="chat-eu", reason="r", actor="ann")
        values = {
            model: flags.get_boolean_value(
                "all_models.enabled", True, EvaluationContext(attributes={"model": model})
            )
            for model in ("chat-eu", "chat-us")
        }
        missing = flags.get_boolean_details("all_models.enabled", True)
    assert values == {"chat-eu": False, "chat-us": True}
    assert (missing.value, missing.error_code) == (True, ErrorCode.INVALID_CONTEXT)


def test_a_wrong_token_or_a_flag_that_is_not_there_gives_the_default(serving, reading):
    with serving() as client:
        unknown = reading(client).get_boolean_details("chta.enabled", True)
        refused = reading(client, "wrong").get_boolean_details("chat.enabled", True)
    assert (unknown.value, unknown.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    assert (refused.value, refused.error_code) == (True, ErrorCode.GENERAL)


def test_the_ten_lines_of_the_documentation_work(serving, ledger, settings, monkeypatch):
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    assert len(code.strip().splitlines()) <= 12
    monkeypatch.setenv("TOCSIN_TOKEN", TOKEN)
    with serving() as client:
        names = {}
        exec(code.replace("http://tocsin:9844", str(client.base_url)), names)
        assert names["serve"]("user-1") == "normal"
        with ledger.begin() as conn:
            trip(conn, settings.kill_switches["chat"], stream="", reason="r", actor="ann")
        time.sleep(STALE_S)
        assert names["serve"]("user-1") == "rules-v3"
    assert names["serve"]("user-1") == "normal"
    api.clear_providers()
