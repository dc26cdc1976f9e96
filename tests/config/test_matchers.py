"""Matchers as people type them: what stands in the way of a shell, of globs or of a list is still one value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.matchers import exact, read_globs, read_words, written
from monitor.config.rule import accepts
from monitor.errors import UsageError

AWKWARD = st.text(st.sampled_from("ab ,*?[]!'\"\\=-ü/()$"), min_size=1, max_size=8)


@given(AWKWARD, AWKWARD)
def test_an_exact_value_survives_the_line_and_matches_nothing_else(value: str, other: str) -> None:
    [word] = read_words(written({"stream": exact(value)}))
    label, _, globs = word.partition("=")
    assert label == "stream"
    assert accepts(read_globs(globs), value)
    assert accepts(read_globs(globs), other) == (other == value)


@given(AWKWARD)
def test_what_begins_with_a_denial_is_exact_too(value: str) -> None:
    globs = exact(f"!{value}")
    assert accepts(globs, f"!{value}")
    assert not accepts(globs, f"a{value}")
    assert not accepts(globs, value)


@pytest.mark.parametrize(
    ("text", "globs"),
    [
        ("a,b", ("a", "b")),
        ("a[,]b", ("a[,]b",)),
        ("a[,]b,c[,]d", ("a[,]b", "c[,]d")),
        ("[ab],c]", ("[ab]", "c]")),
        ("a,", ("a", "")),
    ],
)
def test_a_comma_in_brackets_is_a_part_of_its_glob(text: str, globs: tuple[str, ...]) -> None:
    assert read_globs(text) == globs


def test_a_line_is_read_as_by_a_shell() -> None:
    assert read_words("rule=errors 'stream=my model'  model=a\\ b") == [
        "rule=errors",
        "stream=my model",
        "model=a b",
    ]
    for torn in ("stream=it's", "model=a\\"):
        with pytest.raises(UsageError, match="a quote or a backslash stands alone: write 'stream=my model'"):
            read_words(torn)
