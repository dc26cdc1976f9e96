"""The `store` section beside its address."""

from pathlib import Path

import pytest

from monitor.config import load
from monitor.errors import ConfigError

ALERTS = """
store: {{url: "postgresql://tocsin@localhost/tocsin", max_size: {size}}}
receivers: {{default: {{slack: {{url: "https://hooks.slack.example/x"}}}}}}
rules: [{{name: errors, signal: error, above: 2x}}]
"""


def loaded(folder: Path, size: str) -> int | None:
    path = folder / "alerts.yaml"
    path.write_text(ALERTS.format(size=size))
    return load(str(path), need=frozenset()).store_max_bytes


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("50GB", 50 * 10**9),
        ("1.5 GB", 15 * 10**8),
        ("2GiB", 2 * 2**30),
        ("500MB", 5 * 10**8),
        ("1TB", 10**12),
    ],
)
def test_a_size_is_in_powers_of_1000_or_of_1024(tmp_path, written, size):
    assert loaded(tmp_path, written) == size


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("50", "`50` is not a size (such as 500MB, 50GB or 50GiB)"),
        ("plenty", "`plenty` is not a size (such as 500MB, 50GB or 50GiB)"),
        ("10MB", "`10MB` is out of range (100MB or more)"),
        ("-5GB", "`-5GB` is not a size (such as 500MB, 50GB or 50GiB)"),
    ],
)
def test_what_is_no_size_is_refused_with_what_to_write(tmp_path, written, problem):
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, written)
    assert problem in refused.value.problems[0]
