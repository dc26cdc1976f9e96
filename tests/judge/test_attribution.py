"""Which slice explains an incident, and with what share of the excess."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.judge.attribution import Question, attribute, version_of
from monitor.judge.history import SliceSeen, VersionSeen
from monitor.records.delta import I64

ONSET, UNTIL = 10_000_000, 10_600_000
Before = Mapping[str, tuple[int, int]]


class Slices:
    """A history of slices alone: (failed, all) of each `field=value` before and since the onset."""

    def __init__(self, before: Before, during: Before) -> None:
        self._before, self._during = before, during
        self._names = list(during)

    def slices(self, stream: int) -> Sequence[SliceSeen]:
        pairs = [name.split("=") for name in self._names]
        return [SliceSeen(field, value, i) for i, (field, value) in enumerate(pairs, start=1)]

    def counts(
        self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int
    ) -> tuple[I64, I64]:
        table = self._before if until_ms == ONSET else self._during
        failed, n = table.get(self._names[slice_id - 1], (0, 0))
        return np.array([0, 1]), np.array([n - failed, failed])


def asked(before: Before, during: Before, usual: float = 0.01):  # type: ignore[no-untyped-def]
    question = Question(
        stream=1,
        signal=1,
        onset_ms=ONSET,
        until_ms=UNTIL,
        affected=lambda c: (int(c[1][1]), int(c[1].sum())),
        observed=lambda c: float(c[1][1] / max(c[1].sum(), 1)),
        usual=usual,
    )
    return attribute(Slices(before, during), question)  # type: ignore[arg-type]


def test_the_version_that_fails_is_the_cause_with_all_of_the_excess() -> None:
    found = asked({"version=v41": (10, 1000)}, {"version=v41": (4, 400), "version=v42": (300, 600)})
    assert found.cause == ("version", "v42")
    assert [(s.value, s.n, s.share) for s in found.slices] == [("v42", 600, 1.0), ("v41", 400, None)]


def test_a_segment_that_always_fails_more_is_no_cause() -> None:
    calm = {"segment.region=eu": (10, 1000), "segment.region=us": (300, 1000)}
    found = asked(calm, {"segment.region=eu": (100, 500), "segment.region=us": (240, 500)})
    assert found.cause is None


def test_a_segment_explains_what_all_versions_share() -> None:
    found = asked(
        {},
        {
            "version=v1": (100, 500),
            "version=v2": (100, 500),
            "segment.region=eu": (195, 300),
            "segment.region=us": (5, 700),
        },
    )
    assert found.cause == ("segment.region", "eu")
    assert found.slices[0].share == 1.0


def test_a_cliff_shows_in_the_batch_sizes_beyond_it() -> None:
    before = {"batch_size=1": (10, 1000), "batch_size=32-63": (20, 1000)}
    found = asked(before, {"batch_size=1": (5, 500), "batch_size=32-63": (250, 500)})
    assert found.cause == ("batch_size", "32-63")


def test_one_value_or_a_handful_of_records_explains_nothing() -> None:
    assert asked({}, {"version=v1": (500, 600)}).slices == ()
    assert asked({}, {"version=v1": (5, 600), "version=v2": (19, 19)}).cause is None


def test_without_a_cause_versions_are_shown_by_size() -> None:
    found = asked({}, {"version=v1": (250, 500), "version=v2": (300, 600)})
    assert found.cause is None
    assert [s.value for s in found.slices] == ["v2", "v1"]


def test_failures_that_say_no_version_do_not_point_at_versions() -> None:
    versions = {"version=v1": (1, 500), "version=(none)": (100, 100)}
    assert asked({}, versions).slices == ()
    found = asked({}, versions | {"segment.team=a": (90, 300), "segment.team=b": (11, 300)})
    assert found.cause == ("segment.team", "a")


def seen(**first_seconds: int) -> list[VersionSeen]:
    return [VersionSeen(name, i, 1000 * at, 7_500_000) for i, (name, at) in enumerate(first_seconds.items())]


def until(last_s: int, versions: list[VersionSeen]) -> list[VersionSeen]:
    """The last of them is seen until then, after which the first is seen again."""
    return [*versions[:-1], replace(versions[-1], last_ms=1000 * last_s)]


BEGAN = seen(v40=0, v41=9, v42=7_180, v43=7_222)


@pytest.mark.parametrize(
    ("versions", "cause", "named"),
    [
        (BEGAN, None, "v42"),
        (BEGAN, ("version", "v43"), "v43"),
        (BEGAN, ("version", "v41"), "v42"),
        (BEGAN, ("segment.team", "v43"), "v42"),
        (BEGAN[:2], None, None),
        (seen(v40=0, v41=3_000), ("version", "v41"), None),
        (seen(v40=0, v41=7_900), ("version", "v41"), None),
        (until(6_890, seen(v40=0, v41=5_000)), None, None),
        (until(6_910, seen(v40=0, v41=5_000)), None, "v41"),
        ([], None, None),
    ],
)
def test_the_version_that_came_with_it_is_the_one_that_stands_out_though_its_block_began_before(
    versions: list[VersionSeen], cause: tuple[str, str] | None, named: str | None
) -> None:
    found = version_of(versions, onset_ms=7_200_000, until_ms=7_500_000, cause=cause)
    assert (found and found.version) == named
