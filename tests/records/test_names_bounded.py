"""Names are clean and few: rule 8, and memory that is bounded whatever a producer writes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records import names as limits
from monitor.records.names import Names, stream_key
from monitor.records.signals import FIRST_CATEGORY, OTHER_CATEGORY, OTHER_STREAM
from monitor.records.text import bounded, clean_name

NOW = 1_731_553_200_000
DAY = 86_400_000


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_a_clean_name_is_nfc_without_control_characters_and_fits_an_index(raw: str) -> None:
    name = clean_name(raw)

    assert len(name.encode()) <= 200
    assert unicodedata.is_normalized("NFC", name)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("chat-eu", "chat-eu"),
        ("chat\x00-\r\neu\x7f", "chat-eu"),
        ("e\u0301te\u0301", "été"),
        ("a\x00\u0301", "á"),
        ("Ω", "Ω"),
        ("a\ud800b", "ab"),
        ("\x00", ""),
        (" \t", ""),
        ("a b", "a b"),
        ("😀" * 50, "😀" * 50),
    ],
)
def test_names_are_cleaned(raw: str, name: str) -> None:
    assert clean_name(raw) == name


def test_long_names_keep_their_beginning_and_stay_different() -> None:
    names = {clean_name("ü" * 200 + end) for end in ("a", "b", "")}

    assert len(names) == 3
    assert all(name.startswith("ü" * 90) and len(name.encode()) <= 200 for name in names)
    assert bounded("x" * 200, 200) == "x" * 200


@given(st.lists(st.lists(st.text(max_size=300), min_size=2, max_size=2), min_size=2, max_size=2))
def test_stream_keys_differ_where_their_values_do_and_fit_an_index(values: list[list[str]]) -> None:
    first, second = (stream_key(clean_name(v) for v in row) for row in values)
    same = [clean_name(v) for v in values[0]] == [clean_name(v) for v in values[1]]
    assert (first == second) is same
    assert len(first.encode()) <= 800


def test_a_code_stands_for_one_name_for_ever() -> None:
    names = Names(("model",), 10)
    codes = [names.stream_code((m,), NOW) for m in ("a", "b", "a")]

    assert codes == [1, 2, 1]
    assert names.stream(2).key == "b"
    assert names.stream(2).labels == (("model", "b"),)
    assert names.stream_code(("(other)",), NOW) == OTHER_STREAM


def test_streams_beyond_four_times_the_maximum_are_other() -> None:
    names = Names(("model",), 1)
    codes = [names.stream_code((f"m{i}",), NOW) for i in range(6)]

    assert codes == [1, 2, 3, 4, OTHER_STREAM, OTHER_STREAM]
    assert names.stream(OTHER_STREAM).key == "(other)"
    assert names.stream_code(("m0",), NOW) == 1


def test_streams_unseen_for_a_day_make_room_and_their_codes_are_not_used_again() -> None:
    names = Names(("model",), 1)
    for i in range(4):
        names.stream_code((f"m{i}",), NOW)
    old_slice = names.slice_code(1, "version", "v1")
    names.category_code(1, 66, "stop")
    names.stream_code(("m3",), NOW + DAY)

    code = names.stream_code(("new",), NOW + DAY + 1)

    assert code == 5
    assert names.stream(1).key == names.slice(old_slice).value == names.category(1, 66, 2) == "(other)"
    assert names.stream(4).key == "m3"
    assert names.stream_code(("m0",), NOW + DAY + 1) == 6


def test_a_flood_of_names_is_not_searched_each_time() -> None:
    names = Names(("model",), 1)
    swept: list[int] = []
    names._forget = lambda streams: swept.append(len(list(streams)))  # type: ignore[method-assign]
    for i in range(100):
        names.stream_code((f"m{i}",), NOW + i)
    assert len(swept) == 1


def test_the_values_of_a_field_are_bounded_and_none_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VALUES_PER_FIELD", 2)
    names = Names(("model",), 10)
    values = ["v1", "v2", "v3", "v4", "(none)", "v1"]
    told = [names.slice(names.slice_code(1, "version", v)).value for v in values]

    assert told == ["v1", "v2", "(other)", "(other)", "(none)", "v1"]
    assert names.slice(names.slice_code(1, "tenant", "a")).value == "a"
    assert names.slice(names.slice_code(2, "version", "v3")).value == "v3"


def test_the_stream_other_has_no_values_of_its_own() -> None:
    names = Names(("model",), 10)
    assert names.slice(names.slice_code(OTHER_STREAM, "version", "v1")).value == "(other)"


def test_categories_beyond_a_thousand_are_other() -> None:
    names = Names(("model",), 10)
    codes = [names.category_code(1, 68, f"c{i}") for i in range(limits.CATEGORIES_PER_SIGNAL + 5)]

    assert codes[0] == FIRST_CATEGORY
    assert codes[-5:] == [OTHER_CATEGORY] * 5
    assert names.category_code(1, 68, "c0") == FIRST_CATEGORY
    assert names.category_code(2, 68, "new") == FIRST_CATEGORY
    assert names.category(1, 68, codes[7]) == "c7"


def test_all_categories_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TOTAL_CATEGORIES", 3)
    names = Names(("model",), 10)
    codes = [names.category_code(stream, 68, "a") for stream in range(1, 6)]
    assert codes == [2, 2, 2, OTHER_CATEGORY, OTHER_CATEGORY]
