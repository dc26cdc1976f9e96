"""The line that is read at 3 am: model, what, how much, was."""

import pytest
from incident_facts import BASE, FAILING, GERMAN

from monitor.ledger.facts import Budget, Facts
from monitor.ledger.headline import gain, headline
from monitor.ledger.moments import moment
from monitor.ledger.wording import amount, clip, days, digits, duration, percent
from monitor.notify.story import records


def says(**changes):
    return headline(Facts(**BASE | changes))


BURNING = BASE | {
    "kind": "objective",
    "signal": "latency_ms",
    "quantity": "rate",
    "unit": "ms",
    "observed": 0.144,
    "tolerance": "14.4x in 1h/5m",
    "window_ms": 3_600_000,
    "guaranteed": False,
    "budget": Budget(target=0.99, over_ms=30 * 86_400_000, left=0.97, below=100.0),
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "chat-eu: error budget burns 14.4 times too fast (14% of requests over 100 ms in 1 h, objective 99%)",
        ),
        (
            {
                "signal": "error",
                "observed": 0.0031,
                "unit": "share",
                "window_ms": 86_400_000,
                "budget": Budget(target=0.999, over_ms=1, left=0),
            },
            "chat-eu: error budget burns 3.1 times too fast (0.31% of requests fail in 1 d, objective 99.9%)",
        ),
        (
            {"signal": "output_tokens", "unit": "tokens", "observed": 0.2},
            "chat-eu: error budget burns 20 times too fast (20% of answers over 100 tokens in 1 h, objective 99%)",
        ),
        (
            {"signal": "memory_bytes", "unit": "bytes", "observed": 0.2},
            "chat-eu: error budget burns 20 times too fast "
            "(20% of requests with memory over 100 bytes in 1 h, objective 99%)",
        ),
    ],
)
def test_an_objective_says_how_fast_its_budget_burns(changes, expected):
    assert says(**BURNING | changes) == expected


def test_a_category_is_named_with_its_shares():
    assert headline(GERMAN) == "chat-eu: 31% of answers are German, was 2%"
    assert gain(GERMAN) == "+24 pp"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"kind": "distribution", "signal": "latency_ms", "quantity": "p99", "unit": "ms"}
            | {"observed": 6800, "reference": 2100, "median_unchanged": True},
            "chat-eu: p99 latency 6.8 s, was 2.1 s (p50 unchanged)",
        ),
        (
            {"kind": "distribution", "signal": "output_tokens", "quantity": "p50", "unit": "tokens"}
            | {"observed": 41, "reference": 180, "side": "down"},
            "chat-eu: answers are short: median 41 tokens, was 180",
        ),
        (
            {"kind": "distribution", "signal": "input_chars", "quantity": "p90", "unit": "characters"}
            | {"observed": 9_000, "reference": 1_200},
            "chat-eu: inputs are long: p90 9,000 characters, was 1,200",
        ),
        (
            {"kind": "distribution", "signal": "confidence", "quantity": "p10", "unit": "probability"}
            | {"observed": 0.31, "reference": 0.72, "side": "down"},
            "chat-eu: confidence p10 0.31, was 0.72",
        ),
        ({"kind": "absent", "observed": 120_000}, "chat-eu: no records for 2 min"),
        (
            {"kind": "window", "signal": "error", "quantity": "rate", "observed": 0.6}
            | {"tolerance": "50%", "window_ms": 5_000},
            "chat-eu: 60% of requests fail over 5 s, limit 50%",
        ),
        (
            {"kind": "category", "signal": "output_language", "quantity": "share:en", "side": "down"}
            | {"observed": 0.4, "reference": 0.97},
            "chat-eu: only 40% of answers are English, was 97%",
        ),
        (
            {"kind": "category", "signal": "finish_reason", "quantity": "share:length"}
            | {"observed": 0.2, "reference": 0.01},
            "chat-eu: 20% of answers end with 'length', was 1%",
        ),
        (
            {"kind": "distribution", "signal": "latency_ms", "quantity": "p95", "unit": "ms"}
            | {"observed": 1200, "tolerance": "800ms"},
            "chat-eu: p95 latency 1.2 s, limit 800ms",
        ),
        (
            {"kind": "distribution", "signal": "cost_usd", "quantity": "p90", "unit": "USD"}
            | {"observed": 0.042, "reference": 0.0021},
            "chat-eu: p90 cost $0.042, was $0.0021",
        ),
        (
            {"kind": "traffic", "signal": "requests", "quantity": "count", "unit": "requests", "side": "down"}
            | {"observed": 40, "reference": 1200},
            "chat-eu: traffic 40 requests, was 1,200",
        ),
        (
            {
                "signal": "error",
                "quantity": "rate",
                "observed": 0.5,
                "reference": 0.1,
                "title": "Checkout fails",
            },
            "chat-eu: Checkout fails (50% of requests fail, was 10%)",
        ),
        (
            {"kind": "internal", "stream": "(tocsin)", "title": "slack does not take messages: HTTP 503"},
            "slack does not take messages: HTTP 503",
        ),
    ],
)
def test_headlines(changes, expected):
    assert says(**changes) == expected


def test_a_rate_says_what_fails():
    assert headline(FAILING) == "chat-eu: 96% of requests fail, was 0.4%"


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        ("stale_cache", "of cache hits are stale"),
        ("inconsistent", "of repeated inputs get another answer"),
        ("missing.output", "of records have no output"),
        ("declined", "of records are declined"),
    ],
)
def test_a_rate_is_a_share_of_what_it_counts(signal, said):
    assert (
        says(signal=signal, quantity="rate", observed=0.5, reference=0.1) == f"chat-eu: 50% {said}, was 10%"
    )


def test_close_figures_get_the_digits_that_tell_them_apart():
    close = {"signal": "error", "quantity": "rate", "observed": 0.02012, "reference": 0.0199}
    assert says(**close) == "chat-eu: 2.01% of requests fail, was 1.99%"


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.31, "31%"), (0.004, "0.4%"), (0.00034, "0.034%"), (0.9996, "99.96%"), (1.0, "100%"), (0.0, "0%")],
)
def test_shares_as_percentages(share, shown):
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0.5, "0.5 ms"), (820, "820 ms"), (6_800, "6.8 s"), (65_000, "65 s"), (7_200_000, "2 h"), (9e8, "10 d")],
)
def test_times_in_the_unit_people_use(ms, shown):
    assert duration(ms) == shown


def test_amounts_in_their_units():
    assert amount(1_500_000, "bytes") == "1.5 MB"
    assert amount(1234.4, "tokens") == "1,234 tokens"
    assert digits(float("nan")) == "?"


def test_dates_of_a_reference():
    assert days(moment(0), moment(86_400_000)) == "1-2 Jan"
    assert days(moment(0), moment(1)) == "1 Jan"
    assert days(moment(0), moment(32 * 86_400_000)) == "1 Jan-2 Feb"


def test_what_is_cut_carries_a_mark():
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"


def test_records_have_a_name_where_nothing_else_is_known():
    bare = Facts(
        env="", rule="r", severity="info", stream="s", kind="rate", onset_ms=0, detected_ms=0, unit="share"
    )
    assert records(bare) == "records"
