"""What a chore of the daemon that fails leaves in the log."""

from structlog.testing import capture_logs

from monitor.cli.daemon import _quietly
from monitor.errors import LedgerUnavailable


def test_a_chore_that_fails_every_five_seconds_is_told_once_and_when_it_is_over() -> None:
    trouble = [LedgerUnavailable("gone"), LedgerUnavailable("gone"), None]

    def look_after() -> None:
        if (error := trouble.pop(0)) is not None:
            raise error

    with capture_logs() as lines:
        for _ in range(3):
            _quietly(look_after)
    assert [(line["event"], line["about"]) for line in lines] == [
        ("chore_failed", "look_after"),
        ("chore_failed_over", "look_after"),
    ]
    assert (lines[0]["why"], lines[1]["times"]) == ("gone", 2)
