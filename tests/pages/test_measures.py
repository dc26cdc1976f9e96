"""The few numbers of a signal, in words and across its plot."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor import config
from monitor.records.signals import BY_NAME
from monitor.web.plots import limits, measures
from monitor.web.plots.drawn import Plot, Size, described
from monitor.web.plots.history import LASTS, History, Wanted, drawn_step, lived

AT = datetime(2026, 11, 22, 3, tzinfo=UTC)
NAMES = {0: "unknown", 1: "(other)", 2: "en", 3: "de"}


def history(signal: str, *newest_first: dict[int, int]) -> History:
    steps = {AT - timedelta(minutes=i): buckets for i, buckets in enumerate(newest_first)}
    wanted = Wanted(1, BY_NAME[signal], AT - timedelta(hours=3), AT)
    return History(wanted, timedelta(minutes=1), steps, {}, NAMES)


@pytest.mark.parametrize(
    ("signal", "buckets", "words"),
    [
        ("error", {0: 69, 1: 31}, "31%"),
        ("latency_ms", {330: 98, 430: 2}, "p50 728 ms, p99 5.4 s"),
        ("output_language", {0: 50, 2: 94, 3: 6}, "en 94%, de 6%"),
        ("requests", {0: 1200}, "120 a minute"),
        ("error", {}, "nothing"),
    ],
)
def test_a_signal_in_words(signal, buckets, words) -> None:
    found = measures.measured(BY_NAME[signal], buckets, 600, NAMES)
    assert measures.in_words(BY_NAME[signal], found) == words


def test_now_is_the_newest_hundred_records_and_an_outage_is_not_thinned_by_what_was_before() -> None:
    found = history("error", {1: 60}, {1: 45}, {0: 10_000})
    assert measures.newest(found, timedelta(minutes=10)) == {"rate": 1.0}


def test_traffic_is_counted_over_all_of_it() -> None:
    found = history("requests", {0: 600}, {0: 600}, {0: 600})
    assert measures.newest(found, timedelta(minutes=10)) == {"requests": 180}


@pytest.mark.parametrize(
    ("lived_for", "minutes", "step"),
    [(timedelta(seconds=90), 1.5, 1), (timedelta(hours=2), 120, 5), (timedelta(days=9), 180, 5)],
)
def test_a_young_stream_is_measured_and_drawn_over_the_time_that_it_was_there(
    lived_for, minutes, step
) -> None:
    lasts = lived(AT - lived_for, AT, LASTS)
    assert (lasts, drawn_step(lasts)) == (timedelta(minutes=minutes), timedelta(minutes=step))


def test_a_stream_that_was_never_seen_has_the_whole_time_and_one_seen_just_now_a_pane() -> None:
    assert (lived(None, AT, LASTS), lived(AT, AT, LASTS)) == (LASTS, timedelta(seconds=10))


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "alerts.yaml"
    path.write_text("""
name: test
source: {bootstrap_servers: "k:9092", topic: p}
store: {url: "postgresql://u@h/d"}
rules:
  - {name: errors, signal: error, match: {model: "chat*"}, above: {warning: 2x, critical: 10%}}
  - {name: points, signal: timeout, above: 5pp}
  - {name: slow, signal: latency_ms, quantile: p99, above: {warning: 1.5x, critical: 2s}}
  - {name: off, signal: error, above: 40%, enabled: false}
receivers: {default: {log: {}}}
""")
    return config.load(path, environ={})


@pytest.mark.parametrize(
    ("signal", "usual", "words"),
    [
        ("error", {"rate": 0.02}, ["3.9%", "10%"]),
        ("error", {}, ["10%"]),
        ("timeout", {"rate": 0.01}, ["6%"]),
        ("latency_ms", {"p50": 100.0, "p99": 500.0}, ["2 s"]),
        ("confidence", {"p50": 0.9}, []),
    ],
)
def test_limits_are_those_of_the_rules_in_the_unit_of_the_signal(settings, signal, usual, words) -> None:
    found = limits.lines(settings, {"model": "chat-eu"}, BY_NAME[signal], usual)
    assert [line.words for line in found] == words


def test_rules_of_other_streams_have_no_line(settings) -> None:
    assert limits.lines(settings, {"model": "search"}, BY_NAME["error"], {"rate": 0.02}) == ()


@pytest.mark.parametrize("size", list(Size))
@pytest.mark.parametrize("signal", ["error", "latency_ms", "output_language", "requests"])
def test_every_kind_can_be_drawn_and_names_are_text(signal, size) -> None:
    vl_convert = pytest.importorskip("vl_convert", reason="the extra `plot` is not installed")
    hostile = "</text><script>alert(1)</script>"
    found = history(signal, {2: 50, 1: 50}, {2: 99, 1: 1})
    steps = measures.over_time(History(found.wanted, found.step, found.steps, {}, {1: "(other)", 2: hostile}))
    plot = Plot(BY_NAME[signal], AT - timedelta(hours=3), AT, steps, {}, (limits.Line(0.5, hostile),))
    drawn = vl_convert.vegalite_to_svg(described(plot, size))
    assert drawn.startswith("<svg")
    assert "<script" not in drawn
