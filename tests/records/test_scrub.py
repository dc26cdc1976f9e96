"""Error texts are kept without what identifies people or opens doors, in time that grows with their length alone."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records.scrub import MOST_CHARS, scrubbed

WORDS = st.text(st.sampled_from("abcxyz .,:;'\"()<>[]{}!-\n"), max_size=40)
NAMES = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789"), min_size=3, max_size=12)
BASE62 = st.text(
    st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
    min_size=20,
    max_size=60,
)
DIGITS = st.text(st.sampled_from("0123456789"), min_size=9, max_size=19)


@st.composite
def among_words(draw: st.DrawFn, secret: str) -> str:
    return f"{draw(WORDS)} {secret} {draw(WORDS)}"


@given(st.data(), NAMES, NAMES)
def test_no_mailbox_is_left(data: st.DataObject, name: str, host: str) -> None:
    text = scrubbed(data.draw(among_words(f"{name}.x+tag@{host}.example")))
    assert f"{name}.x+tag" not in text
    assert f"{host}.example" not in text
    assert "@" not in text


@given(st.data(), DIGITS, st.sampled_from(["", " ", "-", "."]))
def test_no_number_of_a_card_or_telephone_is_left(data: st.DataObject, digits: str, between: str) -> None:
    grouped = between.join(digits[i : i + 4] for i in range(0, len(digits), 4))
    text = scrubbed(data.draw(among_words(grouped)))
    assert not any(part in text for part in (digits[:9], grouped[:9], digits[-9:], grouped[-9:]))


@given(st.data(), BASE62, st.sampled_from(["sk-", "hf_", "ghp_", "xoxb-", "glpat-", "whsec_", "eyJ"]))
def test_no_issued_key_is_left(data: st.DataObject, key: str, prefix: str) -> None:
    assert key not in scrubbed(data.draw(among_words(prefix + key)))


@given(st.data(), BASE62)
@pytest.mark.parametrize(
    "written",
    ["Bearer {}", "bearer  {}", "password={}", '"api_key": "{}"', "X-Token: {}", "Cookie: a={}; b={}"],
)
def test_no_credential_is_left(written: str, data: st.DataObject, key: str) -> None:
    assert key not in scrubbed(data.draw(among_words(written.replace("{}", key))))


@given(st.data(), NAMES, NAMES, NAMES)
def test_of_an_address_neither_user_nor_query_is_left(
    data: st.DataObject, user: str, password: str, query: str
) -> None:
    address = f"https://u{user}:p{password}@api.example/path?q{query}=1#f{query}"
    text = scrubbed(data.draw(among_words(address)))
    assert "https://api.example/path?[...]" in text
    assert not any(part in text for part in (f"u{user}:", f"p{password}@", f"q{query}=", f"#f{query}"))


@given(st.text(max_size=200))
def test_any_text_is_taken_and_once_is_enough(text: str) -> None:
    once = scrubbed(text)
    assert scrubbed(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "maximum context length is 4096 tokens; max_tokens=5000",
        "request 550e8400-e29b-41d4-a716-446655440000 failed after 30000 ms",
        "KeyError in some_long_function_name_handler_v2 at line 120",
        "upstream https://api.example/v1/chat answered 503",
    ],
)
def test_what_an_engineer_needs_stays(text: str) -> None:
    assert scrubbed(text) == text


@pytest.mark.parametrize("piece", ["://", "a@", "a-", "1 ", "token", "x", "password= ", "sk-", "eyJ.", "(1"])
def test_a_text_made_to_take_long_does_not(piece: str) -> None:
    began = time.process_time()
    assert len(scrubbed(piece * 50_000)) <= MOST_CHARS
    assert time.process_time() - began < 0.5
