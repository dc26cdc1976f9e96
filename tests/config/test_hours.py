"""`during`: hours by the clocks of a time zone, through both changes of the clocks."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.hours import began, read_hours
from monitor.config.problem import Place, Report, UnsetError
from monitor.config.rule import Hours
from monitor.config.tree import Scalar

ZURICH = ZoneInfo("Europe/Zurich")


def hours(text: str) -> Hours:
    return read_hours(Scalar(Place(), "during", text, text, True), Report("alerts.yaml"))


def ms(*parts: int, zone: ZoneInfo | None = None) -> int:
    return round(datetime(*parts, tzinfo=zone or UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


def test_office_hours_begin_and_end_by_the_clock_on_the_wall() -> None:
    office = hours("Mon-Fri 07:00-22:00 Europe/Zurich")
    assert began(office, ms(2026, 11, 25, 5, 59, 59)) is None
    assert began(office, ms(2026, 11, 25, 6)) == ms(2026, 11, 25, 6)
    assert began(office, ms(2026, 11, 25, 20, 59, 59)) == ms(2026, 11, 25, 6)
    assert began(office, ms(2026, 11, 25, 21)) is None
    assert began(office, ms(2026, 11, 28, 12)) is None


@pytest.mark.parametrize(("day", "utc_hour"), [((2026, 3, 27), 6), ((2026, 3, 30), 5), ((2026, 10, 26), 6)])
def test_the_hour_in_utc_moves_with_summer_time(day: tuple[int, int, int], utc_hour: int) -> None:
    office = hours("Mon-Fri 07:00-22:00 Europe/Zurich")
    assert began(office, ms(*day, utc_hour)) == ms(*day, utc_hour)
    assert began(office, ms(*day, utc_hour) - 1) is None


def test_a_night_that_loses_an_hour_is_an_hour_shorter() -> None:
    night = hours("22:00-06:00 Europe/Zurich")
    inside = [h for h in range(20) if began(night, ms(2026, 3, 28, 21) + h * 3_600_000) is not None]
    assert len(inside) == 7


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    night = hours("Fri 22:00-06:00")
    assert began(night, ms(2026, 11, 28, 5)) == ms(2026, 11, 27, 22)
    assert began(night, ms(2026, 11, 27, 5)) is None


def test_days_that_meet_at_midnight_are_one_stretch() -> None:
    weekdays = hours("Mon-Fri 00:00-24:00")
    assert began(weekdays, ms(2026, 11, 26, 3)) == ms(2026, 11, 23)
    assert began(hours("00:00-24:00"), ms(2026, 11, 26, 3)) == 0


def test_days_can_go_over_the_weekend_and_stand_by_themselves() -> None:
    assert [
        d for d in range(23, 30) if began(hours("Sat-Mon 08:00-09:00"), ms(2026, 11, d, 8)) is not None
    ] == [
        23,
        28,
        29,
    ]
    assert began(hours("Tue,Thu 08:00-09:00"), ms(2026, 11, 26, 8)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "7-22",
        "Mon-Fri",
        "Mo-Fr 07:00-22:00",
        "25:00-26:00",
        "07:00-07:00",
        "07:60-08:00",
        "07:00-22:00 Zurich",
    ],
)
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(UnsetError):
        hours(text)


@given(st.integers(ms(2026, 1, 1), ms(2026, 12, 31)))
def test_whether_it_holds_is_what_the_clock_on_the_wall_says(moment_ms: int) -> None:
    at = datetime.fromtimestamp(moment_ms / 1000, UTC)
    local = at.astimezone(ZURICH)
    expected = local.weekday() < 5 and 7 * 60 <= local.hour * 60 + local.minute < 22 * 60
    found = began(hours("Mon-Fri 07:00-22:00 Europe/Zurich"), moment_ms)
    assert (found is not None) == expected
    assert found is None or found <= moment_ms
