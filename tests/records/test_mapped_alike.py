"""What is read in one go for speed is what is read one by one."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from mapping_building import Log, form_of

from monitor.records.formats.decode import CHUNK_BYTES
from monitor.records.formats.pruned import AnyValue, Named
from monitor.records.formats.texts import all_attributes, attributes

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=3)
)
held = st.one_of(
    st.builds(AnyValue, stringValue=scalars, intValue=st.one_of(scalars, st.just("7")), boolValue=scalars),
    st.builds(AnyValue, stringValue=st.text(max_size=3)),
    st.dictionaries(st.sampled_from(["stringValue", "intValue", "x"]), scalars, max_size=2),
    scalars,
)
names = st.one_of(st.sampled_from("abc"), scalars)
pairs = st.builds(Named, key=st.sampled_from("abc"), value=held)
named = st.builds(Named, name=st.sampled_from("abc"))
items = st.one_of(pairs, named, st.builds(Named, key=names, value=held, name=names), scalars)
spelt = items.map(lambda item: msgspec.to_builtins(item) if isinstance(item, Named) else item)
columns = st.one_of(
    *(st.lists(st.one_of(st.none(), st.lists(of, max_size=4))) for of in (pairs, named, items, spelt))
)


def found(objects: list[Any]) -> str:
    # Equal values of two types are two values, and a Named that is kept whole is the same one.
    return repr(objects)


@given(columns)
def test_attributes_of_a_column_are_those_of_each_value(column: list[Any]) -> None:
    assert found(all_attributes(column)) == found([attributes(v) if type(v) is list else v for v in column])


def test_many_messages_are_read_as_each_alone() -> None:
    form = form_of("""
    each: /items/*
    where: {kind: answer}
    map: {model: "outer:/who", version: "outer:/who", output: text, id: "header:id"}
    """)
    long = "x" * (CHUNK_BYTES // 100)
    messages: list[Any] = [
        {
            "who": f"m{i}",
            "items": [{"kind": kind, "text": f"{i}{long}"} for kind in ("answer", "else", "answer")],
        }
        for i in range(200)
    ]
    messages[7] = messages[150] = b"no JSON"
    messages[60] = messages[199] = {"items": [{"kind": "else"}]}
    messages[120] = {"items": [{"kind": "answer"}]}
    headers = [[("id", str(i).encode())] for i in range(len(messages))]
    read = Log(form, headers=headers).read(*messages)

    alone = [Log(form, headers=[headers[i]]).read(message) for i, message in enumerate(messages)]
    assert read.records() == [record for one in alone for record in one.records()]
    assert list(read.decoded.rows) == [i for i, one in enumerate(alone) for _ in one.decoded.rows]
    assert read.reasons() == {7: "not_json", 150: "not_json", 120: "no_model"}
    assert list(read.decoded.ignored) == [60, 199]
    assert sum(len(json.dumps(m)) for m in messages if isinstance(m, dict)) > 3 * CHUNK_BYTES


def test_json_in_a_text_is_read_where_it_has_the_form_and_where_it_has_another() -> None:
    form = form_of("""
    map:
      model: m
      output: {field: payload, json: /choices/0/text}
      finish_reason: {field: payload, json: /choices/0/why}
    """)
    payloads = [
        {"choices": [{"text": "a", "why": "stop"}]},
        {"choices": {"0": {"text": "b"}}},
        {"choices": 7},
    ]
    texts = [*map(json.dumps, payloads), "[", "", {"choices": [{"text": "whole"}]}]
    read = Log(form).read(*({"m": "x", "payload": text} for text in texts))
    assert [record.get("output") for record in read.records()] == ["a", "b", None, None, None, "whole"]
    assert [record.get("finish_reason") for record in read.records()] == ["stop", *[None] * 5]
